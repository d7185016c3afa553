"""The port of the cache: a store that processes share, and the versions of tags.

A tag is something that changes ("entity:patient:0192…"). Its version is a number that is new after each change; an entry
remembers the versions of its tags from before it was loaded and counts for nothing once one of them differs. So whoever
loaded just before a change can't put the old value back after it. Tags are hashed into slots, which bounds the memory they
take; two tags in one slot only lose a value too many.
"""

import secrets
from collections.abc import Sequence
from typing import Protocol
from zlib import crc32

import attrs

from brickwork.kernel.component import Health

#: Slots for tags. Slot 0 is the store's own: it changes when everything is to be forgotten.
SLOTS = 1 << 20
#: The version of a tag that is being changed just now: nothing that depends on it is given or kept.
CHANGING = -1
#: Seconds after which a change that was announced and not concluded (a killed process) counts as made.
FENCE = 10

Versions = tuple[int, ...]


def slot_of(tenant: str, tag: str) -> int:
    """The slot of a tenant's tag."""
    return 1 + crc32(f"{tenant}\0{tag}".encode()) % (SLOTS - 1)


@attrs.frozen
class Look:
    """What a store has under a key, and the present versions of the slots that were asked for."""

    entry: bytes | None
    versions: Versions


class CacheStore(Protocol):
    """Keeps bytes by key for a while. Any method but `remembered` may raise `UnavailableError`; the cache then does without."""

    #: Whether it is one store for all machines, or one for the processes of each.
    spans_machines: bool
    #: Whether `remembered` changes in all processes before `announce` or `change` returns in one.
    strict_memory: bool

    def look(self, key: str, slots: Sequence[int]) -> Look:
        """The entry and the versions of `slots`, as of one moment between call and return."""
        ...

    def keep(self, key: str, entry: bytes, seconds: float) -> None:
        """Store an entry. It may be dropped at any time, and must be after that many seconds, give or take one."""
        ...

    def lease(self, key: str, seconds: float) -> str | None:
        """The right to load `key`, for one caller at a time in all processes; None while another has it."""
        ...

    def release(self, key: str, lease: str) -> None:
        """Give the right back, if it is still held."""
        ...

    def announce(self, slots: Sequence[int]) -> None:
        """The tags in `slots` are about to change: their version is `CHANGING` until `change`, or for `FENCE` seconds, and
        then a new one."""
        ...

    def change(self, slots: Sequence[int]) -> None:
        """The tags have changed: their versions are new. Slot 0 forgets everything."""
        ...

    def remembered(self, slots: Sequence[int]) -> Versions | None:
        """The versions for values in this process's memory, without a round trip; None while this process can't know."""
        ...

    def health(self) -> Health:
        """Whether it can be used."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


# -- a version as one 64-bit word, the same in every store: 62 random bits, or a flag, a deadline in seconds and 31 random bits

_FLAG = 1 << 62


def changed() -> int:
    """The word of a tag that has changed."""
    return secrets.randbits(62)


def changing(now: float) -> int:
    """The word of a tag that is about to change."""
    return _FLAG | (int(now) + FENCE) << 31 | secrets.randbits(31)


def version(word: int, now: float) -> int:
    """The version that a word stands for. A deadline beyond any fence is a clock that was set back."""
    if word < _FLAG:
        return word
    left = (word >> 31 & 0x7FFF_FFFF) - now
    return CHANGING if 0 < left <= FENCE + 1 else word
