"""The pytest plugin: a migrated platform for each test, on each database.

Variables: `BRICKWORK_TEST_DATABASES` ("sqlite,postgres") selects the databases, `BRICKWORK_TEST_POSTGRES` is an
administrator's URL, and with `BRICKWORK_REQUIRE_SERVICES=1` a server that does not answer fails its tests, where it
otherwise skips them.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from brickwork.testing.clock import FrozenClock
from brickwork.testing.databases import Databases, Section, UnreachableServiceError
from brickwork.testing.events import EventRecorder

if TYPE_CHECKING:
    from brickwork.kernel.clock import Clock
    from brickwork.kernel.platform import Platform

POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
KINDS = tuple(os.environ.get("BRICKWORK_TEST_DATABASES", "sqlite,postgres").replace(" ", "").split(","))


class PlatformMaker(Protocol):
    """Makes platforms that a test's end closes.

    `sections` are settings, e.g. `database={"busy_timeout": 0.2}`. The database is a new one, migrated unless `migrated`
    is false; give `database={"url": ...}` (`other.settings.database` has it) to open one that exists.
    """

    def __call__(
        self,
        *,
        components: Sequence[str] | None = None,
        plugins: Sequence[object] = (),
        clock: "Clock | None" = None,
        migrated: bool = True,
        **sections: Any,
    ) -> "Platform": ...


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The databases of this session; removed at its end."""
    made = Databases(tmp_path_factory.mktemp("databases"), os.environ.get("BRICKWORK_TEST_POSTGRES", POSTGRES))
    yield made
    made.close()


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """The kind of database of this run of the test: "sqlite" or "postgres"."""
    return str(request.param)


@pytest.fixture
def database_section(request: pytest.FixtureRequest, database_kind: str) -> Iterator[Callable[..., Section]]:
    """Gives the settings of a new database of this kind: `database_section()` or `database_section(schema, migrate)`."""
    # the session's databases are asked for here and not as an argument, so that an absent server skips its rows only
    databases: Databases = request.getfixturevalue("databases")
    made: list[Section] = []

    def give(schema: object = None, migrate: Callable[[Section], None] | None = None) -> Section:
        try:
            if migrate is None:
                made.append(databases.empty(database_kind))
            else:
                made.append(databases.migrated(database_kind, schema, migrate))
        except UnreachableServiceError as error:
            absent(str(error))
        return made[-1]

    yield give
    for section in made:
        databases.drop(database_kind, section)


@pytest.fixture
def make_platform(
    request: pytest.FixtureRequest, database_section: Callable[..., Section], tmp_path: Path
) -> Iterator[PlatformMaker]:
    """A `PlatformMaker` for this run's kind of database."""
    from brickwork.kernel.platform import Platform

    numbers = count(1)
    with ExitStack() as stack:

        def make(
            *,
            components: Sequence[str] | None = None,
            plugins: Sequence[object] = (),
            clock: "Clock | None" = None,
            migrated: bool = True,
            **sections: Any,
        ) -> Platform:
            folder = tmp_path / f"platform-{next(numbers)}"
            settings = {**sections, "platform": {"data_dir": folder, "environment": "test", **sections.get("platform", {})}}
            database = dict(sections.get("database", {}))

            def open_on(section: Section) -> Platform:
                own = {**settings, "database": {**section, **database}}
                return Platform(components, settings=own, plugins=plugins, clock=clock)

            def migrate(section: Section) -> None:
                with open_on(section) as template:
                    template.migrate()

            if "url" in database:
                section: Section = {}
            elif migrated:
                schema = (tuple(components or ()), tuple(_label(plugin) for plugin in plugins))
                section = database_section(schema, migrate)
            else:
                section = database_section()
            platform = open_on(section)
            stack.callback(platform.close)
            return platform

        yield make


@pytest.fixture
def platform(request: pytest.FixtureRequest, make_platform: PlatformMaker) -> "Platform":
    """A migrated platform with every installed component, once on SQLite and once on PostgreSQL.

    Its clock is `frozen_clock` where the test asks for that fixture too.
    """
    frozen = "frozen_clock" in request.fixturenames
    return make_platform(clock=request.getfixturevalue("frozen_clock") if frozen else None)


@pytest.fixture
def frozen_clock() -> FrozenClock:
    """A clock that stands at Monday, 5 January 2026, 9:00 UTC until the test advances it."""
    return FrozenClock()


@pytest.fixture
def captured_events(platform: "Platform") -> Iterator[EventRecorder]:
    """What `platform` publishes in committed transactions, from now on."""
    recorder = EventRecorder()
    platform.plugins.register(recorder)
    yield recorder
    platform.plugins.unregister(recorder)


def absent(reason: str) -> None:
    """Skip the test because a service is absent, or fail it where services are required."""
    if os.environ.get("BRICKWORK_REQUIRE_SERVICES") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _label(plugin: object) -> str:
    return str(getattr(plugin, "__name__", type(plugin).__qualname__))
