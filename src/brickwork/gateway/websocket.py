"""WebSockets through the gateway (RFC 6455): one to the client, one to the upstream, messages passed on in both directions.

Each side is a connection of its own, with its own masking, pings and extensions; subprotocols and close codes are passed on. A
slow side makes the other wait, since a message is taken only when the one before it was passed on.
"""

import asyncio
import logging
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from brickwork.gateway.arrival import Arrival, Headers
from brickwork.gateway.cluster import Lease
from brickwork.gateway.errors import BadGatewayError, GatewayTimeoutError, UnreachableError
from brickwork.gateway.exchange import target_of
from brickwork.gateway.forwarding import request_headers, response_headers, with_told
from brickwork.gateway.policies import Plan
from brickwork.web.spans import trace_of

if TYPE_CHECKING:
    from brickwork.gateway.proxy import Proxy

log = logging.getLogger("brickwork.gateway")
#: Largest message from an upstream, in bytes, where no policy says otherwise.
LARGEST_MESSAGE = 16 * 1024 * 1024
#: Messages from an upstream that wait for a slow client.
QUEUE = 8
#: Codes that stand for a close without one, and are never sent (RFC 6455, 7.4.1).
_UNSENDABLE = (1005, 1006, 1015)


async def relay(proxy: "Proxy", scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one WebSocket of a client."""
    from brickwork.gateway.proxy import Visit

    visit, started, status = Visit(), perf_counter(), 101
    await receive()  # websocket.connect
    lease: Lease | None = None
    try:
        plan = await proxy.admit(visit, scope)
        assert visit.arrival is not None
        assert visit.match is not None
        lease = await proxy.clusters[plan.service.name].lease(())
        target = target_of(plan, visit.arrival, visit.match.segments).decode("ascii")
        with proxy.spanned(visit, plan, parent=trace_of(scope)):
            upstream = await _connected(lease, plan, visit.arrival, target, proxy.told(visit, plan))
    except InvalidStatus as error:  # the upstream's own answer
        assert lease is not None
        lease.judge(well=error.response.status_code < 500)
        status = error.response.status_code
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.response.headers.raw_items()]
        await _answer(status, bytes(error.response.body), response_headers(raw, length=False) + visit.extra(), scope, send)
    except Exception as error:
        if lease is not None:
            lease.judge(well=False)
        status, body, headers = proxy.refusal(error, visit)
        await _answer(status, body, headers, scope, send)
    else:
        lease.judge(well=True)
        protocol = upstream.subprotocol
        await send({"type": "websocket.accept", "subprotocol": protocol, "headers": visit.extra()})
        try:
            async with asyncio.timeout(plan.policies.time_limit):
                await _both_ways(upstream, receive, send, plan)
        except TimeoutError:
            await _close(send, CloseCode.GOING_AWAY, "the time for this connection is over")
        finally:
            await upstream.close()
    finally:
        if lease is not None:
            lease.release()
        route = visit.match.route.name if visit.match is not None else "-"
        service = visit.choice.service if visit.choice is not None else "-"
        proxy.meters.observe(route, service, status, perf_counter() - started)


async def _connected(lease: Lease, plan: Plan, arrival: Arrival, target: str, told: Headers) -> ClientConnection:
    """The upstream's side, open."""
    timeouts = plan.service.timeouts
    headers = [pair for pair in request_headers(arrival) if not pair[0].startswith(b"sec-websocket-")]
    if plan.request_headers is not None:
        headers = plan.request_headers.apply(headers)
    offered = [Subprotocol(one.strip()) for one in (arrival.header("sec-websocket-protocol") or "").split(",") if one.strip()]
    host = arrival.host if plan.service.preserve_host else lease.host.decode()
    context = lease.pool.context
    try:
        return await connect(
            f"{'wss' if context else 'ws'}://{host}{target}",
            host=lease.instance.host,
            port=lease.instance.port,
            ssl=context,
            server_hostname=lease.pool.name if context else None,
            additional_headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in with_told(headers, told)],
            user_agent_header=None,
            subprotocols=offered or None,
            open_timeout=timeouts.connect + timeouts.read,
            max_size=plan.most_answer or LARGEST_MESSAGE,
            max_queue=QUEUE,
            proxy=None,
        )
    except TimeoutError:
        raise GatewayTimeoutError("the upstream did not open the WebSocket in time") from None
    except InvalidStatus:
        raise
    except (InvalidHandshake, ValueError) as error:
        raise BadGatewayError(f"the upstream's WebSocket handshake is not acceptable: {type(error).__name__}") from None
    except OSError as error:
        raise UnreachableError(f"the upstream can't be connected: {error.strerror or type(error).__name__}") from None


async def _both_ways(upstream: ClientConnection, receive: Receive, send: Send, plan: Plan) -> None:
    """Pass messages on until either side ends; then the other one is told."""
    out = asyncio.create_task(_to_upstream(upstream, receive, plan.most_request))
    back = asyncio.create_task(_to_client(upstream, send))
    try:
        done, _ = await asyncio.wait((out, back), return_when=asyncio.FIRST_COMPLETED)
        if out in done and (told := out.result()) is not None:
            await _close(send, *told)
    finally:
        for task in (out, back):
            task.cancel()
        await asyncio.gather(out, back, return_exceptions=True)


async def _to_upstream(upstream: ClientConnection, receive: Receive, most: int | None) -> tuple[int, str] | None:
    """Until the client closes; or the code and text with which it is to be closed."""
    with suppress(ConnectionClosed):
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                code = message.get("code") or CloseCode.NORMAL_CLOSURE
                await upstream.close(_sendable(code), message.get("reason") or "")
                return None
            data: str | bytes = message["text"] if message.get("text") is not None else message["bytes"]
            if most is not None and (len(data) if isinstance(data, bytes) else len(data.encode())) > most:
                return CloseCode.MESSAGE_TOO_BIG, f"a message takes at most {most} bytes"
            await upstream.send(data)
    await asyncio.Future()  # the other direction tells the client how the upstream ended
    return None


async def _to_client(upstream: ClientConnection, send: Send) -> None:
    """Until the upstream closes, and tell the client so."""
    try:
        while True:
            data = await upstream.recv()
            key = "text" if isinstance(data, str) else "bytes"
            await send({"type": "websocket.send", key: data})
    except ConnectionClosed:
        code = upstream.close_code
        await _close(send, CloseCode.BAD_GATEWAY if code == 1006 else code or 1000, upstream.close_reason or "")


async def _close(send: Send, code: int, reason: str) -> None:
    with suppress(RuntimeError):  # the client has closed meanwhile
        await send({"type": "websocket.close", "code": _sendable(code), "reason": reason})


def _sendable(code: int) -> int:
    return CloseCode.NORMAL_CLOSURE if code in _UNSENDABLE else code


async def _answer(status: int, body: bytes, headers: Headers, scope: Scope, send: Send) -> None:
    """Answer the handshake as HTTP, where the server can do that, else as 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": CloseCode.POLICY_VIOLATION})
        return
    start: dict[str, Any] = {"type": "websocket.http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body})
