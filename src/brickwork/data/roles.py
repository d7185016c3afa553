"""PostgreSQL roles: one that owns the tables and migrates, one that serves and can't get around row-level security."""

import secrets

import attrs
from sqlalchemy import text
from sqlalchemy.engine import make_url

from brickwork.errors import SettingsError


@attrs.frozen
class Roles:
    """The URLs to configure. They hold passwords: show them once, to the person who asked."""

    owner_url: str = attrs.field(repr=False)
    url: str = attrs.field(repr=False)


def create_roles(admin_url: str, *, owner: str | None = None, app: str | None = None) -> Roles:
    """Create (or give new passwords to) both roles and hand the schema `public` of the database to the owner.

    `admin_url` must be a superuser's or the like. Names default to the database's with `_owner` and `_app`. Tables that
    exist in the schema and belong to the administrator are handed over too.
    """
    from brickwork.data.backends.postgresql import engine_for

    url = make_url(admin_url)
    if url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
        raise SettingsError("the administrator's URL must be postgresql://user@host/database", field="admin_url")
    names = (owner or f"{url.database}_owner", app or f"{url.database}_app")
    passwords = (secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    engine = engine_for(url.set(drivername="postgresql"))
    try:
        with engine.connect() as connection:
            quote = connection.dialect.identifier_preparer.quote_identifier
            for name, password in zip(names, passwords, strict=True):
                known = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name})
                verb = "ALTER" if known else "CREATE"
                connection.exec_driver_sql(
                    f"{verb} ROLE {quote(name)} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD '{password}'"
                )
            connection.exec_driver_sql(f"ALTER SCHEMA public OWNER TO {quote(names[0])}")
            connection.exec_driver_sql(f"GRANT CREATE ON DATABASE {quote(url.database)} TO {quote(names[0])}")
            connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {quote(names[1])}")
            tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
            for table in tables:
                connection.exec_driver_sql(f"ALTER TABLE public.{quote(table)} OWNER TO {quote(names[0])}")
    finally:
        engine.dispose()
    urls = [
        url.set(drivername="postgresql", username=name, password=password).render_as_string(hide_password=False)
        for name, password in zip(names, passwords, strict=True)
    ]
    return Roles(urls[0], urls[1])
