"""Entities over HTTP: the envelope, statuses, ETags, pages, links and types."""

from uuid import uuid4

import pytest

from brickwork.testing.auth import bearer

from .conftest import ACTOR, PATIENT, data_of, errors_of


def test_a_record_is_created_read_changed_and_deleted(api, okafor):
    url = f"/api/v1/entities/patient/{okafor['id']}"
    assert okafor["version"] == 1
    assert okafor["created_by"] == ACTOR
    read = api.get(url)
    assert data_of(read) == okafor
    assert read.headers["etag"] == '"1"'
    changed = api.patch(url, json={"fields": {"birth_date": "1980-02-11"}}, headers={"If-Match": '"1"'})
    assert data_of(changed)["fields"] == {"family_name": "Okafor", "mrn": "M1", "birth_date": "1980-02-11"}
    assert changed.headers["etag"] == '"2"'
    assert api.delete(url, headers={"If-Match": '"2"'}).status_code == 204
    assert api.get(url).status_code == 404
    assert data_of(api.post(f"{url}/restore"))["fields"]["mrn"] == "M1"


def test_every_answer_carries_the_envelope_and_the_correlation_id(api, okafor):
    response = api.get("/api/v1/entities/patient", headers={"X-Correlation-ID": "abc-1"})
    meta = response.json()["meta"]
    assert (meta["version"], meta["correlation_id"], response.headers["x-correlation-id"]) == ("v1", "abc-1", "abc-1")
    assert meta["page"] == {"cursor": None, "limit": 50}
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    traced = api.get("/api/v1/entities/patient/x", headers={"traceparent": trace})
    assert traced.json()["meta"]["correlation_id"] == "0af7651916cd43dd8448eb211c80319c"
    history = data_of(api.get(f"/api/v1/entities/patient/{okafor['id']}/history"))
    assert history[0]["actor"] == ACTOR


def test_a_stale_etag_is_answered_412_and_an_unchanged_one_304(api, okafor):
    url = f"/api/v1/entities/patient/{okafor['id']}"
    api.patch(url, json={"fields": {"mrn": "M2"}})
    for tag in ('"1"', '"nonsense"', '"99"'):
        response = api.patch(url, json={"fields": {"mrn": "M3"}}, headers={"If-Match": tag})
        assert response.status_code == 412
        assert errors_of(response)[0]["code"] == "precondition_failed"
    assert api.patch(url, json={"fields": {"mrn": "M3"}}, headers={"If-Match": "*"}).status_code == 200
    assert api.get(url, headers={"If-None-Match": '"3"'}).status_code == 304
    assert api.get(url, headers={"If-None-Match": '"2"'}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"fields": {}}, 422, "required", "family_name"),
        ({"fields": {"family_name": "x", "colour": 1}}, 422, "unknown_field", "colour"),
        ({"fields": {"family_name": "x" * 51}}, 422, "invalid", "family_name"),
        ({"fields": {"family_name": "x", "mrn": "M1"}}, 409, "duplicate", "mrn"),
        ({"family_name": "x"}, 422, "invalid", "fields"),
        ([], 422, "invalid", "body"),
    ],
)
def test_a_bad_record_is_refused_with_code_and_field(api, okafor, body, status, code, field):
    response = api.post("/api/v1/entities/patient", json=body)
    assert response.status_code == status
    assert (code, field) in [(error["code"], error["field"]) for error in errors_of(response)]


def test_requests_that_cannot_be_read_are_told_apart(api):
    url = "/api/v1/entities/patient"
    json = {"content-type": "application/json"}
    assert api.post(url, content=b"{", headers=json).status_code == 400
    assert api.post(url, content=b"a=b", headers={"content-type": "application/x-www-form-urlencoded"}).status_code == 415
    assert api.post(url, content=b"x" * 3_000_000, headers=json).status_code == 413
    assert api.put(url).status_code == 405
    assert api.get("/api/v1/nothing").status_code == 404
    assert errors_of(api.get("/api/v1/nothing"))[0]["code"] == "not_found"
    assert api.get("/api/v1/entities/patient?limit=0").status_code == 422
    assert api.get("/api/v1/entities/patient?filter=%7B").status_code == 422
    assert api.get("/api/v1/entities/patient?colour=red").status_code == 422
    assert api.get(f"/api/v1/entities/dragon/{uuid4()}").status_code == 404


def test_who_shows_nothing_is_refused_and_headers_claim_nothing(api):
    del api.headers["Authorization"]
    response = api.get("/api/v1/entities/patient", headers={"X-Tenant": "st-marys", "X-Actor": "service:ito"})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert errors_of(response)[0]["code"] == "unauthenticated"


def test_lists_are_filtered_sorted_and_paged(api):
    for n in range(5):
        api.post("/api/v1/entities/patient", json={"fields": {"family_name": f"N{n}", "mrn": str(n)}})
    url = '/api/v1/entities/patient?filter={"mrn":{"in":["1","2","3"]}}&sort=-family_name&fields=mrn&limit=2'
    first = api.get(url)
    assert [r["fields"] for r in data_of(first)] == [{"mrn": "3"}, {"mrn": "2"}]
    cursor = first.json()["meta"]["page"]["cursor"]
    second = api.get(f"{url}&cursor={cursor}")
    assert [r["fields"] for r in data_of(second)] == [{"mrn": "1"}]
    assert second.json()["meta"]["page"]["cursor"] is None


def test_links_and_graph(api, okafor):
    other = data_of(api.post("/api/v1/entities/patient", json={"fields": {"family_name": "B"}}))
    url = f"/api/v1/entities/patient/{okafor['id']}"
    target = f"patient:{other['id']}"
    assert api.post(f"{url}/links", json={"relation": "relative", "target": target}).status_code == 201
    assert [link["target"] for link in data_of(api.get(f"{url}/links"))] == [other["id"]]
    graph = data_of(api.get(f"{url}/graph?depth=2"))
    assert graph == [{"type": "patient", "id": other["id"], "depth": 1, "path": [okafor["id"], other["id"]]}]
    assert api.post(f"{url}/links", json={"relation": "friend", "target": target}).status_code == 422
    assert api.delete(f"{url}/links/relative/{target}").status_code == 204
    assert data_of(api.get(f"{url}/links")) == []


def test_types_are_previewed_and_applied(api, okafor):
    definition = {**PATIENT, "fields": {"family_name": {"type": "text"}}}
    plan = data_of(api.post("/api/v1/entity-types/patient/preview", json=definition))
    assert (plan["safe"], plan["harmed"]) == (False, {"mrn": 1})
    assert api.put("/api/v1/entity-types/patient", json=definition).status_code == 409
    assert api.put("/api/v1/entity-types/patient?allow_loss=true", json=definition).status_code == 200
    assert data_of(api.get("/api/v1/entity-types/patient"))["fields"] == definition["fields"]
    assert [t["name"] for t in data_of(api.get("/api/v1/entity-types"))] == ["patient"]
    assert api.put("/api/v1/entity-types/room", json=definition).status_code == 422


def test_the_same_idempotency_key_gives_the_first_answer_and_one_record(api):
    body = {"fields": {"family_name": "Once"}}
    first = api.post("/api/v1/entities/patient", json=body, headers={"Idempotency-Key": "k-1"})
    again = api.post("/api/v1/entities/patient", json=body, headers={"Idempotency-Key": "k-1"})
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(data_of(api.get("/api/v1/entities/patient"))) == 1
    other = {"fields": {"family_name": "Other"}}
    clash = api.post("/api/v1/entities/patient", json=other, headers={"Idempotency-Key": "k-1"})
    assert clash.status_code == 422
    assert api.post("/api/v1/entities/patient", json=body, headers={"Idempotency-Key": "no spaces"}).status_code == 422


def test_a_refused_request_leaves_its_key_free_and_keys_belong_to_a_tenant(api, platform):
    headers = {"Idempotency-Key": "k-2"}
    assert api.post("/api/v1/entities/patient", json={"fields": {}}, headers=headers).status_code == 422
    good = {"fields": {"family_name": "x"}}
    assert api.post("/api/v1/entities/patient", json=good, headers=headers).status_code == 201
    johns = bearer(platform, "st-johns")
    api.put("/api/v1/entity-types/patient", json=PATIENT, headers=johns)
    other = api.post("/api/v1/entities/patient", json=good, headers={**headers, **johns})
    assert "idempotent-replayed" not in other.headers
    assert other.status_code == 201


def test_old_idempotency_keys_are_forgotten(api, platform):
    from datetime import timedelta

    body = {"fields": {"family_name": "Once"}}
    api.post("/api/v1/entities/patient", json=body, headers={"Idempotency-Key": "k-1"})
    keys = platform.get("web").idempotency
    assert keys.expire() == 0
    keys._lifetime = timedelta(seconds=-1)
    assert keys.expire() == 1
