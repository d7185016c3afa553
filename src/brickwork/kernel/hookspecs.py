"""The hooks a plugin may implement (pluggy, entry-point group `brickwork`).

Few on purpose: a capability is a port with backends, not a hook. A plugin is a module or object with some of these
functions, each marked with `@brickwork.hookimpl`.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import UUID

import pluggy

if TYPE_CHECKING:
    from brickwork.kernel.component import Backend, Component
    from brickwork.kernel.platform import Platform

PROJECT = "brickwork"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def brickwork_components() -> "Sequence[Component]":  # type: ignore[empty-body]
    """Called once a platform is made. Returns the components that this plugin adds or replaces."""


@hookspec
def brickwork_backends() -> "Sequence[Backend]":  # type: ignore[empty-body]
    """Called once a platform is made. Returns the backends that this plugin adds for any component's port."""


@hookspec
def brickwork_entity_types() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the entities component is built. Returns entity type definitions (mappings, or paths of YAML or JSON
    files or folders of them) that every tenant has."""


@hookspec
def brickwork_events() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the messaging component is built. Returns event classes (`brickwork.messaging.Event`) for the catalogue;
    those that a handler names are in it anyway."""


@hookspec
def brickwork_handlers() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the messaging component is built. Returns handlers, functions decorated with
    `brickwork.messaging.handles`, or modules of them."""


@hookspec
def brickwork_flags() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the flags component is built. Returns `brickwork.flags.Flag` values: what is served until somebody stores
    a flag of the same key."""


@hookspec
def brickwork_gateway() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the gateway's definition is read. Returns parts of it (mappings, or paths of YAML files) that are merged with
    those of `gateway.files`."""


@hookspec
def brickwork_plans() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the limits component is built. Returns `brickwork.limits.Plan` values, on which tenants can be put; settings
    replace those of the same name."""


@hookspec
def brickwork_permissions() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the auth component is built. Returns `brickwork.auth.Permission` values: what roles may grant, besides what
    tenants define themselves."""


@hookspec
def brickwork_roles() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the auth component is built. Returns `brickwork.auth.Role` values that every tenant has until it stores one
    of the same name."""


@hookspec
def brickwork_access_ended(platform: "Platform", transaction: Any, user: UUID, reason: str) -> None:
    """Called where all sessions of a person end because the password was changed or the person was disabled, in the system's
    transaction that does it. Ends what else was begun in the person's name: whoever knew the old password must be left with
    nothing. What it raises undoes all of it."""


@hookspec
def brickwork_ways_to_sign_in(platform: "Platform", transaction: Any, user: UUID) -> int:  # type: ignore[empty-body]
    """Called where a person gives up a way to sign in, in the system's transaction that does it. Returns how many ways the plugin
    has for the person, so that nobody removes the last one."""


@hookspec
def brickwork_templates() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when templates are first used. Returns `brickwork.documents.templates.Template` values (mappings, or paths of YAML
    files or folders of them) that every tenant has until it publishes one of the same key."""


@hookspec
def brickwork_notifications() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the notify component is built. Returns `brickwork.notify.Notification` values (or mappings): what the product
    tells people of."""


@hookspec
def brickwork_recipients(platform: "Platform", kind: str, refs: Sequence[str]) -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when messages are asked for to recipients that nothing is stored about. Returns `brickwork.notify.Recipient` values
    for those of `refs` ("KIND:…") that the plugin knows."""


@hookspec
def brickwork_scan_blob(platform: "Platform", name: str, media_type: str, open: "Callable[[], BinaryIO]") -> None:
    """Called before a file is stored, with its name and kind; `open()` gives a stream of its content. What it raises refuses the
    file, and nothing of it is left."""


@hookspec
def brickwork_jobs() -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the jobs component is built. Returns jobs, functions decorated with `brickwork.jobs.job`, or modules of
    them."""


@hookspec
def brickwork_routes(platform: "Platform") -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when the web application is made. Returns `brickwork.web.Endpoint` values to serve beside the built-in ones."""


@hookspec
def brickwork_rpc_services(platform: "Platform") -> Sequence[Any]:  # type: ignore[empty-body]
    """Called when services are exposed or described. Returns `brickwork.rpc.Service` values: what other processes may call over
    gRPC."""


@hookspec
def brickwork_warm_cache(platform: "Platform") -> None:
    """Called in a thread when the platform starts, and every `cache.warm_every` seconds in one of its processes. Calls, in the
    contexts of the tenants it is meant for, the cached functions whose results should be there before anybody asks."""


@hookspec
def brickwork_before_commit(platform: "Platform", transaction: Any) -> None:
    """Called inside each writing transaction just before it commits, with the `brickwork.data.Transaction`, whose
    `events` are what was published in it. What it writes commits with it; what it raises rolls everything back."""


@hookspec
def brickwork_after_commit(platform: "Platform", transaction: Any) -> None:
    """Called right after a writing transaction has committed, with the transaction, whose `events` are what it published.
    A process that is killed before makes no such call, so what must happen belongs into an event's handler; this is for
    what should happen at once. What it raises is logged and changes nothing."""
