"""What a provider says of itself: its endpoints and its keys (OpenID Connect Discovery 1.0; RFC 7517)."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter
from pydantic import ValidationError as PydanticError

from brickwork.cache.settings import Strategy
from brickwork.federation.errors import ProviderUnavailableError
from brickwork.federation.provider import Provider, origin_of
from brickwork.federation.settings import FederationSettings, is_safe_url
from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import OAuth2Client

    from brickwork.federation.outbound import Outbound
    from brickwork.kernel.platform import Platform

REGION = "federation"
Key = Mapping[str, Any]


class Metadata(BaseModel):
    """The part of a discovery document that signing in needs."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    #: RFC 9207, 3.
    authorization_response_iss_parameter_supported: bool = False


class KeyDocument(BaseModel):
    """A JSON Web Key Set."""

    keys: list[dict[str, Any]]


class Directory:
    """Fetches and keeps what one provider says of itself."""

    def __init__(self, platform: "Platform", settings: FederationSettings, provider: Provider) -> None:
        self._platform = platform
        self._settings = settings
        self._provider = provider
        platform.cache.define(REGION, Strategy(ttl=settings.metadata_seconds))

    def metadata(self) -> Metadata:
        """The discovery document; raises `ProviderUnavailableError` where it can't be had or isn't this provider's."""
        found: Metadata = self._kept(Metadata, self._provider.discovery)
        wrong = _wrong_in(found, self._provider)
        if wrong is not None:
            self._forget(Metadata, self._provider.discovery)
            raise self._unusable(wrong)
        return found

    def keys(self) -> Sequence[Key]:
        """The provider's keys."""
        document: KeyDocument = self._kept(KeyDocument, self.metadata().jwks_uri)
        return document.keys

    def fresh_keys(self) -> Sequence[Key]:
        """The keys as they are now, since a token names one that isn't among those kept; the same ones where the provider was
        asked too often already."""
        with self._platform.contexts.use(Context(system=True)):
            asked = self._platform.limits.hit(f"federation:keys:{self._provider.name}", self._settings.key_refreshes)
        if asked.allowed:
            self._forget(KeyDocument, self.metadata().jwks_uri)
        return self.keys()

    def client(self, **options: Any) -> "OAuth2Client":
        """A client of the provider's, to be closed after use."""
        from brickwork.errors import MissingDependencyError

        try:
            from authlib.integrations.httpx_client import OAuth2Client
        except ImportError:
            raise MissingDependencyError("authlib", "oauth") from None

        own = self._provider.settings
        secret = own.client_secret.get_secret_value() if own.client_secret is not None else None
        return OAuth2Client(
            own.client_id, secret, scope=" ".join(own.scopes), code_challenge_method="S256", transport=self._outbound,
            follow_redirects=False, trust_env=False, **options,
        )  # fmt: skip

    @cached_property
    def _outbound(self) -> "Outbound":
        from brickwork.federation.outbound import Outbound

        return Outbound(self._provider, self._settings)

    def _kept(self, kind: type[Any], url: str) -> Any:
        with self._platform.contexts.use(Context(system=True)):
            return self._platform.cache.region(REGION, kind).get_or_load(url, lambda: self._fetch(kind, url))

    def _forget(self, kind: type[Any], url: str) -> None:
        with self._platform.contexts.use(Context(system=True)):
            self._platform.cache.region(REGION, kind).delete(url)

    def user_info(self, url: str, access_token: str) -> dict[str, Any]:
        """What the provider tells of the person to whom an access token belongs (OpenID Connect Core, 5.3)."""
        told: dict[str, Any] = self._fetch(dict[str, Any], url, {"authorization": f"Bearer {access_token}"})
        return told

    def _fetch(self, kind: Any, url: str, headers: Mapping[str, str] | None = None) -> Any:
        transport = self._outbound  # which says so where httpx2 is not installed
        import httpx2

        try:
            with httpx2.Client(transport=transport, follow_redirects=False, trust_env=False) as client:
                answer = client.get(url, headers={"accept": "application/json", **(headers or {})})
        except httpx2.HTTPError as error:
            raise self._unusable(f"{url}: {error}") from None
        if answer.status_code != 200:
            raise self._unusable(f"{url} answers {answer.status_code}")
        try:
            return TypeAdapter(kind).validate_json(answer.content)
        except PydanticError as error:
            what = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)[:3])
            raise self._unusable(f"{url} does not answer what OpenID Connect says: {what[:300]}") from None

    def _unusable(self, why: str) -> ProviderUnavailableError:
        return ProviderUnavailableError(f"the provider {self._provider.name!r} can't be used now: {why}")


def _wrong_in(found: Metadata, provider: Provider) -> str | None:
    if found.issuer != provider.issuer:  # Discovery 1.0, 4.3
        return "the discovery document is another issuer's"
    for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint):
        if url is not None and (not is_safe_url(url) or origin_of(url) not in provider.origins):
            return (
                f"an endpoint is {url[:100]!r}; if that is right, add its origin to federation.providers.{provider.name}.origins"
            )
    return None
