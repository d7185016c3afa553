"""The tables of storage: files, the contents that they share, and what of its space a tenant uses."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, SoftDelete, TenantModel, TenantScoped, Timestamps


class BlobRow(TenantModel, Timestamps, SoftDelete, Base):
    """A file."""

    __tablename__ = "storage_blob"

    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(150))
    content_id: Mapped[UUID]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created_by: Mapped[str] = mapped_column(String(200))

    __table_args__ = (Index("ix_storage_blob_content_id", "tenant_id", "content_id"),)


class ContentRow(TenantModel, Base):
    """Bytes that one or several files of the tenant hold."""

    __tablename__ = "storage_content"

    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    #: Where the store has them.
    key: Mapped[str] = mapped_column(String(200))
    #: The key that they are encrypted with, itself encrypted; None where they are not.
    sealed: Mapped[str | None] = mapped_column(Text, info={"sensitive": True})
    #: Files that hold them.
    refs: Mapped[int] = mapped_column(Integer)

    __table_args__ = (UniqueConstraint("tenant_id", "sha256"), {"info": {"audit": False}})


class UsageRow(TenantScoped, Base):
    """What a tenant uses: one row, by which two that store at once wait for one another."""

    __tablename__ = "storage_usage"

    bytes: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = ({"info": {"audit": False}},)
