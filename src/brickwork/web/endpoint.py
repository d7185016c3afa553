"""How a component declares an HTTP endpoint: once, with its pydantic models, which also give the OpenAPI document."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from pydantic import BaseModel, TypeAdapter

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


@attrs.define
class Call:
    """A request as a handler sees it, already parsed and checked."""

    platform: "Platform"
    path: Mapping[str, str]
    query: Any
    body: Any
    headers: Mapping[str, str]
    #: The address that the request came from, empty where the server doesn't tell.
    address: str = ""

    @property
    def if_match(self) -> int | None:
        """The version in `If-Match`, or None where any will do; a malformed one matches nothing (RFC 9110, 13.1.1)."""
        value = self.headers.get("if-match")
        if value is None or value.strip() == "*":
            return None
        tag = value.strip().removeprefix("W/").strip('"')
        return int(tag) if tag.isascii() and tag.isdigit() and len(tag) < 10 else -1


@attrs.define
class Reply:
    """What a handler answers beyond bare data: a status, a version (becomes the ETag), a cursor for the next page."""

    data: Any = None
    status: int = 200
    version: int | None = None
    page: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)


Handler = Callable[[Call], Any]

#: For `Endpoint.permission`: anybody may call it, or anybody who has shown who they are.
PUBLIC, SIGNED_IN = "public", "signed-in"


def always(query: bytes) -> bool:
    """Every call is short."""
    return True


def never(query: bytes) -> bool:
    """No call is known to be short."""
    return False


@attrs.frozen(kw_only=True)
class Endpoint:
    """A route below `/api/v1`. `handler` runs in a thread, in the caller's context, and returns data or a `Reply`.

    `permission` is what the caller must hold, such as "entities.{type}.read" with parts of the path; the service that the handler
    calls then asks for the particular resource. It may also be `PUBLIC` or `SIGNED_IN`, and it can't be left out.
    The answer to a POST with an `Idempotency-Key` is kept and given again, except where it holds a `secret` that is shown once:
    such a call runs each time.
    `query` and `body` are pydantic models (or types) of what comes in, `returns` of `data` in the answer. `errors` are the
    statuses it may answer besides those that every endpoint may.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    permission: str
    secret: bool = False
    query: type[BaseModel] | None = None
    body: Any = None
    returns: Any = None
    status: int = 200
    errors: Sequence[int] = ()
    paged: bool = False
    #: Whether a call with this query string does a small, bounded amount of work (a record by its id, a first page). On
    #: an embedded database such a call is answered without a thread, whose hand-over would cost more than the work.
    short: Callable[[bytes], bool] = never
    #: Whether the answer carries an ETag and the request may carry If-Match.
    versioned: bool = False

    @property
    def body_adapter(self) -> TypeAdapter[Any] | None:
        """What checks the body."""
        return TypeAdapter(self.body) if self.body is not None else None
