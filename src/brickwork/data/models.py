"""The declarative base and the mixins that a product's models are made of.

A model that derives from `TenantModel` belongs to a tenant: its primary key begins with `tenant_id`, every read is
scoped to the context's tenant and every write is checked and audited. Unique constraints and foreign keys between such
models must include `tenant_id`; `check_models` refuses to start otherwise.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from brickwork.data.types import Json, UTCDateTime
from brickwork.errors import ModelError
from brickwork.kernel.context import SYSTEM_TENANT
from brickwork.kernel.ids import uuid7

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of every stored model, with brickwork's column types and constraint names."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {
        datetime: UTCDateTime,
        UUID: Uuid,
        Decimal: Numeric(28, 10),
        dict[str, Any]: Json,
        list[Any]: Json,
    }


def scope_of(connection: Connection) -> Any:
    """The `Scope` that `Database.transaction` put on the connection, or None."""
    return connection.get_execution_options().get("brickwork_scope")


def _stamp_tenant(context: DefaultExecutionContext) -> str | None:
    scope = scope_of(context.root_connection)
    return scope.tenant if scope is not None else None


def tenant_column() -> Column[str]:
    """The `tenant_id` of a table without a class, such as one that links two models; stamped as a model's is."""
    return Column("tenant_id", String(64), primary_key=True, default=_stamp_tenant)


class TenantScoped:
    """Belongs to a tenant. The column is stamped by the platform; giving another tenant's name raises."""

    tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True, default=_stamp_tenant, sort_order=-20)


class Identified:
    """Has a UUIDv7 `id`."""

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7, sort_order=-10)


class Timestamps:
    """Knows when it was made and last changed (set by the session from the platform's clock)."""

    created_at: Mapped[datetime] = mapped_column(UTCDateTime, sort_order=80)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, sort_order=81)


class SoftDelete:
    """`session.delete` hides the row; `Session.restore` brings it back, `Session.purge` removes it for good."""

    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime, sort_order=90)


class Versioned:
    """Counts its changes; a concurrent change makes the second writer fail with `StaleVersionError`."""

    version: Mapped[int] = mapped_column(Integer, default=1, sort_order=70)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


class TenantModel(TenantScoped, Identified, Base):
    """What a product's models derive from: `(tenant_id, id)` is the primary key."""

    __abstract__ = True


def is_tenant_table(table: Table) -> bool:
    """Whether the rows of `table` belong to tenants: it has a `tenant_id` column."""
    return "tenant_id" in table.c


def is_audited(table: Table) -> bool:
    """Whether writes to `table` go to the audit trail; `__table_args__ = {"info": {"audit": False}}` opts out."""
    return is_tenant_table(table) and bool(table.info.get("audit", True))


def tenant_tables(metadata: MetaData = Base.metadata) -> list[Table]:
    """Every tenant table of `metadata`, those that others refer to first."""
    return [table for table in metadata.sorted_tables if is_tenant_table(table)]


def check_models(tables: Iterable[Table]) -> None:
    """Raise `ModelError` for a key of a tenant table that could collide with, or point into, another tenant."""
    for table in tables:
        for columns, what in _keys(table):
            if "tenant_id" not in {column.name for column in columns} and not _is_surrogate(columns):
                names = ", ".join(column.name for column in columns)
                raise ModelError(f"{what} ({names}) of tenant table {table.name!r} must include tenant_id")


def _keys(table: Table) -> Iterable[tuple[list[Column[Any]], str]]:
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint):
            yield list(constraint.columns), "the primary key"
        elif isinstance(constraint, UniqueConstraint):
            yield list(constraint.columns), "the unique constraint"
    for index in table.indexes:
        if index.unique:
            yield list(index.columns), "the unique index"
    for key in table.foreign_key_constraints:
        if is_tenant_table(key.referred_table):
            yield list(key.columns), f"the foreign key to {key.referred_table.name}"


def _is_surrogate(columns: list[Column[Any]]) -> bool:
    """A number that the database itself gives out can't be used to probe for another tenant's rows."""
    return len(columns) == 1 and columns[0].primary_key and isinstance(columns[0].type, Integer)


__all__ = [
    "SYSTEM_TENANT",
    "Base",
    "Identified",
    "SoftDelete",
    "TenantModel",
    "TenantScoped",
    "Timestamps",
    "Versioned",
    "check_models",
    "is_audited",
    "is_tenant_table",
    "scope_of",
    "tenant_column",
    "tenant_tables",
]
