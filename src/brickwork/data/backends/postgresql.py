"""PostgreSQL (psycopg 3): forced row-level security as the second fence, statement triggers for the audit trail.

The application's role owns nothing, is no superuser and has no BYPASSRLS. The tenant is a transaction-local setting that
travels in the same round trip as BEGIN, so a connection pool can't carry it over. Such a setting is '' and not NULL
once it was used in a session, hence the NULLIF in the policies.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Column, Connection, Engine, Table, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from brickwork.data.guard import UNSCOPED, Scope
from brickwork.data.models import SYSTEM_TENANT, is_audited
from brickwork.data.port import PATIENCE, Bound, Engines
from brickwork.errors import (
    BrickworkError,
    BrokenReferenceError,
    CrossTenantError,
    DatabaseBusyError,
    DuplicateError,
    ImmutableError,
    MissingDependencyError,
    StorageFullError,
    TransactionError,
    UnavailableError,
    UnsafeRoleError,
    ValidationError,
)

#: Key of the advisory lock under which migrations run.
_SCHEMA_LOCK = 0x627269636B

_POLICY = (
    "tenant_id = NULLIF(current_setting('brickwork.tenant', true), '') "
    f"OR current_setting('brickwork.tenant', true) = '{SYSTEM_TENANT}'"
)

#: What the triggers of a table share. They run as the owner, since the application's role may not write audit entries itself.
_FUNCTIONS = (
    """
CREATE OR REPLACE FUNCTION brickwork_note(text, timestamptz, text, text, text, text, text, text, text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = SCHEMA_NAME, pg_temp AS $$
  INSERT INTO audit_entry (tenant_id, at, actor, action, entity, record_id, after, reason, correlation_id)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
$$;
""",
    """
CREATE OR REPLACE FUNCTION brickwork_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.seq IS NULL
     AND to_jsonb(OLD) - '{seq,hash}'::text[] = to_jsonb(NEW) - '{seq,hash}'::text[] THEN RETURN NEW; END IF;
  RAISE EXCEPTION 'brickwork: append-only' USING ERRCODE = 'BW001';
END $$;
""",
    """
CREATE OR REPLACE FUNCTION brickwork_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'brickwork: append-only' USING ERRCODE = 'BW001'; END $$;
""",
)

#: Statements that go out in one message.
_MESSAGE = 500

_NOTE = text("SELECT brickwork_note(:tenant_id, :at, :actor, :action, :entity, :record_id, :after, :reason, :correlation_id)")


class PostgresBackend:
    """See the module. `busy_timeout` (seconds) bounds the wait for a lock, `pool_size` the connections of a process."""

    name = "postgresql"
    file: Path | None = None

    def __init__(self, url: URL, *, busy_timeout: float = 5.0, pool_size: int = 8) -> None:
        try:
            from brickwork.data.backends.postgresql_message import Message
        except ImportError:
            raise MissingDependencyError("psycopg", "postgres") from None
        self._message = Message
        self.url = url.set(drivername="postgresql+psycopg")
        self._timeout = busy_timeout
        self._pool_size = pool_size

    def engines(self) -> Engines:
        engine = create_engine(
            self.url,
            # BEGIN and COMMIT are sent by `begin` and by the driver's commit: one round trip less each transaction
            isolation_level="AUTOCOMMIT",
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=self._timeout,
            json_serializer=_dump,
            json_deserializer=orjson.loads,
            connect_args={
                "connect_timeout": 10,
                "client_encoding": "utf8",
                "options": f"-c lock_timeout={int(self._timeout * 1000)} -c timezone=UTC",
            },
        )
        return Engines(engine, engine)

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
        message = self._message(connection.connection.driver_connection)
        message.add("BEGIN READ ONLY" if readonly else "BEGIN")
        settings = {"tenant": SYSTEM_TENANT if scope.system else scope.tenant or ""}
        if not readonly:
            settings["stamp"] = stamp
        calls = ", ".join(f"set_config('brickwork.{name}', {message.literal(value)}, true)" for name, value in settings.items())
        message.add(f"SELECT {calls}")
        opened = None if first is None else message.bind(first())
        message.send()
        return opened

    def run(self, connection: Connection, statements: Sequence[Bound]) -> None:
        for start in range(0, len(statements), _MESSAGE):
            message = self._message(connection.connection.driver_connection)
            for statement in statements[start : start + _MESSAGE]:
                message.bind(statement)
            message.send()

    def commit(self, connection: Connection, last: Sequence[Bound]) -> None:
        many = len(last) - len(last) % _MESSAGE
        self.run(connection, last[:many])
        message = self._message(connection.connection.driver_connection)
        for statement in last[many:]:
            message.bind(statement)
        message.add("COMMIT")
        if message.send() != b"COMMIT":
            raise TransactionError("a statement of this transaction failed without being noticed, so nothing of it was kept")

    def stamp(self, connection: Connection, scope: Scope, stamp: str) -> None:
        settings = {"tenant": SYSTEM_TENANT if scope.system else scope.tenant or "", "stamp": stamp}
        statement = "SELECT set_config('brickwork.tenant', :tenant, true), set_config('brickwork.stamp', :stamp, true)"
        connection.execute(text(statement), settings)

    def protect(self, connection: Connection, tables: Sequence[Table]) -> None:
        schema = connection.scalar(text("SELECT current_schema()"))
        quoted = connection.dialect.identifier_preparer.quote(str(schema))
        for function in _FUNCTIONS:
            connection.exec_driver_sql(function.replace("SCHEMA_NAME", quoted))
        for table in tables:
            for statement in _protection(table):
                connection.exec_driver_sql(statement.replace("SCHEMA_NAME", quoted))
        for verb in ("UPDATE", "DELETE"):
            name = f"bw_append_only_{verb.lower()}"
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name} ON audit_entry")
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name} BEFORE {verb} ON audit_entry FOR EACH ROW EXECUTE FUNCTION brickwork_append_only()"
            )

    def grant(self, connection: Connection) -> None:
        role = self.url.username
        if role is None or connection.scalar(text("SELECT current_user")) == role:
            return
        name = connection.dialect.identifier_preparer.quote(role)
        schema = connection.dialect.identifier_preparer.quote(str(connection.scalar(text("SELECT current_schema()"))))
        for statement in (
            f"GRANT USAGE ON SCHEMA {schema} TO {name}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {name}",
            f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {name}",
            f"REVOKE INSERT, UPDATE, DELETE ON audit_entry FROM {name}",
            f"GRANT UPDATE (seq, hash) ON audit_entry TO {name}",
        ):
            connection.exec_driver_sql(statement)

    def note(self, connection: Connection, values: Mapping[str, Any]) -> None:
        connection.execute(_NOTE, dict(values), execution_options={UNSCOPED: True})

    def unprotected(self, connection: Connection) -> list[str]:
        rows = connection.scalars(
            text(
                "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
                "WHERE c.relkind IN ('r', 'p') AND a.attname = 'tenant_id' AND NOT a.attisdropped "
                "AND c.relnamespace = current_schema()::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity "
                "AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'brickwork_tenant')) "
                "ORDER BY 1"
            )
        )
        return list(rows)

    def check_role(self, connection: Connection) -> None:
        row = connection.execute(
            text(
                "SELECT r.rolname, r.rolsuper, r.rolbypassrls, EXISTS (SELECT 1 FROM pg_class c WHERE c.relkind IN ('r', 'p') "
                "AND c.relnamespace = current_schema()::regnamespace AND pg_has_role(current_user, c.relowner, 'MEMBER')) "
                "FROM pg_roles r WHERE r.rolname = current_user"
            )
        ).one()
        faults = [
            fault for fault, found in zip(("is a superuser", "has BYPASSRLS", "owns tables"), row[1:], strict=True) if found
        ]
        if faults:
            raise UnsafeRoleError(
                f"database role {row[0]!r} {' and '.join(faults)}, so row-level security would not hold it; run "
                "`brickwork db roles` with an administrator's URL and put the application role's URL into database.url",
                role=row[0],
            )

    def serialize(self, connection: Connection, keys: Sequence[str]) -> None:
        statement = "SELECT pg_advisory_xact_lock(hashtextextended(k, 0)) FROM (SELECT unnest(%s::text[]) AS k ORDER BY 1) s"
        driver: Any = connection.connection.driver_connection
        driver.execute(statement, [list(keys)])

    def listen(self, channel: str) -> "NotifyListener":
        return NotifyListener(self.url.set(drivername="postgresql").render_as_string(hide_password=False), channel)

    def signal(self, engines: Engines, channel: str) -> None:
        with engines.write.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute(f'NOTIFY "{channel}"')

    def lock_schema(self, connection: Connection) -> None:
        # who migrates may take longer than a lock is waited for otherwise; tables are waited for no longer than before
        patience = text("SELECT set_config('lock_timeout', :milliseconds, true)")
        connection.execute(patience, {"milliseconds": str(int(PATIENCE * 1000))})
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
        connection.execute(patience, {"milliseconds": str(int(self._timeout * 1000))})

    def translate(self, error: DBAPIError | Exception) -> BrickworkError | None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        state: str = getattr(cause, "sqlstate", None) or ""
        diagnosis = getattr(cause, "diag", None)
        if state in ("55P03", "40P01", "40001", "57014"):
            return DatabaseBusyError("the database could not get a lock in time, or ended a deadlock; try again")
        if state in ("53100",):
            return StorageFullError("the disk that holds the database is full; the transaction was rolled back")
        if state == "25006":
            return ValidationError("a write was tried in a read-only transaction")
        if state == "42501" and "row-level security" in str(cause):
            return CrossTenantError("the database refused a write to another tenant's row")
        if state == "BW001" or (state == "42501" and "audit_entry" in str(cause)):
            return ImmutableError("rows of this table can only be appended")
        if state == "23505":
            return DuplicateError(
                "a row with the same unique value exists", constraint=getattr(diagnosis, "constraint_name", None), columns=[]
            )
        if state == "23503":
            return BrokenReferenceError("a reference points to a row that does not exist in this tenant")
        if state in ("22021", "22P05", "54000"):
            return ValidationError("a value has a character (such as NUL) or a size that the database does not accept")
        if state.startswith(("08", "57P")) or (type(cause).__name__ == "OperationalError" and not state):
            return UnavailableError("the database cannot be reached")
        return None

    def close(self) -> None:
        """Nothing beyond the engines' pools, which the database disposes of."""


class NotifyListener:
    """LISTEN on a connection of its own, made anew after it broke."""

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._closed = False
        self._connection: Any = None

    def wait(self, timeout: float) -> bool:
        import psycopg

        if self._closed:
            return False
        try:
            if self._connection is None:
                connection = psycopg.connect(self._url, autocommit=True, connect_timeout=10)
                connection.execute(f'LISTEN "{self._channel}"')
                self._connection = connection
                return True  # what was sent while nobody listened
            return any(True for _ in self._connection.notifies(timeout=timeout, stop_after=1))
        except psycopg.Error:
            self._drop()
            if self._closed:
                return False
            raise UnavailableError("the database cannot be reached") from None

    def close(self) -> None:
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _dump(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _protection(table: Table) -> list[str]:
    name = f'"{table.name}"'
    statements = [
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS brickwork_tenant ON {name}",
        f"CREATE POLICY brickwork_tenant ON {name} USING ({_POLICY}) WITH CHECK ({_POLICY})",
    ]
    for verb in ("insert", "update", "delete"):
        statements.append(f"DROP TRIGGER IF EXISTS bw_audit_{verb} ON {name}")
    if is_audited(table):
        statements += _audit_triggers(table, name)
    statements.append(f"DROP TRIGGER IF EXISTS bw_frozen ON {name}")
    if table.info.get("append_only"):
        frozen = f"CREATE TRIGGER bw_frozen BEFORE UPDATE OR DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION brickwork_frozen()"
        statements.append(frozen)
    return statements


def _audit_triggers(table: Table, name: str) -> list[str]:
    """One function a table, which names its columns: a generic one that turns whole rows into JSON takes twice the time."""
    own = (
        table.name
        if len(table.name) <= 50
        else f"{table.name[:40]}_{md5(table.name.encode(), usedforsecurity=False).hexdigest()[:8]}"
    )
    function = f'"brickwork_audit_{own}"'
    keys = " || '/' || ".join(
        f'{{row}}."{column.name}"::text' for column in table.primary_key.columns if column.name != "tenant_id"
    )
    columns = [column for column in table.columns if column.info.get("audit", True)]
    entry = "stamp ->> 'reason', stamp ->> 'correlation_id'"
    into = "INSERT INTO audit_entry (tenant_id, at, actor, action, entity, record_id, before, after, reason, correlation_id)"

    def values(action: str, row: str, before: str, after: str) -> str:
        return f"{row}.tenant_id, moment, who, '{action}', '{table.name}', {keys.format(row=row)}, {before}, {after}, {entry}"

    return [
        f"""
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = SCHEMA_NAME, pg_temp AS $$
DECLARE
  stamp jsonb := coalesce(NULLIF(current_setting('brickwork.stamp', true), ''), '{{}}')::jsonb;
  moment timestamptz := coalesce((stamp ->> 'at')::timestamptz, clock_timestamp());
  who text := coalesce(stamp ->> 'actor', session_user);
BEGIN
  IF TG_OP = 'INSERT' THEN
    {into} SELECT {values("insert", "n", "NULL", _json_of("n", columns))} FROM new_rows n;
  ELSIF TG_OP = 'UPDATE' THEN
    {into} VALUES ({values("update", "NEW", _json_of("OLD", columns), _json_of("NEW", columns))});
  ELSE
    {into} VALUES ({values("delete", "OLD", _json_of("OLD", columns), "NULL")});
  END IF;
  RETURN NULL;
END $$;
""",
        f"CREATE TRIGGER bw_audit_insert AFTER INSERT ON {name} REFERENCING NEW TABLE AS new_rows "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
        f"CREATE TRIGGER bw_audit_update AFTER UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION {function}()",
        f"CREATE TRIGGER bw_audit_delete AFTER DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION {function}()",
    ]


def _json_of(row: str, columns: Sequence[Column[Any]]) -> str:
    """SQL for the audited columns of `row` as JSON text, sensitive ones redacted."""
    values = ", ".join(
        f'CASE WHEN {row}."{column.name}" IS NOT NULL THEN \'[redacted]\' END AS "{column.name}"'
        if column.info.get("sensitive")
        else f'{row}."{column.name}"'
        for column in columns
    )
    return f"(SELECT row_to_json(x)::text FROM (SELECT {values}) x)"


def engine_for(url: URL) -> Engine:
    """A plain engine for administration, such as making roles."""
    return create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
