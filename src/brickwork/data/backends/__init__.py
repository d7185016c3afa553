"""The databases that ship with the core, and which of them a URL asks for."""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from brickwork.data.port import DatabaseBackend
from brickwork.data.settings import DatabaseSettings
from brickwork.errors import SettingsError


def backend_for(url: str | None, settings: DatabaseSettings, folder: Path) -> DatabaseBackend:
    """The backend of `url_of(url, folder)`. Raises `SettingsError`."""
    parsed = url_of(url, folder)
    if parsed.get_backend_name() == "sqlite":
        from brickwork.data.backends.sqlite import SqliteBackend

        return SqliteBackend(
            parsed, busy_timeout=settings.busy_timeout, pool_size=settings.pool_size, synchronous=settings.synchronous
        )
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        from brickwork.data.backends.postgresql import PostgresBackend

        return PostgresBackend(parsed, busy_timeout=settings.busy_timeout, pool_size=settings.pool_size)
    raise SettingsError(
        f"database.url: {parsed.get_backend_name()!r} is not supported; it takes sqlite:///file or postgresql://…",
        field="database.url",
    )


def url_of(url: str | None, folder: Path) -> URL:
    """What `url` spells; None is a SQLite file in `folder`. Raises `SettingsError`."""
    if url is None:
        return make_url(f"sqlite:///{folder / 'brickwork.db'}")
    try:
        return make_url(url.replace("postgres://", "postgresql://", 1))
    except ArgumentError:
        raise SettingsError("database.url: not a URL; it takes sqlite:///file or postgresql://…", field="database.url") from None
