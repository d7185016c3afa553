"""Realtime as clients see it, over real WebSockets and several real processes."""

import json
import signal
import socket
import struct
import threading
import urllib.error
import urllib.request
from time import monotonic, sleep
from urllib.request import urlopen

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def say(platform, topic, *values, tenant="alpha"):
    with platform.context(tenant=tenant, actor="service:ann"):
        for value in values:
            platform.realtime.publish(topic, value)


def test_a_message_reaches_those_who_listen_and_nobody_else(platform, serve, client):
    server = serve()
    mine, other, theirs = client(server, "a"), client(server, "b"), client(server, "c", tenant="beta")
    mine.subscribe("room:triage")
    other.subscribe("room:ward")
    theirs.subscribe("room:triage")
    say(platform, "room:triage", {"n": 1})
    message = mine.hear("message")
    assert (message["topic"], message["data"], message["kind"]) == ("room:triage", {"n": 1}, "message")
    for silent in (other, theirs):
        with pytest.raises(TimeoutError):
            silent.hear("message", seconds=0.3)


def test_what_is_rolled_back_is_not_said(platform, serve, client):
    listener = client(serve())
    listener.subscribe("room:triage")
    with platform.context(tenant="alpha", actor="service:ann"), pytest.raises(KeyError), platform.transaction():
        platform.realtime.publish("room:triage", "lost")
        raise KeyError
    say(platform, "room:triage", "kept")
    assert listener.hear("message")["data"] == "kept"


def test_entities_tell_of_their_changes(platform, serve, client):
    server = serve()
    listener = client(server)
    listener.subscribe("entity:bed")
    server.call("PUT", "/api/v1/entity-types/bed", {"name": "bed", "fields": {"code": {"type": "text"}}})
    bed = server.call("POST", "/api/v1/entities/bed", {"fields": {"code": "1"}})
    told = [listener.hear("message")["data"] for _ in range(2)]
    assert [one["event"] for one in told] == ["type-changed", "created"]
    assert told[1]["id"] == bed["id"]
    assert "code" not in json.dumps(told[1])  # who may read the record, reads it


def test_a_client_comes_back_without_gap_or_repeat(platform, serve, client):
    server = serve()
    first = client(server)
    first.subscribe("room:triage")
    say(platform, "room:triage", 1, 2)
    last = [first.hear("message")["id"] for _ in range(2)][-1]
    first.close()
    say(platform, "room:triage", 3, 4)
    again = client(server)
    answer = again.subscribe("room:triage", since=last)
    assert not answer["gap"]
    say(platform, "room:triage", 5)
    assert [again.hear("message")["data"] for _ in range(3)] == [3, 4, 5]


def test_nothing_is_missed_while_many_write_and_a_client_comes_and_goes(platform, serve, client):
    server = serve()
    total, writers = 60, 4
    listener = client(server)
    last = listener.subscribe("room:triage")["id"]
    threads = [
        threading.Thread(target=lambda n=n: say(platform, "room:triage", *[(n, i) for i in range(total)])) for n in range(writers)
    ]
    for thread in threads:
        thread.start()
    seen = []
    while len(seen) < total * writers:
        message = listener.hear("message", seconds=20)
        seen.append(tuple(message["data"]))
        last = message["id"]
        if len(seen) % 50 == 0:
            listener.close()
            listener = client(server)
            listener.subscribe("room:triage", since=last)
    for thread in threads:
        thread.join()
    assert len(set(seen)) == len(seen) == total * writers
    for n in range(writers):
        assert [i for who, i in seen if who == n] == list(range(total))


def test_a_client_that_was_away_too_long_is_told(platform, serve, client):
    server = serve(history_seconds=0.5, presence_seconds=0.6)
    listener = client(server)
    start = listener.subscribe("room:triage")["id"]
    say(platform, "room:triage", 1)
    first = listener.hear("message")["id"]
    listener.close()
    say(platform, "room:triage", 2)
    deadline = monotonic() + 20
    while platform.realtime.log.head()[1] <= first:
        assert monotonic() < deadline
        sleep(0.1)
    assert client(server).subscribe("room:triage", since=start)["gap"]


def test_processes_share_topics_and_a_killed_one_takes_its_guests_with_it(platform, serve, client):
    one, two = serve(presence_seconds=1.5), serve(presence_seconds=1.5)
    ito, ann = client(one, "ito", actor="service:ito"), client(two, "ann", actor="service:ann")
    for guest in (ito, ann):
        guest.subscribe("room:triage")
        guest.say(op="presence", topic="room:triage", meta={"name": guest.name})
        present = guest.hear("present")  # they are on two servers: without waiting, the second may come first
    assert {c["client"] for c in present["clients"]} == {"ito", "ann"}
    one.stop(signal.SIGKILL)
    while True:
        message = ann.hear("presence", seconds=20)
        if message["data"]["event"] == "left":
            break
    assert message["data"]["client"] == "ito"
    present = two.call("GET", "/api/v1/realtime/presence?topic=room:triage")
    assert [(p["client"], p["actor"], p["meta"]) for p in present] == [("ann", "service:ann", {"name": "ann"})]


def test_a_guest_that_leaves_is_told_of(serve, client):
    server = serve()
    ito, ann = client(server, "ito"), client(server, "ann")
    for guest in (ann, ito):
        guest.subscribe("room:triage")
        guest.say(op="presence", topic="room:triage", meta={})
    ito.hear("present")
    ito.close()
    events = []
    while not events or events[-1] != ("left", "ito"):
        data = ann.hear("presence")["data"]
        events.append((data["event"], data["client"]))
    assert ("joined", "ito") in events


def test_a_slow_client_is_dropped_and_the_others_are_not(platform, serve, client):
    server = serve(max_waiting_bytes=5_000_000)
    quick = client(server, "quick")
    quick.subscribe("room:triage")
    with slow_socket(server, "room:triage") as slow:
        body = "x" * 100_000
        for n in range(200):  # in step with the quick one, so that only the slow one falls behind
            say(platform, "room:triage", [n, body])
            assert quick.hear("message", seconds=30)["data"][0] == n
        slow.settimeout(20)
        taken = 0
        try:
            while data := slow.recv(1_000_000):
                taken += len(data)
        except ConnectionResetError:
            pass
    assert taken < 200 * len(body)


def slow_socket(server, topic):
    """A client that subscribes and then takes nothing: its reads are the test's own."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", server.port))
    head = (
        f"GET /ws/slow?ticket={server.ticket('slow')} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    made.sendall(head.encode())
    made.recv(4096)
    text = json.dumps({"op": "subscribe", "topic": topic}).encode()
    made.sendall(struct.pack("!BBI", 0x81, 0x80 | len(text), 0) + text)  # masked with zeros (RFC 6455, 5.3)
    assert b"subscribed" in made.recv(4096)
    return made


@pytest.mark.parametrize("text", ["", "{", "[]", '{"topic": "room:x"}', "\u0000", "x" * 1000])
def test_garbage_ends_the_connection_with_a_reason(serve, client, text):
    server = serve()
    guest = client(server)
    guest.socket.send(text)
    with pytest.raises(ConnectionClosed) as ended:
        guest.hear()
    assert ended.value.rcvd.code == 4400
    assert "not a request" in ended.value.rcvd.reason
    with urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        assert 'brickwork_realtime_dropped_total{reason="garbage"} 1.0' in answer.read().decode()


def test_a_flood_ends_the_connection(serve, client):
    guest = client(serve(max_requests=10))
    with pytest.raises(ConnectionClosed) as ended:
        for _ in range(50):
            guest.say(op="ping")
        while True:
            guest.hear()
    assert ended.value.rcvd.code == 4429


@pytest.mark.parametrize(
    "request_, code",
    [
        ({"op": "subscribe", "topic": "secret:x"}, "topic_denied"),
        ({"op": "subscribe", "topic": "nocolon"}, "invalid"),
        ({"op": "subscribe"}, "invalid"),
        ({"op": "subscribe", "topic": "room:x", "since": -1}, "invalid"),
        ({"op": "subscribe", "topic": "room:x", "since": "1"}, "invalid"),
        ({"op": "presence", "topic": "room:x"}, "invalid"),
        ({"op": "dance", "topic": "room:x"}, "invalid"),
    ],
)
def test_a_wrong_request_is_told_and_the_connection_stays(serve, client, request_, code):
    guest = client(serve())
    guest.say(**request_)
    assert guest.hear("error")["code"].startswith(code)
    guest.say(op="ping")
    assert guest.hear("pong")


def test_a_ticket_is_good_once_for_its_client(serve, client):
    server = serve()
    ticket = server.ticket("tab-1")
    for client_id, secret in (("tab-2", ticket), ("tab-1", ticket), ("tab-1", "made-up"), ("tab-1", "")):
        with connect(f"ws://127.0.0.1:{server.port}/ws/{client_id}?ticket={secret}", compression=None) as made:
            with pytest.raises(ConnectionClosed) as ended:
                made.recv(timeout=10)
            assert ended.value.rcvd.code == 4401


def test_server_sent_events_carry_the_same_and_resume(platform, serve):
    server = serve()
    say(platform, "room:triage", 1, 2)
    with platform.context(tenant="alpha", actor="service:kim"):
        pass

    def stream(since):
        ticket = server.ticket("tab-1")
        url = f"http://127.0.0.1:{server.port}/sse/tab-1?ticket={ticket}&topic=room:triage"
        request = urllib.request.Request(url, headers={"Last-Event-ID": str(since)})
        return urllib.request.urlopen(request, timeout=10)

    def events(answer, count):
        found = []
        while len(found) < count:
            line = answer.readline().decode().strip()
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
        return found

    with stream(0) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = events(answer, 3)
    assert [one.get("data") for one in found] == [None, 1, 2]
    say(platform, "room:triage", 3)
    with stream(found[-1]["id"]) as answer:
        assert [one.get("data") for one in events(answer, 2)] == [None, 3]


def test_a_stream_without_a_ticket_is_refused(serve):
    server = serve()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/sse/tab-1?ticket=x&topic=room:a", timeout=10)
    assert refused.value.code == 401
    refused.value.close()
