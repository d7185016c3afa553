"""A transaction: one connection, one tenant, an ORM session on demand, and the events that commit with the data."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, CursorResult, Executable

from brickwork.data.guard import UNSCOPED, Scope
from brickwork.data.port import Bound
from brickwork.data.session import TenantSession
from brickwork.errors import TransactionError, ValidationError
from brickwork.kernel.context import SYSTEM_TENANT, Context, strand

if TYPE_CHECKING:
    from brickwork.data.database import Database


class Transaction:
    """Made by `platform.transaction()`; commits when the outermost block ends, rolls back if it raises."""

    def __init__(self, database: "Database", connection: Connection, context: Context, scope: Scope, readonly: bool) -> None:
        self._database = database
        self._session: TenantSession | None = None
        self.connection = connection
        self.context = context
        self.scope = scope
        self.readonly = readonly
        #: What was published in this transaction, in order.
        self.events: list[object] = []
        #: The deliveries of its events that are stored with it.
        self.owes: list[Any] = []
        #: Whether messages for listeners were stored with it.
        self.tells = False
        #: What the system did as a part of this transaction.
        self.parts: list[Transaction] = []
        #: The statement that `first` of `Database.begin` made, and what came of it.
        self.opened: Bound | None = None
        #: Sent in the same round trip as the commit.
        self.last: list[Bound] = []
        #: Whether blocks that join are savepoints.
        self.savepoints = True
        #: Whether it was committed; false while it runs and after a rollback.
        self.committed = False
        #: Whether it is over, either way.
        self.ended = False
        #: Whether a statement failed whose error no savepoint has undone: nothing can be kept then.
        self.broken = False
        self.strand = strand()

    @property
    def tenant(self) -> str:
        """The tenant whose rows this transaction sees; '*' in a system context."""
        return SYSTEM_TENANT if self.scope.system else self.context.require_tenant()

    @property
    def session(self) -> TenantSession:
        """The ORM session of this transaction, made on first use."""
        if self._session is None:
            self._session = TenantSession(self.connection, self.scope, self._database.clock)
        return self._session

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run a Core statement. It must hold each tenant table to the tenant (see `brickwork.data.guard`)."""
        self.flush()
        return self.connection.execute(statement, parameters)

    def send(self, sql: str, parameters: Any) -> Any:
        """The driver's cursor for a statement that `Prepared` has compiled."""
        self.flush()
        driver: Any = self.connection.connection.driver_connection
        spans = self._database.spans
        try:
            if spans is None:
                return driver.execute(sql, parameters)
            with spans.span(sql):
                return driver.execute(sql, parameters)
        except Exception as error:
            self.broken = True
            known = self._database.backend.translate(error)
            if known is None:
                raise
            raise known from None

    def publish(self, event: object) -> None:
        """Publish `event` with this transaction: it is seen only if the transaction commits."""
        if self.readonly:
            raise ValidationError("an event can't be published in a read-only transaction")
        self.events.append(event)

    @contextmanager
    def joined(self, *, apart: bool = False) -> Iterator[None]:
        """A block of somebody who joins this transaction; as `savepoint`, where blocks are savepoints."""
        if self.savepoints:
            with self.savepoint(apart=apart):
                yield
            return
        try:
            yield
            self.flush()
        except BaseException:
            self.broken = True
            raise

    @contextmanager
    def savepoint(self, *, apart: bool = False) -> Iterator[None]:
        """A block that is undone by itself if it raises; the transaction goes on for a caller that catches. A block `apart` uses
        another session than this transaction's."""
        grows: tuple[list[Any], ...] = (self.events, self.parts, self.owes, self.last)
        kept = [(grown, len(grown)) for grown in grows]
        was_broken = self.broken
        known = None if apart else self._session
        nested: Any = known.begin_nested() if known is not None else self.connection.begin_nested()
        if known is not None:
            known.connection()  # a session begins its savepoint when it is used, and statements may go past it
        try:
            yield
            self.check_whole()
            self.flush()
        except BaseException:
            for grown, length in kept:
                del grown[length:]
            if nested.is_active or known is not None:
                nested.rollback()
            self.broken = was_broken
            if not apart and self._session is not known and self._session is not None:
                self._session.expunge_all()  # it was made inside the block, so it knows nothing of the savepoint
            elif known is not None:
                known.expire_all()
            raise
        nested.commit()

    def flush(self) -> None:
        """Send the ORM session's pending changes to the database."""
        if self._session is not None:
            self._session.flush()

    def check_whole(self) -> None:
        """Raise `TransactionError` if a failed statement has made the transaction worthless."""
        if self.broken:
            raise TransactionError(
                "a statement of this transaction failed and its error was caught, so nothing of it can be kept; "
                "put what may fail into `with transaction.savepoint()`"
            )

    @contextmanager
    def speaking_as(self, context: Context) -> Iterator[None]:
        """A block whose writes the audit trail ascribes to `context`'s actor, reason and correlation id."""
        outer = self.context
        if _who(outer) == _who(context) or self.readonly:
            yield
            return
        self.flush()
        self.context = context
        self._database.stamp(self)
        try:
            yield
        finally:
            self.context = outer
            self._database.stamp(self)

    def end(self, *, committed: bool) -> None:
        """Called by the database when it is over; its objects become detached and may join another session."""
        self.ended, self.committed = True, committed
        if self._session is not None:
            self._session.expunge_all()

    @contextmanager
    def unscoped(self, *, reason: str) -> Iterator[None]:
        """A block in which the statement guard stands aside, for raw SQL; the reason goes into the audit trail.

        The tenant stays in force in the database: on PostgreSQL row-level security still shows the tenant's rows only.
        """
        if not reason.strip():
            raise ValidationError("an unscoped block needs a reason; it goes into the audit trail", field="reason")
        self._database.audit.append(self, "unscoped", "database", self.tenant, {"reason": reason})
        outer = bool(self.connection.get_execution_options().get(UNSCOPED))
        self.connection.execution_options(**{UNSCOPED: True})
        try:
            yield
        finally:
            self.connection.execution_options(**{UNSCOPED: outer})


def _who(context: Context) -> tuple[str, str, str | None]:
    return context.actor, context.correlation_id, context.reason
