"""The port of service discovery: where a service's instances are now, and when to look again."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

#: Instances that are taken of one source at most.
MOST = 1000


@attrs.frozen(cache_hash=True)
class Instance:
    """Where one instance of a service listens."""

    #: An address or a name, without brackets.
    host: str
    port: int
    #: Its share among the others; 0 gets none.
    weight: int = 1
    #: Those with a larger number are used when none with a smaller one can be (RFC 2782).
    priority: int = 0
    #: The name that was resolved to `host`, for TLS; empty where there was none.
    name: str = ""
    metadata: Mapping[str, str] = attrs.field(factory=dict, hash=False)

    @property
    def address(self) -> str:
        """ "host:port", an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen
class Found:
    """The instances of a service, and in how many seconds to look again."""

    instances: Sequence[Instance]
    again: float


class Mechanism(Protocol):
    """Looks in one place for the instances of one service. Only one thread uses it, except for `close`."""

    def look(self) -> Found:
        """Who is there, in an order that stays. It may wait until there is something new. Raises `UnavailableError` where the
        place can't be asked, or answers what can't be understood; that there are no instances is an answer."""
        ...

    def close(self) -> None:
        """Let go of connections, and of a `look` that waits."""
        ...
