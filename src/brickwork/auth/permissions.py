"""The permissions that brickwork's own components ask for; those of records are entities.TYPE.create, read, update, delete,
purge, share and merge."""

from brickwork.auth.policy import Permission

_TITLES = {
    "auth.members.read": "See who belongs to the tenant",
    "auth.members.write": "Add, invite and remove members",
    "auth.members.impersonate": "Act as another member",
    "auth.groups.read": "See groups",
    "auth.groups.write": "Change groups",
    "auth.services.read": "See service accounts",
    "auth.services.write": "Change service accounts",
    "auth.keys.read": "See everybody's API keys",
    "auth.keys.write": "Make and revoke API keys for others",
    "auth.roles.read": "See roles and who has them",
    "auth.roles.write": "Define roles and permissions",
    "auth.roles.assign": "Give and take roles",
    "auth.explain": "Ask why somebody may do something or not",
    "oauth.clients.read": "See the applications that may ask for tokens",
    "oauth.clients.write": "Register, change and remove such applications",
    "oauth.grants.read": "See what everybody has allowed applications",
    "oauth.grants.write": "Take back what others have allowed applications",
    "oauth.keys.write": "Rotate the keys with which tokens are signed",
    "entity_types.read": "See the types of records",
    "entity_types.write": "Define types of records",
    "flags.read": "See what feature flags come to",
    "flags.override": "Serve the tenant a variant of its own",
    "limits.read": "See what of the tenant's quotas is used, and by whom",
    "messaging.read": "See events, subscriptions and dead letters",
    "messaging.write": "Retry, edit and discard dead letters",
    "jobs.read": "See jobs, runs and schedules",
    "jobs.write": "Run, cancel, pause and resume jobs",
    "realtime.connect": "Receive messages over a WebSocket",
}
PERMISSIONS = [Permission(name=name, title=title) for name, title in _TITLES.items()]
