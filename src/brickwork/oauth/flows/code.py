"""The authorization code grant (RFC 6749, 4.1) with proof of possession (PKCE, RFC 7636) and ID tokens (OpenID Connect Core)."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDToken
from sqlalchemy import update

from brickwork.auth import secret
from brickwork.oauth import scopes
from brickwork.oauth.client import REFRESH
from brickwork.oauth.flows.issuing import PUBLIC_TOO, Issuing
from brickwork.oauth.models import CodeRow, GrantRow

if TYPE_CHECKING:
    from brickwork.oauth.authentication import KnownClient
    from brickwork.oauth.request import Request


@attrs.frozen
class Code(AuthorizationCodeMixin):
    """A code that was shown in time, for the first time, by the client that it was made for."""

    row: CodeRow
    grant: GrantRow
    code_challenge_method: str = "S256"

    @property
    def code_challenge(self) -> str:
        return self.row.challenge

    def get_redirect_uri(self) -> str:
        return self.row.redirect_uri

    def get_scope(self) -> str:
        return " ".join(self.grant.scopes)


class CodeGrant(Issuing, AuthorizationCodeGrant):
    """Codes are stored as digests and count once. One that comes again revokes what it gave (RFC 6749, 4.1.2)."""

    TOKEN_ENDPOINT_AUTH_METHODS = PUBLIC_TOO

    @staticmethod
    def validate_authorization_redirect_uri(request: "Request", client: "KnownClient") -> str:
        uri = request.payload.redirect_uri
        if uri is None or not client.check_redirect_uri(uri):
            raise InvalidRequestError("The redirect_uri is missing, or none of those that the client has registered.")
        return str(uri)

    def generate_authorization_code(self) -> str:
        return secret.make("bwc")

    def save_authorization_code(self, code: str, request: "Request") -> None:
        """`request.user` is the `SignedIn` person."""
        transaction, oauth, data = self.server.transaction, self.server.oauth, request.payload.data
        wanted = scopes.split(request.scope)
        grant = oauth.grants.begin(transaction, request.client.client, request.user, wanted, data.get("nonce"))
        over = oauth.now() + timedelta(seconds=oauth.settings.code_seconds)
        row = CodeRow(digest=secret.digest(code), grant_id=grant.id, client_id=grant.client_id, challenge=data["code_challenge"],
                      redirect_uri=data["redirect_uri"], expires_at=over)  # fmt: skip
        transaction.session.add(row)

    def query_authorization_code(self, code: str, client: "KnownClient") -> Code | None:
        """The code, used up from now on whatever comes of the request."""
        transaction, oauth = self.server.transaction, self.server.oauth
        key = (transaction.tenant, secret.digest(code))
        row = transaction.session.get(CodeRow, key) if secret.well_formed(code) else None
        if row is None or row.client_id != client.client.client_id:
            return None
        unused = update(CodeRow).where(CodeRow.tenant_id == key[0], CodeRow.digest == key[1], CodeRow.used_at.is_(None))
        if not transaction.execute(unused.values(used_at=oauth.now())).rowcount:
            oauth.grants.reused(transaction, row.grant_id, "code")
            return None
        grant = oauth.grants.live(transaction, row.grant_id)
        if grant is None or row.expires_at <= oauth.now():
            return None
        self.request.grant = grant
        return Code(row, grant)

    def authenticate_user(self, authorization_code: Code) -> str | None:
        subject = authorization_code.grant.subject
        return subject if self.server.oauth.tokens.admitted(self.server.transaction.tenant, subject) else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """It stays until its time is over, so that a second use is noticed."""


class Proof(CodeChallenge):
    """PKCE for every client, in S256 only: without a challenge, or with a plain one, it is a downgrade (RFC 9700, 2.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge with code_challenge_method=S256 is needed (RFC 7636).")
        super().validate_code_challenge(grant, redirect_uri)


class IdToken(OpenIDToken):
    """Adds an ID token to the answer where the scope has openid."""

    def process_token(self, grant: Any, response: Any) -> None:
        answer, request = response[1], grant.request
        if "openid" in scopes.split(answer["scope"]):
            first = grant.GRANT_TYPE != REFRESH
            tokens = grant.server.oauth.tokens
            answer["id_token"] = tokens.identity(request.issuer, request.client.client, request.grant, answer["access_token"],
                                                 first=first)  # fmt: skip
