"""A tenant's administration over HTTP: members, invitations, groups, services, keys, roles and permissions."""

import pytest

from brickwork.auth.events import UserInvited
from brickwork.testing.auth import bearer

from .conftest import PASSWORD


@pytest.fixture
def boss(tenant):
    """The headers of an administrator of "alpha"."""
    return {"authorization": bearer(tenant, "alpha", "boss")["Authorization"]}


@pytest.fixture
def kim(tenant, member):
    return tenant.auth.users.get(member({"allow": ["jobs.read"]}, password=PASSWORD))


@pytest.fixture
def clerk(tenant, kim):
    """The headers of a member who may read jobs only."""
    return {"authorization": f"Bearer {tenant.auth.keys.create(kim.actor, 'clerk').token}"}


def test_members_are_listed_page_by_page_and_removed(tenant, http, call, member, kim, boss):
    member(name="lee")
    answer = http.get("/api/v1/auth/members", params={"limit": 1}, headers=boss).json()
    assert [(one["email"], one["roles"], one["disabled"]) for one in answer["data"]] == [(kim.email, ["role-kim"], False)]
    cursor = answer["meta"]["page"]["cursor"]
    rest = http.get("/api/v1/auth/members", params={"cursor": cursor}, headers=boss).json()
    assert [one["name"] for one in rest["data"]] == ["Lee"]
    assert call("GET", "/auth/members?cursor=nonsense", **boss)[0] in (400, 422)
    assert call("GET", "/auth/members?limit=501", **boss) == (422, "invalid")
    assert call("DELETE", f"/auth/members/{kim.id}", **boss) == (204, None)
    assert call("DELETE", f"/auth/members/{kim.id}", **boss) == (404, "not_found")


def test_invitations_travel_by_mail_only(tenant, call, boss, captured_events):
    status, made = call("POST", "/auth/invitations", {"email": "lee@example.org", "roles": ["administrator"]}, **boss)
    assert (status, made.keys()) == (201, {"id", "email", "roles", "expires_at"})
    assert [one["email"] for one in call("GET", "/auth/invitations", **boss)[1]] == ["lee@example.org"]
    assert call("DELETE", f"/auth/invitations/{made['id']}", **boss) == (204, None)
    token = tenant.auth.unseal(captured_events.of(UserInvited)[0].sealed)
    assert call("POST", "/auth/invitations/accept", {"token": token, "password": PASSWORD}) == (401, "unauthenticated")
    assert call("DELETE", "/auth/invitations/x", **boss) == (404, "not_found")
    assert call("POST", "/auth/invitations", {"email": "nobody"}, **boss) == (422, "invalid")


def test_an_administrator_acts_as_a_member(tenant, call, kim, boss):
    path = f"/auth/members/{kim.id}/impersonate"
    assert call("POST", path, {"reason": ""}, **boss) == (422, "invalid")
    status, made = call("POST", path, {"reason": "ticket 7"}, **boss)
    assert status == 201
    who = call("GET", "/auth/session", authorization=f"Bearer {made['token']}")[1]
    assert who["actor"] == f"{kim.actor} via service:boss"
    assert call("GET", "/jobs/runs", authorization=f"Bearer {made['token']}")[0] == 200
    assert call("POST", path, {"reason": "further"}, authorization=f"Bearer {made['token']}") == (403, "permission_denied")
    assert call("DELETE", "/auth/session", authorization=f"Bearer {made['token']}") == (204, None)
    assert [entry.actor for entry in tenant.audit.entries(action="impersonated").items] == ["service:boss"]


def test_groups_are_made_filled_and_removed(call, kim, boss):
    assert call("PUT", "/auth/groups/theatre", {"title": "Operating theatre"}, **boss) == (204, None)
    assert call("PUT", "/auth/groups/theatre", {}, **boss) == (409, "duplicate")
    assert call("PUT", f"/auth/groups/theatre/members/{kim.actor}", **boss) == (204, None)
    assert call("GET", "/auth/groups", **boss)[1] == {"theatre": [kim.actor]}
    assert call("DELETE", f"/auth/groups/theatre/members/{kim.actor}", **boss) == (204, None)
    assert call("DELETE", "/auth/groups/theatre", **boss) == (204, None)
    assert call("PUT", "/auth/groups/theatre/members/user:x", **boss) == (404, "not_found")


def test_services_and_their_keys(call, boss):
    body = {"name": "robot", "roles": ["administrator"], "attributes": {"ward": "icu"}}
    assert call("POST", "/auth/services", body, **boss) == (201, {"subject": "service:robot"})
    assert "service:robot" in call("GET", "/auth/services", **boss)[1]
    wanted = {"name": "nightly", "subject": "service:robot", "scopes": ["jobs.*"], "days": 30}
    status, key = call("POST", "/auth/keys", wanted, **boss)
    assert (status, key["scopes"], key["token"][:10]) == (201, ["jobs.*"], "bwk_alpha_")
    robot = {"authorization": f"Bearer {key['token']}"}
    assert call("GET", "/jobs/runs", **robot)[0] == 200
    assert call("GET", "/auth/members", **robot) == (403, "permission_denied")
    listed = call("GET", "/auth/keys?subject=service:robot", **boss)[1]
    assert [(one["token"], one["used_at"] is not None) for one in listed] == [(None, True)]

    status, new = call("POST", f"/auth/keys/{key['id']}/rotate", {"overlap_hours": 1}, **boss)
    assert (status, new["token"] != key["token"]) == (201, True)
    assert call("POST", f"/auth/keys/{key['id']}/rotate", {}, **boss) == (409, "conflict")
    assert call("GET", "/jobs/runs", **robot)[0] == 200
    assert call("DELETE", f"/auth/keys/{new['id']}", **boss) == (204, None)
    assert call("GET", "/jobs/runs", authorization=f"Bearer {new['token']}") == (401, "unauthenticated")
    assert call("DELETE", "/auth/services/robot", **boss) == (204, None)
    assert call("GET", "/jobs/runs", **robot) == (401, "unauthenticated")


def test_the_token_of_a_new_key_is_not_kept_for_a_repetition(tenant, call, boss):
    wanted = {"name": "nightly"}
    first = call("POST", "/auth/keys", wanted, idempotency_key="1", **boss)[1]
    assert call("POST", "/auth/keys", wanted, idempotency_key="1", **boss)[1]["id"] != first["id"]


def test_everybody_has_keys_of_their_own(call, clerk, boss):
    status, own = call("POST", "/auth/keys", {"name": "laptop", "days": None}, **clerk)
    assert (status, own["expires_at"]) == (201, None)
    assert call("GET", f"/auth/keys?subject={own['subject']}", **clerk)[0] == 200
    assert call("GET", "/auth/keys", **clerk) == (403, "permission_denied")
    assert call("POST", "/auth/keys", {"name": "x", "subject": "service:boss"}, **clerk) == (403, "permission_denied")
    assert call("DELETE", f"/auth/keys/{own['id']}", **clerk) == (204, None)


def test_roles_are_defined_given_explained_and_taken(call, kim, boss):
    role = {"title": "Nurse", "grants": [{"allow": ["entities.patient.read"], "when": "resource.ward == 'icu'"}]}
    assert call("PUT", "/auth/roles/nurse", role, **boss)[1] == {"name": "nurse", **role}
    assert call("PUT", "/auth/roles/nurse", {**role, "name": "other"}, **boss) == (422, "invalid")
    assert call("PUT", "/auth/roles/nurse", {"grants": [{"allow": ["*"], "when": "((("}]}, **boss) == (422, "definition_invalid")
    assert "nurse" in {one["name"] for one in call("GET", "/auth/roles", **boss)[1]}
    assert call("PUT", f"/auth/roles/nurse/holders/{kim.actor}", {"until": "2030-01-01T00:00:00Z"}, **boss) == (204, None)
    held = call("GET", f"/auth/assignments?subject={kim.actor}&role=nurse", **boss)[1]
    assert held == [{"subject": kim.actor, "role": "nurse", "until": "2030-01-01T00:00:00Z"}]
    question = {"subject": kim.actor, "permission": "entities.patient.read"}
    for ward, allowed in (("icu", True), ("er", False)):
        verdict = call("POST", "/auth/explain", {**question, "resource": {"ward": ward}}, **boss)[1]
        assert verdict["allowed"] is allowed
        assert "role nurse, grant 1" in " ".join([verdict["because"], *verdict["considered"]])
    assert call("DELETE", "/auth/roles/nurse", **boss)[0] == 409
    assert call("DELETE", f"/auth/roles/nurse/holders/{kim.actor}", **boss) == (204, None)
    assert call("DELETE", "/auth/roles/nurse", **boss) == (204, None)


def test_a_tenant_defines_permissions_of_its_own(call, boss):
    _, made = call("PUT", "/auth/permissions/reports.sales.read", {"title": "See sales"}, **boss)
    assert made == {"name": "reports.sales.read", "title": "See sales"}
    names = {one["name"] for one in call("GET", "/auth/permissions", **boss)[1]}
    assert {"reports.sales.read", "auth.roles.write"} <= names
    assert call("PUT", "/auth/permissions/Nonsense!", {}, **boss) == (422, "invalid")


def test_who_may_not_is_refused_everywhere_and_nobody_gets_in(call, kim, clerk):
    id = "019bf000-0000-7000-8000-000000000000"
    for method, path, body in (
        ("GET", "/auth/members", None),
        ("DELETE", f"/auth/members/{kim.id}", None),
        ("POST", f"/auth/members/{kim.id}/impersonate", {"reason": "x"}),
        ("GET", "/auth/invitations", None),
        ("POST", "/auth/invitations", {"email": "x@example.org"}),
        ("DELETE", f"/auth/invitations/{id}", None),
        ("GET", "/auth/groups", None),
        ("PUT", "/auth/groups/x", {}),
        ("DELETE", "/auth/groups/x", None),
        ("PUT", f"/auth/groups/x/members/{kim.actor}", None),
        ("GET", "/auth/services", None),
        ("POST", "/auth/services", {"name": "x"}),
        ("DELETE", "/auth/services/x", None),
        ("GET", "/auth/roles", None),
        ("PUT", "/auth/roles/x", {"grants": []}),
        ("DELETE", "/auth/roles/x", None),
        ("PUT", f"/auth/roles/administrator/holders/{kim.actor}", {}),
        ("GET", "/auth/assignments", None),
        ("GET", "/auth/permissions", None),
        ("PUT", "/auth/permissions/a.b.c", {}),
    ):
        assert call(method, path, body, **clerk) == (403, "permission_denied"), path
        assert call(method, path, body) == (401, "unauthenticated"), path


def test_a_tenants_administrator_reaches_nothing_of_another_tenant(tenant, call, kim):
    theirs = {"authorization": bearer(tenant, "beta", "boss")["Authorization"]}
    key = tenant.auth.keys.create(kim.actor, "mine")
    for method, path, body in (
        ("DELETE", f"/auth/members/{kim.id}", None),
        ("POST", f"/auth/members/{kim.id}/impersonate", {"reason": "x"}),
        ("DELETE", f"/auth/keys/{key.id}", None),
        ("POST", f"/auth/keys/{key.id}/rotate", {}),
    ):
        assert call(method, path, body, **theirs) == (404, "not_found"), path
    assert call("PUT", f"/auth/roles/administrator/holders/{kim.actor}", {}, **theirs) == (422, "invalid")
    assert call("POST", "/auth/keys", {"name": "x", "subject": kim.actor}, **theirs) == (422, "invalid")
    assert call("POST", "/auth/explain", {"subject": kim.actor, "permission": "jobs.read"}, **theirs) == (404, "not_found")
    assert tenant.auth.members.get(kim.id)
