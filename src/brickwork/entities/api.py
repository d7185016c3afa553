"""The HTTP routes of entities: parse, call the service, wrap."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from brickwork.entities.definitions import EntityTypeDefinition
from brickwork.entities.record import EntityRef, Record
from brickwork.errors import ValidationError

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "entities"
CREATE, READ, UPDATE, DELETE, SHARE = (f"entities.{{type}}.{verb}" for verb in ("create", "read", "update", "delete", "share"))
SEE_TYPES, DEFINE_TYPES = "entity_types.read", "entity_types.write"


def _names(value: Any) -> Any:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


def _filter(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f'takes a JSON object such as {{"name": "x"}}: {error}') from None


Names = Annotated[list[str], BeforeValidator(_names), Field(max_length=100), WithJsonSchema({"type": "string"})]
Filter = Annotated[dict[str, Any], BeforeValidator(_filter), WithJsonSchema({"type": "string"})]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RecordIn(_Model):
    """The fields of a new record; an `id` of the caller's choosing makes the request repeatable."""

    fields: dict[str, Any]
    id: UUID | None = None


class RecordChanges(_Model):
    """The fields to change; null empties one."""

    fields: dict[str, Any] = Field(min_length=1)


class RecordOut(BaseModel):
    """A stored record."""

    id: UUID
    type: str
    version: int
    fields: dict[str, Any]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class ListQuery(_Model):
    """Which records, in which order. `filter` is a JSON object, `sort` names separated by commas, `-` for descending."""

    filter: Filter | None = None
    sort: Names | None = None
    fields: Names | None = None
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=4000)


class PageQuery(_Model):
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=4000)


class LinksQuery(PageQuery):
    relation: str | None = None
    direction: Literal["out", "in", "both"] = "out"


class GraphQuery(_Model):
    """A walk from the record."""

    relations: Names | None = None
    direction: Literal["out", "in", "both"] = "out"
    depth: int = Field(1, ge=1, le=10)
    limit: int = Field(500, ge=1, le=10_000)


class LinkIn(_Model):
    """A link to make, from the record of the path to `target`, a reference such as "surgeon:0192…"."""

    relation: str
    target: str
    attributes: dict[str, Any] = {}


class LinkOut(BaseModel):
    id: UUID
    kind: str
    source: UUID
    target: UUID
    attributes: dict[str, Any]
    created_at: datetime
    created_by: str


class LinkId(BaseModel):
    id: UUID


class ShareIn(_Model):
    """How far, and until when."""

    level: Literal["read", "write"] = "read"
    until: AwareDatetime | None = None


class ShareOut(BaseModel):
    subject: str
    level: str
    until: datetime | None


class NodeOut(BaseModel):
    type: str
    id: UUID
    depth: int
    path: list[UUID]


class AuditOut(BaseModel):
    """What happened to the record."""

    at: datetime
    actor: str
    action: str
    changes: dict[str, list[Any]]
    reason: str | None
    correlation_id: str | None


class TypeQuery(_Model):
    """`allow_loss` lets a change drop values that the new definition can't hold."""

    allow_loss: bool = False


class PlanOut(BaseModel):
    """What a change of the definition would do."""

    version: int
    changes: list[str]
    records: int
    safe: bool
    harmed: dict[str, int]
    reasons: dict[str, str]


_DEFINITION = {"type": "object", "description": EntityTypeDefinition.__doc__, "properties": {"name": {"type": "string"}}}
Definition = Annotated[dict[str, Any], WithJsonSchema(_DEFINITION)]


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """Every route of the component."""
    from brickwork.web.endpoint import Endpoint, always

    one, many = "/entities/{type}/{id}", "/entities/{type}"
    return [
        Endpoint(method="POST", path=many, handler=create, permission=CREATE, summary="Create a record", tag=TAG,
                 body=RecordIn, returns=RecordOut, status=201, versioned=True, short=always),
        Endpoint(method="GET", path=many, handler=query, permission=READ, summary="List records", tag=TAG, query=ListQuery,
                 returns=list[RecordOut], paged=True, short=_is_plain_page),
        Endpoint(method="GET", path=one, handler=get, permission=READ, summary="Read a record", tag=TAG, returns=RecordOut,
                 versioned=True, short=always),
        Endpoint(method="PATCH", path=one, handler=update, permission=UPDATE, summary="Change a record", tag=TAG,
                 body=RecordChanges, returns=RecordOut, versioned=True, short=always),
        Endpoint(method="DELETE", path=one, handler=delete, permission=DELETE, summary="Delete a record", tag=TAG,
                 status=204, versioned=True),
        Endpoint(method="POST", path=one + "/restore", handler=restore, permission=DELETE,
                 summary="Restore a deleted record", tag=TAG, returns=RecordOut, versioned=True),
        Endpoint(method="GET", path=one + "/history", handler=history, permission=READ, summary="Who changed a record",
                 tag=TAG, query=PageQuery, returns=list[AuditOut], paged=True),
        Endpoint(method="GET", path=one + "/links", handler=links, permission=READ, summary="List a record's links", tag=TAG,
                 query=LinksQuery, returns=list[LinkOut], paged=True),
        Endpoint(method="POST", path=one + "/links", handler=link, permission=UPDATE, summary="Link two records", tag=TAG,
                 body=LinkIn, returns=LinkId, status=201),
        Endpoint(method="DELETE", path=one + "/links/{relation}/{target}", handler=unlink, permission=UPDATE,
                 summary="Remove a link", tag=TAG, status=204),
        Endpoint(method="GET", path=one + "/graph", handler=graph, permission=READ, summary="Walk the links of a record",
                 tag=TAG, query=GraphQuery, returns=list[NodeOut]),
        Endpoint(method="GET", path="/entity-types", handler=list_types, permission=SEE_TYPES,
                 summary="List the entity types", tag=TAG, returns=list[Definition]),
        Endpoint(method="GET", path="/entity-types/{type}", handler=get_type, permission=SEE_TYPES, summary="Read a type",
                 tag=TAG, returns=Definition),
        Endpoint(method="PUT", path="/entity-types/{type}", handler=apply_type, permission=DEFINE_TYPES,
                 summary="Put a type into force", tag=TAG, query=TypeQuery, body=Definition, returns=Definition,
                 errors=(409,)),
        Endpoint(method="POST", path="/entity-types/{type}/preview", handler=preview_type, permission=DEFINE_TYPES, tag=TAG,
                 body=Definition, summary="What a change of the type would do", returns=PlanOut),
        Endpoint(method="GET", path=one + "/shares", handler=shares, permission=SHARE, summary="With whom a record is shared",
                 tag=TAG, returns=list[ShareOut]),
        Endpoint(method="PUT", path=one + "/shares/{subject}", handler=share, permission=SHARE, summary="Share a record",
                 tag=TAG, body=ShareIn, status=204),
        Endpoint(method="DELETE", path=one + "/shares/{subject}", handler=unshare, permission=SHARE, status=204, tag=TAG,
                 summary="Share a record no more"),
    ]  # fmt: skip


def _is_plain_page(query: bytes) -> bool:
    """A page in the order of ids comes from an index; filters and sorts may look at many records."""
    return b"filter" not in query and b"sort" not in query


def present(record: Record) -> dict[str, Any]:
    """A record as `RecordOut`, without a model in between."""
    return {
        "id": record.id,
        "type": record.type,
        "version": record.version,
        "fields": record.data,
        "created_at": record.created_at,
        "created_by": record.created_by,
        "updated_at": record.updated_at,
        "updated_by": record.updated_by,
    }


def create(call: "Call") -> Any:
    body: RecordIn = call.body
    return _reply(call.platform.entities.create(call.path["type"], body.fields, id=body.id), 201)


def get(call: "Call") -> Any:
    return _reply(call.platform.entities.get(call.path["type"], call.path["id"]))


def query(call: "Call") -> Any:
    q: ListQuery = call.query
    page = call.platform.entities.query(call.path["type"], q.filter, sort=q.sort, fields=q.fields, limit=q.limit, cursor=q.cursor)
    return _paged([present(record) for record in page.items], page.cursor, q.limit)


def update(call: "Call") -> Any:
    record = call.platform.entities.update(call.path["type"], call.path["id"], call.body.fields, version=call.if_match)
    return _reply(record)


def delete(call: "Call") -> None:
    call.platform.entities.delete(call.path["type"], call.path["id"], version=call.if_match)


def restore(call: "Call") -> Any:
    return _reply(call.platform.entities.restore(call.path["type"], call.path["id"]))


def history(call: "Call") -> Any:
    q: PageQuery = call.query
    page = call.platform.entities.history(call.path["type"], call.path["id"], limit=q.limit, cursor=q.cursor)
    entries = [
        {
            "at": entry.at,
            "actor": entry.actor,
            "action": entry.action,
            "changes": entry.changes,
            "reason": entry.reason,
            "correlation_id": entry.correlation_id,
        }
        for entry in page.items
    ]
    return _paged(entries, page.cursor, q.limit)


def links(call: "Call") -> Any:
    q: LinksQuery = call.query
    relations = call.platform.entities.relations
    page = relations.links(_ref(call), q.relation, direction=q.direction, limit=q.limit, cursor=q.cursor)
    found = [
        {
            "id": link.id,
            "kind": link.kind,
            "source": link.source,
            "target": link.target,
            "attributes": link.attributes,
            "created_at": link.created_at,
            "created_by": link.created_by,
        }
        for link in page.items
    ]
    return _paged(found, page.cursor, q.limit)


def link(call: "Call") -> Any:
    body: LinkIn = call.body
    return {"id": call.platform.entities.relations.link(_ref(call), body.relation, body.target, body.attributes)}


def unlink(call: "Call") -> None:
    call.platform.entities.relations.unlink(_ref(call), call.path["relation"], call.path["target"])


def graph(call: "Call") -> Any:
    q: GraphQuery = call.query
    nodes = call.platform.entities.relations.subtree(_ref(call), q.relations, direction=q.direction, depth=q.depth, limit=q.limit)
    return [{"type": n.ref.type, "id": n.ref.id, "depth": n.depth, "path": list(n.path)} for n in nodes]


def shares(call: "Call") -> Any:
    found = call.platform.entities.shares(call.path["type"], call.path["id"])
    return [{"subject": subject, "level": level, "until": until} for subject, level, until in found]


def share(call: "Call") -> None:
    body: ShareIn = call.body
    entities, path = call.platform.entities, call.path
    entities.share(path["type"], path["id"], path["subject"], level=body.level, until=body.until)


def unshare(call: "Call") -> None:
    call.platform.entities.unshare(call.path["type"], call.path["id"], call.path["subject"])


def list_types(call: "Call") -> Any:
    return [_document(definition) for definition in call.platform.entities.types.list()]


def get_type(call: "Call") -> Any:
    return _document(call.platform.entities.types.get(call.path["type"]))


def apply_type(call: "Call") -> Any:
    return _document(call.platform.entities.types.apply(_named(call), allow_loss=call.query.allow_loss))


def preview_type(call: "Call") -> Any:
    plan = call.platform.entities.types.preview(_named(call))
    return {
        "version": plan.version,
        "changes": list(plan.changes),
        "records": plan.records,
        "safe": plan.safe,
        "harmed": plan.harmed,
        "reasons": plan.reasons,
    }


def _named(call: "Call") -> dict[str, Any]:
    body: dict[str, Any] = call.body
    if body.setdefault("name", call.path["type"]) != call.path["type"]:
        raise ValidationError("the definition's name is not the one in the path", field="name")
    return body


def _ref(call: "Call") -> EntityRef:
    from brickwork.errors import NotFoundError
    from brickwork.kernel.ids import parse_id

    key = parse_id(call.path["id"])
    if key is None:
        raise NotFoundError(f"there is no {call.path['type']} {call.path['id'][:80]!r}", type=call.path["type"])
    return EntityRef(call.path["type"], key)


def _reply(record: Record, status: int = 200) -> Any:
    from brickwork.web.endpoint import Reply

    return Reply(present(record), status, record.version)


def _paged(items: list[dict[str, Any]], cursor: str | None, limit: int) -> Any:
    from brickwork.web.endpoint import Reply

    return Reply(items, page={"cursor": cursor, "limit": limit})


def _document(definition: EntityTypeDefinition) -> dict[str, Any]:
    return definition.model_dump(mode="json", exclude_unset=True)
