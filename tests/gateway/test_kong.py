"""A definition becomes Kong's declarative configuration; what Kong OSS has not is refused or told, never dropped in silence.

Documents are held against Kong's own JSON Schema where the shared data has it (`BRICKWORK_DATA`), and by Debian's deck."""

import os
import re
import shutil
import subprocess
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from pydantic import ValidationError as PydanticError

from brickwork.errors import ValidationError
from brickwork.gateway.definition_reading import parse_definition
from brickwork.gateway.errors import MethodRefusedError, NoRouteError, VersionGoneError, VersionUnknownError
from brickwork.gateway.kong import KongOptions, NotExportableError, export, plugins
from brickwork.gateway.routing import RouteTable
from brickwork.gateway.selection import Selector
from brickwork.testing.plugin import absent

TODAY = date(2026, 6, 1)
OPTIONS = KongOptions(today=TODAY)
MODELS = {model.plugin: model for model in plugins.Plugin.__subclasses__()}


def exported(document, *, partial=False, options=OPTIONS):
    """The export, its plugins valid for our models."""
    made = export(parse_definition(document), options, partial=partial)
    for plugin in every_plugin(made.document):
        MODELS[plugin["name"]].model_validate(plugin["config"])
    return made


def every_route(document):
    return [*document.get("routes", []), *(route for service in document["services"] for route in service["routes"])]


def every_plugin(document):
    return [*document.get("plugins", []), *(plugin for route in every_route(document) for plugin in route.get("plugins", []))]


def config(document, name):
    """The settings of the one plugin of that name."""
    (found,) = [plugin["config"] for plugin in every_plugin(document) if plugin["name"] == name]
    return found


def missing(document):
    return [str(finding) for finding in exported(document, partial=True).findings if finding.missing]


def simple(route=None, service=None, **gateway):
    return {
        "services": [{"name": "billing", "targets": ["10.0.0.1:80"], **(service or {})}],
        "routes": [{"name": "invoices", "paths": ["/invoices/*"], "service": "billing", **(route or {})}],
        **gateway,
    }


WHOLE = {
    "services": [
        {"name": "billing", "targets": ["10.0.0.1:80 weight=2", "10.0.0.2:80"], "path": "/api", "balance": "least_connections",
         "timeouts": {"connect": 1.5, "read": 10}, "retries": {"attempts": 2},
         "health": {"active": {"path": "/up", "interval": 5}, "passive": {"failures": 3}}},
        {"name": "billing.next", "targets": ["10.0.0.3:80"], "path": "/api", "balance": "least_connections",
         "timeouts": {"connect": 1.5, "read": 10}, "retries": {"attempts": 2},
         "health": {"active": {"path": "/up", "interval": 5}, "passive": {"failures": 3}}},
        {"name": "crm", "protocol": "https", "discovery": [{"dns_srv": {"name": "_crm._tcp.example.org"}}]},
    ],
    "routes": [
        {"name": "invoices", "hosts": ["api.example.org"], "paths": ["/invoices/*"], "service": "billing", "sticky": "random",
         "canary": {"service": "billing.next", "weight": 5},
         "policies": {"auth": {"required": "jwt"}, "size": {"request_bytes": 1_000_000}}},
        {"name": "customers", "paths": ["/customers/*"], "sticky": "random",
         "versions": {"by": "header", "default": "2", "versions": {
             "1": {"service": "crm", "deprecated": "2026-01-01", "sunset": "2026-12-31", "link": "https://example.org/v2"},
             "2": {"service": "crm"}}},
         "policies": {"cors": {"origins": ["https://app.example.org"]}, "rate_limit": {"rate": "10/minute", "by": "address"},
                      "ip": {"deny": ["10.66.0.0/16"]},
                      "request_transform": {"headers": {"remove": ["X-Debug"], "set": {"X-From": "edge"}}}}},
    ],
    "policies": {"rate_limit": {"rate": "100/minute"}, "security_headers": {}, "correlation_id": {"header": "X-Request-Id"}},
}  # fmt: skip


# -- what holds a document -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def kong_schema():
    """Kong's JSON Schema of the declarative format, from the shared data."""
    places = [Path(os.environ["BRICKWORK_DATA"])] if "BRICKWORK_DATA" in os.environ else []
    places += [parent / "shared" / "data" for parent in Path(__file__).resolve().parents]
    found = next((place / "kong" / "kong_json_schema.json" for place in places if (place / "kong").is_dir()), None)
    if found is None:
        pytest.skip("the shared data with Kong's JSON Schema is not there; set BRICKWORK_DATA")
    return Draft4Validator(orjson.loads(found.read_bytes()))


def test_a_whole_definition_is_valid_for_kongs_schema(kong_schema):
    document = yaml.safe_load(exported(WHOLE).yaml)
    assert document["_format_version"] == "3.0"
    kong_schema.validate(document)


def test_deck_takes_the_document(tmp_path):
    """Debian's deck knows the formats up to 1.1; what stands in the document is the same in 3.0 but for the paths' `~`."""
    if shutil.which("deck") is None:
        absent("the program deck is not installed")
    file = tmp_path / "kong.yaml"
    file.write_text(exported(WHOLE).yaml.replace("_format_version: '3.0'", "_format_version: '1.1'"))
    done = subprocess.run(["deck", "validate", "--state", file], capture_output=True, text=True, env={"HOME": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    file.write_text(file.read_text().replace("preserve_host", "keep_host"))
    assert subprocess.run(["deck", "validate", "--state", file], capture_output=True, env={"HOME": str(tmp_path)}).returncode


def test_no_secret_stands_in_the_document():
    options = KongOptions(tokens="introspection", introspection_url="https://auth.example.org/introspect", today=TODAY)
    document = exported(simple({"policies": {"auth": {"required": "jwt"}}}), options=options).document
    assert config(document, "oauth2-introspection") == {
        "introspection_url": "https://auth.example.org/introspect",
        "authorization_value": "{vault://env/kong-introspection-authorization}",
        "ttl": 0,
    }


# -- services and upstreams --------------------------------------------------------------------------------------------------


def test_a_service_becomes_an_upstream_with_targets_times_and_checks():
    document = exported(WHOLE).document
    service = document["services"][0]
    assert {name: service[name] for name in ("name", "host", "path", "connect_timeout", "read_timeout", "retries")} == {
        "name": "billing", "host": "billing.upstream", "path": "/api", "connect_timeout": 1500, "read_timeout": 10_000,
        "retries": 2}  # fmt: skip
    upstream = document["upstreams"][0]
    assert upstream["algorithm"] == "least-connections"
    assert upstream["targets"] == [{"target": "10.0.0.1:80", "weight": 2}, {"target": "10.0.0.2:80", "weight": 1}]
    checks = upstream["healthchecks"]
    assert checks["active"]["http_path"] == "/up"
    assert (checks["active"]["healthy"]["interval"], checks["active"]["healthy"]["successes"]) == (5, 2)
    assert checks["passive"]["unhealthy"]["http_failures"] == 3


def test_a_canary_becomes_one_upstream_with_the_targets_of_both_by_weight():
    document = exported(WHOLE).document
    (shared,) = [upstream for upstream in document["upstreams"] if upstream["name"] == "invoices-shares.upstream"]
    weights = {target["target"]: target["weight"] for target in shared["targets"]}
    total = sum(weights.values())
    assert weights["10.0.0.3:80"] / total == pytest.approx(0.05)
    assert weights["10.0.0.1:80"] / total == pytest.approx(0.95 * 2 / 3)
    assert shared["algorithm"] == "least-connections"
    assert [route["name"] for service in document["services"] if service["host"] == shared["name"]
            for route in service["routes"]] == ["invoices"]  # fmt: skip


def test_a_sticky_share_hashes_the_caller():
    split = {"service": None, "split": [{"service": "billing", "weight": 1}, {"service": "crm", "weight": 1}]}
    services = {
        "services": [{"name": name, "targets": [f"10.0.0.{number}:80"]} for number, name in enumerate(("billing", "crm"))]
    }
    for sticky, expected in (
        ("address", {"hash_on": "ip"}),
        ("header:X-Key", {"hash_on": "header", "hash_on_header": "X-Key", "hash_fallback": "ip"}),
        ("cookie:sid", {"hash_on": "cookie", "hash_on_cookie": "sid"}),
        ("user", {"hash_on": "consumer", "hash_fallback": "ip"}),
    ):
        document = exported({**simple({**split, "sticky": sticky}), **services}).document
        upstream = document["upstreams"][-1]
        assert upstream["algorithm"] == "consistent-hashing"
        assert {name: value for name, value in upstream.items() if name.startswith("hash")} == expected


def test_srv_records_are_looked_up_by_kong():
    crm = exported(WHOLE).document["upstreams"][2]
    assert crm["targets"] == [{"target": "_crm._tcp.example.org:80", "weight": 100}]


@pytest.mark.parametrize("name", ["1.2.3.4", "a..b", "a_b-", "x."])
def test_an_upstream_has_a_host_name_whatever_the_service_is_called(name):
    host = exported({"services": [{"name": name, "targets": ["10.0.0.1:80"]}]}).document["upstreams"][0]["name"]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*\.upstream", host)


def test_two_services_never_share_an_upstream():
    names = ("a.b", "a-b", "a_b")
    document = exported({"services": [{"name": name, "targets": ["10.0.0.1:80"]} for name in names]}).document
    assert len({service["host"] for service in document["services"]}) == 3


# -- routes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, takes, leaves",
    [
        ("/invoices/*", ["/invoices", "/invoices/", "/invoices/1/lines"], ["/invoicesx", "/x/invoices"]),
        ("/invoices", ["/invoices"], ["/invoices/", "/invoices/1"]),
        ("/invoices/{id}", ["/invoices/1"], ["/invoices/1/lines", "/invoices/", "/invoices"]),
        ("/a.b+(c)/*", ["/a.b+(c)/d"], ["/axb+(c)/d", "/a.bb(c)/d"]),
        ("/*", ["/", "/anything"], []),
        ("/", ["/"], ["/x"]),
    ],
)
def test_a_path_takes_the_same_requests(path, takes, leaves):
    (route,) = every_route(exported(simple({"paths": [path]})).document)
    assert all(any(re.match(regex[1:], taken) for regex in route["paths"]) for taken in takes)
    assert not any(re.match(regex[1:], left) for regex in route["paths"] for left in leaves)


def test_versions_become_routes_and_refusals():
    routes = {route["name"]: route for route in every_route(exported(WHOLE).document)}
    first, default, unknown = routes["customers~1"], routes["customers~default"], routes["customers~unknown"]
    assert first["headers"] == {"API-Version": ["1"]}
    told = next(plugin["config"] for plugin in first["plugins"] if plugin["name"] == "response-transformer")
    assert told["append"]["headers"] == [
        "Deprecation:@1767225600",
        'Link:<https://example.org/v2>; rel="deprecation"; type="text/html"',
        "Sunset:Thu, 31 Dec 2026 00:00:00 GMT",
        'Link:<https://example.org/v2>; rel="sunset"; type="text/html"',
    ]
    assert "headers" not in default
    assert unknown["plugins"][0]["config"]["status_code"] == 400


def test_a_version_after_its_sunset_is_refused():
    versions = {"by": "path", "after_sunset": "refuse", "versions": {"v1": {"service": "billing", "sunset": "2026-05-31"}}}
    made = exported(simple({"service": None, "versions": versions}))
    routes = {route["name"]: route for route in every_route(made.document)}
    assert routes["invoices~v1"]["plugins"][0]["config"] == {
        "status_code": 410,
        "message": "version v1 of the API ended on 2026-05-31",
    }
    versions["versions"]["v1"]["sunset"] = "2026-06-02"
    later = exported(simple({"service": None, "versions": versions}))
    assert "routes.invoices: versions.v1: Kong does not look at the calendar; export again on 2026-06-02" in map(
        str, later.findings
    )


def test_a_preflight_is_let_through_to_the_plugin_that_answers_it():
    made = exported(simple({"methods": ["GET"], "policies": {"cors": {"origins": ["https://app.example.org"]}}}))
    assert every_route(made.document)[0]["methods"] == ["GET", "HEAD", "OPTIONS"]


def test_routes_that_kong_would_prefer_otherwise_are_refused():
    """Kong puts the number of conditions above the length of a path."""
    routes = [
        {"name": "special", "paths": ["/a/b"], "service": "billing"},
        {"name": "general", "paths": ["/a/*"], "methods": ["POST"], "service": "billing"},
    ]
    assert missing({**simple(), "routes": routes}) == [
        "routes.special: Kong would not prefer it to general, which takes some of the same requests"
    ]
    routes[1]["methods"] = []
    assert missing({**simple(), "routes": routes}) == []


# -- policies ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy, expected",
    [
        ({"rate": "100/minute"}, {"minute": 100, "limit_by": "ip", "policy": "local"}),
        ({"rate": "5/s", "by": "user"}, {"second": 5, "limit_by": "consumer", "policy": "local"}),
        ({"rate": "9/hour", "by": "key"}, {"hour": 9, "limit_by": "credential", "policy": "local"}),
        ({"rate": "10/30s"}, {"minute": 20, "limit_by": "ip", "policy": "local"}),
        (
            {"rate": "2/day", "by": "header", "header": "X-App"},
            {"day": 2, "limit_by": "header", "header_name": "X-App", "policy": "local"},
        ),
    ],
)
def test_a_rate_limit_counts_in_kongs_periods(policy, expected):
    assert config(exported(simple(policies={"rate_limit": policy})).document, "rate-limiting") == expected


def test_a_rate_limit_stands_where_it_was_written():
    document = exported(WHOLE).document
    assert [plugin["config"]["minute"] for plugin in document["plugins"] if plugin["name"] == "rate-limiting"] == [100]
    routes = {route["name"]: route for route in every_route(document)}
    assert all(plugin["name"] != "rate-limiting" for plugin in routes["invoices"]["plugins"])
    assert [plugin["config"]["minute"] for plugin in routes["customers~1"]["plugins"] if plugin["name"] == "rate-limiting"] == [
        10
    ]


def test_a_route_that_lifts_the_gateways_limit_has_none():
    second = {"name": "open", "paths": ["/open"], "service": "billing", "policies": {"rate_limit": None}}
    given = simple(policies={"rate_limit": {"rate": "100/minute"}})
    document = exported({**given, "routes": [*given["routes"], second]}).document
    routes = {route["name"]: [plugin["name"] for plugin in route.get("plugins", [])] for route in every_route(document)}
    assert "rate-limiting" in routes["invoices"]
    assert "rate-limiting" not in routes["open"]
    assert all(plugin["name"] != "rate-limiting" for plugin in document["plugins"])


def test_headers_and_queries_are_changed_in_the_same_order():
    change = {
        "headers": {"remove": ["X-A"], "rename": {"X-B": "X-C"}, "set": {"X-D": "a:b"}, "add": {"X-E": "1"}},
        "query": {"remove": ["a"], "set": {"b": "2"}},
    }
    assert config(exported(simple({"policies": {"request_transform": change}})).document, "request-transformer") == {
        "remove": {"headers": ["X-A"], "querystring": ["a"]},
        "rename": {"headers": ["X-B:X-C"]},
        "replace": {"headers": ["X-D:a:b"], "querystring": ["b:2"]},
        "add": {"headers": ["X-D:a:b"], "querystring": ["b:2"]},
        "append": {"headers": ["X-E:1"]},
    }


def test_security_headers_leave_what_the_upstream_sends():
    document = exported(simple(policies={"security_headers": {"hsts": 60, "frame_options": None}})).document
    assert config(document, "response-transformer") == {
        "add": {
            "headers": [
                "Strict-Transport-Security:max-age=60; includeSubDomains",
                "X-Content-Type-Options:nosniff",
                "Referrer-Policy:no-referrer",
            ]
        }
    }


def test_cors_ip_and_correlation():
    policies = {
        "cors": {"origins": ["https://a.example.org", "https://b_c.example.org"], "expose": ["ETag"], "max_age": 5},
        "ip": {"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]},
    }
    document = exported(simple({"policies": policies})).document
    assert config(document, "cors")["origins"] == ["https://a.example.org", r"^https://b\_c\.example\.org$"]
    assert config(document, "cors")["exposed_headers"] == ["ETag"]
    assert config(document, "ip-restriction") == {"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]}
    expected = {"header_name": "X-Correlation-Id", "generator": "uuid", "echo_downstream": True}
    assert config(document, "correlation-id") == expected


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    "key, algorithm",
    [
        (rsa.generate_private_key(65537, 2048), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
)
def test_the_issuer_of_tokens_is_a_consumer_with_its_public_key(key, algorithm, kong_schema):
    options = KongOptions(issuer="https://auth.example.org", public_key=pem(key), today=TODAY)
    document = exported(simple({"policies": {"auth": {"required": "jwt"}}}), options=options).document
    (credential,) = document["consumers"][0]["jwt_secrets"]
    assert (credential["key"], credential["algorithm"]) == ("https://auth.example.org", algorithm)
    assert config(document, "jwt")["claims_to_verify"] == ["exp"]
    kong_schema.validate(document)


@pytest.mark.parametrize(
    "options",
    [{"issuer": "https://a"}, {"tokens": "introspection"}, {"introspection_url": "https://a"}],
)
def test_options_that_need_each_other_come_together(options):
    with pytest.raises(ValidationError, match="go together"):
        KongOptions(**options)


def test_what_is_no_public_key_is_refused():
    options = KongOptions(issuer="https://auth.example.org", public_key="-----BEGIN NONSENSE-----", today=TODAY)
    with pytest.raises(ValidationError, match="no public key in PEM"):
        exported(simple({"policies": {"auth": {"required": "jwt"}}}), options=options)


# -- what Kong has not -------------------------------------------------------------------------------------------------------

LACKING = [
    ({"service": {"breaker": {}}}, "services.billing: breaker"),
    (
        {"service": {"targets": [], "discovery": [{"consul": {"service": "x"}}]}},
        "services.billing: discovery: Kong OSS knows no consul",
    ),
    ({"service": {"targets": [], "discovery": [{"registry": {"service": "x"}}]}}, "Kong OSS knows no registry"),
    ({"service": {"targets": [], "discovery": [{"static": ["10.0.0.1:1"]}, {"dns_srv": {"name": "x"}}]}}, "no fallback"),
    ({"service": {"protocol": "https", "tls": {"ca": "/ca.pem"}}}, "tls.ca"),
    ({"service": {"health": {"passive": {}}}}, "never tries a target again"),
    ({"route": {"canary": {"service": "billing", "flag": "new"}}}, "canary.flag"),
    ({"route": {"policies": {"time_limit": 5}}}, "policies.time_limit"),
    ({"route": {"policies": {"size": {"response_bytes": 5}}}}, "policies.size.response_bytes"),
    ({"route": {"policies": {"request_transform": {"body": {"remove": ["a"]}}}}}, "JSON bodies"),
    ({"route": {"policies": {"response_transform": {"body": {"remove": ["a"]}}}}}, "JSON bodies"),
    ({"route": {"policies": {"request_transform": {"headers": {"set": {"X-A": "$(os.exit())"}}}}}}, "template"),
    ({"route": {"policies": {"request_transform": {"query": {"set": {"a:b": "c"}}}}}}, "can't name 'a:b:c'"),
    ({"route": {"policies": {"auth": {"required": "any"}}}}, "policies.auth.required: any"),
    ({"route": {"policies": {"auth": {"permission": "invoices.read"}}}}, "policies.auth.permission"),
    ({"route": {"policies": {"auth": {"required": "jwt", "identity_headers": True}}}}, "identity_headers"),
    ({"route": {"policies": {"rate_limit": {"rate": "1/s", "by": "tenant"}}}}, "by: tenant"),
    ({"route": {"policies": {"cors": {"origins": ["*"], "methods": ["LIST"]}}}}, "Kong knows no LIST"),
    ({"route": {"headers": {"Host": ["a"]}}}, "hosts only"),
    ({"route": {"headers": {"X-A": ["~*b"]}}}, "regular expression"),
    ({"route": {"methods": ["M-SEARCH"]}}, "capital letters"),
]


@pytest.mark.parametrize("given, told", LACKING, ids=[told for _, told in LACKING])
def test_what_kong_has_not_is_refused_by_name_and_told_where_the_rest_is_wanted(given, told):
    document = simple(**given)
    with pytest.raises(NotExportableError) as caught:
        exported(document)
    assert told in caught.value.message
    assert any(told in line for line in missing(document))


def test_a_route_whose_guard_kong_has_not_is_closed():
    document = exported(simple({"policies": {"auth": {"permission": "invoices.read"}}}), partial=True).document
    assert config(document, "request-termination") == {"status_code": 403, "message": "this route is not served by Kong"}


def test_services_that_share_requests_but_are_reached_differently_are_refused():
    services = [
        {"name": "billing", "targets": ["10.0.0.1:80"]},
        {"name": "next", "targets": ["10.0.0.2:80"], "path": "/v2", "policies": {"ip": {"deny": ["10.0.0.0/8"]}}},
    ]
    route = {"canary": {"service": "next", "weight": 10}, "sticky": "random"}
    lines = missing({**simple(route), "services": services})
    assert "routes.invoices: Kong has one service for what is shared out, and billing and next differ in path" in lines
    assert "routes.invoices: billing and next have other policies, and Kong one service for both" in lines


@pytest.mark.parametrize(
    "model, wrong",
    [
        (plugins.RateLimiting, {}),
        (plugins.RateLimiting, {"minute": 10, "hour": 5}),
        (plugins.RateLimiting, {"minute": 10, "limit_by": "header"}),
        (plugins.RateLimiting, {"minute": 10, "limits_by": "ip"}),
        (plugins.Jwt, {"maximum_expiration": 60}),
        (plugins.Oauth2Introspection, {"introspection_url": "https://a", "authorization_value": "Basic c2VjcmV0"}),
        (plugins.RequestTermination, {"message": "a", "body": "b"}),
        (plugins.RequestTermination, {"content_type": "text/plain"}),
        (plugins.IpRestriction, {}),
        (plugins.Cors, {"methods": ["LIST"]}),
        (plugins.RequestTransformer, {"add": {"headers": ["no value"]}}),
        (plugins.RequestSizeLimiting, {"size_unit": "octets"}),
    ],
)
def test_settings_that_kongs_plugins_refuse_are_refused_here(model, wrong):
    with pytest.raises(PydanticError):
        model(**wrong)


# -- any definition ----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["billing", "crm", "next.1", "a_b"])
STEPS = st.sampled_from(["a", "b", "{x}", "v1", "c.d"])
HEADERS = st.sampled_from(["X-A", "API-Version"])


@st.composite
def paths(draw):
    return "/" + "/".join(draw(st.lists(STEPS, max_size=3))) + draw(st.sampled_from(["", "/*"]))


def normal(path):
    return path.replace("//", "/") or "/"


POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "rate_limit": st.none() | st.builds(
            lambda count, per, by: {"rate": f"{count}/{per}", "by": by},
            st.integers(1, 10_000), st.sampled_from(["s", "minute", "7s", "hour", "90s", "day"]),
            st.sampled_from(["address", "user", "tenant", "key"])),
        "auth": st.sampled_from([None, {"required": "jwt"}, {"required": "key"}, {"required": "any"}, {"permission": "x.read"}]),
        "cors": st.just({"origins": ["https://a_b.example.org", "https://c.example.org"]}),
        "correlation_id": st.just({"header": "X-Id", "echo": False}),
        "ip": st.sampled_from([{"allow": ["10.0.0.0/8"]}, {"deny": ["::1/128"]}, {}]),
        "size": st.builds(lambda size: {"request_bytes": size}, st.integers(0, 10**9)),
        "security_headers": st.just({}),
        "request_transform": st.builds(
            lambda headers, query: {"headers": {"set": headers}, "query": {"rename": query}},
            st.dictionaries(HEADERS, st.text("ab:$( ,", max_size=5), max_size=2),
            st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)),
        "response_transform": st.builds(
            lambda headers: {"headers": {"add": headers}}, st.dictionaries(HEADERS, st.text("ab:;", max_size=5), max_size=2)),
        "time_limit": st.just(5),
    },
)  # fmt: skip


@st.composite
def services(draw, name):
    where = draw(
        st.sampled_from(
            [
                {"targets": ["10.0.0.1:80 weight=3", "[::1]:81"]},
                {"targets": ["a.internal:1 weight=0"]},
                {"discovery": [{"dns_srv": {"name": "_x._tcp.example.org"}}, {"static": ["10.0.0.9:9"]}]},
                {"discovery": [{"consul": {"service": "x"}}]},
            ]
        )
    )
    health = draw(st.sampled_from([{}, {"active": {"interval": 0.5}}, {"active": {}, "passive": {}}]))
    return {"name": name, **where, "health": health, "policies": draw(POLICIES), "preserve_host": draw(st.booleans()),
            "timeouts": {"connect": draw(st.floats(0.001, 1e6))}, "retries": {"attempts": draw(st.integers(0, 10))},
            "balance": draw(st.sampled_from(["round_robin", "least_connections"]))}  # fmt: skip


@st.composite
def leads(draw, names):
    kind = draw(st.sampled_from(["service", "service", "split", "canary", "header", "path", "media_type"]))
    one = draw(st.sampled_from(names))
    if kind == "service":
        return {"service": one}
    if kind == "split":
        return {"split": [{"service": draw(st.sampled_from(names)), "weight": draw(st.integers(1, 1_000_000))} for _ in range(2)]}
    if kind == "canary":
        return {"service": one, "canary": {"service": draw(st.sampled_from(names)), "weight": draw(st.floats(0, 100))}}
    versions = {version: {"service": draw(st.sampled_from(names))} for version in ("v1", "v2")}
    default = draw(st.sampled_from([None, "v2"]))
    media = {"media_type": "application/vnd.x"} if kind == "media_type" else {}
    return {"versions": {"by": kind, "versions": versions, "default": default, **media}}


@st.composite
def gateways(draw):
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    made = []
    for number in range(draw(st.integers(0, 5))):
        lead = draw(leads(names))
        found = [normal(path) for path in draw(st.lists(paths(), min_size=1, max_size=2))]
        if lead.get("versions", {}).get("by") == "path":
            found = [path if path.endswith("*") else path.rstrip("/") + "/*" for path in found]
        made.append({
            "name": f"r{number}", "paths": found, **lead, "policies": draw(POLICIES),
            "hosts": draw(st.sampled_from([[], [], ["api.test"], ["*.test"], ["api.test", "b.test"]])),
            "methods": draw(st.sampled_from([[], [], ["GET"], ["POST", "PUT"]])),
            "headers": draw(st.sampled_from([{}, {}, {"X-A": ["1"]}, {"X-A": ["2", "3"]}])),
            "sticky": draw(st.sampled_from(["random", "address", "user", "tenant", "header:X-A", "cookie:c"]))})  # fmt: skip
    return {"services": [draw(services(name)) for name in names], "routes": made, "policies": draw(POLICIES)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(gateways())
def test_any_definition_gives_a_document_that_kong_takes(kong_schema, document):
    made = exported(document, partial=True)
    kong_schema.validate(yaml.safe_load(made.yaml))
    names = [route["name"] for route in every_route(made.document)]
    assert len(set(names)) == len(names)
    hosts = {upstream["name"] for upstream in made.document["upstreams"]}
    assert all(service["host"] in hosts for service in made.document["services"])
    for route in every_route(made.document):
        kinds = [plugin["name"] for plugin in route.get("plugins", [])]
        assert len(set(kinds)) == len(kinds)


class Request:
    """What routing asks of a request."""

    def __init__(self, host, method, path, headers):
        self.hostname, self.method, self.path, self._headers = host, method, path, headers

    def header(self, name):
        return {key.lower(): value for key, value in self._headers.items()}.get(name.lower())


REQUESTS = st.builds(
    Request,
    st.sampled_from(["api.test", "b.test", "x.y.test", "other"]),
    st.sampled_from(["GET", "HEAD", "POST", "DELETE"]),
    st.lists(st.sampled_from(["a", "b", "q", "v1", "v2", "c.d", "cxd"]), max_size=4).map(lambda steps: "/" + "/".join(steps)),
    st.dictionaries(HEADERS, st.sampled_from(["1", "2", "v1", "v3"])),
)


def by_the_proxy(gateway, request):
    """The service that the embedded proxy chooses, or the status with which it refuses."""
    try:
        match = RouteTable(gateway.routes).find(request)
    except (NoRouteError, MethodRefusedError):
        return None
    selector = Selector(match.route, lambda flag, key: False)
    try:
        choice = selector.only or selector.choose(match, request, lambda key: "k", lambda: TODAY)
        return choice.service
    except (VersionUnknownError, VersionGoneError, NoRouteError) as error:
        return error.status


def by_kong(document, request):
    """The same in Kong's order: the most kinds of conditions, plain hosts, the most headers, `regex_priority`."""
    found = []
    candidates = [(service["name"], route) for service in document["services"] for route in service["routes"]]
    for service, route in [*candidates, *((None, route) for route in document.get("routes", []))]:
        hosts, methods, headers = route.get("hosts", []), route.get("methods", []), route.get("headers", {})
        if hosts and not any(
            request.hostname == host or (host.startswith("*") and request.hostname.endswith(host[1:])) for host in hosts
        ):
            continue
        if methods and request.method not in methods:
            continue
        if not any(re.match(path[1:], request.path) for path in route["paths"]):
            continue
        if not all(_has(request.header(name), values) for name, values in headers.items()):
            continue
        plain = bool(hosts) and not any(host.startswith("*") for host in hosts)
        kinds = bool(hosts) + bool(methods) + bool(headers) + 1
        status = None if service else route["plugins"][0]["config"]["status_code"]
        found.append(((kinds, plain, len(headers), route["regex_priority"]), service or status))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _has(value, values):
    if value is None:
        return False
    return any(re.search(wanted[2:], value) if wanted.startswith("~*") else wanted == value for wanted in values)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(gateways(), st.lists(REQUESTS, min_size=5, max_size=20))
def test_kong_sends_each_request_where_the_proxy_does(document, requests):
    """Unless the export has said that it would not."""
    for route in document["routes"]:
        route.pop("canary", None)
        if "split" in route:
            route["service"] = route.pop("split")[0]["service"]
        route["policies"] = {}
    gateway = parse_definition(document)
    made = export(gateway, OPTIONS, partial=True)
    if any("would not prefer" in finding.what for finding in made.findings):
        return
    for request in requests:
        told = SimpleNamespace(proxy=by_the_proxy(gateway, request), kong=by_kong(made.document, request))
        assert told.kong == told.proxy, (request.__dict__, made.yaml)
