"""The HTTP API of a platform on each database, called through ASGI."""

from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from brickwork.kernel.platform import Platform
from brickwork.testing.auth import bearer
from brickwork.web import create_app

TENANT, ACTOR = "st-marys", "service:ito"
#: A client on this machine, to which metrics are told.
HERE = ("127.0.0.1", 50000)
PATIENT = {
    "name": "patient",
    "fields": {
        "family_name": {"type": "text", "required": True, "indexed": True, "max_length": 50},
        "mrn": {"type": "text", "unique": True},
        "birth_date": {"type": "date"},
    },
    "relations": {"relative": {"target": "patient"}},
}


@pytest.fixture
def api(platform: Platform) -> Iterator[TestClient]:
    """A client of tenant "st-marys", whose type "patient" is applied."""
    headers = bearer(platform, TENANT, "ito")
    with TestClient(create_app(platform), headers=headers, client=HERE, raise_server_exceptions=False) as client:
        assert client.put("/api/v1/entity-types/patient", json=PATIENT).status_code == 200
        yield client


@pytest.fixture
def okafor(api: TestClient) -> dict[str, Any]:
    """A stored patient, as the API shows her."""
    return data_of(api.post("/api/v1/entities/patient", json={"fields": {"family_name": "Okafor", "mrn": "M1"}}))


def data_of(response: httpx.Response) -> Any:
    """The data of a good answer."""
    body = response.json()
    assert body["status"] == "success", body
    assert body["errors"] == []
    return body["data"]


def errors_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The errors of a bad one."""
    body = response.json()
    assert body["status"] == "error"
    assert set(body) == {"status", "data", "meta", "errors"}
    assert body["errors"]
    return list(body["errors"])
