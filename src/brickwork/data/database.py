"""The database of a platform: engines, transactions, and the way errors and health come out of it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from brickwork.data import guard
from brickwork.data.audit import AuditTrail, stamp_of
from brickwork.data.backends import backend_for, url_of
from brickwork.data.lane import Lane
from brickwork.data.models import check_models, tenant_tables
from brickwork.data.port import Bound, DatabaseBackend, Engines
from brickwork.data.settings import DatabaseSettings
from brickwork.data.transaction import Transaction
from brickwork.errors import (
    CrossTenantError,
    DatabaseBusyError,
    MigrationError,
    TransactionError,
    UnavailableError,
    ValidationError,
)
from brickwork.kernel.clock import Clock
from brickwork.kernel.component import Health
from brickwork.kernel.context import Context, strand

if TYPE_CHECKING:
    from brickwork.data.spans import Statements
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.data")

#: Makes a statement that travels with the beginning of a transaction.
Opening = Callable[[Transaction], Bound]


class Database:
    """Gives transactions. One a platform: `platform.database`."""

    def __init__(self, platform: "Platform", settings: DatabaseSettings) -> None:
        self._platform = platform
        self.settings = settings
        self.clock: Clock = platform.clock
        self.backend: DatabaseBackend = self._backend(settings.url)
        #: Makes spans of statements, where tracing is on.
        self.spans = self._spans() if platform.tracing.on else None
        self.audit = AuditTrail(self)
        self._impatient: ContextVar[Lane | bool] = ContextVar("brickwork_impatient", default=False)
        self._lanes: list[Lane] = []
        self._current: ContextVar[Transaction | None] = ContextVar("brickwork_transaction", default=None)

    @property
    def current(self) -> Transaction | None:
        """The transaction that the caller is in, if any."""
        current = self._current.get()
        return None if current is None or current.ended else current

    # -- transactions ------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, readonly: bool = False) -> Iterator[Transaction]:
        """Join the current transaction (as a savepoint, if it writes) or begin one for the context's tenant."""
        context = self._platform.contexts.current
        current = self._joinable()
        if current is None:
            with self.begin(context, readonly=readonly and not context.system) as transaction:
                self.audit.system_access(transaction)
                yield transaction
            return
        if (current.context.tenant, current.context.system) != (context.tenant, context.system):
            raise CrossTenantError("a transaction of another tenant is open; let it end before the tenant changes")
        if readonly:
            yield current
        elif current.readonly:
            raise ValidationError("a write was tried inside a read-only transaction")
        else:
            deed = current.context.reason
            with current.speaking_as(context), current.joined():
                if context.reason != deed:
                    self.audit.system_access(current)
                yield current

    @contextmanager
    def begin(
        self, context: Context, *, readonly: bool = False, first: Opening | None = None, savepoints: bool = True
    ) -> Iterator[Transaction]:
        """A transaction of its own for `context`, independent of the current one. Products use `transaction`.

        `first` makes a statement that travels with the beginning; it is `Transaction.opened` then. Without
        `savepoints`, blocks that join this transaction can't fail by themselves: what is raised in one fails the whole.
        """
        scope = guard.Scope(None if context.system else context.require_tenant(), context.system)
        transaction = self._begun(context, scope, readonly, first)
        transaction.savepoints = savepoints
        connection = transaction.connection
        try:
            outer = connection.get_transaction()
            assert outer is not None
            previous = self._current.get()
            self._current.set(transaction)
            try:
                yield transaction
                self._finish(transaction)
                self._commit(transaction, outer)
                transaction.end(committed=True)
            except BaseException:
                if outer.is_active:
                    outer.rollback()
                raise
            finally:
                if not transaction.ended:
                    transaction.end(committed=False)
                if self._current.get() is transaction:  # a generator may be closed in a context that never saw it
                    self._current.set(previous)
        finally:
            self._release(connection)
        if not readonly:
            for part in (transaction, *transaction.parts):
                part.committed = True
                self._tell_committed(part)

    @contextmanager
    def elevated(self, context: Context, *, readonly: bool = False) -> Iterator[Transaction]:
        """A transaction for `context`, which is the system's. Where a tenant's is open it is a part of that, kept or undone with
        it; what is published in it is the system's all the same."""
        current = self._joinable()
        if current is None:
            with self.begin(context, readonly=readonly) as transaction:
                yield transaction
            return
        if current.scope.system:
            with current.speaking_as(context), current.joined():
                yield current
            return
        current.flush()
        part = Transaction(self, current.connection, context, guard.Scope(None, system=True), current.readonly)
        try:
            with nullcontext() if current.readonly else current.joined(apart=True):
                self.stamp(part)
                self._current.set(part)
                yield part
                self._finish(part)
                with self._typed_errors():
                    self.backend.run(part.connection, part.last)
        finally:
            self._current.set(current)
            part.end(committed=False)
            if not current.broken:
                self.stamp(current)
        current.parts.append(part)

    def stamp(self, transaction: Transaction) -> None:
        """Hold the connection to the scope of `transaction`, and tell the audit triggers who writes from now on."""
        transaction.connection.execution_options(brickwork_scope=transaction.scope)
        stamp = "" if transaction.readonly else stamp_of(transaction.context, self.clock)
        self.backend.stamp(transaction.connection, transaction.scope, stamp)

    def migrate(self) -> None:
        """Bring the schema to what the platform's components need; see `brickwork.data.schema`."""
        from brickwork.data.schema import upgrade

        upgrade(self)

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Refuse to serve on a schema that is behind, a table without fence, or a role that could get around it."""
        from brickwork.data.schema import pending

        if behind := pending(self):
            raise MigrationError(f"the database is behind for {', '.join(behind)}; run `brickwork db upgrade`")
        with self.begin(Context(system=True), readonly=True) as transaction:
            bare = self.backend.unprotected(transaction.connection)
        if bare:
            raise MigrationError(f"tenant tables without a fence: {', '.join(bare)}; run `brickwork db upgrade`")

    def close(self) -> None:
        self.audit.stop_sealing()
        for lane in self._lanes:
            lane.close()
        if "engines" in self.__dict__:
            self.engines.read.dispose()
            self.engines.write.dispose()
        self.backend.close()

    def health(self) -> Health:
        with self.engines.read.connect() as connection:
            connection.execute(text("SELECT 1"))
        return Health(True, self.backend.name)

    @cached_property
    def engines(self) -> Engines:
        """The engines of the application's role, made on first use; refuses an unsafe role."""
        check_models(tenant_tables())
        engines: Engines = self.backend.engines()
        for engine in {engines.read, engines.write}:
            self.watch(engine)
        try:
            with engines.read.connect() as connection:
                self.backend.check_role(connection)
        except BaseException:
            for engine in {engines.read, engines.write}:
                engine.dispose()
            raise
        return engines

    @property
    def concurrent_writers(self) -> bool:
        """Whether several transactions may write at once; SQLite admits one."""
        return "concurrent_writers" in self._platform.plugins.backends[("database", self.backend.name)].capabilities

    @property
    def embedded(self) -> bool:
        """Whether the database lives in this process, so that a short statement is not worth a thread."""
        return "in_process" in self._platform.plugins.backends[("database", self.backend.name)].capabilities

    def beside(self, name: str) -> Path:
        """Where the processes of one machine that share this database share something else: next to its file, wherever they
        were started, or in the data folder where a server keeps it."""
        file = self.backend.file
        return self._platform.settings.platform.data_dir / name if file is None else file.with_name(f"{file.name}-{name}")

    def lane(self) -> Lane:
        """Connections for one caller alone, to be used with `impatient`; closed with the database."""
        engines = self.backend.engines()
        for engine in {engines.read, engines.write}:
            self.watch(engine)
        self._lanes.append(Lane(engines))
        return self._lanes[-1]

    @contextmanager
    def impatient(self, lane: Lane | None = None) -> Iterator[None]:
        """A block in which a transaction that would have to wait for another writer raises `DatabaseBusyError` at once.

        With `lane`, its transactions run on the lane's connections.
        """
        token = self._impatient.set(lane or True)
        try:
            yield
        finally:
            self._impatient.reset(token)

    @property
    def is_impatient(self) -> bool:
        """Whether the caller is inside `impatient`."""
        return self._impatient.get() is not False

    def watch(self, engine: Any) -> None:
        """Put the guard and the translation of errors on `engine`."""
        guard.watch(engine)
        if self.spans is not None:
            self.spans.watch(engine)
        event.listen(engine, "handle_error", self._translate)

    def owner_backend(self) -> DatabaseBackend:
        """The backend for migrations: that of `owner_url` where it is set."""
        return self._backend(self.settings.owner_url) if self.settings.owner_url else self.backend

    # -- inside ------------------------------------------------------------------------------------------------------

    def _joinable(self) -> Transaction | None:
        """The transaction in force; one that is over was carried into a task or thread that outlived it."""
        current = self.current
        if current is not None and current.strand != strand():
            raise TransactionError(
                "a transaction belongs to the thread that began it; do its work there, as one function if the caller is async"
            )
        return current

    def _commit(self, transaction: Transaction, outer: Any) -> None:
        if self.spans is None:
            self._send_commit(transaction, outer)
            return
        with self.spans.around("COMMIT", lambda: transaction.last):
            self._send_commit(transaction, outer)

    def _send_commit(self, transaction: Transaction, outer: Any) -> None:
        with self._typed_errors():
            self.backend.commit(transaction.connection, transaction.last)
            outer.commit()  # SQLAlchemy's own; there is nothing left to do for the database

    def _begun(self, context: Context, scope: guard.Scope, readonly: bool, first: Opening | None) -> Transaction:
        """A transaction for `scope` that has begun."""
        engine = self.engines.read if readonly else self.engines.write
        stamp = "" if readonly else stamp_of(context, self.clock)
        lane = self._impatient.get()
        impatient = not readonly and lane is not False
        if isinstance(lane, Lane) and (kept := lane.take(readonly=readonly)) is not None:
            return self._started(kept, context, scope, stamp, readonly, first, wait=not impatient)
        if impatient and not self.concurrent_writers and self.engines.write.pool.checkedout():  # type: ignore[attr-defined]
            raise DatabaseBusyError("another transaction of this process is writing")
        for last in (False, True):
            try:
                connection = engine.connect()
            except PoolTimeout:
                raise DatabaseBusyError("no database connection came free in time; try again") from None
            try:
                return self._started(connection, context, scope, stamp, readonly, first, wait=not impatient)
            except UnavailableError as error:  # the server went away since the pool made its connections: make new ones
                if isinstance(error, DatabaseBusyError) or last:
                    raise
                engine.dispose()
        raise AssertionError

    def _started(
        self,
        connection: Connection,
        context: Context,
        scope: guard.Scope,
        stamp: str,
        readonly: bool,
        first: Opening | None,
        *,
        wait: bool,
    ) -> Transaction:
        """A transaction, begun on `connection`."""
        try:
            connection.execution_options(brickwork_scope=scope)
            connection.begin()
            transaction = Transaction(self, connection, context, scope, readonly)
            self._begin(transaction, stamp, first, wait=wait)
        except BaseException as error:
            if isinstance(error, UnavailableError) and not isinstance(error, DatabaseBusyError):
                connection.invalidate()
            elif (begun := connection.get_transaction()) is not None:
                begun.rollback()
            self._release(connection)
            raise
        return transaction

    def _release(self, connection: Connection) -> None:
        lane = self._impatient.get()
        if not (isinstance(lane, Lane) and lane.give_back(connection)):
            connection.close()

    def _begin(self, transaction: Transaction, stamp: str, first: Opening | None, *, wait: bool) -> None:
        connection, scope, readonly = transaction.connection, transaction.scope, transaction.readonly
        opening = None if first is None else partial(first, transaction)
        spans = nullcontext() if self.spans is None or first is None else self.spans.around("BEGIN", lambda: _sent(transaction))
        with spans, self._typed_errors():
            transaction.opened = self.backend.begin(connection, scope, stamp, readonly=readonly, wait=wait, first=opening)

    @contextmanager
    def _typed_errors(self) -> Iterator[None]:
        """A block whose statements go past SQLAlchemy, which would have the errors translated."""
        try:
            yield
        except Exception as error:
            known = self.backend.translate(error)
            if known is None:
                raise
            raise known from None

    def _finish(self, transaction: Transaction) -> None:
        transaction.check_whole()
        transaction.flush()
        if not transaction.readonly and self._platform.plugins.has_hook("brickwork_before_commit"):
            self._platform.plugins.hook.brickwork_before_commit(platform=self._platform, transaction=transaction)
            transaction.check_whole()
            transaction.flush()

    def _tell_committed(self, transaction: Transaction) -> None:
        if self._platform.plugins.has_hook("brickwork_after_commit"):
            try:
                self._platform.plugins.hook.brickwork_after_commit(platform=self._platform, transaction=transaction)
            except Exception:  # the data is committed whatever happens here
                log.exception("a plugin failed after a commit")

    def _translate(self, context: ExceptionContext) -> None:
        error = context.sqlalchemy_exception or context.original_exception
        if not isinstance(error, DBAPIError):
            return  # the guard's refusal: the database never saw the statement
        current = self._current.get()
        if current is not None and current.connection is context.connection:
            current.broken = True
        known = self.backend.translate(error)
        if known is not None:
            raise known from None

    def _spans(self) -> "Statements":
        from brickwork.data.spans import Statements

        url = url_of(self.settings.url, self._platform.settings.platform.data_dir)
        return Statements(self._platform.tracing, self.backend.name, url)

    def _backend(self, url: str | None) -> DatabaseBackend:
        return backend_for(url, self.settings, self._platform.settings.platform.data_dir)


def _sent(transaction: Transaction) -> list[Bound]:
    return [] if transaction.opened is None else [transaction.opened]
