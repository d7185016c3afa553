"""API1:2023 Broken object level authorization: an id that was guessed or seen elsewhere opens nothing."""

import pytest

from .conftest import API

READ = "entities.patient.read"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"fields": {"name": "stolen"}}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
        ("GET", "/history", None),
        ("GET", "/links", None),
        ("GET", "/graph", None),
        ("POST", "/links", {"relation": "relative", "target": "patient:01900000-0000-7000-8000-000000000000"}),
        ("GET", "/shares", None),
        ("PUT", "/shares/service:boss", {"level": "read"}),
        ("DELETE", "/shares/service:boss", None),
    ],
)
def test_another_tenants_record_is_unknown_to_an_administrator(site, method, path, body):
    answer = site.client.request(method, site.record("beta") + path, json=body, headers=site.admin["alpha"])
    assert answer.status_code == 404, answer.text
    assert "beta" not in answer.text
    known = site.client.get(site.record("beta"), headers=site.admin["beta"])
    assert known.json()["data"]["fields"]["name"] == "of beta"


def test_an_own_record_is_not_linked_to_another_tenants(site):
    body = {"relation": "relative", "target": f"patient:{site.patient['beta']}"}
    answer = site.client.post(site.record() + "/links", json=body, headers=site.admin["alpha"])
    assert answer.status_code in (404, 422)


def test_a_condition_holds_on_every_way_to_a_record(site):
    bob = {"fields": {"name": "Bob", "ward": "er"}}
    other = site.client.post(f"{API}/entities/patient", json=bob, headers=site.admin["alpha"]).json()["data"]["id"]
    hidden = f"{API}/entities/patient/{other}"
    kim = site.caller({"allow": ["entities.patient.*"], "when": "resource.ward == 'icu'"})
    link = {"relation": "relative", "target": f"patient:{other}"}
    assert site.client.post(site.record() + "/links", json=link, headers=site.admin["alpha"]).status_code == 201
    for method, url, body in [
        ("GET", hidden, None),
        ("PATCH", hidden, {"fields": {"ward": "icu"}}),
        ("DELETE", hidden, None),
        ("GET", hidden + "/history", None),
        ("GET", hidden + "/links", None),
        ("GET", hidden + "/graph", None),
    ]:
        assert site.client.request(method, url, json=body, headers=kim).status_code == 404, (method, url)
    for url in (f"{API}/entities/patient", f"{API}/entities/patient?filter=%7B%22name%22%3A%22Bob%22%7D"):
        assert "Bob" not in site.client.get(url, headers=kim).text
    for url in ("/links", "/graph"):
        assert other not in site.client.get(site.record() + url, headers=kim).text


def test_whether_a_hidden_record_exists_is_not_told(site):
    kim = site.caller({"allow": [READ], "when": "resource.ward == 'none'"})
    hidden = site.client.get(site.record(), headers=kim)
    missing = site.client.get(f"{API}/entities/patient/01900000-0000-7000-8000-000000000000", headers=kim)
    assert (hidden.status_code, hidden.json()["errors"][0]["code"]) == (missing.status_code, missing.json()["errors"][0]["code"])


def test_a_session_or_a_key_of_somebody_else_is_not_ended(site):
    kim, lea = site.person(), site.person("lea@example.org")
    mine = site.sign_in().json()["data"]["token"]
    site.sign_in("lea@example.org")
    theirs = site.platform.auth.sessions.list(lea.id)[0].id
    headers = {"Authorization": f"Bearer {mine}"}
    assert site.client.delete(f"{API}/auth/sessions/{theirs}", headers=headers).status_code == 404
    with site.platform.context(tenant="alpha", actor="setup"):
        key = site.platform.auth.keys.create(lea.actor, "hers")
    assert site.client.delete(f"{API}/auth/keys/{key.id}", headers=headers).status_code in (403, 404)
    assert site.client.get(f"{API}/auth/session", headers={"Authorization": f"Bearer {key.token}"}).status_code == 200
    assert len(site.platform.auth.sessions.list(kim.id)) == 1
