"""The issuer of a tenant: its addresses, and what discovery tells of them."""

from typing import Any, get_args
from urllib.parse import unquote

import attrs

from brickwork.errors import ValidationError
from brickwork.kernel.context import check_tenant
from brickwork.oauth.client import AuthMethod, GrantType
from brickwork.oauth.scopes import IDENTITY

#: Algorithms in which clients may sign assertions.
ASSERTIONS = ("ES256", "ES384", "RS256", "PS256", "Ed25519")


@attrs.frozen
class Issuer:
    """`base` is the server's public address, without a slash at its end."""

    base: str
    tenant: str

    @property
    def id(self) -> str:
        """Its identifier, the `iss` of what it signs."""
        return f"{self.base}/oauth/{self.tenant}"

    @property
    def audience(self) -> str:
        """The `aud` of access tokens for brickwork's own API."""
        return f"{self.base}/api"

    def address(self, endpoint: str) -> str:
        """Where one of its endpoints is."""
        return f"{self.id}/{endpoint}"

    def metadata(self) -> dict[str, Any]:
        """RFC 8414, section 2, and OpenID Connect Discovery 1.0, section 3."""
        methods = list(get_args(AuthMethod))
        proven = [method for method in methods if method != "none"]
        return {
            "issuer": self.id,
            "authorization_endpoint": self.address("authorize"),
            "token_endpoint": self.address("token"),
            "userinfo_endpoint": self.address("userinfo"),
            "jwks_uri": self.address("jwks"),
            "registration_endpoint": self.address("register"),
            "revocation_endpoint": self.address("revoke"),
            "introspection_endpoint": self.address("introspect"),
            "device_authorization_endpoint": self.address("device_authorization"),
            "pushed_authorization_request_endpoint": self.address("par"),
            "end_session_endpoint": self.address("logout"),
            "scopes_supported": list(IDENTITY),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(get_args(GrantType)),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256", "Ed25519"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": list(ASSERTIONS),
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTIONS),
            "introspection_endpoint_auth_methods_supported": proven,
            "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTIONS),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "require_pushed_authorization_requests": False,
            "tls_client_certificate_bound_access_tokens": True,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "claims_parameter_supported": False,
            "prompt_values_supported": ["none", "login", "consent"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "name",
                                 "email", "email_verified"],
        }  # fmt: skip


def issuer_of(base: str, iss: str) -> Issuer | None:
    """The issuer below `base` that calls itself `iss`."""
    start, _, tenant = iss.rpartition("/oauth/")
    return Issuer(base, tenant) if start == base and is_tenant(tenant) else None


def is_tenant(name: str) -> bool:
    """Whether it can be a tenant's name."""
    try:
        return check_tenant(name) == unquote(name)
    except ValidationError:
        return False
