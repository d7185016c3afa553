"""What a gateway does with requests and answers on their way."""

import threading
from base64 import b64encode
from itertools import repeat
from time import monotonic

import pytest
from starlette.testclient import TestClient

from brickwork.errors import DefinitionError
from brickwork.testing.auth import bearer
from brickwork.web import create_app

ORIGIN, ISSUER = "https://app.example.org", "http://127.0.0.1:8000"


def test_a_preflight_is_answered_by_the_gateway(simple):
    cors = {"origins": [ORIGIN], "methods": ["GET", "POST"], "headers": ["X-Own"], "max_age": 60, "credentials": True}
    gateway, api = simple(policies={"cors": cors}, route={"methods": ["GET", "POST"]})
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-own"}
    got = gateway.request("OPTIONS", "/", headers=asked)
    assert (got.status, got["access-control-allow-origin"], got["access-control-allow-credentials"]) == (204, ORIGIN, "true")
    assert (got["access-control-allow-methods"], got["access-control-allow-headers"]) == ("GET, POST", "X-Own")
    assert (got["access-control-max-age"], got["vary"]) == ("60", "Origin")
    foreign = gateway.request("OPTIONS", "/", headers={**asked, "Origin": "https://evil.example"})
    assert not [name for name, _ in foreign.headers if name.startswith("access-control")]
    assert api.requests == []


def test_answers_and_errors_tell_allowed_origins(simple, plain):
    gateway, api = simple(policies={"cors": {"origins": [ORIGIN], "expose": ["ETag"]}})
    got = gateway.get(Origin=ORIGIN)
    assert (got["access-control-allow-origin"], got["access-control-expose-headers"]) == (ORIGIN, "ETag")
    assert gateway.get(Origin="https://evil.example").all("access-control-allow-origin") == []
    assert gateway.get().all("access-control-allow-origin") == []
    api.behave = b"nonsense"
    broken = gateway.get(Origin=ORIGIN)
    assert (broken.status, broken["access-control-allow-origin"]) == (502, ORIGIN)


def test_what_an_upstream_says_of_cors_does_not_stand_beside_what_the_gateway_says(simple, plain):
    gateway, _ = simple(plain(headers=["Access-Control-Allow-Origin: *"]), policies={"cors": {"origins": [ORIGIN]}})
    assert gateway.get(Origin=ORIGIN)["access-control-allow-origin"] == ORIGIN
    assert gateway.get(Origin="https://evil.example").all("access-control-allow-origin") == []


def test_options_without_a_cors_policy_goes_to_the_upstream(simple):
    gateway, api = simple()
    gateway.request("OPTIONS", "/", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
    assert api.requests[0].method == "OPTIONS"


def test_a_request_that_is_too_large_is_refused_with_and_without_a_length(simple):
    gateway, api = simple(policies={"size": {"request_bytes": 1000}})
    assert gateway.request("POST", "/", b"x" * 1000).status == 200
    assert gateway.request("POST", "/", b"x" * 1001).code == "too_large"
    assert gateway.request("POST", "/", iter([b"x" * 600] * 2)).code == "too_large"
    assert len(api.requests) == 1


def test_a_request_that_turns_out_too_large_is_cut_off_and_never_complete_at_the_upstream(simple):
    gateway, api = simple(policies={"size": {"request_bytes": 1_000_000}})
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"%x\r\n%s\r\n" % (100_000, b"x" * 100_000)
    got = gateway.raw(head + piece * 11)
    assert got.startswith(b"HTTP/1.1 413")
    assert api.requests == []


def test_an_answer_that_is_too_large_is_502_or_cut(simple, plain):
    def behave(request, connection):
        if request.target == "/known":
            connection.sendall(plain(200, b"x" * 1001))
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in repeat(None, 100):
                connection.sendall(b"64\r\n" + b"x" * 100 + b"\r\n")
                threading.Event().wait(0.01)
            connection.sendall(b"0\r\n\r\n")

    gateway, _ = simple(behave, policies={"size": {"response_bytes": 1000}})
    assert gateway.get("/known").code == "bad_gateway"
    got = gateway.raw(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200")
    assert not got.endswith(b"0\r\n\r\n")
    assert got.count(b"x" * 100) <= 10


def test_a_time_limit_holds_for_the_whole_exchange(simple):
    free = threading.Event()

    def behave(request, connection):
        if request.target == "/silent":
            free.wait(20)
            return False
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not free.wait(0.05):
            connection.sendall(b"1\r\nx\r\n")
        return False

    gateway, _ = simple(behave, policies={"time_limit": 0.5})
    assert gateway.get("/silent").code == "gateway_timeout"
    began = monotonic()
    got = gateway.raw(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n", timeout=15)
    free.set()
    assert monotonic() - began < 10
    assert got.startswith(b"HTTP/1.1 200")
    assert not got.endswith(b"0\r\n\r\n")


def test_security_headers_are_added_where_the_upstream_has_none_and_on_errors(simple, plain):
    policy = {"security_headers": {"content_security_policy": "default-src 'self'"}}
    gateway, api = simple(plain(headers=["X-Frame-Options: SAMEORIGIN"]), policies=policy)
    got = gateway.get()
    assert (got["x-content-type-options"], got["x-frame-options"]) == ("nosniff", "SAMEORIGIN")
    assert got["content-security-policy"] == "default-src 'self'"
    assert got["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    api.behave = b"nonsense"
    assert gateway.get()["x-frame-options"] == "DENY"


def test_addresses_are_denied_and_allowed(simple):
    gateway, api = simple(policies={"ip": {"deny": ["127.0.0.0/8"]}})
    got = gateway.get()
    assert (got.status, got.code, api.requests) == (403, "address_refused", [])


def test_the_narrowest_policy_holds_and_null_lifts_a_wider_one(serve, upstream):
    api = upstream()
    deny = {"ip": {"deny": ["0.0.0.0/0"]}}
    routes = [
        {"name": "lifted", "paths": ["/lifted"], "service": "api", "policies": {"ip": None}},
        {"name": "own", "paths": ["/own"], "service": "api", "policies": {"ip": {"allow": ["127.0.0.1/32"]}}},
        {"name": "wide", "service": "api"},
    ]
    gateway = serve({"services": [{"name": "api", "targets": [api.target]}], "routes": routes, "policies": deny})
    assert [gateway.get(path).status for path in ("/lifted", "/own", "/else")] == [200, 200, 403]


def test_a_rate_limit_counts_by_header_and_tells_how_it_stands(simple):
    limit = {"rate": "2/hour", "by": "header", "header": "X-Client"}
    gateway, api = simple(route={"policies": {"rate_limit": limit}})
    first = gateway.get(X_Client="a")
    assert (first["ratelimit-policy"], first["ratelimit"].split(";")[:2]) == ('"route:all";q=2;w=3600', ['"route:all"', "r=1"])
    assert gateway.get(X_Client="a").status == 200
    refused = gateway.get(X_Client="a")
    assert (refused.status, refused.code, int(refused["retry-after"]) > 1000) == (429, "rate_limited", True)
    assert gateway.get(X_Client="b").status == 200
    assert len(api.requests) == 3


def test_a_rate_limit_by_address_goes_by_the_true_client(simple):
    trusted = {"trusted_proxies": ["127.0.0.1/32"]}
    gateway, _ = simple(policies={"rate_limit": {"rate": "1/hour"}}, gateway=trusted)
    assert gateway.get(X_Forwarded_For="203.0.113.1").status == 200
    assert gateway.get(X_Forwarded_For="203.0.113.2").status == 200
    assert gateway.get(X_Forwarded_For="9.9.9.9, 203.0.113.1").status == 429


@pytest.fixture
def guarded(make_platform, write_definition, serve, upstream, frozen_clock):
    """A gateway whose routes ask for somebody, on a platform with accounts."""
    api = upstream()
    policies = {
        "any": {"auth": {"identity_headers": True}, "rate_limit": {"rate": "3/hour", "by": "user"}},
        "key": {"auth": {"required": "key", "permission": "entities.patient.read"}},
        "jwt": {"auth": {"required": "jwt"}},
        "none": {},
    }
    routes = [{"name": name, "paths": [f"/{name}"], "service": "api", "policies": own} for name, own in policies.items()]
    file = write_definition({"services": [{"name": "api", "targets": [api.target]}], "routes": routes})
    components, oauth = ["gateway", "auth", "oauth", "web"], {"base_url": ISSUER, "access_token_minutes": 10}
    platform = make_platform(components=components, gateway={"files": [file]}, oauth=oauth, clock=frozen_clock)
    return serve({}, on=platform), api, platform


def test_a_route_that_asks_for_somebody_refuses_nobody_and_bad_keys(guarded):
    gateway, api, platform = guarded
    nobody = gateway.get("/any")
    assert (nobody.status, nobody.code, nobody["www-authenticate"]) == (401, "unauthenticated", 'Bearer realm="brickwork"')
    assert gateway.get("/any", Authorization="Bearer bwk_nonsense").code == "unauthenticated"
    assert gateway.get("/none").status == 200
    key = bearer(platform, "alpha", "robot")
    assert gateway.request("GET", "/any", headers=key).status == 200
    assert gateway.request("GET", "/jwt", headers=key).code == "unauthenticated"
    assert len(api.requests) == 2


@pytest.fixture
def access_token(guarded):
    """An access token (RFC 9068) that the platform's own issuer has given a service, and the client that asked for it."""
    _, _, platform = guarded
    with platform.context(tenant="alpha", actor="setup"):
        platform.auth.roles.define({"name": "reader", "grants": [{"allow": ["entities.patient.read"]}]})
        platform.auth.services.create("crawler", roles=["reader"])
        made = platform.oauth.clients.register(
            "Crawler", grant_types=["client_credentials"], scope="entities.patient.read", service="crawler", redirect_uris=[]
        )
    http = TestClient(create_app(platform), base_url=ISSUER)
    form, secret = {"grant_type": "client_credentials"}, (made.client.client_id, made.secret)
    body = http.post(f"{ISSUER}/oauth/alpha/token", data=form, auth=secret).json()
    return body["access_token"], made.client.client_id


def test_a_route_for_access_tokens_takes_those_of_the_platform_s_own_issuer(guarded, access_token):
    gateway, api, _ = guarded
    shown = {"Authorization": f"Bearer {access_token[0]}"}
    assert gateway.request("GET", "/jwt", headers=shown).status == 200
    assert gateway.request("GET", "/any", headers=shown).status == 200
    assert (api.requests[1]["x-actor"], api.requests[1]["x-tenant"]) == ("service:crawler", "alpha")
    assert gateway.request("GET", "/key", headers=shown).code == "unauthenticated"


def test_access_tokens_that_are_changed_or_revoked_are_refused(guarded, access_token):
    gateway, api, platform = guarded
    token, client = access_token
    head, claims, signature = token.split(".")

    def ask(shown):
        return gateway.get("/jwt", Authorization=f"Bearer {shown}")

    forged = f"{head}.{claims}.{signature[:-8]}{'A' * 8}"
    none = b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    unsigned = f"{none}.{claims}."
    for bad in (forged, unsigned, f"{head}.{claims}", "a.b.c"):
        assert ask(bad).status == 401
    assert ask(token).status == 200
    with platform.context(tenant="alpha", actor="setup"):
        platform.oauth.clients.remove(client)
    assert ask(token).status == 401
    assert len(api.requests) == 1


def test_an_access_token_whose_time_is_over_is_refused(guarded, access_token, frozen_clock):
    gateway, _, _ = guarded
    frozen_clock.advance(minutes=12)
    assert gateway.get("/jwt", Authorization=f"Bearer {access_token[0]}").status == 401


def test_the_upstream_is_told_who_calls_and_nobody_else_can_say_so(guarded):
    gateway, api, platform = guarded
    key = bearer(platform, "alpha", "robot")
    gateway.request("GET", "/any", headers={**key, "X-Actor": "user:root", "X-Tenant": "beta"})
    request = api.requests[0]
    assert (request["x-actor"], request["x-tenant"]) == ("service:robot", "alpha")


def test_a_permission_is_asked_of_the_caller(guarded):
    gateway, _, platform = guarded
    assert gateway.request("GET", "/key", headers=bearer(platform, "alpha", "robot")).status == 200
    powerless = gateway.request("GET", "/key", headers=bearer(platform, "alpha", "other", roles=[]))
    assert (powerless.status, powerless.code) == (403, "permission_denied")


def test_a_rate_by_user_counts_each_apart(guarded):
    gateway, _, platform = guarded
    one, other = bearer(platform, "alpha", "one"), bearer(platform, "beta", "one")
    assert [gateway.request("GET", "/any", headers=one).status for _ in range(4)] == [200, 200, 200, 429]
    assert gateway.request("GET", "/any", headers=other).status == 200


def test_a_definition_that_asks_for_callers_needs_the_auth_component(simple):
    with pytest.raises(DefinitionError, match="auth component"):
        simple(policies={"auth": {"required": "any"}})
