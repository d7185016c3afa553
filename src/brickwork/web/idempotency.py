"""Idempotency-Key on POST (IETF draft-ietf-httpapi-idempotency-key-header): a repeated request gets the first answer.

The key is stored in the transaction of the request's own effects, so a crash leaves either both or neither. Of two
requests at once with one key, the second waits for the first (PostgreSQL: on the key's row; SQLite: for the writer).
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Index, Integer, LargeBinary, String, bindparam, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, TenantScoped
from brickwork.data.types import Json
from brickwork.errors import DuplicateError, ValidationError
from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from brickwork.data import Database

Answer = tuple[int, bytes, dict[str, str]]
_KEY = re.compile(r"[\x21-\x7e]{1,200}\Z")


class IdempotencyKeyRow(TenantScoped, Base):
    """A key, the request it came with, and the answer it got."""

    __tablename__ = "web_idempotency_key"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(Integer)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    headers: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_web_idempotency_key_created_at", "created_at"), {"info": {"audit": False}})


_table: Any = IdempotencyKeyRow.__table__
_FIND = select(_table).where(
    _table.c.tenant_id == bindparam("tenant", type_=String()), _table.c.key == bindparam("sought", type_=String())
)


class Idempotency:
    """Runs a request once for each key."""

    def __init__(self, database: "Database", hours: int) -> None:
        self._database = database
        self._lifetime = timedelta(hours=hours)

    def run(self, key: str, request: bytes, work: Callable[[], Answer]) -> Answer:
        """The answer of `work`, or the stored one if the key was used for the same request.

        Raises `ValidationError` if the key is malformed or belongs to another request. What `work` raises leaves no key.
        """
        if not _KEY.match(key):
            raise ValidationError("Idempotency-Key takes 1 to 200 visible ASCII characters", field="Idempotency-Key")
        fingerprint = hashlib.sha256(request).hexdigest()
        try:
            with self._database.transaction() as transaction:
                known = transaction.execute(_FIND, {"tenant": transaction.tenant, "sought": key}).one_or_none()
                if known is not None:
                    return self._replay(known, fingerprint)
                now = self._database.clock.now()
                values = {"fingerprint": fingerprint, "status": 0, "body": b"", "headers": {}, "created_at": now}
                transaction.execute(insert(_table), {"tenant_id": transaction.tenant, "key": key, **values})
                status, body, headers = work()
                statement = update(_table).where(_table.c.tenant_id == transaction.tenant, _table.c.key == key)
                transaction.execute(statement.values(status=status, body=body, headers=headers))
                return status, body, headers
        except DuplicateError as error:
            return self._after_race(key, fingerprint, error)

    def expire(self) -> int:
        """Forget keys older than the lifetime, of every tenant; returns how many."""
        limit = self._database.clock.now() - self._lifetime
        with self._database.begin(Context(system=True)) as transaction:
            return int(transaction.execute(delete(_table).where(_table.c.created_at < limit)).rowcount)

    def _after_race(self, key: str, fingerprint: str, error: DuplicateError) -> Answer:
        """Another request stored the key while this one ran; if the clash was not about the key it is the work's own."""
        with self._database.transaction(readonly=True) as transaction:
            known = transaction.execute(_FIND, {"tenant": transaction.tenant, "sought": key}).one_or_none()
        if known is None:
            raise error
        return self._replay(known, fingerprint)

    def _replay(self, known: Any, fingerprint: str) -> Answer:
        if known.fingerprint != fingerprint:
            raise ValidationError("this Idempotency-Key was used for another request; take a new one", field="Idempotency-Key")
        return known.status, known.body, {**known.headers, "Idempotent-Replayed": "true"}
