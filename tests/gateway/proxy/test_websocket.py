"""WebSockets through the gateway, with a real server behind it."""

import contextlib
import json
import threading

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import serve as serve_websocket

from brickwork.testing.auth import bearer


def _chosen(connection, offered):
    return "chat.v2" if "chat.v2" in offered else None


@pytest.fixture
def echo():
    """Makes WebSocket servers; each gives its port and the requests that opened connections."""
    made = []

    def start(behave=None):
        seen = []

        def handler(connection):
            seen.append(connection.request)
            if behave is not None:
                behave(connection)
                return
            with contextlib.suppress(ConnectionClosed):
                for message in connection:
                    connection.send(message)

        server = serve_websocket(handler, "127.0.0.1", 0, select_subprotocol=_chosen)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        made.append((server, thread))
        return f"127.0.0.1:{server.socket.getsockname()[1]}", seen

    yield start
    for server, thread in made:
        server.shutdown()
        thread.join(10)


@pytest.fixture
def socketed(serve, echo):
    """A gateway before a WebSocket server."""

    def start(behave=None, **route):
        target, seen = echo(behave)
        service = {"name": "chat", "targets": [target]}
        return serve({"services": [service], "routes": [{"name": "ws", "service": "chat", **route}]}), seen

    return start


def test_messages_of_both_kinds_come_back(socketed):
    gateway, seen = socketed(paths=["/ws/*"], strip_prefix=True)
    url = f"ws://127.0.0.1:{gateway.port}/ws/room/1?x=%201"
    with connect(url, subprotocols=["chat.v1", "chat.v2"], additional_headers={"X-Own": "1", "X-Actor": "root"}) as client:
        assert client.subprotocol == "chat.v2"
        for message in ("héllo", b"\x00\xff" * 50_000, "", "x" * 100_000):
            client.send(message)
            assert client.recv(timeout=10) == message
    (request,) = seen
    assert request.path == "/room/1?x=%201"
    assert (request.headers["X-Own"], request.headers.get("X-Actor")) == ("1", None)
    assert request.headers["X-Forwarded-For"] == "127.0.0.1"
    assert request.headers["X-Correlation-Id"] == client.response.headers["X-Correlation-Id"]


def test_how_the_upstream_closes_is_told_to_the_client(socketed):
    gateway, _ = socketed(lambda connection: connection.close(4321, "enough"))
    with connect(f"ws://127.0.0.1:{gateway.port}/") as client:
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
        assert (client.close_code, client.close_reason) == (4321, "enough")


def test_how_the_client_closes_is_told_to_the_upstream(socketed):
    told = []
    heard = threading.Event()

    def behave(connection):
        with contextlib.suppress(ConnectionClosed):
            connection.recv()
        told.append((connection.close_code, connection.close_reason))
        heard.set()

    gateway, _ = socketed(behave)
    with connect(f"ws://127.0.0.1:{gateway.port}/") as client:
        client.close(4001, "bye")
    assert heard.wait(10)
    assert told == [(4001, "bye")]


def test_an_upstream_that_dies_is_told_as_a_bad_gateway(socketed):
    gateway, _ = socketed(lambda connection: connection.socket.shutdown(2))
    with connect(f"ws://127.0.0.1:{gateway.port}/") as client:
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
        assert client.close_code == 1014


def refused(gateway, **options):
    with pytest.raises(InvalidStatus) as error, connect(f"ws://127.0.0.1:{gateway.port}/", **options):
        pass
    response = error.value.response
    return response.status_code, json.loads(response.body)["errors"][0]["code"]


def test_a_refused_handshake_has_a_status_and_the_envelope(simple, plain):
    def nonsense(request, connection):
        connection.sendall(b"nonsense")
        return False

    gateway, api = simple(nonsense)
    assert refused(gateway) == (502, "bad_gateway")
    api.close()
    assert refused(gateway) == (502, "upstream_unreachable")
    gateway, _ = simple(policies={"ip": {"deny": ["0.0.0.0/0"]}})
    assert refused(gateway) == (403, "address_refused")
    gateway, _ = simple(route={"paths": ["/else"]})
    assert refused(gateway) == (404, "no_route")


def test_a_handshake_that_the_upstream_refuses_is_refused_in_its_words(simple, plain):
    gateway, _ = simple(plain(403, b'{"status":"error","errors":[{"code":"own"}]}', ["X-Own: 1"]))
    assert refused(gateway) == (403, "own")


def test_a_message_that_is_too_large_and_a_time_that_is_over_close_it(socketed):
    gateway, _ = socketed(policies={"size": {"request_bytes": 10}, "time_limit": 0.5})
    with connect(f"ws://127.0.0.1:{gateway.port}/") as client:
        client.send("x" * 11)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
        assert client.close_code == 1009
    with connect(f"ws://127.0.0.1:{gateway.port}/") as client:
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
        assert client.close_code == 1001


def test_another_sites_page_can_not_open_one_with_a_visitors_cookie(make_platform, write_definition, serve, echo):
    target, seen = echo()
    route = {"name": "ws", "service": "chat", "policies": {"auth": {"required": "any"}}}
    file = write_definition({"services": [{"name": "chat", "targets": [target]}], "routes": [route]})
    platform = make_platform(components=["gateway", "auth"], gateway={"files": [file]})
    gateway = serve({}, on=platform)
    evil = {"Cookie": "brickwork_session=bws_x", "Origin": "https://evil.example"}
    assert refused(gateway, additional_headers=evil) == (403, "permission_denied")
    assert refused(gateway) == (401, "unauthenticated")
    with connect(f"ws://127.0.0.1:{gateway.port}/", additional_headers=bearer(platform, "alpha")) as client:
        client.send("hello")
        assert client.recv(timeout=10) == "hello"
    assert len(seen) == 1
