"""Requests and answers that are changed by declaration."""

import json

JSON = {"Content-Type": "application/json"}


def test_headers_and_query_of_a_request_are_changed(simple):
    change = {
        "headers": {"remove": ["X-Gone"], "rename": {"X-Old": "X-New"}, "set": {"X-Set": "1"}, "add": {"X-Many": "2"}},
        "query": {"remove": ["secret"], "rename": {"q": "query"}, "set": {"page": "1"}, "add": {"tag": "b c"}},
    }
    gateway, api = simple(policies={"request_transform": change})
    sent = {"X-Gone": "1", "X-Old": "o", "X-Set": "client", "X-Many": "1"}
    gateway.request("GET", "/?q=%C3%A9&secret=1&page=9&tag=a", headers=sent)
    request = api.requests[0]
    assert (request.all("x-gone"), request.all("x-old"), request["x-new"], request["x-set"]) == ([], [], "o", "1")
    assert request.all("x-many") == ["1", "2"]
    assert request.target == "/?query=%C3%A9&tag=a&page=1&tag=b+c"


def test_a_json_body_is_changed_and_its_length_with_it(simple):
    body = {"remove": ["patient.ssn"], "rename": {"patient.name": "name.full"}, "set": {"source": {"via": "gateway"}}}
    gateway, api = simple(policies={"request_transform": {"body": body}})
    given = {"patient": {"ssn": "1", "name": "Ito", "age": 4}}
    assert gateway.request("POST", "/", json.dumps(given).encode(), JSON).status == 200
    wanted = {"patient": {"age": 4}, "name": {"full": "Ito"}, "source": {"via": "gateway"}}
    assert json.loads(api.requests[0].body) == wanted
    assert api.requests[0]["content-length"] == str(len(api.requests[0].body))


def test_a_body_that_is_no_json_passes_unchanged_and_a_broken_one_is_refused(simple):
    gateway, api = simple(policies={"request_transform": {"body": {"keep": ["a"], "max_bytes": 100}}})
    assert gateway.request("POST", "/", b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}).status == 200
    assert api.requests[0].body == b"a=1"
    assert gateway.request("POST", "/", b'{"a":', JSON).code == "invalid"
    assert gateway.request("POST", "/", b"[1]", JSON).code == "invalid"
    assert gateway.request("POST", "/", json.dumps({"a": "x" * 100}).encode(), JSON).code == "too_large"
    assert gateway.request("POST", "/", iter([b'{"a": "', b"x" * 200_000, b'"}']), JSON).code == "too_large"
    assert gateway.request("POST", "/", iter([b'{"a": 1, ', b'"b": 2}']), JSON).status == 200
    assert (len(api.requests), api.requests[1].body) == (2, b'{"a":1}')


def test_headers_and_body_of_an_answer_are_changed(simple, plain):
    change = {"headers": {"remove": ["Server"], "set": {"X-By": "gateway"}}, "body": {"keep": ["data.id", "missing"]}}
    gateway, api = simple(plain(200, b'{"data":{"id":1,"cost":9},"debug":1}', ["Server: secret/1.2"]))
    assert gateway.get()["server"] == "secret/1.2"
    gateway, api = simple(api.behave, policies={"response_transform": change})
    got = gateway.get()
    assert (got.json, got["x-by"], got.all("server")) == ({"data": {"id": 1}}, "gateway", [])
    assert got["content-length"] == str(len(got.body))
    chunked = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    api.behave = b"HTTP/1.1 200 OK\r\n" + chunked + b'c\r\n{"data":{"id\r\n5\r\n":2}}\r\n0\r\n\r\n'
    assert gateway.get().json == {"data": {"id": 2}}
    for body in (b"[1,2]", b"not json"):
        api.behave = plain(200, body)
        assert gateway.get().body == body
    assert api.requests[-1]["accept-encoding"] == "identity"
    head = gateway.request("HEAD", "/")
    assert (head.status, head.body) == (200, b"")


def test_an_answer_too_large_to_be_changed_is_502(simple, plain):
    gateway, _ = simple(
        plain(200, json.dumps({"a": "x" * 1000}).encode()),
        policies={"response_transform": {"body": {"remove": ["b"], "max_bytes": 500}}},
    )
    assert gateway.get().code == "bad_gateway"


def test_a_body_in_a_content_coding_does_not_slip_past_a_change(simple, plain):
    change = {"request_transform": {"body": {"remove": ["secret"]}}, "response_transform": {"body": {"remove": ["secret"]}}}
    gateway, api = simple(plain(200, b"\x1f\x8bxx", ["Content-Encoding: gzip"]), policies=change)
    refused = gateway.request("POST", "/", b"\x1f\x8bxx", {**JSON, "Content-Encoding": "gzip"})
    assert (refused.status, refused.code, api.requests) == (415, "unsupported_media_type", [])
    assert gateway.get(Accept_Encoding="gzip").code == "bad_gateway"
    assert api.requests[0]["accept-encoding"] == "identity"
