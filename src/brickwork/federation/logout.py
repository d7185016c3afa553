"""The sessions that were begun at a provider, which it may end (OpenID Connect Back-Channel Logout 1.0)."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete

from brickwork.auth import SignIn
from brickwork.federation.admission import Told
from brickwork.federation.models import FederatedSessionRow
from brickwork.federation.tokens import SKEW, Claims
from brickwork.kernel.context import SYSTEM_TENANT

if TYPE_CHECKING:
    from brickwork.auth import Auth

_Row = FederatedSessionRow


class ProvidersSessions:
    """Knows which session here goes back to which there."""

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth

    def note(self, signed: SignIn, told: Told) -> None:
        """A session was begun with an identity."""
        sid = told.claims.get("sid")
        with self._auth.system() as transaction:
            transaction.session.add(
                _Row(tenant_id=SYSTEM_TENANT, session_id=signed.id, issuer=told.issuer, subject=told.subject,
                     sid=sid if isinstance(sid, str) and len(sid) <= 255 else None, created_at=self._auth.now(),
                     expires_at=signed.expires_at)
            )  # fmt: skip

    def obey(self, claims: Claims) -> int:
        """End what a logout token means: one session, or all of a subject's. Those begun after it was made stay, so that nothing
        is gained by sending it again."""
        before = datetime.fromtimestamp(claims["iat"], UTC) + timedelta(seconds=SKEW)
        meant = [_Row.created_at <= before]
        meant += [column == claims[name] for name, column in (("sid", _Row.sid), ("sub", _Row.subject)) if name in claims]
        return self._end(claims["iss"], *meant)

    def end(self, issuer: str, subject: str) -> int:
        """End all that were begun with an identity."""
        return self._end(issuer, _Row.subject == subject)

    def _end(self, issuer: str, *meant: object) -> int:
        ended = delete(_Row).where(_Row.tenant_id == SYSTEM_TENANT, _Row.issuer == issuer, *meant)  # type: ignore[arg-type]
        with self._auth.system() as transaction:
            ids = list(transaction.execute(ended.returning(_Row.session_id)).scalars())
            return self._auth.sessions.end_some(transaction, ids)
