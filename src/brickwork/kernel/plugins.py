"""Finding and loading plugins: each by itself, so that a broken one is reported and never fatal by itself."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import attrs
import pluggy
from pydantic import ValidationError

from brickwork.errors import PluginError, SettingsError
from brickwork.kernel import hookspecs
from brickwork.kernel.component import Backend, Component, ComponentSettings

GROUP = "brickwork"
T = TypeVar("T", Component, Backend)


@attrs.frozen
class PluginReport:
    """What is known of an installed plugin: `error` is None where it works."""

    name: str
    distribution: str
    version: str
    components: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    error: str | None = None


class Plugins:
    """The plugins of one platform: installed ones (entry points), those given by the product, and the core's own."""

    def __init__(
        self,
        builtin: Sequence[object],
        extra: Sequence[object] = (),
        *,
        required: Iterable[str] = (),
        discover: bool = True,
    ) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.components: dict[str, Component] = {}
        self.backends: dict[tuple[str, str], Backend] = {}
        self.reports: list[PluginReport] = []
        for plugin in builtin:
            self._add(plugin, _name_of(plugin), "brickwork", "")
        for plugin in extra:
            self._add(plugin, _name_of(plugin), "(this product)", "")
        found = list(entry_points(group=GROUP)) if discover else []
        for entry in sorted(found, key=lambda entry: entry.name):
            self._load(entry)
        self._check_required(required)

    @property
    def hook(self) -> Any:
        """pluggy's caller for every hook of `brickwork.kernel.hookspecs`."""
        return self._manager.hook

    def has_hook(self, name: str) -> bool:
        """Whether any plugin implements the hook; lets hot paths skip an empty call."""
        caller = getattr(self._manager.hook, name)
        return bool(caller.get_hookimpls())

    def register(self, plugin: object) -> None:
        """Add a plugin that only joins hooks, such as a test's recorder."""
        self._manager.register(plugin)

    def unregister(self, plugin: object) -> None:
        """Take out what `register` added."""
        self._manager.unregister(plugin)

    def configured(self, port: str, given: Mapping[str, Any], where: str) -> tuple[Backend, ComponentSettings]:
        """The backend that `given["backend"]` names, and its settings made of the rest; raises `SettingsError`, which says
        `where` in the settings that stands."""
        name, rest = given["backend"], {key: value for key, value in given.items() if key != "backend"}
        backend = self.backends.get((port, name))
        if backend is None:
            known = ", ".join(sorted(of for found, of in self.backends if found == port))
            raise SettingsError(f"{where}.backend: there is no {name!r}; installed are {known}", field=where)
        try:
            return backend, backend.settings(**rest)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join([where, *map(str, first["loc"])])
            raise SettingsError(f"{path}: {first['msg']}", field=path) from None

    def _load(self, entry: EntryPoint) -> None:
        distribution = entry.dist.name if entry.dist else "?"
        version = entry.dist.version if entry.dist else "?"
        try:
            plugin = entry.load()
            self._add(plugin, entry.name, distribution, version)
        except Exception as error:  # whatever a stranger's module raises must not break the host
            self.reports.append(PluginReport(entry.name, distribution, version, error=f"{type(error).__name__}: {error}"))

    def _add(self, plugin: object, name: str, distribution: str, version: str) -> None:
        self._manager.register(plugin, name)
        try:
            components = _call(self._manager, plugin, "brickwork_components", Component)
            backends = _call(self._manager, plugin, "brickwork_backends", Backend)
            self._check_clashes(name, components, backends)
        except Exception:
            self._manager.unregister(plugin)
            raise
        replaced = [c.name for c in components if c.name in self.components]
        replaced += [f"{b.port}:{b.name}" for b in backends if (b.port, b.name) in self.backends]
        self.components.update({component.name: component for component in components})
        self.backends.update({(backend.port, backend.name): backend for backend in backends})
        self.reports.append(
            PluginReport(
                name,
                distribution,
                version,
                tuple(component.name for component in components),
                tuple(f"{backend.port}:{backend.name}" for backend in backends),
                tuple(replaced),
            )
        )

    def _check_clashes(self, plugin: str, components: Sequence[Component], backends: Sequence[Backend]) -> None:
        for component in components:
            if component.name in self.components and not component.replaces:
                raise PluginError(
                    f"plugin {plugin!r} brings a component {component.name!r}, which exists; set replaces=True to override"
                )
        for backend in backends:
            if (backend.port, backend.name) in self.backends and not backend.replaces:
                raise PluginError(
                    f"plugin {plugin!r} brings a backend {backend.name!r} for {backend.port!r}, which exists; "
                    "set replaces=True to override"
                )

    def _check_required(self, required: Iterable[str]) -> None:
        reports = {report.name: report for report in self.reports}
        for name in required:
            if name not in reports:
                raise PluginError(f"plugin {name!r} is named in the settings but not installed; found: {sorted(reports)}")
            if reports[name].error:
                raise PluginError(f"plugin {name!r} is named in the settings but broken: {reports[name].error}")


def _name_of(plugin: object) -> str:
    return getattr(plugin, "__name__", type(plugin).__name__)


def _call(manager: pluggy.PluginManager, plugin: object, hook: str, kind: type[T]) -> list[T]:
    """What this one plugin's hook returns, checked."""
    caller = getattr(manager.hook, hook)
    results: list[T] = []
    for implementation in caller.get_hookimpls():
        if implementation.plugin is plugin:
            results.extend(implementation.function())
    for result in results:
        if not isinstance(result, kind):
            raise PluginError(f"{hook} returned {type(result).__name__}; it returns a list of {kind.__name__}")
    return results
