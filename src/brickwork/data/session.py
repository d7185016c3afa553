"""The ORM session of one tenant: criteria on every statement, stamps and checks at flush, soft deletes.

A session lives inside one transaction and is pinned to its tenant, so its identity map never holds another's rows.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy import inspect as inspect_
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.orm.exc import StaleDataError

from brickwork.data.guard import Scope
from brickwork.data.models import SoftDelete, TenantScoped, Timestamps
from brickwork.errors import CrossTenantError, StaleVersionError
from brickwork.kernel.clock import Clock

T = TypeVar("T")

#: Execution option that lets a statement see soft-deleted rows.
INCLUDE_DELETED = "include_deleted"


class TenantSession(Session):
    """A `Session` that reads and writes one tenant's rows; what would cross raises `CrossTenantError`."""

    def __init__(self, connection: Connection, scope: Scope, clock: Clock) -> None:
        super().__init__(bind=connection, autoflush=True, expire_on_commit=False, join_transaction_mode="control_fully")
        self.scope = scope
        self.clock = clock
        self._purging: set[int] = set()

    def merge(self, instance: T, **options: Any) -> T:
        """As SQLAlchemy's, but an instance of another tenant is refused before the database is asked about it."""
        self._own(instance)
        return super().merge(instance, **options)

    def restore(self, instance: SoftDelete) -> None:
        """Undo a soft delete."""
        instance.deleted_at = None

    def purge(self, instance: object) -> None:
        """Delete for good, soft-deletable or not."""
        self._purging.add(id(instance))
        self.delete(instance)

    def flush(self, objects: Any = None) -> None:
        try:
            super().flush(objects)
        except StaleDataError as error:
            raise StaleVersionError(f"a row was changed or deleted by somebody else meanwhile ({error})") from None

    def _own(self, instance: object) -> None:
        """Raise if `instance` carries another tenant than the session's."""
        if self.scope.system or not isinstance(instance, TenantScoped):
            return
        tenant = inspect_(instance).dict.get("tenant_id")
        if tenant is not None and tenant != self.scope.tenant:
            raise CrossTenantError(f"a {type(instance).__name__} of another tenant can't enter this session")


@event.listens_for(TenantSession, "do_orm_execute")
def _add_criteria(state: ORMExecuteState) -> None:
    session = state.session
    assert isinstance(session, TenantSession)
    options = state.execution_options
    deleted = bool(options.get(INCLUDE_DELETED)) or state.is_column_load
    if not deleted and (state.is_select or state.is_update or state.is_delete):
        state.statement = state.statement.options(
            with_loader_criteria(SoftDelete, lambda cls: cls.deleted_at.is_(None), include_aliases=True)
        )
    if session.scope.system or (state.is_update and state.is_executemany):
        return  # a bulk update by primary key names each row's tenant, and the guard compares it
    if state.is_orm_statement and (state.is_select or state.is_update or state.is_delete):
        tenant = session.scope.tenant
        state.statement = state.statement.options(
            with_loader_criteria(TenantScoped, lambda cls: cls.tenant_id == tenant, include_aliases=True)
        )


@event.listens_for(TenantSession, "loaded_as_persistent")
def _refuse_loaded(session: Session, instance: object) -> None:
    """Whatever a raw statement brought, another tenant's row never becomes an object of this session."""
    assert isinstance(session, TenantSession)
    if not session.scope.system and isinstance(instance, TenantScoped):
        identity = inspect_(instance).identity
        if identity is None or session.scope.tenant not in identity:
            session.expunge(instance)
            raise CrossTenantError(f"a {type(instance).__name__} of another tenant can't enter this session")


@event.listens_for(TenantSession, "before_attach")
def _refuse_foreign(session: Session, instance: object) -> None:
    assert isinstance(session, TenantSession)
    session._own(instance)


@event.listens_for(TenantSession, "before_flush")
def _stamp(session: Session, context: Any, instances: Any) -> None:
    assert isinstance(session, TenantSession)
    now = session.clock.now()
    for instance in session.new:
        _stamp_tenant(session, instance)
        if isinstance(instance, Timestamps):
            instance.created_at = instance.created_at or now
            instance.updated_at = instance.updated_at or now
    for instance in session.dirty:
        _keep_tenant(session, instance)
        if isinstance(instance, Timestamps) and session.is_modified(instance, include_collections=False):
            instance.updated_at = now
    _soften(session, session.deleted, now)


def _stamp_tenant(session: TenantSession, instance: object) -> None:
    if isinstance(instance, TenantScoped):
        session._own(instance)
        if session.scope.tenant is not None:
            instance.tenant_id = session.scope.tenant


def _keep_tenant(session: TenantSession, instance: object) -> None:
    if isinstance(instance, TenantScoped) and inspect_(instance).attrs.tenant_id.history.has_changes():
        raise CrossTenantError(f"the tenant of a {type(instance).__name__} can't be changed")


def _soften(session: TenantSession, deleted: Iterable[object], now: datetime) -> None:
    """Turn the delete of a soft-deletable row into an update."""
    for instance in list(deleted):
        if isinstance(instance, SoftDelete) and id(instance) not in session._purging:
            session.add(instance)
            instance.deleted_at = now
    session._purging.clear()
