"""What the cache publishes: nothing that leaves the process, only tags that wait for the commit."""

import attrs


@attrs.frozen
class CacheInvalidated:
    """`cache.invalidate` was called in the transaction."""

    changed: tuple[str, ...]

    def tags(self) -> tuple[str, ...]:
        return self.changed
