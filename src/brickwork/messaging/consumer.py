"""Handling one delivery: the handler's effects and the end of the delivery in one transaction; or a later try, or its death."""

import logging
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError as PydanticError
from sqlalchemy import bindparam, delete, select, update

from brickwork.data.prepared import Prepared
from brickwork.errors import BrickworkError, UnavailableError
from brickwork.kernel.context import Context
from brickwork.messaging.bell import Bell
from brickwork.messaging.catalogue import Catalogue
from brickwork.messaging.dead import DeadLetters
from brickwork.messaging.envelope import CloudEvent, UnreadableMessageError
from brickwork.messaging.event import UnknownVersionError
from brickwork.messaging.handler import Subscription
from brickwork.messaging.meters import Meters
from brickwork.messaging.models import DeliveryRow
from brickwork.messaging.port import Parcel
from brickwork.messaging.watchdog import HandlerInterrupt

if TYPE_CHECKING:
    from brickwork.data import Database
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.messaging")

_table: Any = DeliveryRow.__table__
_MINE = (
    _table.c.tenant_id == bindparam("tenant", type_=_table.c.tenant_id.type),
    _table.c.id == bindparam("delivery", type_=_table.c.id.type),
)
_OWED = Prepared(select(_table.c.id).where(*_MINE))
_END = Prepared(delete(_table).where(*_MINE))
#: Entries of a delivery's history that are kept, and characters of a traceback.
HISTORY, TRACE = 10, 8000


class HandlerTimeoutError(BrickworkError):
    """A handler ran for longer than its timeout; it is noted in the delivery's history."""

    code = "handler_timeout"


class Consumer:
    """Handles parcels, in whatever thread."""

    def __init__(
        self,
        platform: "Platform",
        catalogue: Catalogue,
        dead: DeadLetters,
        bell: Bell,
        cause: ContextVar[CloudEvent | None],
        meters: Meters,
    ) -> None:
        self._platform = platform
        self._database: Database = platform.database
        self._catalogue = catalogue
        self._dead = dead
        self._bell = bell
        self._cause = cause
        self._meters = meters

    def handle(
        self, parcel: Parcel, started: Callable[[float], None] = lambda _: None, ended: Callable[[], None] = lambda: None
    ) -> bool:
        """Whether the handler was run and its effects are committed. Its failures are dealt with here; what is raised is the
        database's absence (the delivery then comes again). `started` is told the timeout when the handler begins, `ended`
        is called when it has returned or raised."""
        subscription = self._catalogue.subscriptions.get(parcel.subscription)
        if subscription is None:
            return False  # it is another process's; the lease brings it there
        try:
            cloud, event = self._read(parcel, subscription)
        except (UnreadableMessageError, UnknownVersionError, PydanticError) as error:
            self._fail(parcel, subscription, error, hopeless=True)
            return False
        context = cloud.context()
        with self._platform.contexts.use(context):
            token = self._cause.set(cloud)
            running = False

            def run() -> None:
                nonlocal running
                running = True
                started(subscription.timeout)
                subscription.function(self._platform, event)

            try:
                began = perf_counter()
                try:
                    done = self._run(parcel, subscription, context, run)
                    if done:
                        self._meters.handled(subscription.name, "done", perf_counter() - began)
                    return done
                finally:
                    ended()
            except UnavailableError as error:
                if not running or not self._reachable():
                    raise
                self._fail(parcel, subscription, error)
            except HandlerInterrupt:
                late = HandlerTimeoutError(f"it ran for longer than {subscription.timeout:g} s and was interrupted")
                self._fail(parcel, subscription, late)
            except BaseException as error:  # also SystemExit: a handler doesn't end the worker
                self._fail(parcel, subscription, error)
            finally:
                self._cause.reset(token)
        return False

    def _run(self, parcel: Parcel, subscription: Subscription, context: Context, run: Callable[[], None]) -> bool:
        """`run` begins when the transaction has: waiting for SQLite's one writer is not held against a handler."""
        if subscription.transactional:
            end = {"delivery": parcel.id}
            with self._database.begin(context, first=lambda t: _END.bound(t, end), savepoints=False) as transaction:
                if transaction.opened is None or not transaction.opened.count:
                    return False
                run()
        else:
            with self._database.begin(context, readonly=not context.system) as transaction:
                if _OWED.one(transaction, {"delivery": parcel.id}) is None:
                    return False
            run()
            with self._database.begin(context) as transaction:
                _END.run(transaction, {"delivery": parcel.id})
        if subscription.ordered or subscription.concurrency is not None:
            self._bell.ring()  # the next of its key, or the next at all, has become possible
        return True

    def _read(self, parcel: Parcel, subscription: Subscription) -> tuple[CloudEvent, Any]:
        cloud = CloudEvent.parse(parcel.event)
        kind = subscription.event or self._catalogue.events.get(cloud.type)
        return cloud, cloud if kind is None else kind.read(cloud.data, cloud.eventversion)

    def _reachable(self) -> bool:
        try:
            return self._database.health().ok
        except Exception:
            return False

    def _fail(self, parcel: Parcel, subscription: Subscription, error: BaseException, *, hopeless: bool = False) -> None:
        """Note the failure; try again later, or bury it."""
        now = self._database.clock.now()
        told = {"at": now.isoformat(), "error": _text(error), "traceback": _trace(error)}
        log.warning("handler %s failed on delivery %s: %s", subscription.name, parcel.id, told["error"])
        with self._database.begin(Context(system=True)) as transaction:
            found = select(_table).where(_table.c.id == parcel.id).with_for_update()
            row = transaction.execute(found).one_or_none()
            if row is None:
                return
            failures = row.failures + 1
            history = [*(row.history or []), told][-HISTORY:]
            if hopeless or failures >= subscription.retry.attempts:
                transaction.execute(delete(_table).where(_table.c.id == parcel.id))
                self._dead.bury(transaction, row, history, now)
                self._meters.handled(subscription.name, "dead")
            else:
                self._meters.handled(subscription.name, "again")
                due = now + timedelta(seconds=subscription.retry.pause(failures))
                values = {"due_at": due, "taken": False, "failures": failures, "history": history}
                transaction.execute(update(_table).where(_table.c.id == parcel.id).values(values))
        self._bell.ring()

    def give_up(self, parcel: Parcel) -> None:
        """Note that the handler hangs and can't be interrupted; called from a watchdog before the process ends."""
        subscription = self._catalogue.subscriptions[parcel.subscription]
        self._fail(parcel, subscription, HandlerTimeoutError(f"it hung for longer than {subscription.timeout:g} s"))


def _text(error: BaseException) -> str:
    if isinstance(error, BrickworkError):
        return f"{error.code}: {error.message}"
    if isinstance(error, PydanticError):
        problems = error.errors(include_url=False, include_input=False)
        return "the event doesn't fit: " + "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems[:5])
    return f"{type(error).__name__}: {error}"[:2000]


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-TRACE:]
