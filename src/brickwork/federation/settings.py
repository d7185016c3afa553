"""The `[federation]` section, and `[federation.providers.NAME]` for each provider."""

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from brickwork.kernel.component import ComponentSettings

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DIRECTORY = re.compile(r"(common|organizations|consumers|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z")
#: Signatures that can't be made with anything that the client knows (RFC 8725, 3.1 and 3.2).
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")


def is_safe_url(url: str) -> bool:
    """Whether a URL is https, or http on a loopback address, and carries nobody's password."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.password is not None or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


class ProviderSettings(ComponentSettings):
    """One provider. It takes either a preset or an `issuer`."""

    #: "google", "microsoft" or "keycloak"; None for any other, which is found by its issuer.
    preset: Literal["google", "microsoft", "keycloak"] | None = None
    #: What the button says.
    title: str = ""
    #: The provider's issuer identifier, such as "https://login.example.org".
    issuer: str | None = None
    #: Keycloak: where it is, such as "https://keycloak.example.org", and the realm.
    server: str | None = None
    realm: str | None = None
    #: Microsoft: "common", "organizations", "consumers" or the id of one directory.
    directory: str = "organizations"
    #: Microsoft: ids of the directories whose people are let in; None lets in all that `directory` has.
    directories: list[str] | None = None
    client_id: str = Field(min_length=1)
    #: None is a public client, which has PKCE only.
    client_secret: SecretStr | None = None
    scopes: list[str] = ["openid", "email", "profile"]
    #: Tenants that the provider is open to. Sessions begun with it stay in their tenant. None: it is open to all.
    tenants: list[str] | None = None
    #: Who gets an account at the first sign-in: nobody, who shows an invitation, or who has a verified address of `domains`.
    create: Literal["never", "invited", "verified-email-domain"] = "never"
    domains: list[str] = []
    #: Roles of those who come in by their domain.
    roles: list[str] = []
    #: Whether the provider's word on an address is enough to link it to the account that has this address.
    trust_email: bool = False
    #: The claim with the person's name.
    name_claim: str = "name"
    #: Signatures of ID tokens that are accepted.
    algorithms: list[Literal[ALGORITHMS]] = list(ALGORITHMS)  # type: ignore[valid-type]
    #: Origins besides the issuer's own that the provider's endpoints are on, such as "https://tokens.example.org".
    origins: list[str] = []

    @field_validator("issuer", "server")
    @classmethod
    def _secure(cls, value: str | None) -> str | None:
        if value is not None and not is_safe_url(value):
            raise ValueError("an https URL is needed (http on a loopback address only)")
        return value

    @field_validator("directory")
    @classmethod
    def _known_directory(cls, value: str) -> str:
        if not _DIRECTORY.match(value):
            raise ValueError('it takes "common", "organizations", "consumers" or the id of a directory')
        return value

    @field_validator("domains")
    @classmethod
    def _lower(cls, value: list[str]) -> list[str]:
        return [domain.casefold() for domain in value]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.preset is None) != (self.issuer is not None):
            raise ValueError("it takes either a preset or an issuer")
        if (self.preset == "keycloak") != (self.server is not None and self.realm is not None):
            raise ValueError("server and realm belong to the keycloak preset, which needs both")
        if "openid" not in self.scopes:
            raise ValueError('scopes take "openid" at least')
        if not all(is_safe_url(origin) for origin in self.origins):
            raise ValueError("origins are https URLs")
        if self.create == "verified-email-domain" and not (self.domains and self.tenants):
            raise ValueError("create by domain needs domains, and the tenants that these people may join")
        return self


class FederationSettings(ComponentSettings):
    #: Where browsers find this site, such as "https://app.example.org"; providers lead back there. Needed with providers.
    base_url: str | None = None
    #: The providers, by the name that is in their URLs.
    providers: dict[str, ProviderSettings] = {}
    #: Path of this site to which a sign-in that failed leads, with `?error=CODE`; None shows the error as text.
    error_path: str | None = None
    #: Minutes for which a sign-in that was begun can be completed.
    attempt_minutes: float = Field(default=10, gt=0, le=60)
    #: Sign-ins that one address may begin.
    starts_per_address: str = "60/300s"
    #: Seconds for which a provider's discovery document and keys are kept.
    metadata_seconds: float = Field(default=3600, gt=0)
    #: How often a provider is asked for its keys anew, because of a key that isn't known.
    key_refreshes: str = "5/300s"
    #: Seconds after which a provider's answer must be there, whole.
    timeout: float = Field(default=10, gt=0, le=60)
    #: Most bytes of an answer.
    answer_bytes: int = Field(default=262_144, ge=4096)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        for name in self.providers:
            if not _NAME.match(name):
                raise ValueError(f"providers.{name[:40]}: a name takes 1 to 32 of a-z 0-9 - and begins with a letter")
        if self.providers and self.base_url is None:
            raise ValueError("base_url is needed: providers must be told where to lead browsers back to")
        if self.base_url is not None and (not is_safe_url(self.base_url) or urlsplit(self.base_url).path not in ("", "/")):
            raise ValueError("base_url is an https URL without a path (http on a loopback address only)")
        return self
