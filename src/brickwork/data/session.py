"""The ORM session of one tenant: criteria on every statement, stamps and checks at flush, soft deletes.

A session lives inside one transaction and is pinned to its tenant, so its identity map never holds another's rows.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, TextClause, event
from sqlalchemy import inspect as inspect_
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.orm.exc import StaleDataError

from brickwork.data.guard import CHECKED, UNSCOPED, Scope, judge
from brickwork.data.models import SoftDelete, TenantScoped, Timestamps
from brickwork.errors import CrossTenantError, StaleVersionError, UnscopedStatementError
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
        state.statement = state.statement.options(  # type: ignore[attr-defined]
            with_loader_criteria(SoftDelete, lambda cls: cls.deleted_at.is_(None), include_aliases=True, propagate_to_loaders=False)
        )
    if session.scope.system or _unscoped(session, options):
        return
    statement = state.statement
    if isinstance(statement, FromStatement):
        _check_from_statement(statement)
        return
    if isinstance(statement, TextClause) or not state.is_orm_statement:
        return  # the guard at execute judges it
    tenant = session.scope.tenant
    if state.is_select or state.is_update or state.is_delete:
        if state.is_update and state.is_executemany:
            return  # bulk update by primary key: the guard checks each row's tenant_id
        state.statement = statement.options(  # type: ignore[attr-defined]
            with_loader_criteria(
                TenantScoped, lambda cls: cls.tenant_id == tenant, include_aliases=True, propagate_to_loaders=False
            )
        )
        verdict = judge(statement, orm_checked=True)
        if verdict.touches is None and not verdict.binds:
            state.update_execution_options(**{CHECKED: True})


def _unscoped(session: Session, options: Any) -> bool:
    return bool(options.get(UNSCOPED) or session.connection().get_execution_options().get(UNSCOPED))


def _check_from_statement(statement: Any) -> None:
    """`from_statement` takes a finished statement: text is refused, a select must hold its tables by itself."""
    if isinstance(statement.element, TextClause):
        raise UnscopedStatementError(
            "from_statement(text(...)) can't be held to the tenant; wrap it in `with transaction.unscoped(reason=...)`"
        )
    judge(statement.element)


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


