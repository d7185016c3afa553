"""Finding the endpoint of a path: a tree of segments, so that the cost doesn't grow with the number of routes."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import attrs

from brickwork.errors import PluginError
from brickwork.web.endpoint import Endpoint


@attrs.define
class _Node:
    static: "dict[str, _Node]" = attrs.field(factory=dict)
    parameter: "_Node | None" = None
    name: str = ""
    endpoints: dict[str, Any] = attrs.field(factory=dict)


class Router:
    """Maps a path to what was registered for it, by method."""

    def __init__(self, prefix: str, endpoints: Iterable[tuple[Endpoint, Any]]) -> None:
        self._root = _Node()
        for endpoint, target in endpoints:
            self._add(prefix + endpoint.path, endpoint.method, target)

    def find(self, path: str) -> tuple[dict[str, Any], dict[str, str]] | None:
        """What serves `path`, by method, and the path's parameters; None if nothing does."""
        node, values = self._root, {}
        for segment in path.split("/")[1:]:
            following = node.static.get(segment)
            if following is None:
                following = node.parameter
                if following is None or not segment:
                    return None
                values[following.name] = unquote(segment) if "%" in segment else segment
            node = following
        return (node.endpoints, values) if node.endpoints else None

    def _add(self, path: str, method: str, target: Any) -> None:
        node = self._root
        for segment in path.split("/")[1:]:
            if segment.startswith("{"):
                name = segment.strip("{}")
                if node.parameter is None:
                    node.parameter = _Node(name=name)
                elif node.parameter.name != name:
                    raise PluginError(f"route {path}: another route calls this part {{{node.parameter.name}}}")
                node = node.parameter
            else:
                node = node.static.setdefault(segment, _Node())
        if method in node.endpoints:
            raise PluginError(f"route {method} {path} is declared twice")
        node.endpoints[method] = target
