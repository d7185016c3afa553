"""The source of a typed Python client: dataclasses for the messages, a class for each service, nothing of the server's code."""

import re
from collections.abc import Iterator, Mapping, Sequence

from brickwork.rpc.methods import Method
from brickwork.rpc.schema import Schema
from brickwork.rpc.shapes import Field, Message

#: Where names in the source come from; None is a module itself.
_IMPORTS = {
    "builtins": None,
    "datetime": None,
    "decimal": None,
    "uuid": None,
    "Annotated": "typing",
    "Any": "typing",
    "Literal": "typing",
    "Iterator": "collections.abc",
    "Mapping": "collections.abc",
    "Sequence": "collections.abc",
    "dataclass": "dataclasses",
    "field": "dataclasses",
    "exposed": "brickwork.kernel.exposed",
    "Remote": "brickwork.rpc.client",
    "Number": "brickwork.rpc.types",
}
#: Names that a method of the same name hides in the class's annotations.
_HIDDEN = ("list", "dict", "str", "int", "float", "bool", "bytes")
#: What stands for a list or map that is left out, in a message and in a call.
_EMPTY = {"list": "field(default_factory=list)", "map": "field(default_factory=dict)"}
_LEFT_OUT = {"list": "()", "map": "None"}


def module(schema: Schema, services: Mapping[str, Mapping[str, Method]]) -> str:
    """The client's source, formatted as ruff does it, but for the length of lines."""
    methods = [method for found in services.values() for method in found.values()]
    own = {method.request.name for method in methods} | {
        m.reply.name for m in methods if isinstance(m.reply, Message) and m.wrapped
    }
    parts = ["\n".join(_class(message)) for message in schema.messages.values() if message.name not in own]
    for name, (doc, _) in schema.services.items():
        parts.append("\n".join(_service(f"{schema.package}.{name}", name, doc, services[name])))
    body = "\n\n\n".join(parts)
    head = [f'"""Client of {schema.package}, made by `brickwork rpc client`."""', "", "from __future__ import annotations", ""]
    return "\n".join([*head, *_imports(body), "", "", body, ""])


def _imports(body: str) -> Iterator[str]:
    code = re.sub(r'"""(?:.|\n)*?"""', "", body)
    words = set(re.findall(r"\w+", code))
    yield from (f"import {name}" for name, source in _IMPORTS.items() if source is None and f"{name}." in code)
    modules: dict[str, list[str]] = {}
    for name, source in _IMPORTS.items():
        if source is not None and name in words:
            modules.setdefault(source, []).append(name)
    for ours in (False, True):
        if ours:
            yield ""
        for source in sorted(modules):
            if source.startswith("brickwork") is ours:
                yield f"from {source} import {', '.join(sorted(modules[source], key=_isort))}"


def _isort(name: str) -> tuple[int, str]:
    """Constants, classes, then the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)


def _class(message: Message) -> Iterator[str]:
    yield "@dataclass(frozen=True, kw_only=True)"
    yield f"class {message.name}:"
    if message.doc:
        yield f"    {_quoted(message.doc)}"
        yield ""
    for field, numbered in _numbered(message.fields):
        yield f"    {field.name}: {numbered}{_default(field, _EMPTY)}"
    if not message.fields:
        yield "    pass"


def _service(full: str, name: str, doc: str, methods: Mapping[str, Method]) -> Iterator[str]:
    yield f'class {name}(Remote, service="{full}"):'
    if doc:
        yield f"    {_quoted(doc)}"
    hidden = [word for word in _HIDDEN if word in methods]
    for method in methods.values():
        yield ""
        yield f'    @exposed("{method.mark.permission}")'
        signature = f"({', '.join(_parameters(method.request.fields))}) -> {_returned(method)}"
        for word in hidden:
            signature = re.sub(rf"\b{word}\b(?!:)", f"builtins.{word}", signature)
        yield f"    def {method.attribute}{signature}:"
        if method.doc:
            first, *rest = method.doc.splitlines()
            if rest:
                yield f"        {_quoted(first)[:-3]}"
                yield from ((f"        {_escaped(line)}".rstrip()) for line in rest)
                yield '        """'
            else:
                yield f"        {_quoted(first)}"
        given = ", ".join(f'"{field.name}": {field.name}' for field in method.request.fields)
        yield f"        return self.{'_stream' if method.streams else '_call'}(self.{method.attribute}, {{{given}}})"


def _parameters(fields: Sequence[Field]) -> Iterator[str]:
    yield "self"
    named = False
    for field, numbered in _numbered(fields, given=True):
        if not field.required and not named:
            named = True
            yield "*"
        yield f"{field.name}: {numbered}{_default(field, _LEFT_OUT)}"


def _numbered(fields: Sequence[Field], *, given: bool = False) -> Iterator[tuple[Field, str]]:
    """The fields with their annotations, which hold the number where it isn't the next one."""
    following = 1
    for field in fields:
        kind = _annotation(field, given=given)
        yield field, kind if field.number == following else f"Annotated[{kind}, Number({field.number})]"
        following = field.number + 1


def _annotation(field: Field, *, given: bool = False) -> str:
    """The type of a field; of a parameter (`given`), what may be given for it."""
    kind = field.shape.python
    if field.form == "list":
        kind = f"Sequence[{kind}]" if given else f"list[{kind}]"
    elif field.form == "map":
        assert field.key is not None
        kind = f"{'Mapping' if given else 'dict'}[{field.key.python}, {kind}]"
    elif given and kind == "dict[str, Any]":
        kind = "Mapping[str, Any]"
    left_out = not field.required and (field.form == "map" if given else False)
    if field.nullable or left_out or (not field.required and field.form == "one" and not _literal(field.default)):
        return f"{kind} | None"
    return kind


def _default(field: Field, of_many: Mapping[str, str]) -> str:
    if field.required:
        return ""
    if field.form != "one":
        return " = None" if field.nullable else f" = {of_many[field.form]}"
    value = field.default if not hasattr(field.default, "value") else field.default.value
    return f" = {value!r}" if _literal(field.default) else " = None"


def _literal(value: object) -> bool:
    plain = getattr(value, "value", value)  # an enum's member goes as its value
    return isinstance(plain, (bool, int, float, str))


def _returned(method: Method) -> str:
    kind = method.reply.python
    if method.wrapped:
        assert isinstance(method.reply, Message)
        kind = _annotation(method.reply.fields[0])
    return f"Iterator[{kind}]" if method.streams else kind


def _quoted(text: str) -> str:
    return f'"""{_escaped(text)}"""'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''")
