"""The tables of limits: which plan a tenant is on, and what of its quotas is used."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, TenantScoped, Versioned


class AssignmentRow(TenantScoped, Versioned, Base):
    """The plan of a tenant. Rows are not removed but emptied, so that a sum over their versions tells every change."""

    __tablename__ = "limits_assignment"

    #: Whose plan it is: "tenant".
    holder: Mapped[str] = mapped_column(String(250), primary_key=True)
    #: None where the tenant is back on the default plan.
    plan: Mapped[str | None] = mapped_column(String(64))


class UsageRow(TenantScoped, Base):
    """What of a quota was used in a window; written every few seconds, and never less than before."""

    __tablename__ = "limits_usage"

    quota: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Whose: "tenant", "user:…", "service:…" or "key:…".
    holder: Mapped[str] = mapped_column(String(250), primary_key=True)
    #: "2026-11-25" or "2026-11".
    window: Mapped[str] = mapped_column("window_label", String(10), primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger)
    ends_at: Mapped[datetime]

    __table_args__ = (Index("ix_limits_usage_ends_at", "ends_at"), {"info": {"audit": False}})
