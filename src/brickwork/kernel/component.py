"""Registrations: what a component and a backend tell the platform about themselves.

A component owns one capability; a backend fills the port of a component. Both are frozen values, so registering twice
or in two platforms is harmless. Everything heavy is named by a string "module:attribute" and imported on first use.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import attrs
from pydantic import BaseModel, ConfigDict, PlainSerializer

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


class ComponentSettings(BaseModel):
    """Base of every settings model: unknown keys are refused, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _shown(given: dict[str, Any]) -> dict[str, Any]:
    from brickwork.kernel.logs import mask

    return dict(mask(given))


#: Settings that no model describes yet, such as those of a backend that another setting names. Where settings are shown (as
#: JSON), what looks like a secret in them is hidden.
OpenSettings = Annotated[dict[str, Any], PlainSerializer(_shown, when_used="json")]


def resolve(reference: str) -> Any:
    """What the string "package.module:attribute" names."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


@attrs.frozen(kw_only=True)
class Component:
    """A capability that a platform can build.

    `build` names a callable `(platform, settings) -> service`. The service may have `start()`, `close()` and
    `health()`; the platform calls them if they are there.
    """

    name: str = attrs.field(validator=attrs.validators.matches_re(r"[a-z][a-z0-9_]*"))
    build: str
    summary: str = ""
    requires: tuple[str, ...] = ()
    settings: type[ComponentSettings] = ComponentSettings
    #: "module:attribute" of the service's class, for `platform.get(Class)`.
    service: str | None = None
    #: Module with the SQLAlchemy models, imported before migrations run and before the database opens.
    models: str | None = None
    #: Folder package with Alembic revisions, e.g. "brickwork.entities.migrations".
    migrations: str | None = None
    #: "module:callable" that gives the HTTP endpoints: `(platform) -> Sequence[Endpoint]`.
    routes: str | None = None
    #: "module:callable" that gives ASGI applications by the first part of the path: `(platform) -> Mapping[str, ASGIApp]`.
    asgi: str | None = None
    #: "module:attribute" of a typer application that becomes `brickwork NAME …`.
    cli: str | None = None
    #: True where this registration is meant to take the place of another of the same name.
    replaces: bool = False


@attrs.frozen(kw_only=True)
class Backend:
    """One way to fill a component's port, chosen by configuration.

    `capabilities` are what it promises beyond the port's minimum; what isn't declared raises `UnsupportedError`.
    """

    port: str
    name: str
    factory: str
    summary: str = ""
    capabilities: frozenset[str] = frozenset()
    settings: type[ComponentSettings] = ComponentSettings
    replaces: bool = False


@runtime_checkable
class SupportsStart(Protocol):
    """A service with work of its own (threads, connections) that begins when the platform starts."""

    def start(self) -> None: ...


@runtime_checkable
class SupportsClose(Protocol):
    """A service that holds something to let go of."""

    def close(self) -> None: ...


@runtime_checkable
class SupportsMeasure(Protocol):
    """A service with gauges that it sets just before they are read."""

    def measure(self) -> None: ...


@attrs.frozen
class Health:
    """The state of one service: `ok`, and a sentence on what is wrong or how it is."""

    ok: bool
    detail: str = ""


@runtime_checkable
class SupportsHealth(Protocol):
    """A service that can tell whether it works, by a cheap real use of its backend."""

    def health(self) -> Health: ...


Builder = Callable[["Platform", ComponentSettings], object]


def build_order(components: Sequence[Component]) -> list[Component]:
    """The components so ordered that each comes after what it requires; raises `PluginError` on circles."""
    from graphlib import CycleError, TopologicalSorter

    from brickwork.errors import PluginError

    known = {component.name: component for component in components}
    try:
        order = TopologicalSorter({name: component.requires for name, component in known.items()}).static_order()
        return [known[name] for name in order]
    except CycleError as error:
        raise PluginError(f"components require each other in a circle: {' -> '.join(error.args[1])}") from None
