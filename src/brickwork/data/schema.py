"""Schema migrations by Alembic: each component has its own history and its own version table.

There is no env.py to copy: a component names the package that holds its revisions, and the platform runs them. After an
upgrade the fences and audit triggers of every tenant table are made anew, so that they always fit the tables.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Connection, Table, inspect

from brickwork.data.guard import Scope
from brickwork.data.models import Base, check_models, tenant_tables
from brickwork.data.port import PATIENCE
from brickwork.data.types import UTCDateTime
from brickwork.errors import DatabaseBusyError
from brickwork.kernel.component import Component, build_order

if TYPE_CHECKING:
    from brickwork.data.database import Database


def upgrade(database: "Database") -> None:
    """Run every revision that is missing, component by component, in one transaction, and protect the tables."""
    _load_models(database)
    check_models(tenant_tables())
    with _owner_connection(database) as (backend, connection):
        backend.lock_schema(connection)
        for component in migrated(database):
            script = _script(component)
            context = _context(connection, component, script)
            context._migrations_fn = lambda heads, _, script=script: script._upgrade_revs("heads", heads)
            with Operations.context(context), context.begin_transaction(_per_migration=True):
                context.run_migrations()
        present = set(inspect(connection).get_table_names())
        backend.protect(connection, [table for table in tenant_tables() if table.name in present])
        database.backend.grant(connection)


def current(database: "Database") -> dict[str, str | None]:
    """The revision that each component's tables are at."""
    with _owner_connection(database) as (_, connection):
        return {
            component.name: _context(connection, component, _script(component)).get_current_revision()
            for component in migrated(database)
        }


def pending(database: "Database") -> list[str]:
    """Components whose tables are behind the code."""
    at = current(database)
    return [c.name for c in migrated(database) if at[c.name] != _script(c).get_current_head()]


def check(database: "Database") -> list[str]:
    """What the models have and the migrations lack (or the reverse), one line each; empty where they agree."""
    _load_models(database)
    lines = []
    with _owner_connection(database) as (_, connection):
        for component in migrated(database):
            context = _context(connection, component, _script(component))
            lines += [f"{component.name}: {_describe(diff)}" for diff in compare_metadata(context, Base.metadata)]
    return lines


def revision(database: "Database", component: Component, message: str) -> Path:
    """Write a revision from what differs between models and database; for authors of components."""
    _load_models(database)
    script = _script(component)
    with _owner_connection(database) as (_, connection):
        migrations = produce_migrations(_context(connection, component, script), Base.metadata)
    assert migrations.upgrade_ops is not None
    assert migrations.downgrade_ops is not None
    head = script.get_current_head()
    number = f"{len(list(script.walk_revisions())) + 1:04d}"
    body = _TEMPLATE.format(
        message=message,
        revision=f"{component.name}_{number}",
        down=repr(head),
        upgrade=_indent(render_python_code(migrations.upgrade_ops, render_item=_render)),
    )
    path = Path(script.versions) / f"{number}_{message.lower().replace(' ', '_')[:40]}.py"
    path.write_text(body, encoding="utf-8")
    return path


def migrated(database: "Database") -> list[Component]:
    """The platform's components that have tables."""
    return [c for c in build_order(list(database._platform.components.values())) if c.migrations]


_TEMPLATE = '''"""{message}"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "{revision}"
down_revision = {down}


def upgrade() -> None:
{upgrade}
'''


def _indent(code: str) -> str:
    lines = [line for line in code.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(f"    {line}" if line and not line.startswith("    ") else line for line in lines)


def _load_models(database: "Database") -> None:
    for component in database._platform.components.values():
        if component.models:
            import_module(component.models)


@contextmanager
def _owner_connection(database: "Database") -> Iterator[tuple[Any, Connection]]:
    """A system-wide transaction of the role that owns the tables."""
    backend: Any = database.owner_backend()
    engines = backend.engines()
    engine = engines.write
    database.watch(engine)
    scope = Scope(None, system=True)
    try:
        with engine.connect() as connection:
            connection.execution_options(brickwork_scope=scope)
            with connection.begin():
                stamp = '{"actor": "migrations", "correlation_id": null, "reason": "schema", "at": null}'
                _patiently(backend, lambda: backend.begin(connection, scope, stamp, readonly=False))
                yield backend, connection
    finally:
        engines.read.dispose()
        engine.dispose()


def _patiently(backend: Any, begin: Callable[[], None]) -> None:
    """Where the beginning of a transaction is the lock (SQLite), one that migrates just now is waited for here."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            begin()
            return
        except Exception as error:
            if not isinstance(backend.translate(error), DatabaseBusyError) or monotonic() > deadline:
                raise


def _script(component: Component) -> ScriptDirectory:
    assert component.migrations is not None
    folder = import_module(component.migrations).__path__[0]
    config = Config()
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def _context(connection: Connection, component: Component, script: ScriptDirectory) -> MigrationContext:
    def mine(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        table = item if isinstance(item, Table) else item.table
        known = Base.metadata.tables.get(table.name)
        if known is None:
            return False
        return owner_of(known, component)

    return MigrationContext.configure(
        connection,
        opts={
            "version_table": f"brickwork_version_{component.name}",
            "target_metadata": Base.metadata,
            "script": script,
            "include_object": mine,
            "compare_type": True,
            "compare_server_default": False,
            "transactional_ddl": True,
        },
    )


def owner_of(table: Table, component: Component) -> bool:
    """Whether the model of `table` lies in the component's module."""
    for mapper in Base.registry.mappers:
        if mapper.local_table is table:
            return mapper.class_.__module__.startswith(_room(component))
    return False


def _room(component: Component) -> str:
    assert component.migrations is not None
    return component.migrations.rpartition(".")[0]


def _render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """A revision must not change when the package's own types do, so it is written in SQLAlchemy's."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JSON) and item._variant_mapping:
        return "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    return False


def _describe(diff: Any) -> str:
    return str(diff)[:300]
