"""Tenant data: transactions, model mixins, the audit trail, pages and migrations, on SQLite or PostgreSQL."""

from brickwork.data.audit import AuditEntry, AuditTrail, Verification
from brickwork.data.database import Database
from brickwork.data.models import (
    Base,
    Identified,
    SoftDelete,
    TenantModel,
    TenantScoped,
    Timestamps,
    Versioned,
    tenant_column,
)
from brickwork.data.pagination import Page
from brickwork.data.session import TenantSession
from brickwork.data.transaction import Transaction
from brickwork.data.types import Json, UTCDateTime

__all__ = [
    "AuditEntry",
    "AuditTrail",
    "Base",
    "Database",
    "Identified",
    "Json",
    "Page",
    "SoftDelete",
    "TenantModel",
    "TenantScoped",
    "TenantSession",
    "Timestamps",
    "Transaction",
    "UTCDateTime",
    "Verification",
    "Versioned",
    "tenant_column",
]
