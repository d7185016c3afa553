"""The endpoints at which clients speak of tokens: revocation (RFC 7009) and introspection (RFC 7662)."""

from typing import Any

import attrs
from authlib.oauth2.rfc6749 import TokenMixin
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from brickwork.auth import secret
from brickwork.errors import UnauthenticatedError
from brickwork.oauth.authentication import KnownClient
from brickwork.oauth.flows.issuing import PROVEN, PUBLIC_TOO
from brickwork.oauth.models import GrantRow, RefreshRow
from brickwork.oauth.request import Request
from brickwork.oauth.tokens import AccessToken


@attrs.frozen
class Shown(TokenMixin):
    """An access token that is good now, or a refresh token, perhaps a used one, of a grant that is in force."""

    client_id: str
    access: AccessToken | None = None
    refresh: tuple[RefreshRow, GrantRow] | None = None

    def check_client(self, client: KnownClient) -> bool:
        return self.client_id == client.client.client_id

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return self.refresh is not None and self.refresh[0].used_at is not None


def find(server: Any, request: Request, token: str) -> Shown | None:
    """The token, if it is good; `token_type_hint` isn't needed, since the two kinds look different."""
    oauth, transaction = server.oauth, server.transaction
    if secret.well_formed(token):
        row = transaction.session.get(RefreshRow, (transaction.tenant, secret.digest(token)))
        grant = oauth.grants.live(transaction, row.grant_id) if row is not None else None
        if row is None or grant is None or row.expires_at <= oauth.now():
            return None
        return Shown(row.client_id, refresh=(row, grant))
    try:
        read = oauth.tokens.read(token, request.issuer.base)
    except UnauthenticatedError:
        return None
    return Shown(read.client_id, access=read) if read.issuer == request.issuer else None


class Revocation(RevocationEndpoint):
    """A client gives up a token. With a refresh token the whole grant ends (RFC 7009, 2.1)."""

    CLIENT_AUTH_METHODS = PUBLIC_TOO

    def authenticate_token(self, request: Request, client: KnownClient) -> Shown | None:
        self.check_params(request, client)
        shown = find(self.server, request, request.form["token"])
        return shown if shown is not None and shown.check_client(client) else None

    def revoke_token(self, token: Shown, request: Request) -> None:
        oauth, transaction = self.server.oauth, self.server.transaction
        if token.refresh is not None:
            oauth.grants.end(transaction, token.refresh[1], "revoked by the client")
        elif token.access is not None:
            oauth.grants.bar_token(transaction, str(token.access.claims["jti"]))


class Introspection(IntrospectionEndpoint):
    """Tells a service about a token that was shown to it. A client learns of its own tokens and of those that are meant for it;
    all others are not active (RFC 7662, 2.2)."""

    CLIENT_AUTH_METHODS = PROVEN

    def authenticate_token(self, request: Request, client: KnownClient) -> Shown | None:
        self.check_params(request, client)
        shown = find(self.server, request, request.form["token"])
        return shown if shown is not None and self.check_permission(shown, client, request) else None

    def check_permission(self, token: Shown, client: KnownClient, request: Request) -> bool:
        meant = token.access is not None and token.access.claims["aud"] in client.client.audiences
        return meant or token.check_client(client)

    def introspect_token(self, token: Shown) -> dict[str, Any]:
        tenant = self.server.transaction.tenant
        if token.access is not None:
            if not self.server.oauth.tokens.admitted(tenant, token.access.subject):
                return {"active": False}
            claims = {name: value for name, value in token.access.claims.items() if name not in ("epoch", "grant")}
            return {**claims, "token_type": "Bearer", "active": True}
        assert token.refresh is not None
        row, grant = token.refresh
        return {"active": True, "client_id": row.client_id, "sub": grant.subject, "scope": " ".join(grant.scopes),
                "exp": int(row.expires_at.timestamp())}  # fmt: skip
