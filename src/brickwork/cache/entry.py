"""An entry as it is stored: until when it is fresh, the versions of its tags from before it was loaded, and the value."""

import struct
from collections.abc import Sequence
from typing import Any

import attrs

from brickwork.cache.port import CHANGING, Versions

_HEAD = struct.Struct("<dH")


@attrs.define
class Entry:
    """`payload` is the value in JSON; empty where the loader found none. `fresh_until` is in seconds since the epoch. `read` is
    the value itself, kept with an entry in memory where its type is one that nobody can change."""

    fresh_until: float
    slots: tuple[int, ...]
    versions: Versions
    payload: bytes
    read: Any = attrs.field(default=None, init=False, eq=False, repr=False)

    def pack(self) -> bytes:
        """As bytes."""
        count = len(self.slots)
        return _HEAD.pack(self.fresh_until, count) + struct.pack(f"<{count}I{count}q", *self.slots, *self.versions) + self.payload

    @classmethod
    def unpack(cls, raw: bytes) -> "Entry | None":
        """The entry in `raw`; None where it is none (another version of brickwork wrote it, say)."""
        try:
            fresh_until, count = _HEAD.unpack_from(raw)
            numbers = struct.unpack_from(f"<{count}I{count}q", raw, _HEAD.size)
        except struct.error:
            return None
        return cls(fresh_until, numbers[:count], numbers[count:], raw[_HEAD.size + 12 * count :])

    def counts(self, slots: Sequence[int], versions: Versions) -> bool:
        """Whether nothing it depends on has changed, where `versions` are those of `slots` now."""
        return self.slots == tuple(slots) and self.versions == versions and CHANGING not in versions
