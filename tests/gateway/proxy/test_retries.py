"""Another try, where two tries do no more than one."""

import socket
import struct

import pytest


def two(serve, upstream, first, second=None, **service):
    bad, good = upstream(first), upstream(second)
    services = [{"name": "api", "targets": [bad.target, good.target], **service}]
    gateway = serve({"services": services, "routes": [{"name": "all", "service": "api"}]})
    return gateway, bad, good


def drop(request, connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_goes_to_another_instance_after_a_reset(serve, upstream, method):
    gateway, bad, good = two(serve, upstream, drop)
    body = b"some" if method == "PUT" else None
    assert gateway.request(method, "/", body).status == 200
    assert (len(bad.requests), len(good.requests)) == (1, 1)
    assert good.requests[0].body == (body or b"")
    assert gateway.metric("retries_total", service="api") == 1


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_post_is_never_sent_twice(serve, upstream, method):
    gateway, bad, good = two(serve, upstream, drop)
    got = gateway.request(method, "/", b"pay", {"Idempotency-Key": "k"})
    assert (got.status, got.code) == (502, "bad_gateway")
    assert (len(bad.requests), len(good.requests)) == (1, 0)


def test_a_post_with_an_idempotency_key_is_tried_again_where_the_definition_says_so(serve, upstream):
    gateway, _, good = two(serve, upstream, drop, retries={"idempotency_key": True})
    assert gateway.request("POST", "/", b"pay", {"Idempotency-Key": "k"}).status == 200
    assert good.requests[0].body == b"pay"
    assert gateway.request("POST", "/", b"pay").status == 200
    assert gateway.request("POST", "/", b"pay").status == 502


def test_a_connection_that_can_not_be_made_is_no_try_and_a_post_goes_elsewhere(serve, upstream):
    gateway, bad, good = two(serve, upstream, None)
    bad.close()
    for _ in range(4):
        assert gateway.request("POST", "/", iter([b"x" * 100_000] * 3)).status == 200
    assert [len(request.body) for request in good.requests] == [300_000] * 4


def test_some_statuses_are_worth_another_try_and_the_last_answer_counts(serve, upstream, plain):
    gateway, bad, good = two(serve, upstream, plain(503, b"busy"))
    assert gateway.get().status == 200
    good.behave = plain(503, b"busy too")
    got = gateway.get()
    assert got.status == 503
    assert got.body in (b"busy", b"busy too")
    assert gateway.request("POST", "/", b"x").status == 503
    bad.behave = good.behave = plain(500, b"broken")
    assert gateway.get().status == 500


def test_attempts_have_an_end(serve, upstream):
    all_bad = [upstream(drop) for _ in range(4)]
    services = [{"name": "api", "targets": [one.target for one in all_bad], "retries": {"attempts": 2}}]
    gateway = serve({"services": services, "routes": [{"name": "all", "service": "api"}]})
    assert gateway.get().code == "bad_gateway"
    assert sum(len(one.requests) for one in all_bad) == 3


def test_a_body_that_is_too_large_to_keep_is_not_sent_again(serve, upstream):
    gateway, bad, good = two(serve, upstream, drop, retries={"body_bytes": 1_000_000})
    assert gateway.request("PUT", "/", b"x" * 2_000_000).status == 502
    assert (len(bad.requests), len(good.requests)) == (1, 0)


def test_nothing_is_tried_again_after_the_answer_has_begun(serve, upstream):
    def half(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        return False

    gateway, bad, good = two(serve, upstream, half)
    got = gateway.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert got.endswith(b"half")
    assert (len(bad.requests), len(good.requests)) == (1, 0)


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced_for_idempotent_requests(simple, plain):
    closing = []

    def behave(request, connection):
        if closing and request.connection == closing[0]:
            return False
        connection.sendall(plain())
        return None

    gateway, api = simple(behave, service={"retries": {"attempts": 0}})
    gateway.get()
    closing.append(1)  # the second request on that connection gets no answer
    assert gateway.get().status == 200
    assert [request.connection for request in api.requests] == [1, 1, 2]
    closing[0] = 2
    assert gateway.request("POST", "/", b"x").status == 502
    assert [request.connection for request in api.requests] == [1, 1, 2, 2]
