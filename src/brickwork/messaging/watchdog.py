"""Ends handlers that run for longer than their timeout: by an exception in their thread, and if that doesn't help (a call
into C that doesn't come back can't be interrupted) by ending the process."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import attrs
from dramatiq.middleware.threading import raise_thread_exception

from brickwork.messaging.port import Parcel

log = logging.getLogger("brickwork.messaging")


class HandlerInterrupt(BaseException):
    """Raised inside a handler whose time is up. No `Exception`, so that a handler's own `except` doesn't swallow it."""


@attrs.define
class _Watch:
    parcel: Parcel
    deadline: float
    interrupted: bool = False


class Watchdog:
    """Watches the handlers of a process. `hung` is called with a parcel whose handler outlives its interruption by `grace`
    seconds."""

    def __init__(self, hung: Callable[[Parcel], None], *, grace: float = 10.0, interval: float = 0.2) -> None:
        self._hung = hung
        self._grace = grace
        self._interval = interval
        self._watched: dict[int, _Watch] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def begin(self, parcel: Parcel, timeout: float) -> None:
        """The calling thread begins to handle `parcel`."""
        with self._lock:
            self._watched[threading.get_ident()] = _Watch(parcel, monotonic() + timeout)

    def end(self) -> None:
        """The calling thread has ended handling."""
        with self._lock:
            self._watched.pop(threading.get_ident(), None)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            now = monotonic()
            hung = []
            with self._lock:  # held while interrupting, so that an interrupt hits the handler it is meant for
                for thread, watch in list(self._watched.items()):
                    if now < watch.deadline:
                        continue
                    if watch.interrupted:
                        hung.append(self._watched.pop(thread).parcel)
                    else:
                        watch.interrupted, watch.deadline = True, now + self._grace
                        log.warning("handler %s exceeds its timeout", watch.parcel.subscription)
                        raise_thread_exception(thread, HandlerInterrupt)  # type: ignore[no-untyped-call]
            for parcel in hung:
                with suppress(Exception):
                    self._hung(parcel)
