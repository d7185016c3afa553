"""What was published in transactions that were committed."""

from typing import TYPE_CHECKING, TypeVar

from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform

E = TypeVar("E")


class EventRecorder:
    """A plugin that keeps the events of every transaction; those of one that was rolled back never show."""

    def __init__(self) -> None:
        self._seen: list[tuple[Transaction, tuple[object, ...]]] = []

    @hookimpl
    def brickwork_before_commit(self, platform: "Platform", transaction: "Transaction") -> None:
        self._seen.append((transaction, tuple(transaction.events)))

    @property
    def events(self) -> list[object]:
        """The committed events in order."""
        return [event for transaction, events in self._seen if transaction.committed for event in events]

    def of(self, kind: type[E]) -> list[E]:
        """The committed events of one class."""
        return [event for event in self.events if isinstance(event, kind)]

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self._seen.clear()
