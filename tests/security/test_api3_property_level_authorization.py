"""API3:2023 Broken object property level authorization: excessive data exposure and mass assignment."""

import pytest

from .conftest import API, codes

READ = "entities.patient.read"


@pytest.fixture
def kim(site):
    """Sees and sets name and ward only."""
    return site.caller({"allow": [READ, "entities.patient.update", "entities.patient.create"], "fields": ["name", "ward"]})


def test_a_masked_field_is_in_no_answer(site, kim):
    changed = site.client.patch(site.record(), json={"fields": {"ward": "er"}}, headers=kim)
    answers = [changed, site.client.get(site.record(), headers=kim), site.client.get(f"{API}/entities/patient", headers=kim),
               site.client.get(f"{API}/entities/patient?fields=name,diagnosis", headers=kim)]  # fmt: skip
    for answer in answers:
        assert answer.status_code == 200
        assert "flu" not in answer.text
        assert "A-77" not in answer.text


@pytest.mark.parametrize("query", ["filter=%7B%22diagnosis%22%3A%22flu%22%7D", "sort=diagnosis", "sort=-diagnosis"])
def test_a_masked_field_is_not_guessed_by_filters_and_sorts(site, kim, query):
    assert site.client.get(f"{API}/entities/patient?{query}", headers=kim).status_code in (403, 422)


def test_a_field_that_may_not_be_set_is_refused_and_the_rest_not_half_done(site, kim):
    answer = site.client.patch(site.record(), json={"fields": {"ward": "er", "diagnosis": "none"}}, headers=kim)
    assert (answer.status_code, codes(answer)) == (403, ["permission_denied"])
    assert site.client.get(site.record(), headers=site.admin["alpha"]).json()["data"]["fields"]["ward"] == "icu"


@pytest.mark.parametrize(
    "more",
    [
        {"tenant_id": "beta"}, {"created_by": "service:root"}, {"version": 99}, {"deleted_at": None}, {"id": "x"},
        {"__class__": "x"}, {"_compiled": 1},
    ],
)  # fmt: skip
def test_what_the_system_keeps_is_not_assigned_along(site, more):
    headers = site.admin["alpha"]
    for body in ({"fields": {"name": "x", **more}}, {"fields": {"name": "x"}, **more}):
        answer = site.client.post(f"{API}/entities/patient", json=body, headers=headers)
        made = answer.json()["data"]
        assert answer.status_code == 422 or (made["created_by"], made["version"]) == ("service:boss", 1)


def test_nobody_makes_themselves_verified_or_an_administrator(site):
    site.person()
    token = {"Authorization": f"Bearer {site.sign_in().json()['data']['token']}"}
    for path, body in [
        ("/auth/session", {"email": "kim@example.org", "password": "x" * 12, "verified": True}),
        ("/auth/password", {"old": "a" * 12, "new": "b" * 12, "roles": ["administrator"]}),
        ("/auth/keys", {"name": "mine", "created_by": "service:root"}),
    ]:
        assert site.client.post(API + path, json=body, headers=token).status_code in (403, 422), path


def test_secrets_are_in_no_list_and_not_in_the_audit_trail(site):
    site.person()
    headers = site.admin["alpha"]
    for path in ("/auth/members", "/auth/keys", "/auth/services", "/auth/roles"):
        answer = site.client.get(API + path, headers=headers)
        assert answer.status_code == 200
        for word in ("argon2", "digest", "totp", "recovery", "bwk_"):
            assert word not in answer.text, path
    with site.platform.system_context(reason="look at the trail"):
        entries = site.platform.audit.entries(entity="auth_user").items
    assert [entry.action for entry in entries] == ["insert"]
    assert "argon2" not in str(entries[0].after)
