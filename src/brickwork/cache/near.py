"""The tier in each process's memory: the entries used last, up to a number."""

import threading
from collections import OrderedDict

from brickwork.cache.entry import Entry


class Near:
    """Least recently used goes first. Entries are bytes, and values only of types that can't be changed, so nobody
    can change a cached value by changing what was given."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Entry | None:
        """The entry, if there is one."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def keep(self, key: str, entry: Entry) -> None:
        """Store an entry."""
        if not self._most:
            return
        with self._lock:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            if len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def drop(self, key: str) -> None:
        """Remove an entry."""
        with self._lock:
            self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)
