"""Routes of a definition as Kong's routes: one for each path, and for each version.

Kong takes, of the routes that fit a request, the one with the most kinds of conditions, then one with hosts without wildcards,
then the most headers, then the larger `regex_priority` (kong/router/transform.lua, get_priority, of 3.x). The definition goes by
host, path, headers and methods, in this order; where the two would not choose alike, that is found.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import attrs

from brickwork.gateway.definition import Gateway, Route, Version, Versions
from brickwork.gateway.kong.findings import Findings
from brickwork.gateway.kong.paths import Pattern, Rank, escaped
from brickwork.gateway.kong.plugins import Plugin

#: Of a route's own variants: what answers that there is no such version, what names none, what names one.
_REFUSING, _PLAIN, _NAMED = 0, 1, 2


@attrs.frozen
class Variant:
    """What becomes of some requests of a route: a service answers them, or Kong itself with `status`."""

    suffix: str = ""
    #: A service of the definition; None: the route's own choice.
    service: str | None = None
    version: Version | None = None
    #: Put before the open end of paths.
    segment: str | None = None
    headers: dict[str, list[str]] = attrs.field(factory=dict)
    rank: int = _PLAIN
    status: int | None = None
    message: str = ""


@attrs.define(eq=False)
class KongRoute:
    """A route of Kong in the making."""

    name: str
    origin: Route
    variant: Variant
    #: The path in the definition, and what it is for Kong.
    pattern: Pattern
    shape: Pattern
    plugins: list[Plugin] = attrs.field(factory=list)

    @property
    def headers(self) -> dict[str, list[str]]:
        return {**{name: list(values) for name, values in self.origin.headers.items()}, **self.variant.headers}

    @property
    def methods(self) -> set[str]:
        """HEAD goes with GET, as in the embedded proxy; a page's preflight must be let through to the plugin that answers it."""
        methods = set(self.origin.methods)
        if "GET" in methods:
            methods.add("HEAD")
        if methods and any(plugin.plugin == "cors" for plugin in self.plugins):
            methods.add("OPTIONS")
        return methods

    def entity(self, priorities: dict[Rank, int], preserve_host: bool) -> dict[str, Any]:
        """As an entity of the declarative configuration."""
        made: dict[str, Any] = {"name": self.name, "paths": self.shape.regexes, "regex_priority": self.priority(priorities)}
        if self.origin.hosts:
            made["hosts"] = list(self.origin.hosts)
        if self.methods:
            made["methods"] = sorted(self.methods)
        if self.headers:
            made["headers"] = self.headers
        made |= {"strip_path": self.origin.strip_prefix, "preserve_host": preserve_host}
        made |= {"request_buffering": False, "response_buffering": False}
        if self.plugins:
            made["plugins"] = [plugin.entity() for plugin in self.plugins]
        return made

    def priority(self, priorities: dict[Rank, int]) -> int:
        return priorities[self.shape.rank] * 3 + self.variant.rank


def made_routes(gateway: Gateway, today: date, findings: Findings) -> list[KongRoute]:
    """Kong's routes, without plugins."""
    made = []
    for route in gateway.routes:
        _check(route, findings)
        for variant in _variants(route, today, findings):
            for number, path in enumerate(route.paths):
                pattern = Pattern.of(path)
                shape = pattern if variant.segment is None else pattern.below(variant.segment)
                parts = [route.name, variant.suffix, str(number + 1) if len(route.paths) > 1 else ""]
                made.append(KongRoute("~".join(part for part in parts if part), route, variant, pattern, shape))
    return made


def priorities(routes: list[KongRoute]) -> dict[Rank, int]:
    """A number for each rank of a path, growing with it."""
    return {rank: number for number, rank in enumerate(sorted({route.shape.rank for route in routes}))}


def find_conflicts(routes: list[KongRoute], numbers: dict[Rank, int], findings: Findings) -> None:
    """Pairs of which the definition prefers one and Kong not the same."""
    for number, one in enumerate(routes):
        for other in routes[number + 1 :]:
            if one.origin is other.origin or not _meet(one, other):
                continue
            for hosts in _common_hosts(one.origin, other.origin):
                first, second = (one, other) if _ours(one, hosts[0]) >= _ours(other, hosts[1]) else (other, one)
                if _kongs(first, numbers) <= _kongs(second, numbers):
                    told = f"Kong would not prefer it to {second.origin.name}, which takes some of the same requests"
                    findings.missing(f"routes.{first.origin.name}", told)
                    break


def _ours(route: KongRoute, host: str) -> tuple[Any, ...]:
    exact = (2 if host and not host.startswith("*") else 1 if host else 0, len(host))
    return exact, route.pattern.rank, len(route.origin.headers), bool(route.origin.methods)


def _kongs(route: KongRoute, numbers: dict[Rank, int]) -> tuple[Any, ...]:
    hosts = route.origin.hosts
    kinds = 1 + bool(hosts) + bool(route.methods) + bool(route.headers)
    plain = bool(hosts) and not any(host.startswith("*") for host in hosts)
    return kinds, plain, len(route.headers), route.priority(numbers)


def _meet(one: KongRoute, other: KongRoute) -> bool:
    """Whether some request fits both."""
    if not one.shape.overlaps(other.shape) or (one.methods and other.methods and not one.methods & other.methods):
        return False
    mine = {name.lower(): values for name, values in one.headers.items()}
    theirs = {name.lower(): values for name, values in other.headers.items()}
    return not any(_disjoint(mine[name], theirs[name]) for name in mine.keys() & theirs.keys())


def _disjoint(some: list[str], others: list[str]) -> bool:
    """Kong compares without regard to case."""
    plain = not any(value.startswith("~*") for value in [*some, *others])
    return plain and not {value.lower() for value in some} & {value.lower() for value in others}


def _common_hosts(one: Route, other: Route) -> Iterator[tuple[str, str]]:
    for mine in one.hosts or ("",):
        for theirs in other.hosts or ("",):
            if mine == theirs or _within(mine, theirs) or _within(theirs, mine):
                yield mine, theirs


def _within(host: str, wider: str) -> bool:
    return not wider or (wider.startswith("*.") and host.endswith(wider[1:]))


def _check(route: Route, findings: Findings) -> None:
    where = f"routes.{route.name}"
    odd = [method for method in route.methods if not (method.isalpha() and method.isupper())]
    if odd:
        findings.missing(where, f"methods: Kong takes capital letters only, and no {', '.join(odd)}")
    for name, values in route.headers.items():
        if name.lower() == "host":
            findings.missing(where, "headers: Kong matches Host by hosts only")
        if any(value.startswith("~*") for value in values):
            findings.missing(where, f"headers.{name}: Kong takes a value that begins with ~* for a regular expression")
    if route.strip_prefix and route.versions is not None and route.versions.by == "path":
        findings.missing(where, "strip_prefix: Kong would strip the version too")
    if route.policies.cors is not None and route.methods and "OPTIONS" not in route.methods:
        findings.different(where, "policies.cors: Kong's route takes OPTIONS as well, for preflights")


def _variants(route: Route, today: date, findings: Findings) -> Iterator[Variant]:
    versions = route.versions
    if versions is None:
        yield Variant()
        return
    for name, version in versions.versions.items():
        yield from _version(route, versions, name, version, today, findings)
    yield from _unnamed(versions, today, findings, f"routes.{route.name}")


def _version(route: Route, versions: Versions, name: str, version: Version, today: date, findings: Findings) -> Iterator[Variant]:
    named: dict[str, Any] = {"suffix": name, "rank": _NAMED}
    if versions.by == "path":
        named["segment"] = name
    elif versions.by == "header":
        named["headers"] = {versions.header: [name]}
    else:
        media_type = escaped(f"{versions.media_type}.{name}")
        named["headers"] = {"Accept": [rf"~*{media_type}(\+|;|,|\s|$)"]}
    if versions.header.lower() in {header.lower() for header in route.headers} and versions.by == "header":
        findings.missing(f"routes.{route.name}", f"versions: the route matches {versions.header} by itself already")
    gone = _gone(version, versions, today)
    if versions.after_sunset == "refuse" and version.sunset is not None and not gone:
        told = f"versions.{name}: Kong does not look at the calendar; export again on {version.sunset}"
        findings.different(f"routes.{route.name}", told)
    if gone:
        yield Variant(**named, status=410, message=f"version {name} of the API ended on {version.sunset}")
    else:
        yield Variant(**named, service=version.service, version=version)


def _unnamed(versions: Versions, today: date, findings: Findings, where: str) -> Iterator[Variant]:
    """Requests that name no version, or one that there is not."""
    there_are = ", ".join(versions.versions)
    if versions.by == "header":
        anything = {versions.header: ["~*.*"]}
        yield Variant("unknown", headers=anything, rank=_REFUSING, status=400, message=f"the API has the versions {there_are}")
    if versions.default is None:
        status = 404 if versions.by == "path" else 400
        yield Variant("unnamed", rank=_REFUSING, status=status, message=f"name a version of the API: {there_are}")
        return
    if versions.by == "media_type":
        findings.different(where, f"versions: Kong answers a version that there is not with {versions.default}")
    default = versions.versions[versions.default]
    if _gone(default, versions, today):
        yield Variant("default", status=410, message=f"version {versions.default} of the API ended on {default.sunset}")
    else:
        yield Variant("default", service=default.service, version=default)


def _gone(version: Version, versions: Versions, today: date) -> bool:
    return versions.after_sunset == "refuse" and version.sunset is not None and version.sunset <= today
