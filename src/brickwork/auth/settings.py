"""The `[auth]` section."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

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
    #: Domain that passkeys are bound to (WebAuthn's RP ID), such as "example.org"; passkeys of another domain are lost.
    passkey_domain: str = "localhost"
    #: Origins whose pages may use passkeys: the domain's own, or those of hosts below it.
    passkey_origins: list[str] = Field(default=["http://localhost:8000"], min_length=1)
    #: Minutes for which a passkey's challenge is good.
    passkey_minutes: float = Field(default=5, gt=0)
    #: Name that authenticator apps and devices with passkeys show.
    issuer: str = "brickwork"
    #: Subjects whose permissions are kept in memory.
    remembered: int = Field(default=50_000, ge=100)
    #: Seconds after which a process looks for changed permissions even if nobody told it of one.
    refresh: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _origins(self) -> Self:
        for origin in self.passkey_origins:
            parts = urlsplit(origin)
            host = parts.hostname or ""
            secure = parts.scheme == "https" or (parts.scheme == "http" and host == "localhost")
            if not secure or parts.path or not f".{host}".endswith(f".{self.passkey_domain}"):
                raise ValueError(
                    f"passkey_origins: {origin!r} is no origin of {self.passkey_domain}; it looks like https://{self.passkey_domain}"
                )
        return self
