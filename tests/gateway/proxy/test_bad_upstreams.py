"""Upstreams that hang, reset, lie about lengths, talk nonsense or never end."""

import contextlib
import http.client
import socket
import struct
import threading
from pathlib import Path
from time import monotonic

import pytest

IMPATIENT = {"timeouts": {"connect": 0.5, "read": 0.3, "write": 0.3}, "retries": {"attempts": 0}}


def cut(gateway, path="/"):
    """What was read of an answer that broke off."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    connection.request("GET", path)
    got = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead) as broken:
        got.read()
    connection.close()
    return got.status, broken.value.partial


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_one_that_hangs_before_its_answer_is_504_in_the_envelope(simple):
    free = threading.Event()
    gateway, _ = simple(lambda request, connection: free.wait(20), service=IMPATIENT)
    got = gateway.get(X_Correlation_Id="c-1")
    free.set()
    assert (got.status, got.code, got.json["meta"]["correlation_id"]) == (504, "gateway_timeout", "c-1")
    assert got["x-correlation-id"] == "c-1"


def test_one_that_sends_its_head_a_byte_at_a_time_gets_no_more_time(simple):
    free = threading.Event()

    def dribble(request, connection):
        while not free.wait(0.05):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return False

    gateway, _ = simple(dribble, service=IMPATIENT)
    assert gateway.get().code == "gateway_timeout"
    free.set()


def test_one_that_hangs_in_the_body_gives_an_answer_that_is_seen_to_be_incomplete(simple):
    free = threading.Event()

    def hang(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
        free.wait(20)

    gateway, _ = simple(hang, service=IMPATIENT)
    assert cut(gateway) == (200, b"begun")
    free.set()


@pytest.mark.parametrize("path", ["/before", "/head"])
def test_one_that_resets_before_its_answer_is_502(simple, path):
    def behave(request, connection):
        if request.target == "/head":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")
        reset(connection)
        return False

    gateway, _ = simple(behave, service=IMPATIENT)
    got = gateway.get(path)
    assert (got.status, got.code) == (502, "bad_gateway")


@pytest.mark.parametrize("head", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_one_that_resets_or_ends_in_the_body_gives_an_incomplete_answer(simple, head):
    def behave(request, connection):
        body = b"5\r\nbegun\r\n" if b"chunked" in head else b"begun"
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)
        if request.target == "/reset":
            reset(connection)
        return False

    gateway, _ = simple(behave, service=IMPATIENT)
    status, part = cut(gateway)
    assert (status, part) == (200, b"begun")
    status, part = cut(gateway, "/reset")
    assert status == 200
    assert part in (b"", b"begun")


def test_a_body_until_the_end_of_the_connection_is_incomplete_after_a_reset(simple):
    def behave(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nbegun")
        threading.Event().wait(0.1)  # what is sent is lost with a reset that comes at once
        reset(connection)
        return False

    gateway, _ = simple(behave, service=IMPATIENT)
    assert cut(gateway) == (200, b"begun")


def test_one_that_sends_more_than_its_length_can_not_slip_in_a_second_answer(simple, plain):
    gateway, api = simple(plain(body=b"right") + plain(body=b"forged"), service=IMPATIENT)
    for _ in range(3):
        assert gateway.get().body == b"right"
    assert api.connections == 3  # none was used again


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(simple, plain, eventually):
    sent = threading.Event()

    def behave(request, connection):
        connection.sendall(plain(body=b"right"))
        if request.target == "/first":
            threading.Event().wait(0.1)
            connection.sendall(plain(body=b"forged"))
            sent.set()

    gateway, api = simple(behave, service=IMPATIENT)
    assert gateway.get("/first").body == b"right"
    assert sent.wait(10)
    eventually(lambda: not any(pool._open for pool in gateway.proxy.clusters["api"]._pools.values()))
    assert gateway.get("/second").body == b"right"
    assert api.connections == 2


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX : ab\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: odd\r\nConnection: upgrade\r\n\r\n",
    ],
    ids=lambda said: said[:60].decode("latin-1").encode("unicode_escape").decode(),
)
def test_nonsense_is_502(simple, said):
    def behave(request, connection):
        connection.sendall(said)
        return False

    gateway, _ = simple(behave, service=IMPATIENT)
    got = gateway.get()
    assert (got.status, got.code) == (502, "bad_gateway")


def test_a_bad_chunk_breaks_the_answer_off(simple):
    gateway, _ = simple(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n" + b"zz\r\n" + b"x" * 10, service=IMPATIENT
    )
    got = gateway.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"0\r\n\r\n" not in got


def test_headers_without_end_are_given_up(simple):
    def behave(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")

    gateway, _ = simple(behave)
    got = gateway.get()
    assert (got.status, got.code) == (502, "bad_gateway")


def test_one_that_nobody_listens_at_is_502_without_its_address(serve, upstream):
    gone = upstream()
    gone.close()
    gateway = serve({"services": [{"name": "api", "targets": [gone.target]}], "routes": [{"name": "all", "service": "api"}]})
    got = gateway.get()
    assert (got.status, got.code) == (502, "upstream_unreachable")
    assert str(gone.port) not in got.body.decode()


def test_one_that_does_not_take_the_body_is_504(simple):
    free = threading.Event()
    gateway, api = simple(service=IMPATIENT)

    def wait(stream):
        free.wait(20)

    api._read = wait
    with contextlib.suppress(ConnectionError):  # the gateway doesn't read the rest of it either
        gateway.raw(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 20_000_000, timeout=20)
    free.set()
    assert gateway.metric("requests_total", route="all", service="api", status="504") == 1


def test_one_that_answers_before_it_has_the_body_is_heard(simple):
    gateway, api = simple(service=IMPATIENT)

    def serve(accepted, number):
        with accepted:
            accepted.recv(1000)
            accepted.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")

    api._serve = serve
    got = gateway.raw(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n", timeout=1)
    assert got.startswith(b"HTTP/1.1 413")
    assert got.endswith(b"big")


def _resident():
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_stream_without_end_waits_for_a_slow_reader_in_little_memory(simple, eventually):
    sent = [0]

    def pour(request, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent[0] += connection.send(b"x" * 65536)

    gateway, _ = simple(pour)
    before = _resident()
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(1000)
        stood, since = -1, monotonic()
        while monotonic() - since < 0.5:  # until the upstream has been held for half a second
            if sent[0] != stood:
                stood, since = sent[0], monotonic()
            threading.Event().wait(0.02)
        assert sent[0] < 20_000_000
        assert _resident() - before < 50_000_000
        for _ in range(200):  # and goes on when the client does
            client.recv(1_000_000)
        eventually(lambda: sent[0] > stood)
    cluster = gateway.proxy.clusters["api"]
    # a client that leaves ends the stream
    eventually(lambda: not any(pool._open for pool in cluster._pools.values()))


def test_a_client_that_leaves_while_a_stream_is_silent_ends_it(simple, eventually):
    ended = threading.Event()

    def silent(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        connection.settimeout(20)
        if connection.recv(1) == b"":
            ended.set()
        return False

    gateway, _ = simple(silent)
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        got = b""
        while b"data: 1" not in got:
            got += client.recv(1000)
    assert ended.wait(10)
