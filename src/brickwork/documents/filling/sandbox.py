"""Where templates run: Jinja without a way out, and with bounds on what they make."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from babel import Locale
from jinja2 import DictLoader, StrictUndefined, TemplateError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from brickwork.documents.filling.filters import FilterError, filters_for

#: Filters of Jinja's that are left out: they reach attributes, depend on chance, or make long texts of short ones.
_WITHOUT = ("attr", "format", "pprint", "random", "xmlattr", "map", "groupby", "do", "urlize", "center", "filesizeformat")
_GLOBALS = ("range", "dict", "namespace", "joiner", "cycler")
#: Length up to which a text or list may be multiplied, and bits of a power.
_LONGEST, _BITS = 1_000_000, 4096


class OutputTooLargeError(Exception):
    """The template made more than is allowed."""


class FillError(Exception):
    """The template can't be filled with this data: the message says where and why."""


class Environment(ImmutableSandboxedEnvironment):
    """Jinja's immutable sandbox, which also looks at products and powers."""

    intercepted_binops = frozenset({"*", "**"})

    def join_path(self, template: str, parent: str) -> str:
        """Names are KEY#PART#LEVEL: another template's same part, or with "inherited" what the template stands in place of."""
        if template.count("#") == 2:
            return template
        key, part, level = parent.split("#")
        return f"{key}#{part}#{int(level) + 1}" if template == "inherited" else f"{template}#{part}#0"

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            for long, times in ((left, right), (right, left)):
                if hasattr(long, "__len__") and isinstance(times, int) and len(long) * times > _LONGEST:
                    raise SecurityError("a product of that length is not allowed")
        elif operator == "**" and not (abs(right) < 1000 and int(abs(left)).bit_length() * abs(right) < _BITS):
            raise SecurityError("a power of that size is not allowed")
        return super().call_binop(context, operator, left, right)


def make(sources: Mapping[str, str], locale: str, *, escaped: bool) -> Environment:
    """An environment with these sources."""
    env = Environment(loader=DictLoader(dict(sources)), undefined=StrictUndefined, autoescape=escaped, trim_blocks=True,
                      lstrip_blocks=True, keep_trailing_newline=False, auto_reload=False)  # fmt: skip
    env.globals = {name: env.globals[name] for name in _GLOBALS}
    for name in _WITHOUT:
        env.filters.pop(name, None)
    env.filters |= filters_for(Locale.parse(locale.replace("-", "_")))
    return env


@lru_cache(maxsize=512)
def _environment(digest: str, locale: str, escaped: bool, sources: tuple[tuple[str, str], ...]) -> Environment:
    return make(dict(sources), locale, escaped=escaped)


def fill(sources: Mapping[str, str], name: str, data: Mapping[str, Any], locale: str, *, escaped: bool, most: int) -> str:
    """The text that the template `name` makes of `data`. Raises `FillError` and `OutputTooLargeError`."""
    fixed = tuple(sorted(sources.items()))
    digest = hashlib.sha256(repr(fixed).encode()).hexdigest()
    parts: list[str] = []
    size = 0
    try:
        template = _environment(digest, locale, escaped, fixed).get_template(name)
        for part in template.generate(dict(data)):
            size += len(part)
            if size > most:
                raise OutputTooLargeError
            parts.append(part)
    except (TemplateError, FilterError) as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else _line_of(error)
        raise FillError(f"{name.split('#')[1]}{where}: {str(error)[:300] or type(error).__name__}") from None
    except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise FillError(f"{name.split('#')[1]}{_line_of(error)}: {type(error).__name__}: {str(error)[:200]}") from None
    return "".join(parts)


def _line_of(error: BaseException) -> str:
    """The template's line that raised, which Jinja's rewritten traceback has."""
    found, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            found = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return found
