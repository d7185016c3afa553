"""The port of the database component: what a dialect must do so that the rest of brickwork needs no `if postgres`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import DBAPIError

from brickwork.data.guard import Scope
from brickwork.errors import BrickworkError

#: Seconds to wait for another process that migrates.
PATIENCE = 120.0


@attrs.define
class Bound:
    """A statement with its values, to travel with the beginning or the end of a transaction, and what came of it."""

    sql: str
    #: As the driver takes them.
    values: Any
    #: Rows that it wrote.
    count: int = 0
    #: What its RETURNING of one integer column gave.
    numbers: Sequence[int] = ()


@attrs.frozen
class Engines:
    """`read` gives connections for read-only transactions, `write` for the others; they may be the same engine."""

    read: Engine
    write: Engine


class Listener(Protocol):
    """Hears when something happened on a channel, in whatever process."""

    def wait(self, timeout: float) -> bool:
        """Whether a signal came within `timeout` seconds. One may come for nothing; several may come as one. Raises
        `UnavailableError` if the database can't be reached; waiting again then reconnects."""
        ...

    def close(self) -> None:
        """Let go of the connection. Another thread may be waiting."""
        ...


class DatabaseBackend(Protocol):
    """One kind of database."""

    name: str
    #: The file that holds it, where that is one.
    file: Path | None

    def engines(self) -> Engines:
        """New engines for the configured URL. They commit nothing by themselves."""
        ...

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
        """Begin a transaction whose second fence (policies or triggers) admits only `scope`, and run the statement that `first`
        makes, in the same round trip.

        `stamp` is JSON with actor, correlation id, reason and time, for the audit triggers. The scope ends with the
        transaction, however it ends, so pooled connections carry nothing over. With `wait` false, a database that admits
        one writer raises `DatabaseBusyError` at once if another process writes.
        """
        ...

    def run(self, connection: Connection, statements: Sequence[Bound]) -> None:
        """Run the statements in their order, in one round trip unless there are very many. Raises the driver's error of the
        first that fails."""
        ...

    def commit(self, connection: Connection, last: Sequence[Bound]) -> None:
        """As `run`, and commit in the same round trip; where one fails, nothing is committed."""
        ...

    def stamp(self, connection: Connection, scope: Scope, stamp: str) -> None:
        """Hold what follows in the transaction to `scope`, under another stamp; that is empty in a reading transaction."""
        ...

    def protect(self, connection: Connection, tables: Sequence[Table]) -> None:
        """(Re)create the second fence and the audit triggers for `tables`; idempotent. Needs the owner's rights."""
        ...

    def grant(self, connection: Connection) -> None:
        """Give the application's role what it needs on the tables, when another role owns them."""
        ...

    def note(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Append an audit entry that no trigger writes; `values` are columns of `audit_entry`."""
        ...

    def close(self) -> None:
        """Let go of what the backend holds beyond its engines."""
        ...

    def unprotected(self, connection: Connection) -> list[str]:
        """Tenant tables in the database's own catalogue that lack a fence, whoever made them."""
        ...

    def check_role(self, connection: Connection) -> None:
        """Raise `UnsafeRoleError` if the connected role could bypass the second fence."""
        ...

    def serialize(self, connection: Connection, keys: Sequence[str]) -> None:
        """Until the transaction ends, let no other one come here with one of `keys`."""
        ...

    def listen(self, channel: str) -> Listener:
        """A listener on `channel`, a plain identifier."""
        ...

    def signal(self, engines: Engines, channel: str) -> None:
        """Wake the listeners on `channel`; nothing where they notice commits by themselves."""
        ...

    def lock_schema(self, connection: Connection) -> None:
        """Wait until no other process migrates; held to the end of the transaction."""
        ...

    def translate(self, error: DBAPIError | Exception) -> BrickworkError | None:
        """The typed error that a driver's error stands for, or None."""
        ...
