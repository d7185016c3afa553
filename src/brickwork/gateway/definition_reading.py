"""Reading a gateway's definition: YAML files and what plugins give, merged into one document."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError as PydanticError

from brickwork.errors import DefinitionError, Problem
from brickwork.gateway.definition import Gateway

_LISTS = ("services", "routes", "trusted_proxies")


def read_definition(parts: Iterable[Path | Mapping[str, Any]]) -> Gateway:
    """The definition that YAML files and mappings make together: services, routes and trusted proxies of all of them, and each
    kind of gateway policy from at most one. Raises `DefinitionError`."""
    merged: dict[str, Any] = {name: [] for name in _LISTS}
    policies: dict[str, Any] = {}
    for part in parts:
        where = str(part) if isinstance(part, Path) else "a plugin's part"
        document = _load(part) if isinstance(part, Path) else dict(part)
        for name in _LISTS:
            merged[name] += _typed(document.pop(name, None) or [], list, f"{where}: {name}")
        own = _typed(document.pop("policies", None) or {}, dict, f"{where}: policies")
        if twice := sorted(policies.keys() & own.keys()):
            raise DefinitionError(f"{where}: policies.{twice[0]} stands in another part too", field="policies")
        policies |= own
        if document:
            unknown = ", ".join(sorted(map(str, document)))
            raise DefinitionError(f"{where}: unknown {unknown}; a definition has {', '.join(_LISTS)} and policies", field=unknown)
    return parse_definition({**merged, "policies": policies})


def parse_definition(document: Mapping[str, Any]) -> Gateway:
    """The definition in a mapping; raises `DefinitionError` that names every place that is wrong."""
    try:
        return Gateway.model_validate(document)
    except PydanticError as error:
        problems = [
            Problem(item["msg"].removeprefix("Value error, "), _place(document, item["loc"]))
            for item in error.errors(include_url=False, include_input=False)
        ]
        told = "; ".join(f"{p.field}: {p.message}" if p.field else p.message for p in problems[:5])
        raise DefinitionError(f"the gateway's definition is wrong: {told}", problems=problems) from None


def _load(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DefinitionError(f"{path} can't be read: {error.strerror}", field=str(path)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{path} is no YAML: {str(error).splitlines()[0]}", field=str(path)) from None
    return dict(_typed(document or {}, dict, str(path)))


def _typed(value: Any, kind: type[list[Any]] | type[dict[str, Any]], where: str) -> Any:
    if not isinstance(value, kind):
        expected = "a list" if kind is list else "a mapping"
        raise DefinitionError(f"{where} takes {expected}, not {type(value).__name__}", field=where)
    return value


def _place(document: Any, location: tuple[str | int, ...]) -> str | None:
    """A dotted path in which items of a list go by their names: "routes.patients.paths.0"."""
    parts, here = [], document
    for step in location:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            here = None
        name = here.get("name") if isinstance(step, int) and isinstance(here, Mapping) else None
        parts.append(str(name if name is not None else step))
    return ".".join(parts) or None
