"""Bundles: several parcels in one message of a broker, so that they share what a message costs."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from dramatiq import Message, MessageProxy

from brickwork.messaging.backends.sql import ACTOR
from brickwork.messaging.port import Parcel

#: A bundle takes no further parcel when its events have so many characters.
LARGE = 65_536
#: Bundles that a batch is cut into at least, so that several workers share it.
SHARES = 4


def bundled(parcels: Sequence[Parcel], most: int) -> Iterator[list[Parcel]]:
    """`parcels` by queue, in bundles of up to `most`. What was tried before travels by itself: if it ends the process that
    handles it, it takes nothing along."""
    for _, group in groupby(parcels, lambda parcel: parcel.queue):
        fresh = list[Parcel]()
        for parcel in group:
            if parcel.tried:
                yield [parcel]
            else:
                fresh.append(parcel)
        yield from _cut(fresh, max(1, min(most, len(fresh) // SHARES)))


def _cut(parcels: Iterable[Parcel], most: int) -> Iterator[list[Parcel]]:
    bundle, size = list[Parcel](), 0
    for parcel in parcels:
        bundle.append(parcel)
        size += len(parcel.event)
        if len(bundle) == most or size >= LARGE:
            yield bundle
            bundle, size = [], 0
    if bundle:
        yield bundle


class Part(MessageProxy):
    """A parcel of a message, as dramatiq's workers take it."""

    def __init__(self, bundle: "Bundle", parcel: Parcel) -> None:
        super().__init__(Message(parcel.queue, ACTOR, parcel.arguments(), {}, {}))
        self.bundle = bundle


class Bundle:
    """A message that a worker has; it is settled with the last of its parcels. `receipt` is what the broker knows it by."""

    def __init__(self, receipt: Any, parcels: Sequence[Parcel]) -> None:
        self.receipt = receipt
        self.parts = [Part(self, parcel) for parcel in parcels]
        self._open = {id(part) for part in self.parts}
        self._good = True
        self._lock = threading.Lock()

    def end(self, part: Part, *, good: bool) -> bool | None:
        """`part` was handled; can be told again. None while others of the bundle are not, else whether all could be."""
        with self._lock:
            self._open.discard(id(part))
            self._good = self._good and good
            return None if self._open else self._good
