"""What an upstream sees of a request, and a client of an answer."""


def test_method_target_headers_and_body_arrive_as_they_were_sent(simple, plain):
    gateway, api = simple(plain(201, b'{"id":7}', ["X-Made: yes"]))
    got = gateway.request("POST", "/a%20b/c?x=1&y=%20", b'{"name":"Ito"}', {"Content-Type": "application/json", "X-Own": "1"})
    assert (got.status, got.body, got["x-made"]) == (201, b'{"id":7}', "yes")
    (request,) = api.requests
    assert (request.line, request.body) == ("POST /a%20b/c?x=1&y=%20 HTTP/1.1", b'{"name":"Ito"}')
    assert (request["content-type"], request["x-own"], request["content-length"]) == ("application/json", "1", "14")


def test_a_body_in_chunks_goes_on_in_chunks_as_it_comes(simple):
    gateway, api = simple()
    pieces = [bytes([n]) * 50_000 for n in range(100)]
    assert gateway.request("POST", "/", iter(pieces)).status == 200
    (request,) = api.requests
    assert (request.body == b"".join(pieces), request["transfer-encoding"], request.all("content-length")) == (
        True,
        "chunked",
        [],
    )


def test_a_large_body_goes_through_in_both_directions(simple, plain):
    def echo(request, socket):
        socket.sendall(plain(200, request.body, kind="application/octet-stream"))

    gateway, _ = simple(echo)
    body = bytes(range(256)) * 40_000
    assert gateway.request("POST", "/", body).body == body


def test_an_answer_in_chunks_and_one_until_the_connection_closes(simple):
    gateway, api = simple(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n4\r\n two\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    got = gateway.get()
    assert (got.body, got.all("x-trailer")) == (b"one two", [])

    def until_close(request, socket):
        socket.sendall(b"HTTP/1.1 200 OK\r\n\r\nto the ")
        socket.sendall(b"end")
        return False

    api.behave = until_close
    assert gateway.get().body == b"to the end"


def test_answers_without_a_body(simple):
    def behave(request, socket):
        status = {"/204": "204 No Content", "/304": "304 Not Modified"}.get(request.target, "200 OK")
        socket.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\nETag: x\r\n\r\n".encode())

    gateway, api = simple(behave)
    for _ in range(2):  # twice, since what is left on the connection would spoil the second
        assert gateway.get("/204").status == 204
        assert (gateway.get("/304").status, gateway.get("/304")["etag"]) == (304, "x")
        head = gateway.request("HEAD", "/")
        assert (head.status, head["content-length"], head.body) == (200, "5", b"")
    assert api.connections == 1


def test_interim_answers_are_passed_over(simple, plain):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    gateway, _ = simple(early + plain(200, b"late"))
    got = gateway.get()
    assert (got.status, got.body, got.all("link")) == (200, b"late", [])


def test_a_connection_is_used_again_and_closed_where_the_upstream_wants_that(simple, plain):
    gateway, api = simple()
    for _ in range(3):
        gateway.get()
    assert api.connections == 1
    api.behave = plain(headers=["Connection: close"])
    for _ in range(3):
        gateway.get()
    assert api.connections == 3


def test_hop_by_hop_fields_end_at_the_gateway_also_those_that_connection_names(simple, plain):
    hops = ["Connection: X-Secret, keep-alive", "X-Secret: 1", "Keep-Alive: timeout=9", "Proxy-Authenticate: Basic", "X-Kept: 2"]
    gateway, api = simple(plain(headers=hops))
    sent = {"Connection": "X-Hop, close", "X-Hop": "1", "TE": "trailers", "Proxy-Authorization": "Basic eA==", "Upgrade": "h2c"}
    got = gateway.request("GET", "/", headers={**sent, "Proxy-Connection": "close", "X-Kept": "2"})
    request = api.requests[0]
    for name in ("connection", "x-hop", "te", "proxy-authorization", "proxy-connection", "upgrade"):
        assert request.all(name) == [], name
    assert request["x-kept"] == got["x-kept"] == "2"
    for name in ("x-secret", "keep-alive", "proxy-authenticate"):
        assert got.all(name) == [], name


def test_the_upstream_is_told_of_the_client_and_not_by_the_client(simple):
    gateway, api = simple()
    lies = {"X-Forwarded-For": "10.9.9.9", "Forwarded": "for=10.9.9.9", "X-Forwarded-Proto": "https", "X-Real-IP": "10.9.9.9"}
    gateway.request("GET", "/", headers={**lies, "X-Forwarded-Host": "evil.example", "X-Tenant": "other", "X-Actor": "root"})
    request = api.requests[0]
    host = f"127.0.0.1:{gateway.port}"
    assert (request["x-forwarded-for"], request["x-forwarded-proto"], request["x-forwarded-host"]) == ("127.0.0.1", "http", host)
    assert request["forwarded"] == f'for=127.0.0.1;proto=http;host="{host}"'
    assert (request["via"], request["host"]) == ("1.1 brickwork", api.target)
    assert request.all("x-real-ip") == request.all("x-tenant") == request.all("x-actor") == []


def test_a_trusted_proxy_is_believed_as_far_as_the_first_address_that_is_not_one(simple):
    trusted = {"gateway": {"trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8"]}}
    gateway, api = simple(**trusted)
    said = {
        "X-Forwarded-For": "1.1.1.1, 203.0.113.9, 10.0.0.2",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "api.example.org",
    }
    gateway.request("GET", "/", headers={**said, "Via": "1.1 edge"})
    request = api.requests[0]
    assert request["x-forwarded-for"] == "1.1.1.1, 203.0.113.9, 10.0.0.2, 127.0.0.1"
    assert (request["x-forwarded-proto"], request["x-forwarded-host"]) == ("https", "api.example.org")
    assert request["via"] == "1.1 edge, 1.1 brickwork"


def test_an_address_policy_goes_by_the_client_behind_a_trusted_proxy(simple):
    trusted = {"trusted_proxies": ["127.0.0.1/32"]}
    gateway, _ = simple(gateway=trusted, policies={"ip": {"allow": ["203.0.113.0/24", "2001:db8::/32"]}})
    assert gateway.get(X_Forwarded_For="203.0.113.9").status == 200
    assert gateway.get(Forwarded='for="[2001:db8::1]:4711";proto=https').status == 200
    assert gateway.get(X_Forwarded_For="203.0.113.9, 198.51.100.1").code == "address_refused"
    assert gateway.get(X_Forwarded_For="garbage").code == "address_refused"
    assert gateway.get().code == "address_refused"


def test_correlation_id_and_trace_context_are_carried(simple):
    gateway, api = simple()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    got = gateway.get(X_Correlation_Id="abc-1", traceparent=trace, tracestate="v=1")
    assert got["x-correlation-id"] == api.requests[0]["x-correlation-id"] == "abc-1"
    assert (api.requests[0]["traceparent"], api.requests[0]["tracestate"]) == (trace, "v=1")
    assert gateway.get(traceparent=trace)["x-correlation-id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    made = gateway.get(X_Correlation_Id="two words")
    assert made["x-correlation-id"] == api.requests[2]["x-correlation-id"] != "two words"


def test_a_correlation_policy_names_the_header(simple):
    gateway, api = simple(policies={"correlation_id": {"header": "X-Request-Id", "echo": False}})
    got = gateway.get(X_Request_Id="r-1")
    assert (api.requests[0]["x-request-id"], got.all("x-request-id"), got.all("x-correlation-id")) == ("r-1", [], [])


def test_prefix_path_and_host_are_changed_as_the_definition_says(simple):
    service = {"path": "/internal", "preserve_host": True}
    gateway, api = simple(service=service, route={"paths": ["/api/clinic/*"], "strip_prefix": True})
    gateway.request("GET", "/api//clinic/patients/1%2C2?x=1", headers={})
    gateway.get("/api/clinic")
    assert [request.target for request in api.requests] == ["/internal/patients/1%2C2?x=1", "/internal/"]
    assert api.requests[0]["host"] == f"127.0.0.1:{gateway.port}"


def test_requests_are_counted_by_route_service_and_status(simple):
    gateway, _ = simple()
    gateway.get()
    assert gateway.metric("requests_total", route="all", service="api", status="200") == 1
    assert gateway.metric("request_seconds_count", route="all") == 1


def test_an_answer_without_a_date_gets_one(simple, plain):
    gateway, api = simple()
    assert gateway.get()["date"].endswith(" GMT")
    api.behave = plain(headers=["Date: Mon, 05 Jan 2026 09:00:00 GMT"])
    assert gateway.get()["date"] == "Mon, 05 Jan 2026 09:00:00 GMT"


def test_a_route_that_leads_back_to_the_gateway_ends(serve, upstream):
    taken = upstream()
    port = taken.port
    taken.close()
    definition = {
        "services": [{"name": "self", "targets": [f"127.0.0.1:{port}"]}],
        "routes": [{"name": "all", "service": "self"}],
    }
    gateway = serve(definition, port=port)
    got = gateway.get()
    assert (got.status, got.code) == (508, "loop_detected")


def test_a_connection_that_was_held_for_a_slow_client_is_used_again(simple, plain):
    gateway, api = simple(plain(200, b"x" * 3_000_000), service={"retries": {"attempts": 1}})
    for _ in range(3):
        assert len(gateway.get().body) == 3_000_000
    api.behave = plain(503, b"x" * 3_000_000)
    for _ in range(3):
        assert len(gateway.get().body) == 3_000_000
    assert api.connections == 1
