"""Two tenants with records behind the HTTP API, and callers with no more rights than a test gives them.

A module stands for a risk of the OWASP API Security Top 10 (2023, `test_api…`) or the OWASP Top 10 (2021, `test_a…`). Each test
is an attack that succeeds on a build that forgot about it.
"""

import attrs
import pytest
from starlette.testclient import TestClient

from brickwork.auth import Grant, Role
from brickwork.testing.auth import bearer
from brickwork.web import create_app

PASSWORD = "tall giraffes eat 7 leaves"
API = "/api/v1"
PATIENT = {
    "name": "patient",
    "fields": {
        "name": {"type": "text", "required": True, "indexed": True},
        "ward": {"type": "text", "indexed": True},
        "diagnosis": {"type": "text"},
        "insurance_no": {"type": "text", "sensitive": True, "indexed": True},
    },
    "relations": {"relative": {"target": "patient"}},
}


@attrs.frozen
class Site:
    """A running product with the tenants "alpha" and "beta"."""

    platform: object
    client: TestClient
    #: Headers of each tenant's administrator.
    admin: dict[str, dict[str, str]]
    #: A patient of each tenant.
    patient: dict[str, str]

    def caller(self, *grants, name="kim", tenant="alpha"):
        """The headers of a service account with one role of these grants."""
        with self.platform.context(tenant=tenant, actor="setup"):
            self.platform.auth.roles.define(Role(name=f"role-{name}", grants=[Grant.model_validate(grant) for grant in grants]))
        return bearer(self.platform, tenant, name, roles=[f"role-{name}"])

    def person(self, email="kim@example.org", tenant="alpha", roles=()):
        """A member with `PASSWORD`."""
        user = self.platform.auth.users.create(email, "Kim Example", password=PASSWORD)
        with self.platform.context(tenant=tenant, actor="setup"):
            self.platform.auth.members.add(user, roles=roles)
        return user

    def sign_in(self, email="kim@example.org", **more):
        """The answer to a sign-in."""
        return self.client.post(f"{API}/auth/session", json={"email": email, "password": PASSWORD, **more})

    def record(self, tenant="alpha"):
        """The address of a tenant's patient."""
        return f"{API}/entities/patient/{self.patient[tenant]}"


@pytest.fixture
def site(platform):
    admin = {tenant: bearer(platform, tenant, "boss") for tenant in ("alpha", "beta")}
    patient = {}
    with TestClient(create_app(platform), raise_server_exceptions=False) as client:
        for tenant, headers in admin.items():
            assert client.put(f"{API}/entity-types/patient", json=PATIENT, headers=headers).status_code == 200
            fields = {"name": f"of {tenant}", "ward": "icu", "diagnosis": "flu", "insurance_no": "A-77"}
            made = client.post(f"{API}/entities/patient", json={"fields": fields}, headers=headers)
            patient[tenant] = made.json()["data"]["id"]
        yield Site(platform, client, admin, patient)


def codes(response):
    """The codes of the errors in an answer."""
    return [error["code"] for error in response.json()["errors"]]
