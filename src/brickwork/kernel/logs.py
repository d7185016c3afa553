"""Logs of a process: on a terminal lines to read, elsewhere a JSON object a line, each with the tenant, actor and correlation id
that it was written for. What looks like a secret is masked on the way out, whoever logged it.

A library configures no logging by itself: `brickwork serve` and `brickwork worker` do, and a product's own program by
`Platform.configure_logging`. Standard loggers and structlog's go the same way.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import IO, TYPE_CHECKING, Any

import orjson
import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

    from brickwork.kernel.platform import Platform

MASK = "[redacted]"
#: Names whose values are masked, wherever in a line they stand.
_NAME = re.compile(r"(?i)(passw|passphrase|secret|token\Z|api_?key|authorization|cookie|credential|private_?key|\bpin\Z|\botp\Z)")
#: Passwords in URLs, credentials in headers, and `name=value` in text.
_TEXT = (
    (re.compile(r"(?<=://)([^:/@\s]*):[^@/\s]+@"), rf"\1:{MASK}@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {MASK}"),
    (
        re.compile(r"(?i)\b(password|passwd|passphrase|secret|token|api_?key)([\"']?\s*[=:]\s*[\"']?)[^\s\"',;&}]+"),
        rf"\1\2{MASK}",
    ),
)
#: Nested values deeper than this are masked as a whole.
_DEEPEST = 6

Line = MutableMapping[str, Any]


def configure(platform: "Platform", stream: IO[str] | None = None) -> None:
    """Send everything that this process logs to `stream` (stderr), as `[platform]` says."""
    settings = platform.settings.platform
    stream = stream or sys.stderr
    as_text = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())
    before: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _circumstances(platform),
    ]
    after: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_text:
        after += [redact, structlog.dev.ConsoleRenderer(exception_formatter=_masked_exception)]
    else:
        after += [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer(_json)]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=after, foreign_pre_chain=before))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def redact(logger: Any, method: str, line: Line) -> Line:
    """A processor of structlog: masks the values of telling names, and what looks like a secret in text."""
    return {name: MASK if _NAME.search(str(name)) else _mask(value, 1) for name, value in line.items()}


def _circumstances(platform: "Platform") -> "Processor":
    tracing = platform.tracing

    def add(logger: Any, method: str, line: Line) -> Line:
        context = platform.contexts.current
        if context.correlation_id != "none":
            line.setdefault("correlation_id", context.correlation_id)
            line.setdefault("actor", context.actor)
        if context.tenant is not None:
            line.setdefault("tenant", context.tenant)
        if (ids := tracing.ids()) is not None:
            line["trace_id"], line["span_id"] = ids
        line.pop("color_message", None)  # uvicorn says everything twice
        return line

    return add


def _mask(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if not isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return value if value is None or isinstance(value, (bool, int, float)) else mask_text(str(value))
    if depth > _DEEPEST:
        return MASK
    if isinstance(value, Mapping):
        return {str(k): MASK if _NAME.search(str(k)) else _mask(item, depth + 1) for k, item in value.items()}
    return [_mask(item, depth + 1) for item in value]


def mask(value: Any) -> Any:
    """A copy of plain data without the values of telling names, and without what looks like a secret in text."""
    return _mask(value, 0)


def mask_text(text: str) -> str:
    """`text` without what looks like a secret in it."""
    for pattern, put in _TEXT:
        text = pattern.sub(put, text)
    return text


def _json(line: Any, **_: Any) -> str:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # an integer of more than 64 bits, or text that is no Unicode: rather slowly than not at all
        return json.dumps(line, default=str)


def _masked_exception(stream: Any, exc_info: Any) -> None:
    """Tracebacks without the values of local variables, which may be anybody's secrets."""
    from io import StringIO

    text = StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    stream.write(mask_text(text.getvalue()))
