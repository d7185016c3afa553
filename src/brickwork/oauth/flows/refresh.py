"""Refresh tokens (RFC 6749, 6), each good for one use (RFC 9700, 4.14.2).

A token that was used may be shown again for a few seconds by its own client, whose answer may have been lost or whose two tabs
ask at once: it gets the same successor, so there never are two lines of tokens. After that, or once the successor was used, a
second use means that somebody has stolen the token, and the whole grant is revoked.
"""

from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant
from sqlalchemy import update

from brickwork.auth import secret
from brickwork.oauth import scopes
from brickwork.oauth.flows.issuing import PUBLIC_TOO, Issuing
from brickwork.oauth.models import GrantRow, RefreshRow


class RefreshGrant(Issuing, RefreshTokenGrant):
    """Takes a refresh token and gives the next one."""

    TOKEN_ENDPOINT_AUTH_METHODS = PUBLIC_TOO

    def validate_token_request(self) -> None:
        client = self._validate_request_client()
        shown = self.request.form.get("refresh_token")
        if shown is None:
            raise InvalidRequestError("Missing 'refresh_token' in request.")
        oauth, transaction = self.server.oauth, self.server.transaction
        key = (transaction.tenant, secret.digest(shown))
        row = transaction.session.get(RefreshRow, key) if secret.well_formed(shown) else None
        grant = oauth.grants.live(transaction, row.grant_id) if row is not None else None
        if row is None or grant is None or row.client_id != client.client.client_id or row.expires_at <= oauth.now():
            raise InvalidGrantError("The refresh token is unknown, over, revoked or another client's.")
        asked = scopes.split(self.request.payload.scope)
        if not set(asked) <= set(grant.scopes):  # RFC 6749, 6: no more than was granted
            raise InvalidScopeError
        if not oauth.tokens.admitted(transaction.tenant, grant.subject):
            raise InvalidGrantError("The person is not let in any more.")
        self.request.grant, self.request.scope = grant, " ".join(asked or grant.scopes)
        self.request.refresh_token = self._advance(row, grant)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        request = self.request
        answer = self.server.issue(request, request.grant.subject, scopes.split(request.scope), successor=request.refresh_token)
        self.execute_hook("after_create_token_response", (200, answer, self.TOKEN_RESPONSE_HEADER))
        return 200, answer, self.TOKEN_RESPONSE_HEADER

    def _advance(self, row: RefreshRow, grant: GrantRow) -> str:
        """The token that comes next."""
        oauth, transaction = self.server.oauth, self.server.transaction
        unused = update(RefreshRow).where(RefreshRow.tenant_id == row.tenant_id, RefreshRow.digest == row.digest,
                                          RefreshRow.used_at.is_(None))  # fmt: skip
        first = transaction.execute(unused.values(used_at=oauth.now())).rowcount
        transaction.session.refresh(row)
        if first:
            return self.server.make_refresh(grant, before=row)
        grace = timedelta(seconds=oauth.settings.refresh_grace_seconds)
        again = self.server.successor_of(row) if row.used_at is not None and oauth.now() < row.used_at + grace else None
        if again is None:
            oauth.grants.reused(transaction, grant.id, "refresh token")
            raise InvalidGrantError("The refresh token was used before; its grant is revoked.")
        return again
