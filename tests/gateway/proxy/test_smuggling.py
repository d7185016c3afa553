"""Requests that two servers could read differently (RFC 9112, 11.2), and lines slipped into headers."""

import asyncio

import pytest


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nX: 1\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET http://a@b/ HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_goes_no_further(simple, request_bytes):
    gateway, api = simple()
    got = gateway.raw(request_bytes + b"GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", timeout=2)
    assert got.startswith(b"HTTP/1.1 400")
    assert api.requests == []


@pytest.mark.parametrize(
    "path",
    [
        "/open/../admin/x",
        "/open/%2e%2e/admin/x",
        "/open/.%2E/admin/x",
        "/./admin/x",
        "/open%2f..%2fadmin",
        "/admin%2Fx",
        "/open\\admin",
    ],
)
def test_a_path_that_an_upstream_would_resolve_in_its_own_way_is_refused(simple, path):
    gateway, api = simple()
    got = gateway.raw(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 400")
    assert api.requests == []


def test_slashes_in_a_row_do_not_lead_around_a_route(serve, upstream):
    api = upstream()
    routes = [
        {"name": "guarded", "paths": ["/admin/*"], "service": "api", "policies": {"ip": {"deny": ["0.0.0.0/0"]}}},
        {"name": "all", "service": "api"},
    ]
    gateway = serve({"services": [{"name": "api", "targets": [api.target]}], "routes": routes})
    for path in ("/admin/x", "//admin/x", "///admin//x", "/%61dmin/x"):
        assert gateway.get(path).code == "address_refused", path
    assert gateway.get("/open").status == 200


def call(application, headers, *, path=b"/", method="GET", query=b""):
    """The status with which an ASGI application answers, whatever server is under it."""
    scope = {
        "type": "http", "method": method, "path": path.decode("latin-1"), "raw_path": path, "query_string": query,
        "headers": headers, "scheme": "http", "client": ("127.0.0.1", 1), "extensions": {},
    }  # fmt: skip
    sent = []

    async def run():
        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        await application(scope, receive, send)

    asyncio.run(run())
    return sent[0]["status"]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"1"), (b"content-length", b"2")],
        [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"chunked, chunked")],
        [(b"content-length", b"-1")],
        [(b"x-a", b"1\r\nX-Injected: 1")],
        [(b"x-a", b"1\nX-Injected: 1")],
        [(b"x-a", b"1\x00")],
    ],
)
def test_a_server_that_lets_bad_headers_through_does_not_make_the_gateway_do_so(simple, headers):
    gateway, api = simple()
    application = gateway.platform.gateway.app()
    assert call(application, [(b"host", b"a"), *headers], method="POST") == 400
    assert api.requests == []


@pytest.mark.parametrize(("path", "query"), [(b"/a b", b""), (b"/a\r\nX: 1", b""), (b"/", b"a\r\nb"), (b"/\xff", b"")])
def test_so_does_one_that_lets_a_bad_target_through(simple, path, query):
    gateway, api = simple()
    assert call(gateway.platform.gateway.app(), [(b"host", b"a")], path=path, query=query) == 400
    assert api.requests == []
