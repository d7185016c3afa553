"""The `[oauth]` section."""

import re

from pydantic import Field, field_validator

from brickwork.kernel.component import ComponentSettings

_LOOPBACK = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?\Z")
_SECURE = re.compile(r"https://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?\Z")


class OAuthSettings(ComponentSettings):
    #: Address under which clients reach the server, such as "https://api.example.org". None: the request's own host, which is
    #: accepted on a loopback address only.
    base_url: str | None = None
    #: Minutes for which an access token is good.
    access_token_minutes: float = Field(default=10.0, gt=0, le=24 * 60)
    #: Days for which a refresh token waits for its use, and for which all that come from one sign-in last.
    refresh_token_days: float = Field(default=30.0, gt=0)
    grant_days: float = Field(default=180.0, gt=0)
    #: Seconds in which a refresh token that was used may be shown again, for an answer that was lost.
    refresh_grace_seconds: float = Field(default=10.0, ge=0, le=120)
    #: Seconds in which a code is redeemed (RFC 6749, 4.1.2, recommends ten minutes at most).
    code_seconds: float = Field(default=60.0, gt=0, le=600)
    #: Seconds for which a pushed request waits for its browser (RFC 9126, 2.2).
    pushed_seconds: float = Field(default=300.0, gt=0, le=600)
    #: Minutes in which the code that a device shows is entered.
    device_minutes: float = Field(default=10.0, gt=0, le=60)
    #: Requests to the issuers' endpoints that are answered for one network address, and for one client that has shown who it is.
    requests_per_address: str = "3000/60s"
    requests_per_client: str = "3000/60s"
    #: Whether the proxy in front ends TLS, asks clients for certificates and tells them in `Client-Cert` (RFC 9440). It must
    #: remove that header from what comes in.
    client_cert_header: bool = False

    @field_validator("base_url", mode="after")
    @classmethod
    def _address(cls, given: str | None) -> str | None:
        if given is not None and not (_SECURE.match(given) or is_loopback(given)):
            raise ValueError("takes https://HOST, with a port and a path if need be and no slash at the end")
        return given


def is_loopback(base: str) -> bool:
    """Whether an address is one of this machine's own, for which plain HTTP will do (RFC 8252, 8.3)."""
    return _LOOPBACK.match(base) is not None
