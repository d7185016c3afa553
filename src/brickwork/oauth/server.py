"""Authlib's authorization server over brickwork's tables: grants and endpoints are Authlib's, or built beside its own."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Error
from sqlalchemy import update

from brickwork.auth import secret
from brickwork.oauth import scopes as names
from brickwork.oauth.authentication import ClientAuthentication, KnownClient
from brickwork.oauth.client import REFRESH
from brickwork.oauth.endpoints import Introspection, Revocation
from brickwork.oauth.flows.code import CodeGrant, IdToken, Proof
from brickwork.oauth.flows.device import DeviceAuthorization, DeviceGrant
from brickwork.oauth.flows.exchange import ExchangeGrant
from brickwork.oauth.flows.machine import AssertionGrant, CredentialsGrant
from brickwork.oauth.flows.refresh import RefreshGrant
from brickwork.oauth.models import GrantRow, RefreshRow
from brickwork.oauth.request import Answer, Request
from brickwork.oauth.tokens import Wanted

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.oauth.service import OAuth

_WHERE = "oauth_refresh"


class InvalidTargetError(OAuth2Error):
    """The client may have no tokens for that resource (RFC 8707, 2)."""

    error = "invalid_target"
    description = "The resource is none for which the client may have tokens."


class Server(AuthorizationServer):
    """What the endpoints share. A request is answered in one transaction, which is kept also where the answer is an error: a code
    that was shown is used up."""

    def __init__(self, oauth: "OAuth") -> None:
        super().__init__()
        self.oauth = oauth
        self.authentication = ClientAuthentication(oauth)
        self.register_grant(CodeGrant, [Proof(), IdToken()])
        self.register_grant(RefreshGrant, [IdToken()])
        self.register_grant(DeviceGrant, [IdToken()])
        for grant in (CredentialsGrant, AssertionGrant, ExchangeGrant):
            self.register_grant(grant)
        for endpoint in (Revocation, Introspection, DeviceAuthorization):
            self.register_endpoint(endpoint)

    @property
    def transaction(self) -> "Transaction":
        """That in which the request is answered."""
        current = self.oauth.database.current
        assert current is not None
        return current

    # -- what Authlib asks for -----------------------------------------------------------------------------------------

    def query_client(self, client_id: str) -> KnownClient | None:
        return self.authentication.find(self.transaction, client_id)

    def authenticate_client(self, request: Request, methods: Sequence[str], endpoint: str = "token") -> KnownClient:
        return self.authentication.client_of(request, public="none" in methods)

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Answer:
        return Answer.of(status, body, headers)

    def send_signal(self, name: str, *args: object, **more: object) -> None:
        """Authlib's hook for frameworks; events are published where things happen."""

    def save_token(self, token: Mapping[str, Any], request: Request) -> None:
        """Access tokens are not stored; refresh tokens are when they are made."""

    # -- making tokens -------------------------------------------------------------------------------------------------

    def issue(
        self, request: Request, subject: str, scopes: Sequence[str], *, refresh: bool = False, successor: str | None = None,
        act: Mapping[str, Any] | None = None, until: float | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The answer of the token endpoint (RFC 6749, 5.1): an access token, and with `refresh` a refresh token where the grant
        has offline access; `successor` is one that was made already."""
        client, grant = request.client.client, request.grant
        certificate, method = request.certificate, client.token_endpoint_auth_method
        bound = client.tls_client_certificate_bound_access_tokens or "tls" in method
        wanted = Wanted(
            client=client, epoch=request.epoch, subject=subject, scopes=scopes, grant=grant.id if grant is not None else None,
            audience=self._target(request), act=act, until=until,
            thumbprint=certificate.thumbprint if bound and certificate is not None else None,
        )  # fmt: skip
        access, seconds = self.oauth.tokens.access(request.issuer, wanted)
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": seconds, "scope": " ".join(scopes)}
        if successor is not None:
            answer["refresh_token"] = successor
        elif refresh and grant is not None and "offline_access" in grant.scopes and REFRESH in client.grant_types:
            answer["refresh_token"] = self.make_refresh(grant)
        return answer

    def make_refresh(self, grant: GrantRow, before: RefreshRow | None = None) -> str:
        """A new refresh token of the grant, in place of the one `before`."""
        made, now = secret.make("bwr"), self.oauth.now()
        tenant = self.transaction.tenant
        over = min(now + timedelta(days=self.oauth.settings.refresh_token_days), grant.expires_at)
        row = RefreshRow(digest=secret.digest(made), grant_id=grant.id, client_id=grant.client_id, expires_at=over,
                         before=before.digest if before is not None else None)  # fmt: skip
        self.transaction.session.add(row)
        if before is not None:
            before.successor = self.oauth.keyring.encrypt(tenant, _WHERE, made)
            if before.before is not None:  # its own answer has arrived
                older = update(RefreshRow).where(RefreshRow.tenant_id == tenant, RefreshRow.digest == before.before)
                self.transaction.execute(older.values(successor=None))
        return made

    def successor_of(self, row: RefreshRow) -> str | None:
        """The token that came in place of one that was used, if it waits for its first use."""
        if row.successor is None:
            return None
        made = self.oauth.keyring.decrypt(row.tenant_id, _WHERE, row.successor)
        following = self.transaction.session.get(RefreshRow, (row.tenant_id, secret.digest(made)))
        return made if following is not None and following.used_at is None else None

    def own_subject(self, request: Request) -> str | None:
        """The service account as which the client acts by itself, if it still is one of the tenant."""
        subject = f"service:{request.client.client.service}"
        return subject if self.oauth.tokens.admitted(self.transaction.tenant, subject) else None

    def own_scopes(self, request: Request) -> list[str] | None:
        """The scopes that a client asks for by itself: permissions only, by default all of its. None where it may not."""
        asked = names.split(request.payload.scope)
        wanted = asked or names.permissions(request.client.client.scopes)
        fits = len(wanted) <= names.MOST and wanted == names.permissions(wanted) and request.client.may_ask(wanted)
        return wanted if fits else None

    def _target(self, request: Request) -> str | None:
        """The audience that was asked for (RFC 8707, 2; RFC 8693, 2.1)."""
        named = {request.form[name] for name in ("resource", "audience") if name in request.form}
        if not named:
            return None
        if len(named) > 1 or not named <= {request.issuer.audience, *request.client.client.audiences}:
            raise InvalidTargetError
        return named.pop()
