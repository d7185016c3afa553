"""The tables of documents: versions of templates."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, TenantModel


class TemplateRow(TenantModel, Base):
    """One version of a tenant's template. What it says never changes; a change is another version."""

    __tablename__ = "document_template"

    key: Mapped[str] = mapped_column(String(100))
    number: Mapped[int] = mapped_column(Integer)
    #: "draft", "published" or "retired".
    status: Mapped[str] = mapped_column(String(10))
    #: A `Template`, as JSON.
    definition: Mapped[dict[str, Any]]
    #: Keys of the templates that it extends, includes or imports, directly or through others.
    uses: Mapped[list[Any]]
    note: Mapped[str] = mapped_column(String(500))
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "key", "number"),
        Index(
            "uq_document_template_published",
            "tenant_id",
            "key",
            unique=True,
            sqlite_where=text("status = 'published'"),
            postgresql_where=text("status = 'published'"),
        ),
    )
