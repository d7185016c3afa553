"""SQLite: the embedded default. One writer connection a process (threads queue for it fairly), several readers, WAL.

The second fence is a trigger before each write to a tenant table that compares the row's tenant with the transaction's;
the audit trail is filled by triggers after each write. Both read the transaction's scope through SQL functions that
brickwork registers on its connections, so a connection from elsewhere cannot write tenant tables at all.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any

import orjson
from sqlalchemy import Column, Connection, Engine, Table, create_engine, event, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from brickwork.data.audit import insert_entry
from brickwork.data.guard import Scope
from brickwork.data.models import SYSTEM_TENANT, is_audited
from brickwork.data.port import Bound, Engines
from brickwork.errors import (
    BrickworkError,
    BrokenReferenceError,
    CrossTenantError,
    DatabaseBusyError,
    DuplicateError,
    ImmutableError,
    StorageFullError,
    UnavailableError,
    ValidationError,
)

#: Seconds that an impatient writer waits: less than handing the work to a thread costs.
_IMPATIENT = 0.002
_AUDIT_COLUMNS = "tenant_id, at, actor, action, entity, record_id, before, after, reason, correlation_id"


class _Session:
    """What the SQL functions of one connection answer: the scope of its present transaction."""

    __slots__ = ("actor", "at", "correlation_id", "reason", "tenant")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.tenant: str | None = None
        self.actor: str | None = None
        self.correlation_id: str | None = None
        self.reason: str | None = None
        self.at: str | None = None


class SqliteBackend:
    """See the module. `busy_timeout` is in seconds."""

    name = "sqlite"

    def __init__(self, url: URL, *, busy_timeout: float = 5.0, pool_size: int = 8, synchronous: str = "normal") -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if url.database in (None, "", ":memory:"):
            self._temporary = tempfile.TemporaryDirectory(prefix="brickwork-", ignore_cleanup_errors=True)
            url = url.set(database=str(Path(self._temporary.name) / "brickwork.db"))
        self.url = url
        self.file: Path | None = Path(str(url.database)).absolute()
        self._timeout = busy_timeout
        self._pool_size = pool_size
        self._synchronous = synchronous

    def engines(self) -> Engines:
        assert self.url.database is not None
        Path(self.url.database).absolute().parent.mkdir(parents=True, exist_ok=True)
        write = self._engine(pool_size=1, pragmas=("journal_mode = wal", "busy_timeout = 0"))
        read = self._engine(pool_size=self._pool_size, pragmas=("query_only = on",))
        return Engines(read, write)

    def begin(
        self,
        connection: Connection,
        scope: Scope,
        stamp: str,
        *,
        readonly: bool,
        wait: bool = True,
        first: Callable[[], Bound] | None = None,
    ) -> Bound | None:
        self.stamp(connection, scope, stamp)
        driver: Any = connection.connection.driver_connection
        if readonly:
            driver.execute("BEGIN")
        else:
            self._begin_write(driver, wait=wait)
        return None if first is None else _run(driver, first())

    def run(self, connection: Connection, statements: Sequence[Bound]) -> None:
        driver: Any = connection.connection.driver_connection
        for statement in statements:
            _run(driver, statement)

    def commit(self, connection: Connection, last: Sequence[Bound]) -> None:
        self.run(connection, last)
        driver: Any = connection.connection.driver_connection
        driver.commit()

    def _begin_write(self, driver: Any, *, wait: bool) -> None:
        """Become the one writer. SQLite's own busy handler sleeps up to 100 ms between two looks; writes take less than one."""
        deadline = monotonic() + (self._timeout if wait else _IMPATIENT)
        pause = 0.0001
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or monotonic() >= deadline:
                    raise
            sleep(pause)
            pause = min(pause * 1.2, 0.005)

    def stamp(self, connection: Connection, scope: Scope, stamp: str) -> None:
        session: _Session = connection.connection.info["brickwork"]
        session.tenant = SYSTEM_TENANT if scope.system else scope.tenant
        if not stamp:
            return
        values = orjson.loads(stamp)
        session.actor = values["actor"]
        session.correlation_id = values["correlation_id"]
        session.reason = values["reason"]
        session.at = values["at"]

    def protect(self, connection: Connection, tables: Sequence[Table]) -> None:
        for name in connection.scalars(
            text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'bw\\_%' ESCAPE '\\'")
        ).all():
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        for table in tables:
            for statement in _fences(table):
                connection.exec_driver_sql(statement)
            if is_audited(table):
                for statement in _audit_triggers(table):
                    connection.exec_driver_sql(statement)
            if table.info.get("append_only"):
                for statement in _frozen(table):
                    connection.exec_driver_sql(statement)
        for statement in _append_only():
            connection.exec_driver_sql(statement)

    def grant(self, connection: Connection) -> None:
        """SQLite knows no roles."""

    def note(self, connection: Connection, values: Mapping[str, Any]) -> None:
        connection.execute(insert_entry, dict(values))

    def unprotected(self, connection: Connection) -> list[str]:
        inspector = inspect(connection)
        triggers = set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")))
        names = [
            name
            for name in inspector.get_table_names()
            if any(column["name"] == "tenant_id" for column in inspector.get_columns(name))
        ]
        return [name for name in names if any(f"bw_fence_{verb}_{name}" not in triggers for verb in _VERBS)]

    def check_role(self, connection: Connection) -> None:
        """SQLite knows no roles: the file's permissions are the operating system's matter."""

    def serialize(self, connection: Connection, keys: Sequence[str]) -> None:
        """The transaction has begun with BEGIN IMMEDIATE, which admits one writer."""

    def listen(self, channel: str) -> "CommitListener":
        assert self.url.database is not None
        return CommitListener(self.url.database)

    def signal(self, engines: Engines, channel: str) -> None:
        """Listeners notice every commit."""

    def lock_schema(self, connection: Connection) -> None:
        """The transaction has begun with BEGIN IMMEDIATE, which admits one writer."""

    def translate(self, error: DBAPIError | Exception) -> BrickworkError | None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, sqlite3.Error):
            return None
        message, code = str(cause), getattr(cause, "sqlite_errorname", "")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return DatabaseBusyError(f"the database stayed locked for {self._timeout:g} s; try again")
        if code == "SQLITE_FULL" or "disk is full" in message:
            return StorageFullError("the disk that holds the database is full; the transaction was rolled back")
        if code.startswith("SQLITE_IOERR"):
            return UnavailableError(f"the database file could not be read or written ({code})")
        if code == "SQLITE_READONLY":
            return ValidationError("a write was tried in a read-only transaction")
        if message.startswith("brickwork: tenant"):
            return CrossTenantError("the database refused a write to another tenant's row")
        if message.startswith("brickwork: append-only"):
            return ImmutableError("rows of this table can only be appended")
        if code in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
            constraint, columns = _unique_names(message)
            return DuplicateError("a row with the same unique value exists", constraint=constraint, columns=columns)
        if code == "SQLITE_CONSTRAINT_FOREIGNKEY":
            return BrokenReferenceError("a reference points to a row that does not exist in this tenant")
        if code == "SQLITE_TOOBIG":
            return ValidationError("a value is larger than the database accepts")
        return None

    def close(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    def _engine(self, *, pool_size: int, pragmas: Sequence[str]) -> Engine:
        engine = create_engine(
            self.url,
            poolclass=QueuePool,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=max(self._timeout, 0.001),
            json_serializer=_dump,
            json_deserializer=orjson.loads,
            connect_args={"isolation_level": None, "timeout": self._timeout, "check_same_thread": False},
        )

        @event.listens_for(engine, "connect")
        def _prepare(connection: sqlite3.Connection, record: Any) -> None:
            session = record.info["brickwork"] = _Session()
            _register(connection, session)
            for pragma in (
                f"busy_timeout = {int(self._timeout * 1000)}",
                *pragmas,
                "foreign_keys = on",
                f"synchronous = {self._synchronous}",
                "cache_size = -16000",
                "temp_store = memory",
            ):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "reset")
        def _forget(connection: sqlite3.Connection, record: Any, state: Any) -> None:
            record.info["brickwork"].clear()

        return engine


class CommitListener:
    """Hears of every commit to the file by whatever process: SQLite keeps a counter, and to read it costs microseconds."""

    #: Seconds between two looks.
    interval = 0.01

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._closed = Event()
        self._seen = self._version()

    def wait(self, timeout: float) -> bool:
        deadline = monotonic() + timeout
        while not self._closed.is_set():
            if (version := self._version()) != self._seen:
                self._seen = version
                return True
            left = deadline - monotonic()
            if left <= 0:
                return False
            self._closed.wait(min(self.interval, left))
        self._connection.close()
        return False

    def close(self) -> None:
        self._closed.set()

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


def _dump(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _register(connection: sqlite3.Connection, session: _Session) -> None:
    functions: dict[str, Callable[[], str | None]] = {
        "brickwork_tenant": lambda: session.tenant,
        "brickwork_actor": lambda: session.actor,
        "brickwork_correlation": lambda: session.correlation_id,
        "brickwork_reason": lambda: session.reason,
        "brickwork_at": lambda: session.at,
    }
    for name, function in functions.items():
        connection.create_function(name, 0, function)
    connection.create_function(
        "brickwork_fold", 1, lambda value: None if value is None else str(value).casefold(), deterministic=True
    )


_VERBS = {"insert": ("NEW",), "update": ("OLD", "NEW"), "delete": ("OLD",)}


def _fences(table: Table) -> list[str]:
    """Triggers that refuse a write whose row belongs to another tenant than the transaction's."""
    statements = []
    for verb, rows in _VERBS.items():
        foreign = " OR ".join(f"{row}.tenant_id IS NOT brickwork_tenant()" for row in rows)
        statements.append(
            f'CREATE TRIGGER "bw_fence_{verb}_{table.name}" BEFORE {verb.upper()} ON "{table.name}" '
            f"WHEN brickwork_tenant() IS NOT '{SYSTEM_TENANT}' AND ({foreign}) "
            "BEGIN SELECT RAISE(ABORT, 'brickwork: tenant'); END"
        )
    return statements


def _audit_triggers(table: Table) -> list[str]:
    keys = " || '/' || ".join(f'{{row}}."{column.name}"' for column in table.primary_key.columns if column.name != "tenant_id")
    columns = [column for column in table.columns if column.info.get("audit", True)]
    statements = []
    for verb, rows in _VERBS.items():
        before = _json_of("OLD", columns) if "OLD" in rows else "NULL"
        after = _json_of("NEW", columns) if "NEW" in rows else "NULL"
        row = rows[-1]
        statements.append(
            f'CREATE TRIGGER "bw_audit_{verb}_{table.name}" AFTER {verb.upper()} ON "{table.name}" BEGIN '
            f"INSERT INTO audit_entry ({_AUDIT_COLUMNS}) VALUES ({row}.tenant_id, brickwork_at(), brickwork_actor(), "
            f"'{verb}', '{table.name}', {keys.format(row=row)}, {before}, {after}, brickwork_reason(), "
            "brickwork_correlation()); END"
        )
    return statements


def _json_of(row: str, columns: Sequence[Column[Any]]) -> str:
    return "json_object(" + ", ".join(f"'{column.name}', {_json_value(row, column)}" for column in columns) + ")"


def _json_value(row: str, column: Column[Any]) -> str:
    value = f'{row}."{column.name}"'
    if column.info.get("sensitive"):
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE '[redacted]' END"
    kind = column.type.dialect_impl(_DIALECT).__class__.__name__
    if "JSON" in kind or "JSON" in column.type.__class__.__name__:
        return f"json({value})"
    if "Binary" in kind or "BLOB" in kind:
        return f"hex({value})"
    return value


def _append_only() -> list[str]:
    """Audit entries take a seal (`seq`, `hash`) once; nothing else of them ever changes, nor do they go away."""
    kept = " OR ".join(f"OLD.{name.strip()} IS NOT NEW.{name.strip()}" for name in ("id", *_AUDIT_COLUMNS.split(",")))
    refuse = "BEGIN SELECT RAISE(ABORT, 'brickwork: append-only'); END"
    return [
        f"CREATE TRIGGER bw_audit_entry_update BEFORE UPDATE ON audit_entry WHEN OLD.seq IS NOT NULL OR {kept} {refuse}",
        f"CREATE TRIGGER bw_audit_entry_delete BEFORE DELETE ON audit_entry {refuse}",
    ]


def _frozen(table: Table) -> list[str]:
    """Rows of the table never change, nor do they go away."""
    return [
        f'CREATE TRIGGER "bw_frozen_{verb.lower()}_{table.name}" BEFORE {verb} ON "{table.name}" '
        "BEGIN SELECT RAISE(ABORT, 'brickwork: append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ]


def _unique_names(message: str) -> tuple[str | None, list[str]]:
    """The index or the columns that SQLite's message names."""
    _, _, rest = message.partition("failed: ")
    if rest.startswith("index '"):
        return rest.split("'")[1], []
    return None, [part.rpartition(".")[2].strip() for part in rest.split(",")]


def _dialect() -> Any:
    from sqlalchemy.dialects import sqlite

    return sqlite.dialect()


_DIALECT = _dialect()


def _run(driver: Any, statement: Bound) -> Bound:
    cursor = driver.execute(statement.sql, statement.values)
    if cursor.description:
        statement.numbers = [row[0] for row in cursor.fetchall()]
    statement.count = cursor.rowcount
    return statement
