"""What is known of a client; names as in the registration protocol (RFC 7591, 2), so that one document serves all."""

import re
from typing import Any, Literal, Self

import attrs
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from brickwork.oauth import scopes
from brickwork.oauth.redirects import check_redirect

CODE, REFRESH, CREDENTIALS = "authorization_code", "refresh_token", "client_credentials"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GrantType = Literal[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
]
AuthMethod = Literal[
    "none", "client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"
]
#: Grants in which the client acts by itself, as its service account.
OWN_NAME = frozenset({CREDENTIALS, EXCHANGE, BEARER})
_AUDIENCE = re.compile(r"(https?|urn):[\x21\x24-\x7e]{1,300}\Z")


class Metadata(BaseModel):
    """What a client may say about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_name: str = Field(min_length=1, max_length=100)
    redirect_uris: list[str] = Field(default=[], max_length=20)
    post_logout_redirect_uris: list[str] = Field(default=[], max_length=20)
    grant_types: list[GrantType] = Field(default=["authorization_code"], min_length=1, max_length=10)
    response_types: list[Literal["code"]] = Field(default=["code"], max_length=1)
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"
    #: What it may ask for: scopes, or patterns that stand for them.
    scope: str = Field(default="openid", max_length=4000)
    #: Its public keys, for assertions (RFC 7523) and self-signed certificates (RFC 8705, 2.2).
    jwks: dict[str, Any] | None = None
    id_token_signed_response_alg: Literal["ES256", "RS256", "Ed25519"] = "ES256"
    #: The subject of its certificate (RFC 8705, 2.1.2), and whether its tokens count only together with that (section 3).
    tls_client_auth_subject_dn: str | None = Field(default=None, max_length=500)
    tls_client_certificate_bound_access_tokens: bool = False
    #: Whether it pushes its authorization requests always (RFC 9126, 6).
    require_pushed_authorization_requests: bool = False

    @field_validator("client_name", mode="after")
    @classmethod
    def _printable(cls, given: str) -> str:
        if not given.strip() or not given.isprintable():
            raise ValueError("takes printable characters")
        return given.strip()

    @field_validator("redirect_uris", "post_logout_redirect_uris", mode="after")
    @classmethod
    def _addresses(cls, given: list[str]) -> list[str]:
        return [check_redirect(uri) for uri in given]

    @field_validator("scope", mode="after")
    @classmethod
    def _scopes(cls, given: str) -> str:
        for one in scopes.split(given):
            if not scopes.is_scope(one):
                raise ValueError(f"{one[:80]!r} is no scope; there are openid, profile, email, offline_access and permissions")
        return " ".join(scopes.split(given))

    @field_validator("jwks", mode="after")
    @classmethod
    def _keys(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if given is None else _public_keys(given)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        method, grants = self.token_endpoint_auth_method, set(self.grant_types)
        if CODE in grants and not self.redirect_uris:
            raise ValueError("redirect_uris: the authorization code grant needs one")
        if method == "none" and grants & OWN_NAME:
            raise ValueError("token_endpoint_auth_method: a client that acts by itself must show who it is (RFC 6749, 4.4)")
        if (method in ("private_key_jwt", "self_signed_tls_client_auth") or BEARER in grants) and self.jwks is None:
            raise ValueError("jwks: the client's public keys are needed for that")
        if method == "tls_client_auth" and not self.tls_client_auth_subject_dn:
            raise ValueError("tls_client_auth_subject_dn: the certificate's subject is needed for that (RFC 8705, 2.1.2)")
        return self

    @property
    def scopes(self) -> list[str]:
        return scopes.split(self.scope)


class Client(Metadata):
    """A client as the tenant knows it. What is not in `Metadata` only an administrator decides."""

    client_id: str
    #: The service account under whose name it acts by itself.
    service: str | None = Field(default=None, max_length=64)
    #: Other services for which it may have tokens (RFC 8707).
    audiences: list[str] = Field(default=[], max_length=50)
    #: Whether it is the tenant's own, so that nobody is asked for consent.
    trusted: bool = False

    @field_validator("audiences", mode="after")
    @classmethod
    def _audiences(cls, given: list[str]) -> list[str]:
        for one in given:
            if not _AUDIENCE.match(one):
                raise ValueError(f"{one[:80]!r} is no audience; it takes an absolute URI without fragment (RFC 8707, 2)")
        return given

    @model_validator(mode="after")
    def _acts(self) -> Self:
        if set(self.grant_types) & OWN_NAME and self.service is None:
            raise ValueError("service: a client that acts by itself does so as a service account")
        return self

    @property
    def public(self) -> bool:
        """Whether it can keep no secret."""
        return self.token_endpoint_auth_method == "none"

    @property
    def has_secret(self) -> bool:
        return self.token_endpoint_auth_method.startswith("client_secret")


@attrs.frozen
class Registered:
    """A client just registered, or given a new secret: the secret is shown this once."""

    client: Client
    secret: str | None = None


def _public_keys(given: dict[str, Any]) -> dict[str, Any]:
    from brickwork.oauth import jose

    keys = given.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= 20 or not all(isinstance(key, dict) for key in keys):
        raise ValueError('takes a JWK set: {"keys": [...]} with one to twenty keys')
    for key in keys:
        if {"d", "k", "p", "q"} & key.keys():
            raise ValueError("holds a private or shared key; only public ones may leave the client")
        try:
            jose.algorithm_of(key)
            jose.load(key)
        except jose.TokenError as error:
            raise ValueError(error.message) from None
    return {"keys": [{name: key[name] for name in _SHOWN if name in key} for key in keys]}


_SHOWN = ("kty", "kid", "use", "alg", "crv", "x", "y", "n", "e", "x5c")
