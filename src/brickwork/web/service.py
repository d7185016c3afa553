"""The web component at work: upkeep that a serving process does besides answering."""

import threading
from typing import TYPE_CHECKING

from brickwork.errors import BrickworkError
from brickwork.web.idempotency import Idempotency
from brickwork.web.settings import WebSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: Seconds between two rounds of forgetting what is over.
UPKEEP = 600.0


class Web:
    """Starts with `platform.start()`: seals the audit trail and forgets old idempotency keys and sessions."""

    def __init__(self, platform: "Platform", settings: WebSettings) -> None:
        self.settings = settings
        self.idempotency = Idempotency(platform.database, settings.idempotency_hours)
        self._platform = platform
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._platform.audit.start_sealing(self.settings.seal_interval)
        self._thread = threading.Thread(target=self._keep_up, name="web-upkeep", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _keep_up(self) -> None:
        while not self._stop.wait(UPKEEP):
            try:
                self.idempotency.expire()
                self._platform.auth.expire()
            except BrickworkError:  # a busy or absent database: the next round does it
                continue
