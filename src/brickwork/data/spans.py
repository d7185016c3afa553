"""SQL as spans (OpenTelemetry's database conventions): the statement's text, never its values.

Only inside another span: what a process asks for itself, such as a relay looking for work, leaves no traces. Statements that
travel with the beginning or the end of a transaction are told by the span of its BEGIN or COMMIT.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import URL, ExceptionContext

from brickwork.data.port import Bound

if TYPE_CHECKING:
    from brickwork.kernel.tracing import Attributes, Span, Tracing

_TARGET = re.compile(r'\b(?:FROM|INTO|UPDATE|TABLE)\s+(?:ONLY\s+)?"?([A-Za-z_][\w.]*)', re.IGNORECASE)
#: Strings (PostgreSQL's with escapes, quoted ones, PostgreSQL's between dollars; one without an end runs to the text's), numbers.
_VALUES = re.compile(
    r"\b[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)|'(?:[^']|'')*(?:'|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)|(?<![\w$:.])\d+(?:\.\d+)?(?!\w)",
    re.DOTALL,
)
#: Characters of a statement that are told.
LONGEST = 4000


@lru_cache(maxsize=2048)
def described(sql: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The name of a statement's span ("SELECT entity_record") and its attributes; values in the text become `?`."""
    clean = _VALUES.sub("?", sql)
    operation = clean.split(None, 1)[0].upper() if clean.strip() else "SQL"
    target = _TARGET.search(clean)
    attributes = [("db.query.text", clean[:LONGEST]), ("db.operation.name", operation)]
    if target is None:
        return operation, tuple(attributes)
    return f"{operation} {target[1]}", (*attributes, ("db.collection.name", target[1]))


class Statements:
    """The statements of one database."""

    def __init__(self, tracing: "Tracing", system: str, url: URL) -> None:
        self._tracing = tracing
        self._always: Attributes = {
            "db.system.name": system,
            **({"db.namespace": url.database.rpartition("/")[2]} if url.database else {}),
            **({"server.address": url.host} if url.host else {}),
            **({"server.port": url.port} if url.port else {}),
        }

    def span(self, sql: str) -> "AbstractContextManager[Span]":
        """A block that runs the statement."""
        name, attributes = described(sql)
        return self._tracing.span(name, {**self._always, **dict(attributes)}, kind="client", inner=True)

    @contextmanager
    def around(self, verb: str, along: Callable[[], Iterable[Bound]]) -> Iterator[None]:
        """A block that sends BEGIN or COMMIT, and `along` in the same round trip: one span, which tells all of it."""
        with self._tracing.span(verb, {**self._always, "db.operation.name": verb}, kind="client", inner=True) as span:
            yield
            texts = dict.fromkeys(dict(described(bound.sql)[1])["db.query.text"] for bound in along())
            span.set_attribute("db.query.text", "; ".join((*texts, verb))[:LONGEST])

    def watch(self, engine: Engine) -> None:
        """Make spans of what SQLAlchemy sends through `engine`."""
        event.listen(engine, "before_cursor_execute", self._begin)
        event.listen(engine, "after_cursor_execute", self._end)
        event.listen(engine, "handle_error", self._failed)

    def _begin(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if context is not None:
            block = context.brickwork_span = self.span(statement)
            span = block.__enter__()
            if many:
                span.set_attribute("db.operation.batch.size", len(parameters))

    def _end(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if context is not None:
            context.brickwork_span.__exit__(None, None, None)

    def _failed(self, error: ExceptionContext) -> None:
        block = getattr(error.execution_context, "brickwork_span", None)
        if block is not None:
            cause = error.original_exception
            try:
                block.__exit__(type(cause), cause, cause.__traceback__)
            except BaseException as raised:
                if raised is not cause:
                    raise
