"""Conditions of grants, in CEL, and the filter that says the same in SQL.

A list must not be fetched first and sifted afterwards, so a condition that guards reading is also taken apart here and becomes
a filter. The part of CEL that has one: comparisons of `resource.FIELD` with values that are known when the question is asked,
`in`, `==`, `!=`, `<` …, joined by `&&`, `||`, `!` and brackets. CEL's errors (an empty field is not less than 5) are values of
their own here as there: each expression has a filter for "it is true" and one for "it is false", and an error is in neither.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar

import attrs

from brickwork.errors import ExpressionError
from brickwork.kernel.expressions import Expression, compile_expression

#: What conditions may name.
NAMES = ("actor", "resource", "context")
Filter = dict[str, Any]
NOTHING: Filter = {"or": []}
ALL: Filter = {}


@lru_cache(maxsize=4096)
def compile_condition(source: str) -> "Condition":
    """The condition; raises `ExpressionError`."""
    return Condition(source)


class Condition:
    """A compiled condition. Equal sources share one."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._expression = compile_expression(source)
        self._expression.check_names(NAMES, where="when")
        self._tree: Node | None = None

    def test(self, values: Mapping[str, Any]) -> bool | None:
        """Whether it holds; None where CEL can't tell, as where it compares a field that is empty or missing."""
        try:
            result = self._expression.evaluate(values)
        except ExpressionError:
            return None
        return result if isinstance(result, bool) else None

    def check_filterable(self) -> None:
        """Raise `ExpressionError` unless it can be asked of a database."""
        if self._tree is None:
            self._tree = _Parser(self.source).parse()

    def filter(self, values: Mapping[str, Any], *, holds: bool) -> Filter:
        """What leaves the resources for which it is true, or for which it is false."""
        self.check_filterable()
        assert self._tree is not None
        return self._tree.filter(values, holds)


class Node:
    """A part of a condition."""

    def filter(self, values: Mapping[str, Any], holds: bool) -> Filter:
        raise TypeError


@attrs.frozen
class _Joined(Node):
    """Parts that all must hold, or of which one must."""

    join: str
    parts: tuple[Node, ...]

    def filter(self, values: Mapping[str, Any], holds: bool) -> Filter:
        join = self.join if holds else {"and": "or", "or": "and"}[self.join]
        return {join: [part.filter(values, holds) for part in self.parts]}


@attrs.frozen
class _Not(Node):
    part: Node

    def filter(self, values: Mapping[str, Any], holds: bool) -> Filter:
        return self.part.filter(values, not holds)


@attrs.frozen
class _Known(Node):
    """What doesn't depend on the resource."""

    expression: Expression

    def filter(self, values: Mapping[str, Any], holds: bool) -> Filter:
        try:
            return ALL if self.expression.evaluate(values) is holds else NOTHING
        except ExpressionError:
            return NOTHING


@attrs.frozen
class _Compared(Node):
    """A field of the resource and a value."""

    field: str
    operator: str
    value: Expression

    OPPOSITE: ClassVar = {"eq": "ne", "ne": "eq", "lt": "gte", "lte": "gt", "gt": "lte", "gte": "lt"}

    def filter(self, values: Mapping[str, Any], holds: bool) -> Filter:
        try:
            value = self.value.evaluate(values)
        except ExpressionError:
            return NOTHING
        if self.operator == "in":
            return self._among(value, holds)
        operator = self.operator if holds else self.OPPOSITE[self.operator]
        if value is None and operator not in ("eq", "ne"):
            return NOTHING
        return {self.field: {operator: value}}

    def _among(self, value: Any, holds: bool) -> Filter:
        if not isinstance(value, (list, tuple, dict)):
            return NOTHING
        if not value:
            return NOTHING if holds else ALL
        among: Filter = {"or": [{self.field: {"eq": item}} for item in value]}
        return among if holds else {"and": [{self.field: {"ne": item}} for item in value]}


@attrs.frozen
class _Flag(Node):
    """A boolean field by itself."""

    field: str

    def filter(self, values: Mapping[str, Any], holds: bool) -> Filter:
        return {self.field: {"eq": holds}}


_TOKEN = re.compile(
    r"""\s*(?:(?P<string>r?"(?:[^"\\]|\\.)*"|r?'(?:[^'\\]|\\.)*')|(?P<name>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)"""
    r"""|(?P<sign>&&|\|\||[<>=!]=|[<>!()\[\]{},.?:+\-*/%]))"""
)
_COMPARISONS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte", "in": "in"}
_MIRROR = {"eq": "eq", "ne": "ne", "lt": "gt", "lte": "gte", "gt": "lt", "gte": "lte"}
_OPENING = {"(": ")", "[": "]", "{": "}"}


@attrs.frozen
class _Token:
    text: str
    kind: str
    start: int
    end: int


class _Parser:
    """Takes apart what the filter can say; operands stay CEL."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens: list[_Token] = []
        position = 0
        while source[position:].strip():
            match = _TOKEN.match(source, position)
            if match is None:
                raise self._fault(source[position:].strip()[:20])
            kind = str(match.lastgroup)
            self._tokens.append(_Token(match.group(kind), kind, match.start(kind), match.end()))
            position = match.end()
        self._at = 0

    def parse(self) -> Node:
        node = self._joined("||", "or", lambda: self._joined("&&", "and", self._comparison))
        if self._at < len(self._tokens):
            raise self._fault(self._tokens[self._at].text)
        return node

    def _joined(self, sign: str, join: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._take(sign):
            parts.append(part())
        return parts[0] if len(parts) == 1 else _Joined(join, tuple(parts))

    def _comparison(self) -> Node:
        if self._peek() == "!":
            self._at += 1
            return _Not(self._comparison())
        if self._peek() == "(" and (inner := self._bracketed()) is not None:
            return inner
        left = self._operand()
        operator = _COMPARISONS.get(self._peek())
        if operator is None:
            if field := _field(left):
                return _Flag(field)
            return _Known(self._known(left))
        self._at += 1
        right = self._operand()
        if field := _field(left):
            return _Compared(field, operator, self._known(right))
        if (field := _field(right)) and operator != "in":
            return _Compared(field, _MIRROR[operator], self._known(left))
        return _Known(self._known(f"{left} {_sign(operator)} {right}"))

    def _bracketed(self) -> Node | None:
        """A condition in brackets; None where they are part of an operand, as in `(a + b) < c`."""
        start = self._at
        self._at += 1
        try:
            node = self._joined("||", "or", lambda: self._joined("&&", "and", self._comparison))
        except ExpressionError:
            node = None
        if node is not None and self._take(")") and self._peek() in ("", "&&", "||", ")"):
            return node
        self._at = start
        return None

    def _operand(self) -> str:
        """The text up to the next comparison, join or closing bracket."""
        first = self._at
        while self._peek() and self._peek() not in (*_COMPARISONS, "&&", "||", ")", "]", "}", ","):
            token = self._tokens[self._at]
            self._at += 1
            if token.kind == "sign" and token.text in _OPENING:
                self._skip(_OPENING[token.text])
        if self._at == first:
            raise self._fault(self._peek() or "its end")
        return self._source[self._tokens[first].start : self._tokens[self._at - 1].end]

    def _skip(self, closing: str) -> None:
        while self._peek() and self._peek() != closing:
            token = self._tokens[self._at]
            self._at += 1
            if token.kind == "sign" and token.text in _OPENING:
                self._skip(_OPENING[token.text])
        if not self._take(closing):
            raise self._fault("an open bracket")

    def _known(self, source: str) -> Expression:
        expression = compile_expression(source)
        if "resource" in expression.names:
            raise self._fault(source)
        return expression

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            return ""
        token = self._tokens[self._at]
        return token.text if token.kind != "string" else "\0"

    def _take(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self._at += 1
        return True

    def _fault(self, near: str) -> ExpressionError:
        return ExpressionError(
            f"condition {self._source!r} guards reading, so the database must be able to ask it, and it can't at {near!r}; it "
            "takes comparisons of resource.FIELD with values of actor and context, in, &&, || and !",
            field="when",
        )


def _field(text: str) -> str | None:
    match = re.fullmatch(r"resource\s*\.\s*([A-Za-z_]\w*)", text.strip())
    return match.group(1) if match else None


def _sign(operator: str) -> str:
    return next(sign for sign, name in _COMPARISONS.items() if name == operator)
