"""The `[auth]` section."""

from pydantic import Field

from brickwork.kernel.component import ComponentSettings


class AuthSettings(ComponentSettings):
    #: Hours after which a session ends, whatever happens.
    session_hours: float = Field(default=24 * 14, gt=0)
    #: Hours without a request after which it ends.
    session_idle_hours: float = Field(default=24, gt=0)
    #: Minutes after signing in within which a person may change second factors and passkeys.
    recent_minutes: float = Field(default=15, gt=0)
    #: Whether the session's cookie is sent over HTTPS only. None: everywhere but on a loopback address.
    cookie_secure: bool | None = None
    #: Origins besides the server's own whose pages may use the cookie, such as "https://app.example.org".
    trusted_origins: list[str] = []
    #: Least characters of a password.
    password_length: int = Field(default=12, ge=8, le=128)
    #: Wrong passwords or codes that are let through for one account, and for one address.
    attempts: str = "10/900s"
    attempts_per_address: str = "100/900s"
    #: Hours for which an invitation, and minutes for which a link to reset a password, are good.
    invitation_hours: float = Field(default=24 * 7, gt=0)
    reset_minutes: float = Field(default=60, gt=0)
    #: Name that authenticator apps show.
    issuer: str = "brickwork"
    #: Subjects whose permissions are kept in memory.
    remembered: int = Field(default=50_000, ge=100)
    #: Seconds after which a process looks for changed permissions even if nobody told it of one.
    refresh: float = Field(default=1.0, gt=0)
