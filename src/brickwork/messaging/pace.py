"""How long to wait for more before a batch is sent: handing over one event costs nearly as much as twenty."""

from time import monotonic, sleep

#: Seconds to wait after a batch; the longer ones once more than so many events a second come.
LINGER, BUSY_LINGER, BUSY = 0.002, 0.02, 150


class Pace:
    """The rate at which events pass."""

    def __init__(self) -> None:
        self._rate = 0.0
        self._last = monotonic()

    def moved(self, count: int) -> None:
        """A batch of `count` passed."""
        now = monotonic()
        self._rate = 0.8 * self._rate + 0.2 * count / max(now - self._last, 1e-6)
        self._last = now

    @property
    def pause(self) -> float:
        """Seconds to wait before the next."""
        return BUSY_LINGER if self._rate > BUSY else LINGER

    def linger(self) -> None:
        """Wait that long."""
        sleep(self.pause)
