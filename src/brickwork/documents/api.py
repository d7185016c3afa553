"""The HTTP routes of documents: templates and their versions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from brickwork.documents.template import Template

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "documents"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VersionModel(BaseModel):
    """A version of a template."""

    key: str
    number: int
    status: str
    note: str
    created_by: str
    created_at: AwareDatetime
    published_at: AwareDatetime | None


class VersionsQuery(_Model):
    """How many versions, and from where."""

    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=4000)


class PublishBody(_Model):
    """The version to publish; the newest if it is left out."""

    number: int | None = Field(None, ge=1, le=1_000_000)


class PreviewBody(_Model):
    """A template to try out, with data instead of its sample, and a language."""

    template: Template
    data: dict[str, Any] | None = None
    locale: str | None = Field(None, max_length=35)


class PartsModel(BaseModel):
    """The filled parts by name."""

    locale: str
    parts: dict[str, str]


class DiffQuery(_Model):
    """The versions to compare."""

    old: int = Field(ge=1, le=1_000_000)
    new: int = Field(ge=1, le=1_000_000)


class DiffModel(BaseModel):
    """A unified diff."""

    diff: str


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from brickwork.web.endpoint import Endpoint, Reply

    def templates() -> Any:
        return platform.documents.templates

    def keys(call: "Call") -> dict[str, str]:
        found: dict[str, str] = templates().keys()
        return found

    def get(call: "Call") -> dict[str, Any]:
        found: dict[str, Any] = templates().get(call.path["key"]).model_dump(mode="json", by_alias=True)
        return found

    def save(call: "Call") -> dict[str, Any]:
        return _json(templates().save(call.body))

    def preview(call: "Call") -> dict[str, Any]:
        filled = templates().preview(call.body.template, call.body.data, locale=call.body.locale)
        return {"locale": filled.locale, "parts": dict(filled.parts)}

    def versions(call: "Call") -> Reply:
        page = templates().history(call.path["key"], limit=call.query.limit, cursor=call.query.cursor)
        return Reply([_json(one) for one in page.items], page={"cursor": page.cursor, "limit": call.query.limit})

    def publish(call: "Call") -> dict[str, Any]:
        return _json(templates().publish(call.path["key"], call.body.number))

    def retire(call: "Call") -> None:
        templates().retire(call.path["key"])

    def rollback(call: "Call") -> dict[str, Any]:
        return _json(templates().rollback(call.path["key"], call.body.number or 0))

    def diff(call: "Call") -> dict[str, str]:
        return {"diff": templates().diff(call.path["key"], call.query.old, call.query.new)}

    read, write, publishing = "templates.read", "templates.write", "templates.publish"
    return [
        Endpoint(method="GET", path="/templates", handler=keys, summary="The templates that can be used",
                 tag=TAG, permission=read, returns=dict[str, str]),
        Endpoint(method="POST", path="/templates", handler=save, summary="Store a template as a draft",
                 tag=TAG, permission=write, body=Template, returns=VersionModel, status=201),
        Endpoint(method="POST", path="/templates/preview", handler=preview, summary="Fill a template that is not stored",
                 tag=TAG, permission=read, body=PreviewBody, returns=PartsModel),
        Endpoint(method="GET", path="/templates/{key}", handler=get, summary="The template that is used",
                 tag=TAG, permission=read, returns=Template, errors=(404,)),
        Endpoint(method="GET", path="/templates/{key}/versions", handler=versions, summary="The versions of a template",
                 tag=TAG, permission=read, query=VersionsQuery, returns=list[VersionModel], paged=True),
        Endpoint(method="POST", path="/templates/{key}/publish", handler=publish, summary="Let a version be used",
                 tag=TAG, permission=publishing, body=PublishBody, returns=VersionModel, errors=(404,)),
        Endpoint(method="POST", path="/templates/{key}/retire", handler=retire, summary="Use the tenant's template no more",
                 tag=TAG, permission=publishing, status=204, errors=(404,)),
        Endpoint(method="POST", path="/templates/{key}/rollback", handler=rollback, summary="Publish an older version again",
                 tag=TAG, permission=publishing, body=PublishBody, returns=VersionModel, errors=(404,)),
        Endpoint(method="GET", path="/templates/{key}/diff", handler=diff, summary="What changed between two versions",
                 tag=TAG, permission=read, query=DiffQuery, returns=DiffModel, errors=(404,)),
    ]  # fmt: skip


def _json(version: Any) -> dict[str, Any]:
    found = attrs.asdict(version)
    times = {name: found[name].isoformat() if found[name] else None for name in ("created_at", "published_at")}
    return found | times
