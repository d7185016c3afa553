"""The HTTP routes of storage: what there is, links to it, and deleting it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from brickwork.errors import ValidationError
from brickwork.kernel.ids import parse_id

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "storage"


class BlobModel(BaseModel):
    """A stored file."""

    id: UUID
    name: str
    media_type: str
    size: int
    sha256: str
    created_by: str
    created_at: AwareDatetime


class BlobsQuery(BaseModel):
    """How many files, and from where."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=4000)


class LinkBody(BaseModel):
    """For how many seconds a link is good, and whether a browser is to show the file."""

    model_config = ConfigDict(extra="forbid")

    seconds: int = Field(900, ge=1, le=604_800)
    inline: bool = False


class LinkModel(BaseModel):
    """A link to a file."""

    url: str


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from brickwork.web.endpoint import Endpoint, Reply

    storage = platform.storage

    def blobs(call: "Call") -> Reply:
        page = storage.list(limit=call.query.limit, cursor=call.query.cursor)
        return Reply([_json(one) for one in page.items], page={"cursor": page.cursor, "limit": call.query.limit})

    def get(call: "Call") -> dict[str, Any]:
        return _json(storage.get(_id(call.path)))

    def link(call: "Call") -> dict[str, str]:
        return {"url": storage.url(_id(call.path), expires_in=timedelta(seconds=call.body.seconds), inline=call.body.inline)}

    def remove(call: "Call") -> None:
        storage.delete(_id(call.path))

    def restore(call: "Call") -> dict[str, Any]:
        return _json(storage.restore(_id(call.path)))

    return [
        Endpoint(method="GET", path="/blobs", handler=blobs, summary="The stored files", tag=TAG, permission="storage.read",
                 query=BlobsQuery, returns=list[BlobModel], paged=True),
        Endpoint(method="GET", path="/blobs/{id}", handler=get, summary="A stored file", tag=TAG, permission="storage.read",
                 returns=BlobModel, errors=(404,)),
        Endpoint(method="POST", path="/blobs/{id}/link", handler=link, summary="A link to a file, good for a time", tag=TAG,
                 permission="storage.read", body=LinkBody, returns=LinkModel, secret=True, errors=(404,)),
        Endpoint(method="DELETE", path="/blobs/{id}", handler=remove, summary="Delete a file", tag=TAG,
                 permission="storage.write", status=204, errors=(404,)),
        Endpoint(method="POST", path="/blobs/{id}/restore", handler=restore, summary="Bring a deleted file back", tag=TAG,
                 permission="storage.write", returns=BlobModel, errors=(404,)),
    ]  # fmt: skip


def _json(blob: Any) -> dict[str, Any]:
    found = attrs.asdict(blob, filter=lambda field, _: field.name != "deleted_at")
    return found | {"id": str(blob.id), "created_at": blob.created_at.isoformat()}


def _id(path: Mapping[str, str]) -> UUID:
    found = parse_id(path["id"])
    if found is None:
        raise ValidationError(f"{path['id'][:80]!r} is no id of a file", field="id")
    return found
