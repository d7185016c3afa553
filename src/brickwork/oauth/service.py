"""`platform.oauth`: the tenant's own OAuth 2 and OpenID Connect provider."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import delete

from brickwork.auth.credentials import Identity
from brickwork.cache import Strategy
from brickwork.errors import MissingDependencyError, SettingsError
from brickwork.kernel.context import Context
from brickwork.oauth.clients import Clients
from brickwork.oauth.grants import Grants
from brickwork.oauth.keys import KeptKeys, SigningKeys
from brickwork.oauth.models import (
    AssertionRow,
    CodeRow,
    DeviceRow,
    GrantRow,
    PushedRow,
    RefreshRow,
    RevocationRow,
    SigningKeyRow,
    SignInRow,
)
from brickwork.oauth.settings import OAuthSettings, is_loopback

if TYPE_CHECKING:
    from brickwork.data.keyring import Keyring
    from brickwork.kernel.platform import Platform
    from brickwork.oauth.certificates import Certificate
    from brickwork.oauth.server import Server
    from brickwork.oauth.tokens import Tokens

#: What a sweep removes once its time is over.
_PASSING = (CodeRow, RefreshRow, GrantRow, DeviceRow, PushedRow, AssertionRow, RevocationRow, SignInRow, SigningKeyRow)


class OAuth:
    """`clients` are the applications, `grants` what people have allowed them, `keys` what tokens are signed with."""

    def __init__(self, platform: "Platform", settings: OAuthSettings) -> None:
        self.platform = platform
        self.settings = settings
        self.auth = platform.auth
        self.database = platform.database
        self.contexts = platform.contexts
        #: How long an access token that was signed just now may be shown.
        self.longest = timedelta(minutes=settings.access_token_minutes + 5)
        platform.cache.define("oauth", Strategy(ttl=3600, strict=True))
        self.keys = SigningKeys(self, platform.cache.region("oauth", KeptKeys))
        self.clients = Clients(self)
        self.grants = Grants(self, platform.cache.region("oauth", bool))
        platform.auth.accept_bearer(self._recognise)

    @property
    def current(self) -> Context:
        """The context in force."""
        return self.contexts.current

    @property
    def keyring(self) -> "Keyring":
        keyring: Keyring = self.platform.get("keyring")
        return keyring

    @cached_property
    def tokens(self) -> "Tokens":
        """Makes and recognises tokens. Raises `MissingDependencyError`."""
        try:
            from brickwork.oauth.tokens import Tokens
        except ModuleNotFoundError as error:
            raise MissingDependencyError(str(error.name), "oauth") from None
        return Tokens(self)

    @cached_property
    def server(self) -> "Server":
        """What answers at the token endpoint and its neighbours. Raises `MissingDependencyError`."""
        try:
            from brickwork.oauth.server import Server
        except ModuleNotFoundError as error:
            raise MissingDependencyError(str(error.name), "oauth") from None
        return Server(self)

    def now(self) -> datetime:
        return self.platform.clock.now()

    def require(self, permission: str) -> None:
        """As `Platform.require`."""
        self.platform.require(permission)

    def count(self, what: str, rate: str) -> None:
        """One more request; raises `RateLimitedError` where there were too many."""
        with self.contexts.use(Context(system=True)):
            self.platform.limits.require(f"oauth:{what}", rate)

    def base(self, host: str) -> str:
        """The server's public address, for a request to `host`. Raises `SettingsError` where only `base_url` could tell it."""
        if self.settings.base_url is not None:
            return self.settings.base_url
        base = f"http://{host}"
        if not is_loopback(base):
            raise SettingsError(
                "oauth.base_url: missing; tokens need to know the server's public address", field="oauth.base_url"
            )
        return base

    def certificate(self, headers: Mapping[str, str]) -> "Certificate | None":
        """The certificate that the client showed, where a proxy tells of it."""
        from brickwork.oauth.certificates import read_header

        shown = headers.get("client-cert") if self.settings.client_cert_header else None
        return read_header(shown) if shown else None

    def expire(self) -> int:
        """Forget what is over: codes, refresh tokens, grants, pushed requests, used assertions, revocations, old keys. Returns
        how many rows."""
        now, gone = self.now(), 0
        with self.auth.system() as transaction:
            for table in _PASSING:
                gone += transaction.execute(delete(table).where(table.expires_at < now)).rowcount
        return gone

    def _recognise(self, token: str, headers: Mapping[str, str]) -> Identity | None:
        try:
            return self.tokens.recognise(token, headers)
        except (MissingDependencyError, SettingsError):  # without the packages or an address no token was ever made here
            return None
