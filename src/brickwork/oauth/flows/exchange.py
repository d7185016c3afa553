"""Token exchange (RFC 8693): a service that was called for a person calls another one for the same person."""

from typing import Any

from authlib.oauth2.rfc6749 import TokenEndpointMixin
from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, InvalidScopeError, UnauthorizedClientError

from brickwork.errors import UnauthenticatedError
from brickwork.oauth import certificates, scopes
from brickwork.oauth.client import EXCHANGE
from brickwork.oauth.flows.issuing import PROVEN, Issuing
from brickwork.oauth.tokens import AccessToken

ACCESS_TOKEN, JWT = "urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt"


class ExchangeGrant(Issuing, TokenEndpointMixin):
    """A person's access token becomes one in which the client's service acts for the person. It may do no more, and is good no
    longer, than the one shown; both are revoked together."""

    GRANT_TYPE = EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = PROVEN

    def validate_token_request(self) -> None:
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(EXCHANGE):
            raise UnauthorizedClientError("The client may not exchange tokens.")
        form = self.request.form
        if form.get("subject_token_type") not in (ACCESS_TOKEN, JWT) or "subject_token" not in form:
            raise InvalidRequestError("subject_token with the type access_token is needed.")
        if form.get("requested_token_type", ACCESS_TOKEN) not in (ACCESS_TOKEN, JWT):
            raise InvalidRequestError("Access tokens are given only.")
        if "actor_token" in form:
            raise InvalidRequestError("The actor is the client itself; an actor_token is not taken.")
        self.request.credential = self._subject(form["subject_token"])
        asked = scopes.split(self.request.payload.scope) or scopes.permissions(self.request.credential.scopes)
        if not scopes.within(asked, self.request.credential.scopes) or scopes.permissions(asked) != asked:
            raise InvalidScopeError
        self.request.scope = " ".join(asked)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        request, actor = self.request, self.server.own_subject(self.request)
        if actor is None:
            raise InvalidGrantError("The client's service account is not let in.")
        shown: AccessToken = request.credential
        act = {"sub": actor, **({"act": shown.claims["act"]} if "act" in shown.claims else {})}
        request.grant = self.server.oauth.grants.live(self.server.transaction, shown.grant) if shown.grant is not None else None
        until = float(shown.claims["exp"])
        answer = self.server.issue(request, shown.subject, scopes.split(request.scope), act=act, until=until)
        return 200, {**answer, "issued_token_type": ACCESS_TOKEN}, self.TOKEN_RESPONSE_HEADER

    def _subject(self, token: str) -> AccessToken:
        """The token that was shown: a person's, of this issuer, for this API or for the client itself."""
        request, oauth = self.request, self.server.oauth
        try:
            shown = oauth.tokens.read(token, request.issuer.base)
            certificates.check_binding(shown.claims, request.certificate)
        except UnauthenticatedError as error:
            raise InvalidGrantError(error.message) from None
        ours = {request.issuer.audience, *request.client.client.audiences}
        if shown.issuer != request.issuer or shown.claims["aud"] not in ours or not shown.subject.startswith("user:"):
            raise InvalidGrantError("The subject_token is none of this issuer's for a person, or for another audience.")
        if not oauth.tokens.admitted(shown.issuer.tenant, shown.subject):
            raise InvalidGrantError("The person is not let in any more.")
        return shown
