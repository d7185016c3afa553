"""The registration of the database component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brickwork.data.settings import DatabaseSettings, KeyringSettings
from brickwork.kernel.component import Backend, Component
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.data.database import Database
    from brickwork.kernel.platform import Platform


def build(platform: "Platform", settings: DatabaseSettings) -> "Database":
    from brickwork.data.database import Database

    return Database(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="database",
            summary="Transactions, tenancy, audit trail and migrations on SQLite or PostgreSQL",
            build="brickwork.data.component:build",
            settings=DatabaseSettings,
            service="brickwork.data.database:Database",
            models="brickwork.data.audit",
            migrations="brickwork.data.migrations",
        ),
        Component(
            name="keyring",
            summary="Keys for encryption at rest",
            build="brickwork.data.keyring:build",
            settings=KeyringSettings,
            service="brickwork.data.keyring:Keyring",
        ),
    ]


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    return [
        Backend(
            port="database",
            name="sqlite",
            factory="brickwork.data.backends.sqlite:SqliteBackend",
            summary="Embedded: one file, WAL",
            capabilities=frozenset({"write_fence", "in_process"}),
        ),
        Backend(
            port="database",
            name="postgresql",
            factory="brickwork.data.backends.postgresql:PostgresBackend",
            summary="Many machines; row-level security",
            capabilities=frozenset({"write_fence", "read_fence", "concurrent_writers", "roles"}),
        ),
    ]
