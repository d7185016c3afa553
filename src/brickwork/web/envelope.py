"""The envelope of every answer: status, data, meta and errors."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from brickwork.errors import BrickworkError, Problem

VERSION = "v1"


def success(data: Any, correlation_id: str, now: datetime, page: Mapping[str, Any] | None = None) -> bytes:
    """The body of a good answer."""
    meta: dict[str, Any] = {"timestamp": now, "version": VERSION, "correlation_id": correlation_id}
    if page is not None:
        meta["page"] = page
    return orjson.dumps({"status": "success", "data": data, "meta": meta, "errors": []}, default=_default)


def failure(problems: Iterable[Problem], correlation_id: str, now: datetime, details: Any = None) -> bytes:
    """The body of an error's answer; `details` are what a program may want to know, such as versions."""
    errors = [{"code": p.code, "message": p.message, "field": p.field} for p in problems]
    meta = {"timestamp": now, "version": VERSION, "correlation_id": correlation_id}
    return orjson.dumps(
        {"status": "error", "data": {"details": details} if details else None, "meta": meta, "errors": errors}, default=str
    )


def problems_of(error: BrickworkError) -> list[Problem]:
    """The error's problems; the first carries the whole message where there is only one."""
    if len(error.problems) == 1:
        problem = error.problems[0]
        code = problem.code if problem.code != "invalid" else error.code
        return [Problem(error.message, problem.field, code)]
    return list(error.problems)


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_unset=True)
    raise TypeError(f"{type(value).__name__} can't be answered as JSON")
