"""Tokens as they are signed, and as they are recognised: access tokens (RFC 9068) and ID tokens (OpenID Connect Core, 2)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from brickwork.auth.credentials import Identity
from brickwork.auth.models import UserRow
from brickwork.auth.sessions import VIA
from brickwork.errors import PermissionDeniedError, UnauthenticatedError
from brickwork.kernel.context import SYSTEM_TENANT, Context
from brickwork.kernel.ids import parse_id, uuid7
from brickwork.oauth import certificates, jose, scopes
from brickwork.oauth.client import Client
from brickwork.oauth.issuer import Issuer, issuer_of

if TYPE_CHECKING:
    from brickwork.oauth.models import GrantRow
    from brickwork.oauth.service import OAuth

ACCESS, ID = "at+jwt", "jwt"
#: How strongly a person was authenticated: with one factor, or several (NIST SP 800-63 names nothing that fits offline).
ONE_FACTOR, SEVERAL_FACTORS = "urn:brickwork:acr:1", "urn:brickwork:acr:2"


@attrs.frozen(kw_only=True)
class Wanted:
    """An access token to be made."""

    client: Client
    epoch: int
    subject: str
    scopes: Sequence[str]
    grant: UUID | None = None
    #: For whom it is, if not for brickwork's own API.
    audience: str | None = None
    #: Who acts for the subject (RFC 8693, 4.1).
    act: Mapping[str, Any] | None = None
    #: Thumbprint of the certificate to which it is bound (RFC 8705, 3.1).
    thumbprint: str | None = None
    #: Moment after which it must not be good.
    until: float | None = None


@attrs.frozen
class AccessToken:
    """An access token whose signature, type, issuer, time and revocation were checked; its audience was not."""

    issuer: Issuer
    claims: Mapping[str, Any]

    @property
    def subject(self) -> str:
        return str(self.claims["sub"])

    @property
    def client_id(self) -> str:
        return str(self.claims["client_id"])

    @property
    def scopes(self) -> list[str]:
        return scopes.split(str(self.claims.get("scope", "")))

    @property
    def grant(self) -> UUID | None:
        return UUID(self.claims["grant"]) if "grant" in self.claims else None

    @property
    def actor(self) -> str:
        """How contexts and the audit trail name who uses it."""
        act = self.claims.get("act")
        if act is not None:
            return f"{self.subject}{VIA}{act['sub']}"
        return self.subject if self.subject.startswith("service:") else f"{self.subject}{VIA}client:{self.client_id}"


class Tokens:
    """Makes and recognises tokens."""

    def __init__(self, oauth: "OAuth") -> None:
        self._oauth = oauth

    def access(self, issuer: Issuer, wanted: Wanted) -> tuple[str, int]:
        """A signed access token, and the seconds for which it is good."""
        now = int(self._oauth.now().timestamp())
        until = now + int(self._oauth.settings.access_token_minutes * 60)
        over = until if wanted.until is None else min(until, int(wanted.until))
        claims: dict[str, Any] = {
            "iss": issuer.id,
            "sub": wanted.subject,
            "aud": wanted.audience or issuer.audience,
            "client_id": wanted.client.client_id,
            "scope": " ".join(wanted.scopes),
            "iat": now,
            "exp": over,
            "jti": str(uuid7()),
            "epoch": wanted.epoch,
        }
        if wanted.grant is not None:
            claims["grant"] = str(wanted.grant)
        if wanted.act is not None:
            claims["act"] = dict(wanted.act)
        if wanted.thumbprint is not None:
            claims["cnf"] = {"x5t#S256": wanted.thumbprint}
        return self._sign(claims, "ES256", ACCESS), over - now

    def identity(self, issuer: Issuer, client: Client, grant: "GrantRow", access_token: str, *, first: bool) -> str:
        """A signed ID token. The nonce goes into the first one only (OpenID Connect Core, 12.2)."""
        now, alg = int(self._oauth.now().timestamp()), client.id_token_signed_response_alg
        claims: dict[str, Any] = {
            "iss": issuer.id,
            "aud": client.client_id,
            "iat": now,
            "exp": now + int(self._oauth.settings.access_token_minutes * 60),
            "auth_time": int(grant.auth_time.timestamp()),
            "at_hash": jose.half_hash(access_token, alg),
            **self.about(grant.subject, grant.scopes),
        }
        if grant.methods:
            several = "mfa" in grant.methods
            claims |= {"amr": list(grant.methods), "acr": SEVERAL_FACTORS if several else ONE_FACTOR}
        if first and grant.nonce is not None:
            claims["nonce"] = grant.nonce
        return self._sign(claims, alg, "JWT")

    def about(self, subject: str, granted: Sequence[str]) -> dict[str, Any]:
        """What a client with these scopes may know of a person (OpenID Connect Core, 5.4)."""
        claims: dict[str, Any] = {"sub": subject}
        if "profile" in granted or "email" in granted:
            with self._oauth.database.begin(Context(system=True), readonly=True) as transaction:
                row = transaction.session.get(UserRow, (SYSTEM_TENANT, parse_id(subject.removeprefix("user:"))))
            if row is not None and "profile" in granted:
                claims["name"] = row.name
            if row is not None and "email" in granted:
                claims |= {"email": row.email, "email_verified": row.verified_at is not None}
        return claims

    def read(self, token: str, base: str) -> AccessToken:
        """An access token of one of our issuers below `base`. Its issuer and key id only choose the key; all else is checked
        with that (RFC 9068, 4). Raises `UnauthenticatedError`."""
        found = jose.look(token)
        jose.check_type(found, ACCESS)
        issuer, claims = self._verified(found, token, base)
        jose.check_times(claims, self._oauth.now())
        grant = claims.get("grant")
        if self._oauth.grants.barred(issuer.tenant, str(claims["jti"]), grant, str(claims["client_id"]), claims.get("epoch")):
            raise jose.TokenError("the token was revoked")
        return AccessToken(issuer, claims)

    def hint(self, token: str, issuer: Issuer) -> Mapping[str, Any]:
        """The claims of an ID token that the issuer has signed, which may be over (OpenID Connect RP-Initiated Logout, 4)."""
        found = jose.look(token)
        jose.check_type(found, ID)
        return self._verified(found, token, issuer.base)[1]

    def recognise(self, token: str, headers: Mapping[str, str]) -> Identity | None:
        """Who calls the API with an access token; None for what is no JWT. For `auth.accept_bearer`."""
        if token.count(".") != 2:
            return None
        read = self.read(token, self._oauth.base(headers.get("host", "")))
        jose.check_audience(read.claims, read.issuer.audience)
        certificates.check_binding(read.claims, self._oauth.certificate(headers))
        access = self._oauth.auth.policies.access(read.issuer.tenant, read.subject)
        allowed = scopes.permissions(read.scopes)
        if not allowed:  # RFC 6750, 3.1: insufficient_scope
            raise PermissionDeniedError("the token's scopes name no permissions; it opens userinfo only", permission="scope")
        roles, shown = frozenset(access.subject.roles), frozenset(read.scopes)
        return Identity(read.actor, read.issuer.tenant, access.narrowed(allowed), roles, scopes=shown)

    def admitted(self, tenant: str, subject: str) -> bool:
        """Whether a subject still is one of the tenant."""
        try:
            self._oauth.auth.policies.access(tenant, subject)
        except UnauthenticatedError:
            return False
        return True

    def _verified(self, found: jose.Unverified, token: str, base: str) -> tuple[Issuer, dict[str, Any]]:
        issuer = issuer_of(base, found.text("iss"))
        key = self._oauth.keys.verifier(issuer.tenant, found.header.get("kid")) if issuer is not None else None
        if issuer is None or key is None:
            raise jose.TokenError("the token is of no issuer or key that is known here")
        return issuer, jose.verify(token, key[0], alg=key[1])

    def _sign(self, claims: Mapping[str, Any], alg: str, typ: str) -> str:
        signer = self._oauth.keys.signer(alg)
        return jose.sign(claims, signer.key, alg=alg, kid=signer.kid, typ=typ)
