"""Databases for tests: each test gets one of its own, copied from a template that is migrated once a session.

A SQLite template is a file to copy; a PostgreSQL template is a database to clone, in which `brickwork db roles` has made
an owner and an application role, so that tests run under the same row-level security as production.
"""

import secrets
import shutil
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from brickwork.errors import BrickworkError

#: Settings of the `[database]` section.
Section = Mapping[str, Any]

_PREFIX = "bwtest_"


class UnreachableServiceError(Exception):
    """A server that some tests need does not answer; the message says which, and how to point at another."""


class DatabaseProvider(Protocol):
    """Gives and takes back databases of one kind."""

    def empty(self) -> Section:
        """A database without tables. Raises `UnreachableServiceError` if its server is absent."""
        ...

    def copy(self, template: Section) -> Section:
        """A copy of a database that nobody is connected to."""
        ...

    def drop(self, section: Section) -> None:
        """Remove a database that `empty` or `copy` gave, whoever is still connected."""
        ...

    def close(self) -> None:
        """Remove everything that was made."""
        ...


class SqliteDatabases:
    """Files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def empty(self) -> Section:
        return {"url": f"sqlite:///{self._folder / secrets.token_hex(6)}.db"}

    def copy(self, template: Section) -> Section:
        fresh = self.empty()
        shutil.copyfile(_file(template), _file(fresh))
        return fresh

    def drop(self, section: Section) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{_file(section)}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class PostgresDatabases:
    """Databases on the server that `admin_url` (a superuser's) names.

    Names begin with `bwtest_` and a token of the session, which also is the application name of a connection held open.
    What a killed session left behind is recognised by the absence of that connection and removed by the next session.
    """

    def __init__(self, admin_url: str) -> None:
        self._url = admin_url
        self._token = secrets.token_hex(4)
        self._made = 0
        self._admin: Any = None
        self._roles: Section = {}
        self._root = ""

    def empty(self) -> Section:
        self._connect()
        return self._clone(self._root)

    def copy(self, template: Section) -> Section:
        self._connect()
        return self._clone(_name(template))

    def drop(self, section: Section) -> None:
        self._admin.execute(f'DROP DATABASE IF EXISTS "{_name(section)}" WITH (FORCE)')

    def close(self) -> None:
        if self._admin is not None:
            self._sweep(f"{_PREFIX}{self._token}_")
            self._admin.close()
            self._admin = None

    def _connect(self) -> None:
        if self._admin is not None:
            return
        try:
            import psycopg
        except ImportError:
            raise UnreachableServiceError("psycopg is not installed: pip install 'brickwork[postgres]'") from None
        try:
            self._admin = psycopg.connect(self._url, autocommit=True, connect_timeout=5, application_name=_PREFIX + self._token)
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[0]
            raise UnreachableServiceError(
                f"no PostgreSQL server for tests ({reason}); set BRICKWORK_TEST_POSTGRES to an administrator's URL"
            ) from None
        self._sweep_abandoned()
        self._prepare()

    def _prepare(self) -> None:
        """Make the database without tables, with both roles, that every other one is cloned from."""
        from sqlalchemy import make_url

        from brickwork.data.roles import create_roles

        self._root = f"{_PREFIX}{self._token}_root"
        self._admin.execute(f'CREATE DATABASE "{self._root}"')
        url = make_url(self._url).set(database=self._root)
        roles = create_roles(
            url.render_as_string(hide_password=False),
            owner=f"{_PREFIX}{self._token}_owner",
            app=f"{_PREFIX}{self._token}_app",
        )
        self._roles = {"url": roles.url, "owner_url": roles.owner_url}

    def _clone(self, template: str) -> Section:
        from sqlalchemy import make_url

        self._made += 1
        name = f"{_PREFIX}{self._token}_{self._made}"
        self._admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return {key: make_url(url).set(database=name).render_as_string(hide_password=False) for key, url in self._roles.items()}

    def _sweep_abandoned(self) -> None:
        alive = {row[0] for row in self._admin.execute("SELECT DISTINCT application_name FROM pg_stat_activity")}
        names = self._admin.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'bwtest\\_%' "
            "UNION SELECT rolname FROM pg_roles WHERE rolname LIKE 'bwtest\\_%'"
        )
        sessions = {"_".join(row[0].split("_")[:2]) for row in names}
        for session in sessions - alive:
            self._sweep(f"{session}_")

    def _sweep(self, prefix: str) -> None:
        pattern = prefix.replace("_", "\\_") + "%"
        found = self._admin.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [pattern]).fetchall()
        for (name,) in found:
            self._admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        found = self._admin.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", [pattern]).fetchall()
        for (name,) in found:
            with suppress(Exception):  # a role that still owns something elsewhere is left for a person to look at
                self._admin.execute(f'DROP ROLE IF EXISTS "{name}"')


class Databases:
    """The databases of a test session, of every kind, with their templates."""

    def __init__(self, folder: Path, postgres_url: str) -> None:
        self._providers: dict[str, DatabaseProvider] = {
            "sqlite": SqliteDatabases(folder),
            "postgres": PostgresDatabases(postgres_url),
        }
        self._templates: dict[Hashable, Section] = {}

    def empty(self, kind: str) -> Section:
        """A database without tables."""
        return self._providers[kind].empty()

    def migrated(self, kind: str, schema: Hashable, migrate: Callable[[Section], None]) -> Section:
        """A copy of the template for `schema`; `migrate` fills the template the first time."""
        template = self._templates.get((kind, schema))
        if template is None:
            template = self._providers[kind].empty()
            try:
                migrate(template)
            except BrickworkError:
                self._providers[kind].drop(template)
                raise
            self._templates[kind, schema] = template
        return self._providers[kind].copy(template)

    def copy(self, kind: str, section: Section) -> Section:
        """A copy of a database that nobody is connected to, such as one whose platforms are closed."""
        return self._providers[kind].copy(section)

    def drop(self, kind: str, section: Section) -> None:
        """Remove a database."""
        self._providers[kind].drop(section)

    def close(self) -> None:
        """Remove them all."""
        for provider in self._providers.values():
            provider.close()


def _file(section: Section) -> str:
    return str(section["url"]).removeprefix("sqlite:///")


def _name(section: Section) -> str:
    return str(section["url"]).rpartition("/")[2]
