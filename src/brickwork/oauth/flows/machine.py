"""Programs in their own name: client credentials (RFC 6749, 4.4) and signed assertions (RFC 7523, 2.1)."""

from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc7523 import JWTBearerGrant

from brickwork.oauth import jose, scopes
from brickwork.oauth.flows.issuing import PROVEN, Issuing

if TYPE_CHECKING:
    from brickwork.oauth.authentication import KnownClient


class OwnName(Issuing):
    """A grant in which the client acts as its service account."""

    def validate_requested_scope(self) -> None:
        wanted = self.server.own_scopes(self.request)
        if wanted is None:
            raise InvalidScopeError
        self.request.scope = " ".join(wanted)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        subject = self.server.own_subject(self.request)
        if subject is None:
            raise InvalidGrantError("The client's service account is not let in.")
        answer = self.server.issue(self.request, subject, scopes.split(self.request.scope))
        return 200, answer, self.TOKEN_RESPONSE_HEADER


class CredentialsGrant(OwnName, ClientCredentialsGrant):
    """The client shows who it is, and that is all."""

    TOKEN_ENDPOINT_AUTH_METHODS = PROVEN


class AssertionGrant(OwnName, JWTBearerGrant):
    """The client shows an assertion that one of its keys has signed, about itself or its service account."""

    def process_assertion_claims(self, assertion: str) -> dict[str, Any]:
        authentication, request = self.server.authentication, self.request
        try:
            found = jose.look(assertion)
            known = self.resolve_issuer_client(found.text("iss"))
            if known is None:
                raise jose.TokenError("the assertion is of no client that is known here")
            claims = authentication.check_assertion(self.server.transaction, request, found, assertion, known.client)
        except jose.TokenError as error:
            raise InvalidGrantError(error.message) from None
        if "authorization" in request.headers or "client_secret" in request.form or "client_assertion" in request.form:
            shown = authentication.client_of(request, public=False)  # RFC 7523, 3.1: if it is there it must be good
            if shown.client.client_id != known.client.client_id:
                raise InvalidGrantError("The assertion is another client's.")
        request.epoch = known.row.epoch
        return claims

    def resolve_issuer_client(self, issuer: str) -> "KnownClient | None":
        return self.server.query_client(issuer)

    def authenticate_user(self, subject: str) -> str | None:
        return subject

    def has_granted_permission(self, client: "KnownClient", user: str) -> bool:
        return user in (client.client.client_id, f"service:{client.client.service}")
