"""A provider as its settings and preset make it: its issuer, the origins it may have endpoints on, and what its claims mean."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from brickwork.federation.settings import ProviderSettings

#: What stands for a directory's id in the issuer of Microsoft's multi-tenant endpoints.
TEMPLATE = "{tenantid}"
_MICROSOFT = "https://login.microsoftonline.com"
_CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"


@attrs.frozen
class Provider:
    """Where a provider is and how far its word goes.

    `verified_claim` tells that an address is the person's. `domain_claim`, where there is one, tells the organisation that the
    account belongs to, which an address doesn't.
    """

    name: str
    settings: ProviderSettings
    issuer: str
    discovery: str
    origins: frozenset[str]
    verified_claim: str = "email_verified"
    domain_claim: str | None = None

    @property
    def title(self) -> str:
        return self.settings.title or (self.settings.preset or self.name).title()

    def is_open_to(self, tenant: str | None) -> bool:
        """Whether a sign-in to the tenant may be begun with it."""
        return self.settings.tenants is None or tenant in self.settings.tenants

    def is_issuer(self, issuer: object, claims: Mapping[str, Any]) -> bool:
        """Whether an ID token's issuer is this provider (OpenID Connect Core, 3.1.3.7, rule 2). In the issuer of a multi-tenant
        endpoint stands the token's own directory, which must be one of those let in."""
        if TEMPLATE not in self.issuer:
            return issuer == self.issuer
        directory, allowed = claims.get("tid"), self.settings.directories
        if not isinstance(directory, str) or (allowed is not None and directory not in allowed):
            return False
        return issuer == self.issuer.replace(TEMPLATE, directory)

    def is_key_of(self, key: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
        """Whether a key signs for the token's issuer: Microsoft's say for which directory each is."""
        owner = key.get("issuer")
        if TEMPLATE not in self.issuer or owner is None:
            return True
        return isinstance(owner, str) and owner.replace(TEMPLATE, str(claims.get("tid"))) == claims.get("iss")

    def has_verified(self, claims: Mapping[str, Any]) -> bool:
        """Whether the provider says that it has verified the address."""
        return claims.get(self.verified_claim) in (True, "true", "1")

    def has_domain(self, claims: Mapping[str, Any], address: str) -> bool:
        """Whether the person belongs to one of the domains whose people are let in."""
        domain = address.rpartition("@")[2].casefold()
        if self.domain_claim is not None and claims.get(self.domain_claim) != domain:
            return False
        return domain in self.settings.domains


def provider_of(name: str, settings: ProviderSettings) -> Provider:
    """The provider that the settings describe."""
    if settings.preset == "google":
        # "hd" is there for accounts of an organisation only; anybody can open a private one with an address of theirs
        # (Google, OpenID Connect: "Obtain user information from the ID token")
        others = [f"https://{host}.googleapis.com" for host in ("oauth2", "www", "openidconnect")]
        return _make(name, settings, "https://accounts.google.com", *others, domain_claim="hd")
    if settings.preset == "microsoft":
        # addresses are what a directory's administrator writes, unless the optional claim "xms_edov" says otherwise
        # (Microsoft, Migrate away from using email claims for user identification or authorization)
        directory = _CONSUMERS if settings.directory == "consumers" else settings.directory
        issuer = f"{_MICROSOFT}/{TEMPLATE if directory in ('common', 'organizations') else directory}/v2.0"
        made = _make(name, settings, issuer, "https://graph.microsoft.com", verified_claim="xms_edov")
        return attrs.evolve(made, discovery=_document(f"{_MICROSOFT}/{directory}/v2.0"))
    if settings.preset == "keycloak":
        return _make(name, settings, f"{(settings.server or '').rstrip('/')}/realms/{settings.realm}")
    return _make(name, settings, settings.issuer or "")


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL (RFC 6454, 4)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _make(name: str, settings: ProviderSettings, issuer: str, *origins: str, **meaning: Any) -> Provider:
    known = frozenset(origin_of(url) for url in (issuer, *origins, *settings.origins))
    return Provider(name, settings, issuer, _document(issuer), known, **meaning)


def _document(issuer: str) -> str:
    """Where the discovery document is (OpenID Connect Discovery 1.0, 4)."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"
