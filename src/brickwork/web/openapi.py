"""The OpenAPI document of the endpoints: every path, model, status and header, from their declarations."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from brickwork.web.endpoint import PUBLIC, SIGNED_IN, Endpoint

_REF = "#/components/schemas/{model}"
_ALWAYS = (400, 401, 403, 404, 405, 422, 429, 503)
_MEANING = {
    200: "Success",
    201: "Created",
    204: "Done",
    304: "Not modified",
    400: "The request can't be read",
    401: "Nobody has shown who they are",
    403: "The actor may not do this",
    404: "Not found",
    405: "Another method is needed",
    409: "It contradicts the present state",
    412: "If-Match is not the current ETag",
    413: "Too large",
    415: "Not JSON",
    422: "Not valid",
    429: "Too often; try again later",
    501: "Something that this takes is not installed here",
    503: "Unavailable; try again",
}


def describe(document: dict[str, Any], endpoints: Iterable[Endpoint], prefix: str) -> dict[str, Any]:
    """`document` with the endpoints' paths and schemas added."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(_ENVELOPE)
    document["components"]["securitySchemes"] = _SECURITY
    for endpoint in endpoints:
        path = document.setdefault("paths", {}).setdefault(prefix + endpoint.path, {})
        path[endpoint.method.lower()] = _operation(endpoint, schemas)
    return document


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _identifier(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": _parameters(endpoint, schemas),
        "responses": _responses(endpoint, schemas),
        "security": [] if endpoint.permission == PUBLIC else [{"bearer": []}, {"cookie": []}],
    }
    if endpoint.permission not in (PUBLIC, SIGNED_IN):
        operation["description"] = f"Takes the permission `{endpoint.permission}`."
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _schema(endpoint.body, schemas, "validation")}},
        }
    return operation


def _identifier(endpoint: Endpoint) -> str:
    words = re.findall(r"[A-Za-z0-9_]+", endpoint.path)
    return "_".join([endpoint.method.lower(), *words]).replace("-", "_")


def _parameters(endpoint: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    text = {"type": "string"}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    if endpoint.versioned and endpoint.method in ("PATCH", "PUT", "DELETE"):
        found.append({"name": "If-Match", "in": "header", "required": False, "schema": text})
    if endpoint.method == "POST" and not endpoint.secret:
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": {**text, "maxLength": 200}})
    if endpoint.query is not None:
        schema = TypeAdapter(endpoint.query).json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        for name, part in schema.get("properties", {}).items():
            required = name in schema.get("required", ())
            found.append({"name": name, "in": "query", "required": required, "schema": part})
    return found


def _responses(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    data = {"type": "null"} if endpoint.returns is None else _schema(endpoint.returns, schemas, "serialization")
    envelope = {"allOf": [{"$ref": _REF.format(model="Envelope")}, {"type": "object", "properties": {"data": data}}]}
    good: dict[str, Any] = {"description": _MEANING[endpoint.status]}
    if endpoint.status != 204:
        good["content"] = {"application/json": {"schema": envelope}}
    if endpoint.versioned and endpoint.status != 204:
        good["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "The version, quoted"}}
    statuses = {*_ALWAYS, *endpoint.errors}
    if endpoint.body is not None:
        statuses |= {413, 415}
    if endpoint.method == "POST":
        statuses |= {409}
    if endpoint.versioned and endpoint.method in ("PATCH", "PUT", "DELETE"):
        statuses |= {409, 412}
    failed = {"application/json": {"schema": {"$ref": _REF.format(model="ErrorEnvelope")}}}
    responses = {str(endpoint.status): good}
    if endpoint.versioned and endpoint.method == "GET":
        responses["304"] = {"description": _MEANING[304]}
    responses.update({str(s): {"description": _MEANING[s], "content": failed} for s in sorted(statuses)})
    return responses


def _schema(kind: Any, schemas: dict[str, Any], mode: Any) -> dict[str, Any]:
    return _inline(TypeAdapter(kind).json_schema(ref_template=_REF, mode=mode), schemas)


def _inline(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    schemas.update(schema.pop("$defs", {}))
    title = schema.get("title")
    if title and schema.get("type") == "object" and title.isidentifier():
        schemas[title] = schema
        return {"$ref": _REF.format(model=title)}
    return schema


_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a session's token"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-brickwork_session"},
}
_META = {
    "type": "object",
    "required": ["timestamp", "version", "correlation_id"],
    "properties": {
        "timestamp": {"type": "string", "format": "date-time"},
        "version": {"type": "string"},
        "correlation_id": {"type": "string"},
        "page": {"type": "object", "properties": {"cursor": {"type": ["string", "null"]}, "limit": {"type": "integer"}}},
    },
}
_ERROR = {
    "type": "object",
    "required": ["code", "message", "field"],
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "field": {"type": ["string", "null"]}},
}
_ENVELOPE: dict[str, Any] = {
    "Meta": _META,
    "Problem": _ERROR,
    "Envelope": {
        "type": "object",
        "required": ["status", "data", "meta", "errors"],
        "properties": {
            "status": {"const": "success"},
            "data": {},
            "meta": {"$ref": _REF.format(model="Meta")},
            "errors": {"type": "array", "maxItems": 0},
        },
    },
    "ErrorEnvelope": {
        "type": "object",
        "required": ["status", "data", "meta", "errors"],
        "properties": {
            "status": {"const": "error"},
            "data": {"type": ["object", "null"]},
            "meta": {"$ref": _REF.format(model="Meta")},
            "errors": {"type": "array", "minItems": 1, "items": {"$ref": _REF.format(model="Problem")}},
        },
    },
}
