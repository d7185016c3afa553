"""The gRPC server: each call gets its caller's context, its deadline and its span, and is answered with a value or an error of
brickwork's."""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import attrs
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from prometheus_client import Counter, Histogram

from brickwork.errors import BrickworkError, CrossTenantError, SettingsError, UnauthenticatedError
from brickwork.kernel.context import Context, wandering
from brickwork.kernel.ids import uuid7
from brickwork.kernel.metrics import BUCKETS
from brickwork.limits import Caller
from brickwork.rpc.deadline import Commits, Deadline, until
from brickwork.rpc.failure import DETAILS, code_of, details_of
from brickwork.rpc.methods import Method
from brickwork.rpc.settings import RpcSettings
from brickwork.rpc.transport import address_of, is_loopback, pem
from brickwork.web.endpoint import PUBLIC, SIGNED_IN
from brickwork.web.ratelimit import counted

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.rpc")

#: Metadata that says for which tenant the caller means to work; it must be the credential's.
TENANT = "x-brickwork-tenant"
#: Seconds that running calls get to end when the server stops.
GRACE = 10.0


@attrs.frozen(eq=False)
class Target:
    """A method, and what it is called on."""

    method: Method
    function: Any


class Server:
    """Serves what the platform exposes."""

    def __init__(self, platform: "Platform", settings: RpcSettings) -> None:
        self._platform = platform
        self._settings = settings
        self._requests = Counter("brickwork_rpc_requests", "Calls answered", ("method", "code"), registry=platform.metrics)
        self._seconds = Histogram(
            "brickwork_rpc_request_seconds", "Time to answer", ("method",), registry=platform.metrics, buckets=BUCKETS
        )
        self._known: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._commits = Commits()
        self._server = grpc.server(
            ThreadPoolExecutor(settings.threads, thread_name_prefix="brickwork-rpc"),
            maximum_concurrent_rpcs=settings.threads + settings.backlog,
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", settings.max_message_bytes),
                ("grpc.so_reuseport", 0),
            ],
        )
        self._health = _Health(platform)
        self._add_services()
        #: The port that is listened on, once it is.
        self.port = 0

    def start(self, host: str, port: int) -> None:
        """Listen; 0 takes a free port. Raises `SettingsError`."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        credentials = self._credentials(host)
        try:
            if credentials is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError:
            raise SettingsError(f"rpc: {address} can't be listened on; is it in use?", field="rpc.port") from None
        self._platform.plugins.register(self._commits)
        self._server.start()

    def stop(self, grace: float = GRACE) -> None:
        """Refuse new calls, let running ones end for up to `grace` seconds."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()

    def wait(self) -> None:
        """Until the server has been stopped."""
        self._server.wait_for_termination()

    # -- setting up ----------------------------------------------------------------------------------------------------

    def _add_services(self) -> None:
        rpc = self._platform.rpc
        services = rpc.services()
        handlers: dict[str, Any] = {}
        schemas = []
        for package in rpc.packages():
            schema, methods = rpc.describe(package)
            schemas.append(schema)
            for name, found in methods.items():
                instance = services[f"{package}.{name}"].target
                for attribute, method in found.items():
                    handlers[method.path] = self._handler(Target(method, getattr(instance, attribute)))
        self._server.add_generic_rpc_handlers((_Handlers(handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for name in services:
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        if self._settings.reflection:
            from brickwork.rpc.reflection import add_reflection

            add_reflection(self._server, schemas, list(services))

    def _handler(self, target: Target) -> Any:
        if target.method.streams:
            return grpc.unary_stream_rpc_method_handler(partial(self._stream, target))
        return grpc.unary_unary_rpc_method_handler(partial(self._unary, target))

    def _credentials(self, host: str) -> Any:
        settings = self._settings
        if settings.certificate is None or settings.key is None:
            if settings.client_authority is not None or settings.certificate is not None or settings.key is not None:
                raise SettingsError("rpc: TLS takes both rpc.certificate and rpc.key", field="rpc.certificate")
            if not is_loopback(host):
                raise SettingsError(
                    f"rpc.host: {host} is not the loopback, and tokens must not cross a network in the clear; "
                    "set rpc.certificate and rpc.key",
                    field="rpc.host",
                )
            return None
        authority = settings.client_authority
        return grpc.ssl_server_credentials(
            [(pem(settings.key, "rpc.key"), pem(settings.certificate, "rpc.certificate"))],
            root_certificates=None if authority is None else pem(authority, "rpc.client_authority"),
            require_client_auth=authority is not None,
        )

    # -- a call --------------------------------------------------------------------------------------------------------

    def _unary(self, target: Target, raw: bytes, call: Any) -> bytes:
        began = perf_counter()
        try:
            with self._entered(target.method, call) as deadline:
                arguments = self._admitted(target.method, raw)
                answer = target.method.answer(target.function(**arguments))
                deadline.check()
        except Exception as error:  # nothing may leave but as a status
            failed = error
        else:
            self._count(target.method, "OK", began)
            return answer
        return self._refuse(target.method, call, failed, began)

    def _stream(self, target: Target, raw: bytes, call: Any) -> Iterator[bytes]:
        began = perf_counter()
        steps, context = self._steps(target, raw, call), wandering()
        try:
            while (answer := context.run(next, steps, None)) is not None:
                yield answer
        except Exception as error:
            failed = error
        else:
            self._count(target.method, "OK", began)
            return
        finally:
            context.run(steps.close)
        self._refuse(target.method, call, failed, began)

    def _steps(self, target: Target, raw: bytes, call: Any) -> Any:
        with self._entered(target.method, call) as deadline:
            arguments = self._admitted(target.method, raw)
            for item in target.function(**arguments):
                deadline.check()
                yield target.method.answer(item)

    @contextmanager
    def _entered(self, method: Method, call: Any) -> Iterator[Deadline]:
        """The circumstances of a call."""
        metadata = {key: value for key, value in call.invocation_metadata() if isinstance(value, str)}
        left = call.time_remaining()
        longest = self._settings.longest
        deadline = Deadline(monotonic() + (longest if left is None else min(left, longest)), call.is_active)
        tracing = self._platform.tracing
        with tracing.span(method.path[1:], method.told, kind="server", parent=metadata):
            told: dict[str, str] = {}
            try:
                context = self._context(method, metadata, address_of(call.peer()), told)
            finally:
                call.set_trailing_metadata(tuple(told.items()))
            tracing.note(context)
            with self._platform.contexts.use(context), until(deadline):
                yield deadline

    def _context(self, method: Method, metadata: Mapping[str, str], address: str, told: dict[str, str]) -> Context:
        """The context of who calls, whose call was counted: tenant and actor are the credential's, whatever else is said. What
        the answer tells of the count goes into `told`. Raises `RateLimitedError`."""
        auth, permission = self._platform.auth, method.mark.permission
        correlation = metadata.get("x-correlation-id", "")
        if not (0 < len(correlation) <= 128 and correlation.isprintable()):
            correlation = str(uuid7())
        locale = metadata.get("accept-language", "en")[:35]
        shown = {"authorization": metadata["authorization"]} if "authorization" in metadata else {}
        count = partial(counted, self._platform, route=lambda: ("POST", method.path[1:].split("/")), told=told)
        try:
            identity = None if permission == PUBLIC else auth.identify(shown, "POST")
        except UnauthenticatedError:
            count(Caller(None, "anonymous", address=address))
            raise
        if identity is None:
            count(Caller(None, "anonymous", address=address))
            context = Context(None, "anonymous", correlation, locale, access=auth.nobody())
        else:
            context = identity.context(correlation, locale)
            count(Caller(context.tenant, context.actor, identity.key, address))
        meant = metadata.get(TENANT)
        if meant is not None and meant != context.tenant and permission != PUBLIC:
            if context.actor == "anonymous":
                auth.nobody().require(permission)
            raise CrossTenantError("the call is for another tenant than its credential")
        return context

    def _admitted(self, method: Method, raw: bytes) -> dict[str, Any]:
        """The arguments, of a caller who holds the method's permission, for one resource at least."""
        context = self._platform.current
        permission = method.mark.permission
        access = context.access
        assert access is not None
        if permission != PUBLIC and context.actor == "anonymous":
            access.require(permission)
        arguments = method.arguments(raw)
        if permission not in (PUBLIC, SIGNED_IN):
            permission = permission.format_map(arguments)
            if context.tenant is None:
                from brickwork.auth import TenantRequiredError

                raise TenantRequiredError("this session works in no tenant yet; choose one before calling")
            if not access.holds(permission):
                access.require(permission)
        return arguments

    def _refuse(self, method: Method, call: Any, error: Exception, began: float) -> bytes:
        """End the call with the status of an error; what was not foreseen is logged and shown without detail."""
        code = code_of(error)
        self._count(method, code.name, began)
        if isinstance(error, BrickworkError) and code is not grpc.StatusCode.INTERNAL:
            call.set_trailing_metadata((*(call.trailing_metadata() or ()), (DETAILS, details_of(error))))
            call.abort(code, error.message)
        log.error("call of %s failed", method.path, exc_info=error)
        call.abort(code, "something went wrong here; the correlation id finds it in the logs")
        return b""

    def _count(self, method: Method, code: str, began: float) -> None:
        found = self._known.get((method.path, code))
        if found is None:
            name = method.path[1:]
            found = self._known[method.path, code] = (self._requests.labels(name, code), self._seconds.labels(name))
        found[0].inc()
        found[1].observe(perf_counter() - began)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds what serves a path; for others gRPC answers UNIMPLEMENTED."""

    def __init__(self, handlers: Mapping[str, Any]) -> None:
        self._handlers = handlers

    def service(self, call: Any) -> Any:
        return self._handlers.get(call.method)


class _Health(health.HealthServicer):  # type: ignore[misc]
    """grpc.health.v1; the server as a whole ("") is as well as the platform."""

    def __init__(self, platform: "Platform") -> None:
        super().__init__()
        self._platform = platform

    def Check(self, request: Any, call: Any) -> Any:
        known = super().Check(request, call)
        states = health_pb2.HealthCheckResponse
        if request.service == health.OVERALL_HEALTH and known.status == states.SERVING:
            ok = all(found.ok for found in self._platform.health().values())
            return states(status=states.SERVING if ok else states.NOT_SERVING)
        return known
