"""Finding the route of a request: by host, then by path in a tree of segments, then by method and headers."""

from collections.abc import Iterator

import attrs

from brickwork.gateway.arrival import Arrival
from brickwork.gateway.definition import Route
from brickwork.gateway.errors import MethodRefusedError, NoRouteError


@attrs.frozen
class Match:
    """A route, and how many segments of the path its pattern names before `*` (all of them, where it has none)."""

    route: Route
    segments: int


@attrs.define
class _Node:
    """What may follow after some segments of a path."""

    literals: dict[str, "_Node"] = attrs.field(factory=dict)
    parameter: "_Node | None" = None
    #: Routes whose path ends here, and those whose path ends here in `*`.
    ends: list[Match] = attrs.field(factory=list)
    tails: list[Match] = attrs.field(factory=list)

    def add(self, path: str, route: Route) -> None:
        open_ended = path.endswith("*")
        steps = [step for step in path.removesuffix("*").split("/")[1:] if step] if path != "/" else []
        if not open_ended and path.endswith("/") and path != "/":
            steps.append("")
        node = self
        for step in steps:
            if step.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(step, _Node())
        (node.tails if open_ended else node.ends).append(Match(route, len(steps)))

    def find(self, steps: list[str], at: int = 0) -> Iterator[Match]:
        """The matches, the most specific first."""
        if at == len(steps):
            yield from self.ends
        else:
            step = steps[at]
            literal = self.literals.get(step)
            if literal is not None:
                yield from literal.find(steps, at + 1)
            if self.parameter is not None and step:
                yield from self.parameter.find(steps, at + 1)
        yield from self.tails


class RouteTable:
    """The routes of a definition, ready to be asked."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._hosts: dict[str, _Node] = {}
        # a sort keeps the document's order among equals
        for route in sorted(routes, key=lambda route: (-len(route.headers), not route.methods)):
            for host in route.hosts or ("",):
                node = self._hosts.setdefault(host, _Node())
                for path in route.paths:
                    node.add(path, route)

    def find(self, arrival: Arrival) -> Match:
        """The most specific route that fits; raises `NoRouteError` or `MethodRefusedError`."""
        allowed: set[str] = set()
        for match in self._candidates(arrival):
            route = match.route
            if route.headers and not _has(arrival, route):
                continue
            if not route.methods or arrival.method in route.methods or (arrival.method == "HEAD" and "GET" in route.methods):
                return match
            allowed.update(route.methods)
        if allowed:
            allow = ", ".join(sorted(allowed))
            raise MethodRefusedError(f"this path answers {allow}", allow=allow)
        raise NoRouteError("no route of the gateway takes this host and path")

    def preflight(self, arrival: Arrival, method: str) -> Match | None:
        """The route of the request that a browser asks about (Fetch, CORS preflight): headers are not known yet."""
        for match in self._candidates(arrival):
            if not match.route.methods or method in match.route.methods:
                return match
        return None

    def _candidates(self, arrival: Arrival) -> Iterator[Match]:
        steps = arrival.path.split("/")[1:] if arrival.path != "/" else []
        for host in self._matching_hosts(arrival):
            yield from host.find(steps)

    def _matching_hosts(self, arrival: Arrival) -> Iterator[_Node]:
        if len(self._hosts) > 1 or "" not in self._hosts:
            name = arrival.hostname
            if name in self._hosts:
                yield self._hosts[name]
            while "." in name:
                name = name.partition(".")[2]
                if f"*.{name}" in self._hosts:
                    yield self._hosts[f"*.{name}"]
        if "" in self._hosts:
            yield self._hosts[""]


def _has(arrival: Arrival, route: Route) -> bool:
    return all(arrival.header(name) in values for name, values in route.headers.items())
