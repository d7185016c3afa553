"""The peer `httpx`: the least that passes requests on, over httpx's transport and its pool."""

import os

import httpx2
from starlette.types import Receive, Scope, Send

BASE = f"http://127.0.0.1:{os.environ['BENCH_UPSTREAM']}"
transport = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=None))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Requests without a body, answers piece by piece."""
    target = BASE + scope["path"] + "?" + scope["query_string"].decode()
    request = httpx2.Request(scope["method"], target, headers=scope["headers"])
    response = await transport.handle_async_request(request)
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.headers.raw})
    async for piece in response.aiter_raw():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    await response.aclose()
