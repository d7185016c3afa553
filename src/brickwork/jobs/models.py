"""The tables of jobs: schedules, and every run there was."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, TenantModel


class ScheduleRow(TenantModel, Base):
    """When a job runs again and again."""

    __tablename__ = "job_schedule"

    name: Mapped[str] = mapped_column(String(120))
    job: Mapped[str] = mapped_column(String(120))
    arguments: Mapped[dict[str, Any]]
    #: A `Trigger`, as JSON.
    trigger: Mapped[dict[str, Any]]
    #: "once", "skip" or "all": what is done about times that passed while nobody looked.
    misfire: Mapped[str] = mapped_column(String(4))
    #: The next time; None where there is none, or the schedule is paused.
    next_at: Mapped[datetime | None]
    paused: Mapped[bool]

    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        Index(
            "ix_job_schedule_next",
            "next_at",
            sqlite_where=text("next_at IS NOT NULL"),
            postgresql_where=text("next_at IS NOT NULL"),
        ),
    )


class RunRow(TenantModel, Base):
    """One run of a job, from the moment it was asked for."""

    __tablename__ = "job_run"

    job: Mapped[str] = mapped_column(String(120))
    arguments: Mapped[dict[str, Any]]
    schedule_id: Mapped[UUID | None]
    #: The time it was meant for: its schedule's, or the one asked for.
    due_at: Mapped[datetime]
    #: "waiting", "running", "done", "failed" or "cancelled".
    status: Mapped[str] = mapped_column(String(10))
    asked_by: Mapped[str] = mapped_column(String(200))
    attempts: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    done: Mapped[int | None] = mapped_column(Integer)
    total: Mapped[int | None] = mapped_column(Integer)
    note: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    cancel_asked: Mapped[bool]

    __table_args__ = (
        UniqueConstraint("tenant_id", "schedule_id", "due_at"),
        Index("ix_job_run_job", "tenant_id", "job", "id"),
        Index("ix_job_run_status", "tenant_id", "status", "id"),
        Index("ix_job_run_ended", "ended_at"),
        {"info": {"audit": False}},
    )
