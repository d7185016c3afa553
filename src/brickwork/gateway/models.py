"""The table of the registry: instances that beat."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, TenantScoped


class InstanceRow(TenantScoped, Base):
    """An instance of a service, under the system's tenant, for as long as its process renews it."""

    __tablename__ = "gateway_instance"

    service: Mapped[str] = mapped_column(String(100), primary_key=True)
    host: Mapped[str] = mapped_column(String(253), primary_key=True)
    port: Mapped[int] = mapped_column(Integer, primary_key=True)
    #: Names the registration, so that one that ended late doesn't end its successor.
    holder: Mapped[str] = mapped_column(String(36))
    weight: Mapped[int] = mapped_column(Integer)
    meta: Mapped[dict[str, Any]]
    registered_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (Index("ix_gateway_instance_expires", "expires_at"), {"info": {"audit": False}})
