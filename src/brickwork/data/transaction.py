"""A transaction: one connection, one tenant, an ORM session on demand, and the events that commit with the data."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, CursorResult, Executable

from brickwork.data.guard import UNSCOPED, Scope
from brickwork.data.session import TenantSession
from brickwork.errors import ValidationError
from brickwork.kernel.context import SYSTEM_TENANT, Context

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
        if self._session is not None:
            self._session.flush()
        return self.connection.execute(statement, parameters)

    def publish(self, event: object) -> None:
        """Publish `event` with this transaction: it is seen only if the transaction commits."""
        if self.readonly:
            raise ValidationError("an event can't be published in a read-only transaction")
        self.events.append(event)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A block that is undone by itself if it raises; the transaction goes on for a caller that catches."""
        published = len(self.events)
        nested = self._session.begin_nested() if self._session is not None else self.connection.begin_nested()
        try:
            yield
            if self._session is not None:
                self._session.flush()
        except BaseException:
            del self.events[published:]
            nested.rollback()
            if self._session is not None:
                self._session.expire_all()
            raise
        nested.commit()

    @contextmanager
    def unscoped(self, *, reason: str) -> Iterator[None]:
        """A block in which the statement guard stands aside, for raw SQL; the reason goes into the audit trail.

        The tenant stays in force in the database: on PostgreSQL row-level security still shows the tenant's rows only.
        """
        if not reason.strip():
            raise ValidationError("an unscoped block needs a reason; it goes into the audit trail", field="reason")
        self._database._note(self, "unscoped", "database", self.tenant, {"reason": reason})
        self.connection.execution_options(**{UNSCOPED: True})
        try:
            yield
        finally:
            self.connection.execution_options(**{UNSCOPED: False})
