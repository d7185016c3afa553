"""The definition: what it refuses, and how its parts make one."""

import pytest
import yaml

from brickwork.errors import DefinitionError
from brickwork.gateway.definition_reading import parse_definition, read_definition
from brickwork.kernel.hookspecs import hookimpl

SERVICE = {"name": "api", "targets": ["10.0.0.5:80"]}
ROUTE = {"name": "all", "service": "api"}


def parsed(service=None, route=None, **more):
    return parse_definition({"services": [SERVICE | (service or {})], "routes": [ROUTE | (route or {})], **more})


def test_a_small_definition_has_sensible_defaults():
    gateway = parsed()
    service, route = gateway.services[0], gateway.routes[0]
    assert (service.protocol, service.balance, service.targets[0].address, route.paths) == (
        "http",
        "round_robin",
        "10.0.0.5:80",
        ("/*",),
    )
    assert "POST" not in service.retries.methods


def test_a_target_may_be_short_or_long():
    targets = ["a.example:80 weight=3", "[::1]:8080", {"host": "b", "port": 81, "weight": 0}]
    assert [(t.address, t.weight) for t in parsed({"targets": targets}).services[0].targets] == [
        ("a.example:80", 3),
        ("[::1]:8080", 1),
        ("b:81", 0),
    ]


@pytest.mark.parametrize(
    ("service", "route", "told"),
    [
        ({"targets": ["10.0.0.5"]}, {}, "services.api.targets.0: '10.0.0.5' is no target"),
        ({"targets": ["a:99999"]}, {}, "services.api.targets.0.port"),
        ({"targets": []}, {}, "either targets or discovery"),
        ({"discovery": [{"static": ["a:1"]}]}, {}, "either targets or discovery"),
        ({"targets": [], "discovery": [{}]}, {}, "a source is one of static, dns_srv, registry, consul"),
        ({"tls": {}}, {}, "tls belongs to protocol: https"),
        ({"retries": {"methods": ["POST"]}}, {}, "services.api.retries.methods.0"),
        ({"colour": 1}, {}, "services.api.colour"),
        ({}, {"service": "other"}, "route all: there is no service other; there are api"),
        ({}, {"service": None}, "one of service, split and versions"),
        ({}, {"split": [{"service": "api", "weight": 1}]}, "one of service, split and versions"),
        ({}, {"service": None, "split": [{"service": "api", "weight": 0}]}, "at least one share"),
        ({}, {"canary": {"service": "api"}}, "by weight or by flag"),
        ({}, {"canary": {"service": "api", "weight": 101}}, "routes.all.canary.weight"),
        ({}, {"paths": ["/a//b"]}, "routes.all.paths.0"),
        ({}, {"paths": ["a"]}, "routes.all.paths.0"),
        ({}, {"paths": ["/a*"]}, "routes.all.paths.0"),
        ({}, {"paths": ["/a/../b*"]}, "routes.all.paths.0"),
        ({}, {"paths": ["/a"], "strip_prefix": True}, "need paths that end in"),
        ({}, {"policies": {"rate_limit": {"rate": "often"}}}, "routes.all.policies.rate_limit.rate"),
        ({}, {"policies": {"rate_limit": {"rate": "1/s", "by": "header"}}}, "go together"),
        ({}, {"policies": {"cors": {"origins": ["*"], "credentials": True}}}, "credentials need named origins"),
        ({}, {"policies": {"auth": {"required": "none", "permission": "x"}}}, "required: none"),
        ({}, {"policies": {"request_transform": {"headers": {"set": {"X-A": "1\r\nX-B: 2"}}}}}, "headers.set.X-A"),
        ({}, {"policies": {"request_transform": {"headers": {"set": {"X A": "1"}}}}}, "headers.set.X A"),
        ({}, {"policies": {"request_transform": {"headers": {"remove": ["Content-Length"]}}}}, "Content-Length can't be changed"),
        ({}, {"policies": {"ip": {"allow": ["10.0.0.0/99"]}}}, "policies.ip.allow.0"),
        ({}, {"policies": {"time_limit": 0}}, "policies.time_limit"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(service, route, told):
    with pytest.raises(DefinitionError) as refused:
        parsed(service, route)
    assert told in refused.value.message


def test_names_are_unique_and_versions_are_whole():
    with pytest.raises(DefinitionError, match="more than one service named api"):
        parse_definition({"services": [SERVICE, SERVICE]})
    versions = {"by": "header", "default": "v9", "versions": {"v1": {"service": "api"}}}
    with pytest.raises(DefinitionError, match="'v9' is not among the versions v1"):
        parsed(route={"service": None, "versions": versions})
    early = {"by": "header", "versions": {"v1": {"service": "api", "deprecated": "2026-02-01", "sunset": "2026-01-01"}}}
    with pytest.raises(DefinitionError, match="sunset is not before deprecated"):
        parsed(route={"service": None, "versions": early})


def test_files_and_a_plugins_parts_make_one_definition(tmp_path, make_platform):
    (tmp_path / "services.yaml").write_text(yaml.safe_dump({"services": [SERVICE], "policies": {"time_limit": 9}}))
    (tmp_path / "more.yaml").write_text(yaml.safe_dump({"routes": [ROUTE], "trusted_proxies": ["10.0.0.0/8"]}))

    class Product:
        @hookimpl
        def brickwork_gateway(self):
            return [{"services": [SERVICE | {"name": "own"}]}, str(tmp_path / "more.yaml")]

    platform = make_platform(
        components=["gateway"], plugins=[Product()], gateway={"files": [tmp_path / "services.yaml"]}, migrated=False
    )
    definition = platform.gateway.definition
    assert [service.name for service in definition.services] == ["api", "own"]
    assert (definition.routes[0].name, definition.policies.time_limit) == ("all", 9)


def test_files_that_can_not_be_joined_or_read_are_named(tmp_path):
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("policies: {time_limit: 1}")
    two.write_text("policies: {time_limit: 2}")
    with pytest.raises(DefinitionError, match=r"two.yaml: policies.time_limit stands in another part too"):
        read_definition([one, two])
    for text, told in (
        ("a: [", "is no YAML"),
        ("- 1", "takes a mapping"),
        ("services: 1", "takes a list"),
        ("rutes: []", "unknown rutes"),
    ):
        one.write_text(text)
        with pytest.raises(DefinitionError, match=told):
            read_definition([one])
    with pytest.raises(DefinitionError, match="can't be read"):
        read_definition([tmp_path / "missing.yaml"])
    one.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(DefinitionError, match="is no YAML"):
        read_definition([one])
