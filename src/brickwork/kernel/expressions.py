"""CEL, the one expression language (https://cel.dev), compiled once and evaluated in Rust.

Users write conditions with it wherever a product lets them: computed fields, validation rules, permissions, routing.
Numbers that Python holds as `Decimal` are given to CEL as doubles, dates as timestamps at midnight UTC.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

import cel

from brickwork.errors import ExpressionError

#: How deep comprehensions may stand in one another: each goes through a list, so three could run for hours.
MOST_LOOPS = 2
_PARTS = re.compile(
    r"""//[^\n]*                                                                    # a comment
    |(?i:r|rb|br)(?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|"[^"\n]*"|'[^'\n]*')  # raw strings, without escapes
    |\"{3}(?:[^\\]|\\[\s\S])*?\"{3}|'{3}(?:[^\\]|\\[\s\S])*?'{3}|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'
    |(?P<loop>\.\s*(?:all|exists|exists_one|map|filter)\s*\()|(?P<open>\()|(?P<close>\))""",
    re.VERBOSE,
)


class Ready(dict[str, Any]):
    """Values that were made ready for CEL, for an expression that sees them often."""

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__({key: _to_cel(item) for key, item in values.items()})


class Expression:
    """A compiled CEL expression.

    `names` are the variables it mentions. Instances are immutable and safe to share between threads.
    """

    __slots__ = ("_program", "names", "source")

    def __init__(self, source: str) -> None:
        try:
            self._program = cel.compile(source)
        except ValueError as error:
            first = str(error).splitlines()[0]
            raise ExpressionError(f"expression {source!r} does not compile: {first}") from None
        if loops_in(source) > MOST_LOOPS:
            raise ExpressionError(f"expression {source[:200]!r} has more than {MOST_LOOPS} comprehensions in one another")
        self.source = source
        self.names = frozenset(self._program.variables())

    def check_names(self, known: Iterable[str], *, where: str) -> None:
        """Raise `ExpressionError` if the expression mentions a name that is not among `known`."""
        known = set(known)
        calls = set(self._program.functions())
        unknown = {name for name in self.names - calls if name not in known and name not in self._bound_names()}
        if unknown:
            raise ExpressionError(
                f"{where}: expression {self.source!r} names {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}",
                field=where,
            )

    def _bound_names(self) -> set[str]:
        """Names that comprehension macros bind, as in `items.all(x, x > 0)`."""
        return set(re.findall(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)\s*,", self.source))

    def evaluate(self, values: Mapping[str, object]) -> Any:
        """The result for `values`; raises `ExpressionError` with the reason if CEL cannot evaluate it."""
        try:
            return self._program.execute(
                cast(dict[str, Any], {name: _to_cel(values[name]) for name in self.names if name in values})
            )
        except KeyError as error:
            raise ExpressionError(f"expression {self.source!r} failed: there is no {error.args[0]!r}") from None
        except (ValueError, TypeError, RuntimeError) as error:
            raise ExpressionError(f"expression {self.source!r} failed: {str(error).split('. ')[0]}") from None

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"


def loops_in(source: str) -> int:
    """How deep comprehensions stand in one another in the text of an expression."""
    within, deepest = list[bool](), 0
    for part in _PARTS.finditer(source):
        if part["loop"] or part["open"]:
            within.append(part["loop"] is not None)
            deepest = max(deepest, sum(within))
        elif part["close"] and within:
            within.pop()
    return deepest


_AS_THEY_ARE = (str, bool, int, float, type(None), datetime, Ready)


@lru_cache(maxsize=4096)
def compile_expression(source: str) -> Expression:
    """The compiled `source`; equal sources share one program."""
    return Expression(source)


def _to_cel(value: object) -> object:
    if isinstance(value, _AS_THEY_ARE):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, Mapping):
        return {key: _to_cel(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_to_cel(item) for item in value]
    return str(value)
