"""A01:2021 Broken access control, below the HTTP API: what forgot a filter, a permission or a tenant meets a fence. (Records and
routes: test_api1, test_api3, test_api5.)"""

import pytest
from sqlalchemy import text

from brickwork import hookimpl
from brickwork.auth.models import KeyRow, SessionRow, UserRow
from brickwork.errors import CrossTenantError, MissingTenantError, PluginError, UnscopedStatementError
from brickwork.web import create_app
from brickwork.web.endpoint import Endpoint

from .conftest import API


@pytest.mark.parametrize("row", [UserRow, SessionRow, KeyRow])
def test_a_tenants_transaction_reads_and_writes_no_account_of_another(site, row):
    site.person()
    site.sign_in()
    with site.platform.context(tenant="beta", actor="user:mallory"), site.platform.transaction() as transaction:
        assert all(found.tenant_id == "beta" for found in transaction.session.query(row))
        for tenant in ("alpha", "*"):
            with pytest.raises(CrossTenantError):
                transaction.session.add(row(tenant_id=tenant))


def test_raw_sql_that_was_not_declared_as_such_is_refused(site):
    with site.platform.context(tenant="beta", actor="user:mallory"), site.platform.transaction() as transaction:
        for statement in ("SELECT * FROM auth_user", "UPDATE auth_user SET disabled_at = NULL", "DELETE FROM auth_session"):
            with pytest.raises(UnscopedStatementError):
                transaction.execute(text(statement))


def test_without_a_tenant_nothing_of_a_tenant_is_read(site):
    for read in (
        lambda: site.platform.entities.query("patient"),
        lambda: site.platform.auth.members.list(),
        lambda: site.platform.auth.roles.list(),
    ):
        with pytest.raises(MissingTenantError):
            read()


def test_a_route_can_not_be_declared_without_saying_what_it_takes(make_platform):
    with pytest.raises(TypeError, match="permission"):
        Endpoint(method="GET", path="/x", handler=lambda call: None, summary="x", tag="x")

    class Product:
        @hookimpl
        def brickwork_routes(self, platform):
            return [Endpoint(method="GET", path="/healthz", handler=lambda call: None, summary="x", tag="x", permission="")]

    platform = make_platform(plugins=[Product()])
    try:
        app = create_app(platform)
    except PluginError:
        return
    from starlette.testclient import TestClient

    with TestClient(app) as client:
        assert client.get(f"{API}/healthz").status_code == 401


def test_a_person_who_left_the_tenant_or_was_disabled_is_out_at_once(site):
    user = site.person(roles=["administrator"])
    bearing = {"Authorization": f"Bearer {site.sign_in().json()['data']['token']}"}
    with site.platform.context(tenant="alpha", actor="setup"):
        key = {"Authorization": f"Bearer {site.platform.auth.keys.create(user.actor, 'laptop').token}"}
    for headers in (bearing, key):
        assert site.client.get(site.record(), headers=headers).status_code == 200
    with site.platform.context(tenant="alpha", actor="setup"):
        site.platform.auth.members.remove(user.id)
    for headers in (bearing, key):
        assert site.client.get(site.record(), headers=headers).status_code == 401


def test_an_impersonation_is_told_ends_and_reaches_no_account_settings(site):
    kim = site.person()
    answer = site.client.post(
        f"{API}/auth/members/{kim.id}/impersonate", json={"reason": "ticket 7"}, headers=site.admin["alpha"]
    )
    assert answer.status_code == 201
    acting = {"Authorization": f"Bearer {answer.json()['data']['token']}"}
    who = site.client.get(f"{API}/auth/session", headers=acting).json()["data"]
    assert who["actor"] == f"user:{kim.id} via service:boss"
    for method, path in [("POST", "/auth/totp"), ("GET", "/auth/sessions"), ("POST", "/auth/password")]:
        body = {"old": "x" * 12, "new": "y" * 12} if path.endswith("password") else None
        assert site.client.request(method, API + path, json=body, headers=acting).status_code == 403, path
    with site.platform.context(tenant="alpha", actor="setup"):
        trail = site.platform.audit.entries(limit=50).items
    assert any(entry.action == "impersonated" and "ticket 7" in str(entry.reason) for entry in trail)
