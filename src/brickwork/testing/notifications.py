"""Providers for tests: they answer as a script says, and show what they were given.

Give a `ScriptedProviders` to the platform as a plugin and name its scripts in the settings:
`notify={"providers": {"main": {"backend": "scripted", "kind": "email", "script": "main"}}, "channels": {"email": ["main"]}}`.
"""

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import attrs
from pydantic import Field

from brickwork.kernel.component import Backend, ComponentSettings, Health
from brickwork.kernel.hookspecs import hookimpl
from brickwork.notify.channels.port import Outgoing, Receipt, Taken, send_in_turn, untold

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


class ScriptedSettings(ComponentSettings):
    """The channel that a scripted provider serves, and the name of its script."""

    kind: str = "email"
    script: str = Field(default="main", min_length=1)


@attrs.define
class Script:
    """What a provider answers, one after the other; with nothing left it takes every message. `sent` is what it took."""

    answers: deque[Receipt | Exception] = attrs.field(factory=deque)
    sent: list[Outgoing] = attrs.field(factory=list)

    @property
    def addresses(self) -> list[str]:
        """Where the messages went that it took."""
        return [message.address for message in self.sent]


class ScriptedChannel:
    """A channel that answers as its script says."""

    def __init__(self, kind: str, script: Script) -> None:
        self.kind = kind
        self._script = script

    def check(self, address: str) -> str:
        """Any address will do."""
        return address.strip()

    def send(self, message: Outgoing) -> Receipt:
        """The script's next answer."""
        answer = self._script.answers.popleft() if self._script.answers else Receipt()
        if isinstance(answer, Exception):
            raise answer
        self._script.sent.append(message)
        return answer

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> Sequence[Receipt | Exception]:
        """The script's next answers."""
        return send_in_turn(self.send, messages, taken)

    def health(self) -> Health:
        return Health(True)

    def close(self) -> None:
        """There is nothing to let go of."""


class ScriptedProviders:
    """A plugin with the channel "scripted"; `script(name)` is what a provider with that script does."""

    _all: ClassVar[dict[str, Script]] = {}

    def __init__(self) -> None:
        self._scripts: dict[str, Script] = {}
        ScriptedProviders._all = self._scripts

    def script(self, name: str = "main") -> Script:
        """The script of that name, empty at first."""
        return self._scripts.setdefault(name, Script())

    @hookimpl
    def brickwork_backends(self) -> Sequence[Backend]:
        return [Backend(port="channel", name="scripted", factory=f"{__name__}:scripted", settings=ScriptedSettings)]


def scripted(platform: "Platform", settings: ScriptedSettings) -> ScriptedChannel:
    """The backend's factory: the script is that of the `ScriptedProviders` made last."""
    return ScriptedChannel(settings.kind, ScriptedProviders._all.setdefault(settings.script, Script()))
