"""What authors of products and plugins test with: a pytest plugin, a frozen clock, recorded events, contract suites.

The fixtures (`platform`, `make_platform`, `database_kind`, `frozen_clock`, `captured_events`, `tenants`) come with the
pytest plugin `brickwork.testing.plugin`, which pytest finds by itself once brickwork is installed.
"""

from brickwork.testing.clock import FrozenClock
from brickwork.testing.events import EventRecorder

__all__ = ["EventRecorder", "FrozenClock"]
