"""The composition root: wires components from settings, builds them on first use, closes them in reverse."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from brickwork.errors import BrickworkError, PluginError, ValidationError
from brickwork.kernel.clock import Clock, SystemClock
from brickwork.kernel.component import (
    Component,
    Health,
    SupportsClose,
    SupportsHealth,
    SupportsMeasure,
    SupportsStart,
    build_order,
    resolve,
)
from brickwork.kernel.context import Context, ContextStack
from brickwork.kernel.plugins import Plugins
from brickwork.kernel.settings import PlatformSettings, read_modules, read_settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from prometheus_client import CollectorRegistry

    from brickwork.auth import Auth
    from brickwork.cache import Cache
    from brickwork.data import AuditTrail, Database, Transaction
    from brickwork.documents.service import Documents
    from brickwork.entities import Entities
    from brickwork.eventstore import EventStore
    from brickwork.federation import Federation
    from brickwork.flags import Flags
    from brickwork.gateway.service import GatewayService
    from brickwork.jobs import Jobs
    from brickwork.kernel.aio import AsyncBridge
    from brickwork.kernel.tracing import Tracing
    from brickwork.limits import Limits
    from brickwork.locks import Locks
    from brickwork.messaging import Messaging
    from brickwork.notify import Notify
    from brickwork.oauth import OAuth
    from brickwork.realtime import Realtime
    from brickwork.rpc.service import Rpc
    from brickwork.storage import Storage

T = TypeVar("T")

#: Modules of the components that ship with the core.
BUILTIN = (
    "brickwork.data.component",
    "brickwork.cache.component",
    "brickwork.locks.component",
    "brickwork.limits.component",
    "brickwork.flags.component",
    "brickwork.storage.component",
    "brickwork.messaging.component",
    "brickwork.auth.component",
    "brickwork.federation.component",
    "brickwork.oauth.component",
    "brickwork.jobs.component",
    "brickwork.eventstore.component",
    "brickwork.entities.component",
    "brickwork.realtime.component",
    "brickwork.documents.component",
    "brickwork.notify.component",
    "brickwork.web.component",
    "brickwork.rpc.component",
    "brickwork.gateway.component",
)


class Platform:
    """A running set of components.

    `components` limits what may be built to those and what they require; `settings` override `brickwork.toml` and the
    environment by section, e.g. `Platform(settings={"database": {"url": "sqlite:///clinic.db"}})`. `plugins` are modules
    or objects with hook implementations, such as a product's own.

    >>> platform = Platform(settings={"database": {"url": "sqlite://"}})
    """

    def __init__(
        self,
        components: Sequence[str] | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        settings_file: Path | None = None,
        plugins: Sequence[object] = (),
        clock: Clock | None = None,
        discover: bool = True,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.contexts = ContextStack()
        own_modules = [_product_module(name) for name in read_modules(settings, file=settings_file)]
        self.plugins = Plugins([import_module(name) for name in BUILTIN], [*own_modules, *plugins], discover=discover)
        self.settings = read_settings(
            self.plugins.components, settings, backends=list(self.plugins.backends.values()), file=settings_file
        )
        own: PlatformSettings = self.settings.platform
        self.plugins._check_required(own.plugins)
        wanted = components if components is not None else own.components
        self.components = {component.name: component for component in self._closure(wanted)}
        self._services: dict[str, object] = {}
        self._lock = threading.RLock()
        self._closed = False

    @classmethod
    def from_settings(cls, file: Path | str | None = None, **sections: Mapping[str, Any]) -> "Platform":
        """A platform as `brickwork.toml` (or `file`) and `BRICKWORK_*` describe it; `sections` override both."""
        return cls(settings=sections, settings_file=Path(file) if file is not None else None)

    # -- context -------------------------------------------------------------------------------------------------

    @property
    def current(self) -> Context:
        """The context in force."""
        return self.contexts.current

    @contextmanager
    def context(
        self,
        *,
        tenant: str | None = None,
        actor: str | None = None,
        correlation_id: str | None = None,
        locale: str | None = None,
        roles: frozenset[str] | None = None,
        reason: str | None = None,
    ) -> Iterator[Context]:
        """Work for a tenant as an actor; what is not given is taken from the context outside."""
        context = self.contexts.derive(
            tenant=tenant, actor=actor, correlation_id=correlation_id, locale=locale, roles=roles, reason=reason
        )
        with self.contexts.use(context):
            yield context

    def enter(self, *, tenant: str, actor: str | None = None) -> Context:
        """Work for a tenant from here on, as a notebook or a short script does; a program uses `with platform.context`."""
        return self.contexts.enter(self.contexts.derive(tenant=tenant, actor=actor))

    @contextmanager
    def system_context(self, *, reason: str, actor: str = "system") -> Iterator[Context]:
        """Work across tenants. Each transaction in it writes an audit entry with the reason, under the system's tenant."""
        if not reason.strip():
            raise ValidationError("a system context needs a reason; it goes into the audit trail", field="reason")
        import attrs

        context = attrs.evolve(self.contexts.derive(actor=actor, reason=reason), tenant=None, system=True)
        with self.contexts.use(context):
            yield context

    def require(self, permission: str, resource: Mapping[str, Any] | None = None) -> None:
        """Raise `PermissionDeniedError` unless the context's caller may do it. Where the context has no `access`, the product's
        own code is asking and nothing is refused."""
        access = self.contexts.current.access
        if access is not None:
            access.require(permission, resource)

    @contextmanager
    def trusted(self) -> Iterator[Context]:
        """A block in which the product's own code answers for what is done: the actor stays, the checks rest."""
        import attrs

        with self.contexts.use(attrs.evolve(self.contexts.current, access=None)) as context:
            yield context

    def configure_logging(self) -> None:
        """Let this process log with tenant, actor and correlation id, as `[platform]` says and without secrets. For programs;
        the commands do it themselves."""
        from brickwork.kernel.logs import configure

        configure(self)

    # -- services ------------------------------------------------------------------------------------------------

    @overload
    def get(self, key: type[T]) -> T: ...
    @overload
    def get(self, key: str) -> Any: ...
    def get(self, key: type[T] | str) -> Any:
        """The service of a component, by the component's name or by the service's class; built on first use."""
        name = key if isinstance(key, str) else self._name_for(key)
        service = self._services.get(name)
        return service if service is not None else self._build(name)

    def backend(self, port: str, name: str) -> Any:
        """A new backend `name` for `port`, built as `factory(platform, settings)`; raises `PluginError` if there is none."""
        found = self.plugins.backends.get((port, name))
        if found is None:
            known = ", ".join(sorted(backend for of, backend in self.plugins.backends if of == port))
            raise PluginError(
                f"{port}.backend: there is no {name!r}; installed are {known}. Try: pip install brickwork-{name}",
                field=f"{port}.backend",
            )
        return resolve(found.factory)(self, getattr(getattr(self.settings, port), name, found.settings()))

    @property
    def database(self) -> "Database":
        return cast("Database", self.get("database"))

    @property
    def audit(self) -> "AuditTrail":
        return self.database.audit

    @property
    def cache(self) -> "Cache":
        return cast("Cache", self.get("cache"))

    @property
    def locks(self) -> "Locks":
        return cast("Locks", self.get("locks"))

    @property
    def limits(self) -> "Limits":
        return cast("Limits", self.get("limits"))

    @property
    def flags(self) -> "Flags":
        return cast("Flags", self.get("flags"))

    @property
    def storage(self) -> "Storage":
        return cast("Storage", self.get("storage"))

    @property
    def messaging(self) -> "Messaging":
        return cast("Messaging", self.get("messaging"))

    @property
    def auth(self) -> "Auth":
        return cast("Auth", self.get("auth"))

    @property
    def federation(self) -> "Federation":
        return cast("Federation", self.get("federation"))

    @property
    def oauth(self) -> "OAuth":
        return cast("OAuth", self.get("oauth"))

    @property
    def jobs(self) -> "Jobs":
        return cast("Jobs", self.get("jobs"))

    @property
    def eventstore(self) -> "EventStore":
        return cast("EventStore", self.get("eventstore"))

    @property
    def realtime(self) -> "Realtime":
        return cast("Realtime", self.get("realtime"))

    @property
    def entities(self) -> "Entities":
        return cast("Entities", self.get("entities"))

    @property
    def documents(self) -> "Documents":
        return cast("Documents", self.get("documents"))

    @property
    def notify(self) -> "Notify":
        return cast("Notify", self.get("notify"))

    @property
    def rpc(self) -> "Rpc":
        return cast("Rpc", self.get("rpc"))

    @property
    def gateway(self) -> "GatewayService":
        return cast("GatewayService", self.get("gateway"))

    @property
    def aio(self) -> "AsyncBridge":
        """The door for async code: `await platform.aio(platform.entities.get, "patient", id)`."""
        return cast("AsyncBridge", self._once("aio", "brickwork.kernel.aio:AsyncBridge"))

    @property
    def metrics(self) -> "CollectorRegistry":
        """Where components register what they count; `GET /metrics` tells it."""
        return cast("CollectorRegistry", self._once("metrics", "brickwork.kernel.metrics:registry"))

    @property
    def tracing(self) -> "Tracing":
        """Spans of a trace, and the headers that carry it on; does nothing unless `[platform] traces` is on."""
        return cast("Tracing", self._once("tracing", "brickwork.kernel.tracing:tracing"))

    def transaction(self, *, readonly: bool = False) -> "AbstractContextManager[Transaction]":
        """Join the current transaction, or begin one that commits at the end of the block."""
        return self.database.transaction(readonly=readonly)

    def migrate(self) -> None:
        """Bring the database to the schema that the components need."""
        self.database.migrate()

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Build every component, then start each, in the order of what requires what."""
        order = build_order(list(self.components.values()))
        for service in [self.get(component.name) for component in order]:
            if isinstance(service, SupportsStart):
                service.start()

    def health(self) -> dict[str, Health]:
        """The health of every service that was built, by the component's name."""
        report = {}
        for name, service in list(self._services.items()):
            if isinstance(service, SupportsHealth):
                try:
                    report[name] = service.health()
                except Exception as error:  # health must answer whatever a backend raises
                    detail = error.message if isinstance(error, BrickworkError) else type(error).__name__
                    report[name] = Health(False, detail)
        return report

    def measure(self) -> None:
        """Bring the gauges among `metrics` up to date."""
        for service in list(self._services.values()):
            if isinstance(service, SupportsMeasure):
                service.measure()

    def close(self) -> None:
        """Close what was built, the last first. Closing twice is harmless.

        Nothing new is built from now on, but what there is stays reachable until all is closed: handlers that end meanwhile,
        for which messaging waits, use it. That is also why the lock isn't held.
        """
        with self._lock:
            services = [] if self._closed else list(self._services.values())
            self._closed = True
        for service in reversed(services):
            if isinstance(service, SupportsClose):
                service.close()
        with self._lock:
            self._services.clear()

    def __enter__(self) -> "Platform":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- building ------------------------------------------------------------------------------------------------

    def _closure(self, wanted: Sequence[str] | None) -> list[Component]:
        """The wanted components with everything they require."""
        known, chosen = self.plugins.components, dict[str, Component]()
        queue = [(name, "") for name in (known if wanted is None else wanted)]
        while queue:
            name, by = queue.pop()
            if name not in known:
                needed = f"component {by!r} requires {name}, which" if by else f"component {name!r} is wanted, but"
                raise PluginError(f"{needed} no plugin provides; there are {', '.join(sorted(known))}", field="components")
            if name not in chosen:
                chosen[name] = known[name]
                queue += [(required, name) for required in known[name].requires]
        return build_order(list(chosen.values()))

    def _name_for(self, key: type) -> str:
        for component in self.components.values():
            if component.service and issubclass(resolve(component.service), key):
                return component.name
        raise PluginError(f"no component of this platform gives a {key.__name__}")

    def _build(self, name: str) -> object:
        with self._lock:
            if self._closed:
                raise PluginError("the platform is closed")
            if name in self._services:
                return self._services[name]
            component = self.components.get(name)
            if component is None:
                raise PluginError(f"component {name!r} is not part of this platform; it has {', '.join(self.components)}")
            for required in component.requires:
                self.get(required)
            service: object = resolve(component.build)(self, getattr(self.settings, name))
            self._services[name] = service
            return service

    def _once(self, name: str, factory: str) -> object:
        with self._lock:
            if name not in self._services:
                self._services[name] = resolve(factory)(self)
            return self._services[name]


def _product_module(name: str) -> object:
    try:
        return import_module(name)
    except ImportError as error:
        raise PluginError(f"platform.modules: {name!r} can't be imported: {error}", field="platform.modules") from None
