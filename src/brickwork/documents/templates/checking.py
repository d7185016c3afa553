"""Finding, when a template is saved, what would fail when it is filled: syntax, partials that are missing or go round in circles,
and names that the schema of the data lacks."""

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import TemplateSyntaxError, nodes

from brickwork.documents.filling.sandbox import Environment, make
from brickwork.errors import Problem

#: Templates that may extend or include one another.
DEEPEST = 20
_BUILTIN = frozenset({"loop", "self", "super", "caller", "varargs", "kwargs", "true", "false", "none", "True", "False", "None"})
Schema = Mapping[str, Any]
Scope = dict[str, Schema | None]
#: A schema that says nothing: whatever is asked of it may be there.
ANYTHING: Schema = {}


def references(source: str) -> list[str]:
    """The templates that a source extends, includes or imports. Raises Jinja's `TemplateSyntaxError`; a name that is not written
    out is a syntax error, too."""
    found: list[str] = []
    for node in _environment().parse(source).find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
        named: Any = node.template  # type: ignore[attr-defined]
        if not isinstance(named, nodes.Const) or not isinstance(named.value, str):
            raise TemplateSyntaxError("the name of another template is written out, as a text", node.lineno)
        found.append(named.value)
    return found


def check(sources: Mapping[str, str], name: str, schema: Schema) -> list[Problem]:
    """What is wrong with the template `name`, with all that it uses."""
    return list(_Checker(sources, schema).run(name))


class _Checker:
    def __init__(self, sources: Mapping[str, str], schema: Schema) -> None:
        self._sources = sources
        self._schema = schema
        self._env = _environment()

    def run(self, name: str) -> Iterator[Problem]:
        scope: Scope = dict((self._schema.get("properties") or {}).items())
        yield from self._template(name, scope, ())

    def _template(self, name: str, scope: Scope, above: tuple[str, ...]) -> Iterator[Problem]:
        if name in above or len(above) > DEEPEST:
            circle = " uses ".join(one.split("#")[0] for one in [*above, name])
            yield Problem(f"templates use one another in a circle: {circle}", _part(name), "template_circle")
            return
        source = self._sources.get(name)
        if source is None:
            missing = f"there is no template {name.split('#')[0]!r} with a part {_part(name)!r}"
            yield Problem(missing, _part(name), "template_missing")
            return
        try:
            tree = self._env.parse(source)
        except TemplateSyntaxError as error:
            yield Problem(f"line {error.lineno}: {error.message}", _part(name), "template_syntax")
            return
        yield from self._body(tree.body, scope, name, above)

    def _body(self, body: list[Any], scope: Scope, name: str, above: tuple[str, ...]) -> Iterator[Problem]:
        for node in body:
            yield from self._node(node, scope, name, above)

    def _node(self, node: Any, scope: Scope, name: str, above: tuple[str, ...]) -> Iterator[Problem]:
        if isinstance(node, nodes.For):
            yield from self._expression(node.iter, scope, name)
            inner = {**scope, "loop": ANYTHING}
            _bind(node.target, _items(self._type(node.iter, scope)), inner)
            if node.test is not None:
                yield from self._expression(node.test, inner, name)
            yield from self._body([*node.body, *node.else_], inner, name, above)
        elif isinstance(node, nodes.If):
            yield from self._expression(node.test, scope, name)
            yield from self._body([*node.body, *node.elif_, *node.else_], scope, name, above)
        elif isinstance(node, nodes.Assign):
            yield from self._expression(node.node, scope, name)
            _bind(node.target, self._type(node.node, scope), scope)
        elif isinstance(node, nodes.AssignBlock):
            yield from self._body(node.body, dict(scope), name, above)
            _bind(node.target, ANYTHING, scope)
        elif isinstance(node, nodes.With):
            inner = dict(scope)
            for target, value in zip(node.targets, node.values, strict=True):
                yield from self._expression(value, scope, name)
                _bind(target, self._type(value, scope), inner)
            yield from self._body(node.body, inner, name, above)
        elif isinstance(node, nodes.Macro):
            scope[node.name] = ANYTHING
            yield from self._body(node.body, {**scope, **{argument.name: ANYTHING for argument in node.args}}, name, above)
        elif isinstance(node, (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
            yield from self._other(node, scope, name, above)
        elif isinstance(node, nodes.Expr):
            yield from self._expression(node, scope, name)
        else:
            for child in node.iter_child_nodes():
                yield from self._node(child, scope, name, above)

    def _other(self, node: Any, scope: Scope, name: str, above: tuple[str, ...]) -> Iterator[Problem]:
        if not isinstance(node.template, nodes.Const):
            yield Problem(f"line {node.lineno}: the name of another template is written out", _part(name), "template_syntax")
            return
        if isinstance(node, nodes.Import):
            scope[node.target] = ANYTHING
        elif isinstance(node, nodes.FromImport):
            for one in node.names:
                scope[one if isinstance(one, str) else one[1]] = ANYTHING
        target = self._env.join_path(str(node.template.value), name)
        seen = dict(scope) if isinstance(node, (nodes.Extends, nodes.Include)) else {}
        yield from self._template(target, seen, (*above, name))

    def _expression(self, node: Any, scope: Scope, name: str) -> Iterator[Problem]:
        """Problems of an expression: names and attributes that are not there, filters and tests that are unknown."""
        if isinstance(node, nodes.Name) and node.ctx == "load":
            if node.name not in scope and node.name not in self._env.globals and node.name not in _BUILTIN:
                yield self._lacks(node, node.name, scope, name)
        elif isinstance(node, (nodes.Getattr, nodes.Getitem)):
            yield from self._expression(node.node, scope, name)
            if isinstance(node, nodes.Getitem):
                yield from self._expression(node.arg, scope, name)
            wanted, of = _asked(node), self._type(node.node, scope)
            if wanted is not None and of is not None and not self._has(of, wanted):
                known = self._resolved(of).get("properties") or {}
                yield self._lacks(node, wanted, known, name)
        else:
            if isinstance(node, nodes.Filter) and node.name not in self._env.filters:
                yield Problem(f"line {node.lineno}: there is no filter {node.name!r}", _part(name), "template_filter")
            if isinstance(node, nodes.Test) and node.name not in self._env.tests:
                yield Problem(f"line {node.lineno}: there is no test {node.name!r}", _part(name), "template_filter")
            for child in node.iter_child_nodes():
                yield from self._expression(child, scope, name)

    def _lacks(self, node: Any, wanted: str, known: Mapping[str, Any], name: str) -> Problem:
        there = ", ".join(sorted(known)[:20]) or "nothing"
        message = f"line {node.lineno}: the data has no {wanted!r}; there is {there}"
        return Problem(message, _part(name), "template_name")

    def _type(self, node: Any, scope: Scope) -> Schema | None:
        """The schema of what an expression gives, as far as it can be told."""
        if isinstance(node, nodes.Name):
            return scope.get(node.name)
        if isinstance(node, (nodes.Getattr, nodes.Getitem)):
            of, wanted = self._type(node.node, scope), _asked(node)
            if of is None:
                return None
            of = self._resolved(of)
            if wanted is not None and wanted in (of.get("properties") or {}):
                found: Schema = of["properties"][wanted]
                return found
            return _items(of) if wanted is None else None
        return None

    def _has(self, schema: Schema, wanted: str) -> bool:
        schema = self._resolved(schema)
        known = schema.get("properties")
        if known is None or schema.get("additionalProperties") not in (None, False):
            return schema.get("type") not in ("string", "number", "integer", "boolean", "array")
        return wanted in known

    def _resolved(self, schema: Schema) -> Schema:
        """What a reference within the schema ("#/$defs/line") stands for."""
        for _ in range(DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#/"):
                return schema
            found: Any = self._schema
            for step in reference[2:].split("/"):
                found = found.get(step, {}) if isinstance(found, Mapping) else {}
            schema = found
        return ANYTHING


def _bind(target: Any, schema: Schema | None, scope: Scope) -> None:
    if isinstance(target, nodes.Name):
        scope[target.name] = schema
    elif isinstance(target, nodes.Tuple):
        for one in target.items:
            _bind(one, None, scope)


def _items(schema: Schema | None) -> Schema | None:
    items = schema.get("items") if schema is not None else None
    return items if isinstance(items, Mapping) else None


def _asked(node: Any) -> str | None:
    if isinstance(node, nodes.Getattr):
        return str(node.attr)
    value = node.arg.value if isinstance(node.arg, nodes.Const) else None
    return value if isinstance(value, str) else None


def _part(name: str) -> str:
    return name.split("#")[1]


def _environment() -> Environment:
    return make({}, "en", escaped=False)
