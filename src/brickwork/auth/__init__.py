"""Who is calling, and what they may do: users, sessions, API keys, roles and permissions."""

from brickwork.auth.access import Verdict
from brickwork.auth.keys import Key
from brickwork.auth.members import Invitation, Member
from brickwork.auth.passkeys import Passkey
from brickwork.auth.policy import Grant, Permission, Role
from brickwork.auth.service import Auth
from brickwork.auth.sessions import CodeRequiredError, SessionInfo, SignIn, SignInAgainError, TenantRequiredError
from brickwork.auth.users import LastWayError, User

__all__ = [
    "Auth",
    "CodeRequiredError",
    "Grant",
    "Invitation",
    "Key",
    "LastWayError",
    "Member",
    "Passkey",
    "Permission",
    "Role",
    "SessionInfo",
    "SignIn",
    "SignInAgainError",
    "TenantRequiredError",
    "User",
    "Verdict",
]
