"""A tenant with people, roles and patients."""

import pytest
from starlette.testclient import TestClient

from brickwork.auth import Grant, Role
from brickwork.web import create_app

PASSWORD = "tall giraffes eat 7 leaves"
PATIENT = {
    "name": "patient",
    "fields": {
        "name": {"type": "text", "required": True},
        "ward": {"type": "text", "indexed": True},
        "age": {"type": "number"},
        "discharged": {"type": "boolean"},
        "admitted": {"type": "date"},
        "diagnosis": {"type": "text"},
    },
    "relations": {"surgeon": {"target": "surgeon"}},
}
SURGEON = {"name": "surgeon", "fields": {"name": {"type": "text"}}}


@pytest.fixture
def tenant(platform):
    """Work in "alpha", as the product's own code."""
    with platform.context(tenant="alpha", actor="setup"):
        platform.entities.types.apply(SURGEON)
        platform.entities.types.apply(PATIENT)
        yield platform


@pytest.fixture
def member(tenant):
    """Makes a member of "alpha" with a role of the grants given."""

    def make(*grants, name="kim", attributes=None, person=None, password=None):
        user = tenant.auth.users.create(f"{name}@example.org", name.title(), password=password)
        roles = []
        if grants:
            tenant.auth.roles.define(Role(name=f"role-{name}", grants=[Grant.model_validate(grant) for grant in grants]))
            roles.append(f"role-{name}")
        tenant.auth.members.add(user, roles=roles, attributes=attributes, person=person)
        return user.actor

    return make


@pytest.fixture
def http(platform):
    """A browser's client: it keeps cookies, and its pages are the server's own."""
    headers = {"origin": "https://clinic.example"}
    with TestClient(create_app(platform), "https://clinic.example", headers=headers, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def call(http):
    """Calls a route below /api/v1: the status, and the data or the first error's code."""

    def call(method, path, body=None, **headers):
        answer = http.request(method, f"/api/v1{path}", json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        if answer.status_code == 204:
            return 204, None
        shown = answer.json()
        return answer.status_code, shown["data"] if answer.status_code < 400 else shown["errors"][0]["code"]

    return call
