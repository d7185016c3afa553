"""How clients show who they are: secrets, signed assertions (RFC 7523, 2.2), certificates (RFC 8705, 2), or not at all."""

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import attrs
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError

from brickwork.auth import secret
from brickwork.oauth import jose, scopes
from brickwork.oauth.client import Client
from brickwork.oauth.models import AssertionRow, ClientRow
from brickwork.oauth.once import insert_once
from brickwork.oauth.redirects import is_registered

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.oauth.request import Request
    from brickwork.oauth.service import OAuth

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Seconds for which an assertion may be good at most; clients of others make them for an hour.
LONGEST = 3600


@attrs.frozen
class KnownClient(ClientMixin):
    """A client as Authlib's grants ask about it."""

    client: Client
    row: ClientRow

    def get_client_id(self) -> str:
        return self.client.client_id

    def get_default_redirect_uri(self) -> None:
        """A request names its redirect URI always, as OpenID Connect Core, 3.1.2.1, wants it."""
        return

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The scopes asked for, or all where none are; None where one is not the client's."""
        wanted = scopes.split(scope) or self.client.scopes
        return " ".join(wanted) if len(wanted) <= scopes.MOST and self.may_ask(wanted) else None

    def may_ask(self, wanted: list[str]) -> bool:
        return all(map(scopes.is_scope, wanted)) and scopes.within(wanted, self.client.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return is_registered(redirect_uri, self.client.redirect_uris)

    def check_response_type(self, response_type: str) -> bool:
        return response_type in self.client.response_types and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grant_types


class ClientAuthentication:
    """Finds out which client sends a request."""

    def __init__(self, oauth: "OAuth") -> None:
        self._oauth = oauth

    def client_of(self, request: "Request", *, public: bool = True) -> KnownClient:
        """The client, whose requests are counted; raises Authlib's `InvalidClientError` and `RateLimitedError`. A `public` client
        shows its id and nothing else."""
        ways = [way for way in (self._basic, self._posted, self._asserted) if way(request) is not None]
        if len(ways) > 1:  # RFC 6749, 2.3
            raise InvalidRequestError("The client shows who it is in more than one way.")
        transaction = self._oauth.database.current
        assert transaction is not None
        known = self._shown(transaction, request, ways[0](request)) if ways else self._unshown(transaction, request)
        if known is None or (known.client.public and not public):
            raise _refused(request)
        named = request.payload.client_id
        if named is not None and named != known.client.client_id:
            raise _refused(request)
        # an id alone proves nothing, so that nobody can use up another's requests by naming it
        who = f"{known.client.client_id} {request.address}" if known.client.public else known.client.client_id
        self._oauth.count(f"client:{request.issuer.tenant}:{who}", self._oauth.settings.requests_per_client)
        request.client, request.epoch = known, known.row.epoch
        return known

    def find(self, transaction: "Transaction", client_id: str) -> KnownClient | None:
        """A client by its id, which proves nothing."""
        found = self._oauth.clients.find(transaction, client_id)
        return KnownClient(*found) if found is not None else None

    # -- the ways ------------------------------------------------------------------------------------------------------

    def _basic(self, request: "Request") -> tuple[str, str, str] | None:
        """RFC 6749, 2.3.1: both parts are form-encoded before they are put together."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, shown = base64.b64decode(text.strip(), validate=True).decode("ascii").partition(":")
        except (binascii.Error, ValueError):
            raise _refused(request) from None
        return "secret", unquote_plus(name), unquote_plus(shown)

    def _posted(self, request: "Request") -> tuple[str, str, str] | None:
        shown = request.form.get("client_secret")
        return ("secret", request.form.get("client_id", ""), shown) if shown is not None else None

    def _asserted(self, request: "Request") -> tuple[str, str, str] | None:
        shown = request.form.get("client_assertion")
        if shown is None:
            return None
        if request.form.get("client_assertion_type") != ASSERTION_TYPE:
            raise InvalidRequestError("client_assertion_type is none that is known here.")
        return "assertion", request.form.get("client_id", ""), shown

    def _shown(self, transaction: "Transaction", request: "Request", way: tuple[str, str, str] | None) -> KnownClient | None:
        assert way is not None
        kind, client_id, shown = way
        if kind == "assertion":
            return self._by_assertion(transaction, request, shown)
        known = self.find(transaction, client_id)
        good = known is not None and known.client.has_secret and secret.well_formed(shown)
        return known if good and known is not None and self._oauth.clients.matches(known.row, shown) else None

    def _unshown(self, transaction: "Transaction", request: "Request") -> KnownClient | None:
        known = self.find(transaction, request.form.get("client_id", ""))
        if known is None or known.client.public:
            return known
        certificate, client = request.certificate, known.client
        if certificate is None:
            return None
        if client.token_endpoint_auth_method == "tls_client_auth":
            return known if certificate.subject == client.tls_client_auth_subject_dn else None
        listed = client.token_endpoint_auth_method == "self_signed_tls_client_auth"
        return known if listed and certificate.is_among(client.jwks or {}) else None

    def _by_assertion(self, transaction: "Transaction", request: "Request", shown: str) -> KnownClient | None:
        try:
            found = jose.look(shown)
            known = self.find(transaction, found.text("iss"))
            if known is None or known.client.token_endpoint_auth_method != "private_key_jwt":
                return None
            claims = self.check_assertion(transaction, request, found, shown, known.client)
        except jose.TokenError:
            return None
        return known if claims.get("sub") == known.client.client_id else None

    def check_assertion(
        self, transaction: "Transaction", request: "Request", found: jose.Unverified, shown: str, client: Client
    ) -> dict[str, Any]:
        """The claims of an assertion (RFC 7523, 3) that the client's key has signed, for this issuer, not long ago, and that was
        not used before. Raises `TokenError`."""
        jose.check_type(found, "jwt", "client-authentication+jwt", "")
        key, alg = jose.key_of(found, client.jwks or {})
        claims = jose.verify(shown, key, alg=alg)
        if claims.get("iss") != client.client_id:
            raise jose.TokenError("the assertion is another client's")
        issuer = request.issuer
        jose.check_audience(claims, issuer.id, issuer.address("token"), issuer.address(request.endpoint))
        over = jose.check_times(claims, self._oauth.now(), longest=LONGEST)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise jose.TokenError("the assertion has no jti, so that a replay could not be told")
        digest = secret.digest(f"{client.client_id}\n{jti}")
        until = datetime.fromtimestamp(over + jose.LEEWAY, UTC)
        if not insert_once(transaction, AssertionRow, digest=digest, expires_at=until):
            raise jose.TokenError("the assertion was used before")
        return claims


def _refused(request: "Request") -> InvalidClientError:
    """RFC 6749, 5.2: 401, with a challenge where the client used the header. It doesn't say what was wrong."""
    return InvalidClientError(status_code=401, description="The client is unknown, or has not shown that it is who it says.")
