"""Which route, and which of its services, answers."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from brickwork.flags import Flag, Rule
from brickwork.kernel.hookspecs import hookimpl


@pytest.fixture
def several(serve, upstream, plain):
    """Serves routes to services that answer with their own names."""

    def start(names, routes, **more):
        services = [{"name": name, "targets": [upstream(plain(200, name.encode())).target]} for name in names]
        return serve({"services": services, "routes": routes}, **more)

    return start


def test_the_most_specific_route_answers_whatever_their_order(several):
    paths = {
        "root": ["/*"],
        "tree": ["/patients/*"],
        "exact": ["/patients/new"],
        "one": ["/patients/{id}"],
        "notes": ["/patients/{id}/notes/*"],
        "slash": ["/end/"],
    }
    gateway = several(paths, [{"name": name, "service": name, "paths": value} for name, value in paths.items()])
    wanted = {
        "/": "root",
        "/else": "root",
        "/patients": "tree",
        "/patients/": "tree",
        "/patients/new": "exact",
        "/patients/7": "one",
        "/patients/7/x": "tree",
        "/patients/7/notes": "notes",
        "/patients/7/notes/1/2": "notes",
        "/patientsx": "root",
        "/end": "root",
        "/end/": "slash",
    }
    assert {path: gateway.get(path).body.decode() for path in wanted} == wanted


def test_hosts_methods_and_headers_tell_routes_apart(several):
    routes = [
        {"name": "any", "service": "any"},
        {"name": "host", "service": "host", "hosts": ["api.example.org"]},
        {"name": "wild", "service": "wild", "hosts": ["*.example.org"]},
        {"name": "beta", "service": "beta", "hosts": ["api.example.org"], "headers": {"X-Beta": ["1", "yes"]}},
        {"name": "write", "service": "write", "hosts": ["api.example.org"], "methods": ["POST"]},
    ]
    gateway = several(["any", "host", "wild", "beta", "write"], routes)
    assert gateway.get(Host="other.org").body == b"any"
    assert gateway.get(Host="API.example.org:8080").body == b"host"
    assert gateway.get(Host="a.b.example.org").body == b"wild"
    assert gateway.get(Host="api.example.org", X_Beta="yes").body == b"beta"
    assert gateway.get(Host="api.example.org", X_Beta="no").body == b"host"
    assert gateway.request("POST", "/", b"", {"Host": "api.example.org"}).body == b"write"


def test_what_no_route_takes_is_404_and_another_method_405(several):
    gateway = several(["a"], [{"name": "a", "service": "a", "paths": ["/a"], "methods": ["GET", "PUT"]}])
    missing = gateway.get("/b", X_Correlation_Id="c-9")
    assert (missing.status, missing.code, missing["x-correlation-id"]) == (404, "no_route", "c-9")
    refused = gateway.request("POST", "/a", b"x")
    assert (refused.status, refused.code, refused["allow"]) == (405, "method_not_allowed", "GET, PUT")
    assert gateway.request("HEAD", "/a").status == 200


def test_shares_of_a_split_come_out_and_a_key_keeps_its_share(several):
    route = {"name": "all", "split": [{"service": "a", "weight": 3}, {"service": "b", "weight": 1}], "sticky": "header:X-Key"}
    gateway = several(["a", "b"], [route])
    first = {n: gateway.get(X_Key=f"key-{n}").body for n in range(200)}
    assert {n: gateway.get(X_Key=f"key-{n}").body for n in range(200)} == first
    assert 20 <= Counter(first.values())[b"b"] <= 80  # of 200 about 50


def test_a_canary_only_gains_callers_as_it_grows(several):
    def canaries(weight):
        route = {"name": "all", "service": "a", "canary": {"service": "b", "weight": weight}, "sticky": "cookie:visitor"}
        gateway = several(["a", "b"], [route])
        return {n for n in range(100) if gateway.get(Cookie=f"x=1; visitor=v{n}").body == b"b"}

    small, large = canaries(10), canaries(50)
    assert small < large
    assert canaries(0) == set()
    assert len(canaries(100)) == 100


def test_a_canary_by_flag_follows_the_flag_at_once(make_platform, write_definition, serve, upstream, plain):
    services = [{"name": name, "targets": [upstream(plain(200, name.encode())).target]} for name in ("old", "new")]
    canary = {"service": "new", "flag": "new_api"}
    route = {"name": "all", "service": "old", "canary": canary, "sticky": "header:X-Key"}
    file = write_definition({"services": services, "routes": [route]})

    class Product:
        @hookimpl
        def brickwork_flags(self):
            return [Flag(key="new_api", rules=(Rule(when="key == 'kim'", serve="on"),))]

    platform = make_platform(components=["gateway"], plugins=[Product()], gateway={"files": [file]})
    gateway = serve({}, on=platform)
    assert gateway.get(X_Key="kim").body == b"new"
    assert gateway.get(X_Key="lee").body == b"old"
    with platform.system_context(reason="a release"):
        platform.flags.define(Flag(key="new_api", default="on"))
    assert gateway.get(X_Key="lee").body == b"new"


def versioned(by, **more):
    versions = {
        "v1": {"service": "one", "deprecated": "2026-01-01", "sunset": "2026-07-01", "link": "https://example.org/v1"},
        "v2": {"service": "two"},
    }
    return {"name": "api", "paths": ["/api/*"], "versions": {"by": by, "versions": versions, **more}}


def test_versions_by_path(several):
    gateway = several(["one", "two"], [versioned("path")])
    old, new = gateway.get("/api/v1/patients"), gateway.get("/api/v2/patients")
    assert (old.body, new.body) == (b"one", b"two")
    assert old["deprecation"] == f"@{int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())}"  # RFC 9745, 2.1
    assert old["sunset"] == "Wed, 01 Jul 2026 00:00:00 GMT"  # RFC 8594, 3
    assert old.all("link") == [
        '<https://example.org/v1>; rel="deprecation"; type="text/html"',
        '<https://example.org/v1>; rel="sunset"; type="text/html"',
    ]
    assert new.all("deprecation") == new.all("sunset") == []
    assert gateway.get("/api/v3/patients").code == "no_route"


def test_versions_by_path_with_a_default_take_paths_without_one(several):
    gateway = several(["one", "two"], [versioned("path", default="v2")])
    assert gateway.get("/api/patients").body == b"two"
    assert gateway.get("/api/v1/patients").body == b"one"


def test_versions_by_header(several):
    gateway = several(["one", "two"], [versioned("header", header="X-Version")])
    assert gateway.get("/api/x", X_Version="v1").body == b"one"
    unknown, missing = gateway.get("/api/x", X_Version="v9"), gateway.get("/api/x")
    assert (unknown.status, unknown.code, missing.status, missing.code) == (400, "version_unknown", 400, "version_unknown")
    assert "v1, v2" in unknown.json["errors"][0]["message"]


def test_versions_by_media_type(several):
    gateway = several(["one", "two"], [versioned("media_type", media_type="application/vnd.clinic", default="v2")])
    assert gateway.get("/api/x", Accept="application/vnd.clinic.v1+json, */*;q=0.1").body == b"one"
    assert gateway.get("/api/x", Accept="application/json").body == b"two"
    assert gateway.get("/api/x", Accept="application/vnd.clinic.v9+json").code == "version_unknown"


@pytest.mark.parametrize(("days", "status"), [(-1, 200), (0, 410), (1, 410)])
def test_a_version_past_its_sunset_is_gone_where_the_definition_says_so(several, days, status):
    route = versioned("path", after_sunset="refuse")
    route["versions"]["versions"]["v1"]["sunset"] = (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
    route["versions"]["versions"]["v1"]["deprecated"] = None
    got = several(["one", "two"], [route]).get("/api/v1/x")
    assert got.status == status
    if status == 410:
        assert got.code == "version_gone"
