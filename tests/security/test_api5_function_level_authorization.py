"""API5:2023 Broken function level authorization: knowing a route is not being allowed to call it."""

import re

from .conftest import API, codes

PLACES = {"type": "patient", "name": "administrator", "role": "administrator"}


def test_who_holds_nothing_is_refused_on_every_route_that_takes_a_permission(site):
    nobody = site.caller()
    refused = 0
    for endpoint in site.client.app.endpoints:
        if endpoint.permission in ("public", "signed-in"):
            continue
        path = re.sub(r"{(\w+)}", lambda part: PLACES.get(part.group(1), "x"), endpoint.path)
        answer = site.client.request(endpoint.method, API + path, json={}, headers=nobody)
        assert (answer.status_code, codes(answer)) == (403, ["permission_denied"]), (endpoint.method, endpoint.path)
        refused += 1
    assert refused > 50


def test_a_permission_for_one_type_or_verb_is_none_for_another(site):
    kim = site.caller({"allow": ["entities.patient.read"]})
    assert site.client.get(site.record(), headers=kim).status_code == 200
    for method, path, body in [
        ("POST", "/entities/patient", {"fields": {"name": "x"}}),
        ("PATCH", f"/entities/patient/{site.patient['alpha']}", {"fields": {"name": "x"}}),
        ("DELETE", f"/entities/patient/{site.patient['alpha']}", None),
        ("GET", "/entities/surgeon", None),
        ("PUT", "/entity-types/patient", {"name": "patient", "fields": {}}),
        ("GET", "/auth/members", None),
    ]:
        assert site.client.request(method, API + path, json=body, headers=kim).status_code == 403, (method, path)


def test_another_method_or_spelling_of_a_path_is_no_way_around(site):
    kim = site.caller({"allow": ["jobs.read"]})
    record = site.record()
    for method in ("HEAD", "OPTIONS", "TRACE", "PROPFIND", "PUT", "POST"):
        assert site.client.request(method, record, headers=kim).status_code in (401, 403, 404, 405), method
    over = {**kim, "X-HTTP-Method-Override": "GET", "X-Rewrite-URL": record, "X-Original-URL": record}
    assert site.client.get(f"{API}/entities/patient", headers=over).status_code == 403
    spellings = [record.upper(), record + "/", "//" + record.lstrip("/"), record + ";x=1", record + "%00"]
    spellings += [record.replace("/entities/", "/entities/./"), record.replace("/patient/", "/patient%2f")]
    for path in spellings:
        answer = site.client.get(path, headers=kim)
        assert answer.status_code in (401, 403, 404), path
        assert "of alpha" not in answer.text


def test_nobody_gives_themselves_or_others_more_than_they_have(site):
    kim = site.caller({"allow": ["auth.roles.write", "auth.roles.assign", "auth.keys.write", "auth.services.write",
                                 "auth.members.impersonate", "entities.patient.read"]})  # fmt: skip
    for method, path, body in [
        ("PUT", "/auth/roles/mighty", {"name": "mighty", "grants": [{"allow": ["*"]}]}),
        ("PUT", "/auth/roles/role-kim", {"name": "role-kim", "grants": [{"allow": ["entities.*"]}]}),
        ("PUT", "/auth/roles/heir", {"name": "heir", "inherits": ["administrator"]}),
        ("PUT", "/auth/roles/administrator/holders/service:kim", {}),
        ("POST", "/auth/keys", {"name": "x", "subject": "service:boss"}),
        ("POST", "/auth/services", {"name": "puppet", "roles": ["administrator"]}),
    ]:
        answer = site.client.request(method, API + path, json=body, headers=kim)
        assert answer.status_code == 403, (method, path, answer.text)
    boss = site.person("boss@example.org", roles=["administrator"])
    answer = site.client.post(f"{API}/auth/members/{boss.id}/impersonate", json={"reason": "x"}, headers=kim)
    assert answer.status_code == 403


def test_a_key_with_scopes_makes_no_key_without(site):
    with site.platform.context(tenant="alpha", actor="setup"):
        key = site.platform.auth.keys.create("service:boss", "narrow", scopes=["entities.patient.read"])
    headers = {"Authorization": f"Bearer {key.token}"}
    assert site.client.get(site.record(), headers=headers).status_code == 200
    assert site.client.get(f"{API}/auth/members", headers=headers).status_code == 403
    for body in ({"name": "wide"}, {"name": "wide", "scopes": ["*"]}, {"name": "wide", "scopes": ["entities.*"]}):
        assert site.client.post(f"{API}/auth/keys", json=body, headers=headers).status_code == 403, body
