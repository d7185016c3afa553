"""The tables of flags: definitions, which are the system's, and what tenants have differently.

Rows are not removed but emptied, so that a sum over their versions tells every change.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, TenantScoped, Versioned


class FlagRow(TenantScoped, Versioned, Base):
    """A flag, under the system's tenant."""

    __tablename__ = "flag"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    #: A `Flag`, as JSON; empty where it was removed.
    definition: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]


class OverrideRow(TenantScoped, Versioned, Base):
    """What a tenant is served instead."""

    __tablename__ = "flag_override"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    #: None where it was revoked.
    variant: Mapped[str | None] = mapped_column(String(100))
    reason: Mapped[str] = mapped_column(Text)
    until: Mapped[datetime | None]
