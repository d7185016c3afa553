"""Errors on the wire: brickwork's as a gRPC status with Google's richer error model, and back as the same class.

The trailing metadata `grpc-status-details-bin` holds a `google.rpc.Status` with `ErrorInfo` (the code as its reason),
`BadRequest` (each problem) and `RetryInfo`, which libraries of other languages read too (https://grpc.io/docs/guides/error/).
"""

from collections.abc import Iterator
from typing import Any

import grpc
import orjson
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from brickwork import errors
from brickwork.errors import BrickworkError, Problem
from brickwork.rpc.deadline import CancelledError, DeadlineExceededError

DOMAIN, DETAILS = "brickwork", "grpc-status-details-bin"
#: Metadata is small (gRPC takes 8 kB): problems, and characters of a message and of the details, that are told.
MOST, LONGEST = 20, 1000

_BY_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    412: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
    507: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_BY_CODE = {"duplicate": grpc.StatusCode.ALREADY_EXISTS, "stale_version": grpc.StatusCode.ABORTED}
#: What a status means that comes from gRPC itself, without details.
_OWN: dict[Any, type[BrickworkError]] = {
    grpc.StatusCode.UNAVAILABLE: errors.UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.UNIMPLEMENTED: errors.UnsupportedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.TooLargeError,
    grpc.StatusCode.UNAUTHENTICATED: errors.UnauthenticatedError,
}


class RemoteError(BrickworkError):
    """The other side failed in a way that this side has no class for; `details` has its `code` and the gRPC status."""

    code = "remote"
    status = 502


def code_of(error: BaseException) -> Any:
    """The gRPC status of an error."""
    if not isinstance(error, BrickworkError):
        return grpc.StatusCode.INTERNAL
    return _BY_CODE.get(error.code) or _BY_STATUS.get(error.status, grpc.StatusCode.INTERNAL)


def details_of(error: BrickworkError) -> bytes:
    """The `google.rpc.Status` of an error."""
    status = status_pb2.Status(code=code_of(error).value[0], message=error.message[:LONGEST])
    info = error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN)
    details = orjson.dumps(error.details, default=str).decode()
    if error.details and len(details) <= LONGEST:
        info.metadata["details"] = details
    status.details.add().Pack(info)
    request = error_details_pb2.BadRequest()
    for problem in error.problems[:MOST]:
        said = problem.message[: LONGEST // 4]
        request.field_violations.add(field=problem.field or "", description=said, reason=problem.code)
    status.details.add().Pack(request)
    wait = error.details.get("retry_after")
    if isinstance(wait, (int, float)):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(wait * 1000))
        status.details.add().Pack(retry)
    raw: bytes = status.SerializeToString()
    return raw


def raised(error: Any) -> BrickworkError:
    """What a failed call means here: the error that the other side raised, or gRPC's own trouble."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS and (told := _read(value, error.details() or "")) is not None:
            return told
    kind = _OWN.get(error.code())
    message = f"{error.details() or error.code().name}"
    return RemoteError(message, status=error.code().name) if kind is None else kind(message)


def _read(raw: bytes, message: str) -> BrickworkError | None:
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    try:
        status = status_pb2.Status.FromString(raw)
    except DecodeError:
        return None
    for part in status.details:
        part.Unpack(info)
        part.Unpack(request)
    if info.domain != DOMAIN:
        return None
    details = orjson.loads(info.metadata["details"]) if "details" in info.metadata else {}
    problems = [Problem(p.description, p.field or None, p.reason) for p in request.field_violations]
    kind = next((kind for kind in _kinds(BrickworkError) if kind.code == info.reason), None)
    if kind is None:
        return RemoteError(status.message or message, problems=problems, **{**details, "code": info.reason})
    made = kind.__new__(kind)  # some classes make their message of other arguments
    BrickworkError.__init__(made, status.message or message, problems=problems, **details)
    return made


def _kinds(base: type[BrickworkError]) -> Iterator[type[BrickworkError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
