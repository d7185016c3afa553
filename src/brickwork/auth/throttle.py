"""Guessing is slowed down: by account and by address, whoever guesses and from wherever."""

from typing import TYPE_CHECKING

from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from brickwork.auth.settings import AuthSettings
    from brickwork.kernel.platform import Platform


class Throttle:
    """Counts attempts on what can be guessed."""

    def __init__(self, platform: "Platform", settings: "AuthSettings") -> None:
        self._platform = platform
        self._settings = settings

    def attempt(self, what: str, address: str = "") -> None:
        """One more; raises `RateLimitedError` where there were too many. Right and wrong ones count alike, so that the answer
        doesn't tell which it was."""
        self.from_address(address)
        with self._platform.contexts.use(Context(system=True)):
            self._platform.limits.require(f"auth:{what[:400]}", self._settings.attempts)

    def from_address(self, address: str) -> None:
        """One more attempt from an address, if it is known; raises `RateLimitedError`."""
        if address:
            with self._platform.contexts.use(Context(system=True)):
                self._platform.limits.require(f"auth:address:{address[:64]}", self._settings.attempts_per_address)

    def forgive(self, what: str) -> None:
        """It was right after all: the account's count begins anew."""
        with self._platform.contexts.use(Context(system=True)):
            self._platform.limits.reset(f"auth:{what[:400]}")
