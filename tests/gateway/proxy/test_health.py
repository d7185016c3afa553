"""Instances that are left alone: by active checks, by how requests end, by their circuits."""

import socket
import threading
from collections import Counter

import pytest

ACTIVE = {"active": {"path": "/up", "interval": 0.05, "timeout": 1, "healthy": 2, "unhealthy": 2}}


@pytest.fixture
def pair(serve, upstream, plain):
    """A gateway before two instances that answer with their letters."""

    def start(**service):
        a, b = upstream(plain(200, b"a")), upstream(plain(200, b"b"))
        gateway = serve(
            {
                "services": [{"name": "api", "targets": [a.target, b.target], **service}],
                "routes": [{"name": "all", "service": "api"}],
            }
        )
        return gateway, a, b

    return start


def answers(gateway, count=10, method="GET"):
    body = None if method == "GET" else b""
    return Counter(gateway.request(method, "/", body).body for _ in range(count))


def test_requests_go_round(pair):
    gateway, _, _ = pair()
    assert answers(gateway) == {b"a": 5, b"b": 5}


def test_least_connections_goes_to_the_idle_one(pair, plain):
    gateway, a, b = pair(balance="least_connections")
    free = threading.Event()

    def slow(request, connection):
        free.wait(20)
        connection.sendall(plain(200, b"slow"))

    a.behave = slow
    b.behave = plain(200, b"quick")
    waiting = [threading.Thread(target=gateway.get) for _ in range(2)]
    for thread in waiting:
        thread.start()
    while not a.requests:
        threading.Event().wait(0.01)
    assert answers(gateway, 6) == {b"quick": 6}
    free.set()
    for thread in waiting:
        thread.join(20)


def test_an_instance_that_fails_its_checks_gets_nothing_until_it_passes_them(pair, plain, eventually):
    gateway, a, b = pair(health=ACTIVE)
    gateway.get()

    def sick(request, connection):
        connection.sendall(plain(500 if request.target == "/up" else 200, b"a"))

    cluster = gateway.proxy.clusters["api"]
    healthy = lambda: sum(cluster.healthy(instance) for instance in cluster._instances)  # noqa: E731
    a.behave = sick
    eventually(lambda: healthy() == 1)
    assert answers(gateway) == {b"b": 10}
    b.behave = a.behave
    eventually(lambda: healthy() == 0)
    assert set(answers(gateway)) == {b"a"}  # where none is healthy the checks may be what is wrong
    a.behave = b.behave = plain(200, b"well")
    eventually(lambda: healthy() == 2)


def test_a_check_that_gets_no_answer_in_time_has_failed(pair, eventually):
    gateway, a, _ = pair(health={"active": {**ACTIVE["active"], "timeout": 0.1}})
    free = threading.Event()
    a.behave = lambda request, connection: free.wait(20) and False
    cluster = gateway.proxy.clusters["api"]
    asked = threading.Thread(target=gateway.get)  # whichever of the two it goes to: the checks begin with it
    asked.start()
    eventually(lambda: [cluster.healthy(one) for one in cluster._instances] == [False, True])
    free.set()
    asked.join(20)


def test_real_requests_that_fail_make_an_instance_rest(pair, plain, eventually):
    gateway, a, _ = pair(health={"passive": {"failures": 3, "window": 2.0}}, retries={"attempts": 0})
    a.behave = plain(500, b"a")
    seen = answers(gateway, 20)
    assert seen[b"a"] == 3
    a.behave = plain(200, b"a")
    eventually(lambda: gateway.get().body == b"a")


BREAKER = {"failures": 2, "window": 10, "open_for": 0.4, "probes": 1}


def test_an_open_circuit_refuses_at_once_and_closes_after_a_good_probe(simple, plain, eventually):
    gateway, api = simple(plain(503), service={"breaker": BREAKER, "retries": {"attempts": 0}})
    assert [gateway.get().status for _ in range(2)] == [503, 503]
    refused = gateway.get()
    assert (refused.status, refused.code, refused["retry-after"]) == (503, "circuit_open", "1")
    assert len(api.requests) == 2
    assert gateway.metric("circuit", upstream=f"api {api.target}") == 2
    api.behave = plain(200)
    eventually(lambda: gateway.get().status == 200)
    eventually(lambda: gateway.metric("circuit", upstream=f"api {api.target}") == 0)
    assert len(api.requests) == 3


def test_a_bad_probe_opens_the_circuit_again(simple, plain, eventually):
    gateway, api = simple(plain(503), service={"breaker": BREAKER, "retries": {"attempts": 0}})
    for _ in range(2):
        gateway.get()
    eventually(lambda: gateway.get() and len(api.requests) == 3)
    eventually(lambda: gateway.metric("circuit", upstream=f"api {api.target}") == 2)
    assert gateway.get().code == "circuit_open"
    assert len(api.requests) == 3


def test_half_open_lets_one_probe_through_however_many_ask(simple, plain, eventually):
    free = threading.Event()
    gateway, api = simple(plain(503), service={"breaker": BREAKER, "retries": {"attempts": 0}})
    for _ in range(2):
        gateway.get()

    def slow(request, connection):
        free.wait(20)
        connection.sendall(plain(200))

    api.behave = slow
    threading.Event().wait(BREAKER["open_for"] + 0.1)
    statuses = []
    asking = [threading.Thread(target=lambda: statuses.append(gateway.get().status)) for _ in range(6)]
    for thread in asking:
        thread.start()
    eventually(lambda: len(statuses) == 5)
    free.set()
    for thread in asking:
        thread.join(20)
    assert sorted(statuses) == [200, 503, 503, 503, 503, 503]
    assert len(api.requests) == 3


def test_answers_that_break_off_in_their_middle_open_the_circuit(simple):
    def half(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        return False

    gateway, api = simple(half, service={"breaker": {**BREAKER, "open_for": 60}, "retries": {"attempts": 0}})
    for _ in range(2):
        assert gateway.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").endswith(b"half")
    assert gateway.get().code == "circuit_open"
    assert len(api.requests) == 2


def test_a_probe_whose_client_leaves_holds_up_no_other(simple, plain, eventually):
    """Without that the next one would have to wait for as long as an answer may take."""
    gateway, api = simple(plain(503), service={"breaker": BREAKER, "retries": {"attempts": 0}})
    for _ in range(2):
        gateway.get()
    api.behave = plain(200)
    threading.Event().wait(BREAKER["open_for"] + 0.1)
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        eventually(lambda: gateway.metric("circuit", upstream=f"api {api.target}") == 1)
        assert gateway.get().code == "circuit_open"
    eventually(lambda: gateway.get().status == 200)
    eventually(lambda: gateway.metric("circuit", upstream=f"api {api.target}") == 0)


def test_an_open_circuit_sends_requests_to_the_other_instance(pair, plain):
    gateway, a, _ = pair(breaker={**BREAKER, "open_for": 60}, retries={"attempts": 0})
    a.behave = plain(500, b"a")
    assert answers(gateway, 20)[b"a"] == 2


def test_a_service_without_instances_is_503(serve, upstream, plain):
    gone = upstream()
    services = [{"name": "api", "discovery": [{"static": [f"{gone.target} weight=0"]}]}]
    gateway = serve({"services": services, "routes": [{"name": "all", "service": "api"}]})
    got = gateway.get()
    assert (got.status, got.code, got["retry-after"]) == (503, "no_target", "1")


def test_more_connections_than_an_instance_may_have_are_503(simple, plain, eventually):
    free = threading.Event()

    def slow(request, connection):
        free.wait(20)
        connection.sendall(plain())

    gateway, _ = simple(slow, connections=2, service={"retries": {"attempts": 0}})
    statuses = []
    asking = [threading.Thread(target=lambda: statuses.append(gateway.get().status)) for _ in range(3)]
    for thread in asking:
        thread.start()
    eventually(lambda: statuses == [503])
    free.set()
    for thread in asking:
        thread.join(20)
    assert sorted(statuses) == [200, 200, 503]


def test_requests_over_their_time_limit_open_the_circuit(simple, eventually):
    free = threading.Event()
    gateway, _ = simple(lambda *_: free.wait(20) and False, service={"breaker": BREAKER}, policies={"time_limit": 0.2})
    assert [gateway.get().code for _ in range(2)] == ["gateway_timeout"] * 2
    assert gateway.get().code == "circuit_open"
    free.set()
