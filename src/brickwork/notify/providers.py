"""The providers of a channel: the preferred one, and those that stand in while it can't be reached."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from brickwork.errors import BrickworkError, SettingsError, ValidationError
from brickwork.kernel.component import Health, resolve
from brickwork.notify.channels.errors import PermanentFailure, ProviderUnavailable, SendError, TemporaryFailure
from brickwork.notify.channels.port import Channel, Outgoing, Receipt

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.notify.settings import NotifySettings


@attrs.frozen
class Outcome:
    """What became of one message: what the provider called `provider` answered, or why it was not taken."""

    provider: str
    receipt: Receipt | None
    error: SendError | None = None


def _untold(message: Outgoing, provider: str) -> None:
    """For callers who wait for all."""


class Provider:
    """A channel under the name that settings give it, made when it is first used: what it needs may not be installed where
    nobody uses it."""

    def __init__(self, name: str, make: Callable[[], Channel]) -> None:
        self.name = name
        self._make = make
        self._lock = threading.Lock()
        self.made: Channel | None = None

    @property
    def channel(self) -> Channel:
        """The channel. Raises `MissingDependencyError`."""
        with self._lock:
            self.made = self.made or self._make()
            return self.made


class Providers:
    """Sends by the first provider that can be reached. Used by several threads at once."""

    def __init__(self, channel: str, providers: Sequence[Provider], rest: float) -> None:
        self.channel = channel
        self._providers = list(providers)
        self._rest = rest
        self._resting: dict[str, float] = {}

    def check(self, address: str) -> str:
        """The normal form of an address; raises `ValidationError`."""
        return self._providers[0].channel.check(address)

    def send_many(self, messages: Sequence[Outgoing], taken: Callable[[Outgoing, str], None] = _untold) -> list[Outcome]:
        """What became of each, in order. `taken` is told the message and the provider as soon as one was handed over."""
        outcomes: dict[str, Outcome] = {}
        left = list(messages)
        for provider in self._order():
            name = provider.name
            results = provider.channel.send_many(left, lambda message, _, name=name: taken(message, name))  # type: ignore[misc]
            outcomes |= {message.id: _outcome(name, result) for message, result in zip(left, results, strict=True)}
            left = [message for message in left if isinstance(outcomes[message.id].error, ProviderUnavailable)]
            if not left:
                break
            self._resting[name] = time.monotonic() + self._rest
        return [outcomes[message.id] for message in messages]

    def health(self) -> Health:
        """Whether one of those that were used can be."""
        states = [(one.name, one.made.health()) for one in self._providers if one.made is not None]
        bad = [f"{name}: {state.detail}" for name, state in states if not state.ok]
        return Health(not states or len(bad) < len(states), "; ".join(bad))

    def close(self) -> None:
        for provider in self._providers:
            if provider.made is not None:
                provider.made.close()

    def _order(self) -> list[Provider]:
        """Those that rest come last: when nobody else is there they may be well again."""
        now = time.monotonic()
        return sorted(self._providers, key=lambda provider: self._resting.get(provider.name, 0.0) > now)


def make_providers(platform: "Platform", settings: "NotifySettings") -> dict[str, Providers]:
    """The providers of each channel that settings name; raises `SettingsError`."""
    made: dict[str, Providers] = {}
    for channel, names in settings.channels.items():
        made[channel] = Providers(channel, [_provider(platform, settings, channel, name) for name in names], settings.rest)
    return made


def _provider(platform: "Platform", settings: "NotifySettings", kind: str, name: str) -> Provider:
    if name == "file" and name not in settings.providers:
        from brickwork.notify.backends.file import FileChannel

        folder = platform.settings.platform.data_dir / "notify"
        return Provider(name, lambda: FileChannel(kind, folder, platform.clock))
    where = f"notify.providers.{name}"
    backend, own = platform.plugins.configured("channel", settings.providers.get(name, {"backend": name}), where)

    def make() -> Channel:
        made: Channel = resolve(backend.factory)(platform, own)
        if made.kind != kind:
            raise SettingsError(f"{where} sends {made.kind}, so it can't serve channels.{kind}", field=where)
        return made

    return Provider(name, make)


def _outcome(provider: str, result: Receipt | Exception) -> Outcome:
    if isinstance(result, Receipt):
        return Outcome(provider, result)
    if isinstance(result, SendError):
        return Outcome(provider, None, result)
    if isinstance(result, ValidationError):  # it can't be sent as it is, today or later
        return Outcome(provider, None, PermanentFailure(result.message))
    # a defect of the channel must not lose the message, nor tell what may be a secret
    detail = result.message if isinstance(result, BrickworkError) else type(result).__name__
    return Outcome(provider, None, TemporaryFailure(f"the channel failed: {detail}"))
