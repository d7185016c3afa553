"""What oauth publishes."""

from brickwork.messaging.event import Event


class ClientChanged(Event, name="oauth.client_changed", key="client"):
    """A client was registered, changed or removed, or its secret rotated; `change` says which."""

    client: str
    change: str


class ConsentGiven(Event, name="oauth.consent_given", key="subject"):
    """Somebody has allowed a client these scopes."""

    subject: str
    client: str
    scopes: list[str]


class GrantRevoked(Event, name="oauth.grant_revoked", key="grant"):
    """All tokens of a grant count no more."""

    grant: str
    client: str
    subject: str
    reason: str


class TokenReused(Event, name="oauth.token_reused", key="client"):
    """A code or refresh token that was used came a second time, so that somebody has stolen it; its grant is revoked."""

    client: str
    subject: str
    kind: str


class KeysRotated(Event, name="oauth.keys_rotated", key="kid"):
    """The tenant's tokens are signed with a new key."""

    kid: str
    alg: str
