"""A value made from rows and held in memory, replaced whole when somebody changed them, in whatever process."""

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from brickwork.errors import BrickworkError, UnavailableError
from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from brickwork.data.database import Database
    from brickwork.data.port import Listener
    from brickwork.data.transaction import Transaction

log = logging.getLogger("brickwork.data")
T = TypeVar("T")
#: Numbers that change with every change of the rows.
Mark = tuple[int, ...]
#: Seconds between two looks, where the database signals every commit.
SPACING = 0.05


class Watch(Generic[T]):
    """Loads the value on first use, and again when it changed: at once in this process, within a tenth of a second in others.

    `mark` tells whether something changed, cheaply; `load` makes the value; `without` gives what holds while the database was
    never reached (left out, reading fails then). `refresh` is the number of seconds after which it looks unasked.
    """

    def __init__(
        self,
        database: "Database",
        channel: str,
        *,
        refresh: float,
        mark: "Callable[[Transaction], Mark]",
        load: "Callable[[Transaction], T]",
        without: Callable[[], T] | None = None,
    ) -> None:
        self._database = database
        self._channel = channel
        self._refresh = refresh
        self._mark = mark
        self._load = load
        self._without = without
        self._known: tuple[Mark | None, T] | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._listener: Listener | None = None

    @property
    def value(self) -> T:
        """The value as it is known now."""
        known = self._known
        return self._begin() if known is None else known[1]

    def refresh(self) -> None:
        """Load the value if it changed."""
        with self._lock, self._database.begin(Context(system=True), readonly=True) as transaction:
            mark = self._mark(transaction)
            if self._known is None or self._known[0] != mark:
                self._known = (mark, self._load(transaction))

    def changed(self) -> None:
        """A transaction of this process has changed something."""
        try:
            self.refresh()
            self._database.backend.signal(self._database.engines, self._channel)
        except BrickworkError as error:
            log.warning("a change of %s is heard of later: %s", self._channel, error.message)

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()
        if self._listener is not None:
            self._listener.close()  # whoever waits on it wakes
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> T:
        try:
            self.refresh()
        except UnavailableError as error:  # the thread goes on trying
            if self._without is None:
                raise
            log.warning("%s is as code declares it: %s", self._channel, error.message)
            self._known = self._known or (None, self._without())
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._channel, daemon=True)
                self._thread.start()
        assert self._known is not None
        return self._known[1]

    def _run(self) -> None:
        listener = self._listener = self._database.backend.listen(self._channel)
        looked = monotonic()
        while not self._closed.wait(SPACING):
            try:
                heard = listener.wait(min(self._refresh, 0.5))
                if heard or monotonic() - looked >= self._refresh:
                    self.refresh()
                    looked = monotonic()
            except BrickworkError as error:
                log.warning("%s stays as it was: %s", self._channel, error.message)
                self._closed.wait(1.0)
        listener.close()
        listener.wait(0)
