"""The ward's tables: every column type and mixin that a product may use, and each kind of relationship."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, String, Table, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from brickwork.data import Base, SoftDelete, TenantModel, Timestamps, Versioned, tenant_column

#: Which tags a patient has: a table without a class, as `secondary` takes it.
patient_tag = Table(
    "ward_patient_tag",
    Base.metadata,
    tenant_column(),
    Column("patient_id", Uuid, primary_key=True),
    Column("tag_id", Uuid, primary_key=True),
    ForeignKeyConstraint(["tenant_id", "patient_id"], ["ward_patient.tenant_id", "ward_patient.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["tenant_id", "tag_id"], ["ward_tag.tenant_id", "ward_tag.id"], ondelete="CASCADE"),
)


class Patient(SoftDelete, Versioned, Timestamps, TenantModel):
    """Somebody who is treated. `code` is unique in the tenant; the national number is sensitive."""

    __tablename__ = "ward_patient"

    name: Mapped[str] = mapped_column(String(200))
    code: Mapped[str | None] = mapped_column(String(40))
    birth_date: Mapped[date | None]
    national_number: Mapped[str | None] = mapped_column(String(40), info={"sensitive": True})
    balance: Mapped[Decimal | None]
    insured: Mapped[bool | None]
    notes: Mapped[dict[str, Any] | None]
    photo: Mapped[bytes | None] = mapped_column(LargeBinary, info={"audit": False})

    visits: Mapped[list["Visit"]] = relationship(back_populates="patient", order_by="Visit.id")
    tags: Mapped[list["Tag"]] = relationship(secondary=patient_tag, back_populates="patients", order_by="Tag.name")

    __table_args__ = (UniqueConstraint("tenant_id", "code"),)


class Visit(TenantModel):
    """A patient's stay."""

    __tablename__ = "ward_visit"

    patient_id: Mapped[UUID]
    reason: Mapped[str] = mapped_column(String(200))
    began_at: Mapped[datetime | None]

    patient: Mapped[Patient] = relationship(back_populates="visits")

    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "patient_id"], ["ward_patient.tenant_id", "ward_patient.id"]),
        Index("ix_ward_visit_patient", "tenant_id", "patient_id"),
    )


class Tag(TenantModel):
    """A word that patients are found by."""

    __tablename__ = "ward_tag"

    name: Mapped[str] = mapped_column(String(40))

    patients: Mapped[list[Patient]] = relationship(secondary=patient_tag, back_populates="tags")

    __table_args__ = (UniqueConstraint("tenant_id", "name"),)
