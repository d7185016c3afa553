"""API4:2023 Unrestricted resource consumption: what a request may cost has an end. Rates and quotas: tests/web."""

import json

import pytest

from .conftest import API, codes


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(site):
    huge = b'{"fields": {"name": "' + b"x" * 3_000_000 + b'"}}'
    answer = site.client.post(
        f"{API}/entities/patient", content=huge, headers={**site.admin["alpha"], "Content-Type": "application/json"}
    )
    assert (answer.status_code, codes(answer)) == (413, ["too_large"])


def test_a_body_without_a_length_is_counted_while_it_comes(site):
    def drip():
        for _ in range(400):
            yield b" " * 10_000

    headers = {**site.admin["alpha"], "Content-Type": "application/json"}
    assert site.client.post(f"{API}/entities/patient", content=drip(), headers=headers).status_code == 413


@pytest.mark.parametrize("body", ["[" * 100_000, '{"fields":' * 5_000 + "1", '{"fields": {"name": ' + "9" * 100_000 + "}}"])
def test_json_that_is_nested_or_long_without_end_is_an_answer_and_no_crash(site, body):
    headers = {**site.admin["alpha"], "Content-Type": "application/json"}
    answer = site.client.post(f"{API}/entities/patient", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert site.client.get("/healthz").status_code == 200


def test_a_compressed_body_is_not_unpacked(site):
    """Decompression bomb: a megabyte of zeros in a kilobyte is no JSON, and isn't made into any."""
    import gzip

    bomb = gzip.compress(b" " * 50_000_000)
    headers = {**site.admin["alpha"], "Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert site.client.post(f"{API}/entities/patient", content=bomb, headers=headers).status_code in (400, 415, 422)


@pytest.mark.parametrize(
    "query",
    [
        "limit=100000", "limit=-1", "limit=0", "cursor=" + "x" * 5000, "fields=" + ",".join(["name"] * 600),
        "sort=" + ",".join(["name"] * 300),
    ],
)  # fmt: skip
def test_a_page_has_a_largest_size_and_a_query_a_longest(site, query):
    answer = site.client.get(f"{API}/entities/patient?{query}", headers=site.admin["alpha"])
    assert answer.status_code in (200, 422)
    if answer.status_code == 200:
        assert answer.json()["meta"]["page"]["limit"] <= 500


@pytest.mark.parametrize(
    "where",
    [
        {"or": [{"name": str(n)} for n in range(200)]},
        {"name": {"in": [str(n) for n in range(2000)]}},
        {"name": {"contains": "%" * 2000}},
    ],
)
def test_a_filter_has_a_largest_size(site, where):
    answer = site.client.get(f"{API}/entities/patient", params={"filter": json.dumps(where)}, headers=site.admin["alpha"])
    assert answer.status_code == 422


def test_a_filter_nested_without_end_is_refused(site):
    where = {"name": "x"}
    for _ in range(60):
        where = {"not": where}
    answer = site.client.get(f"{API}/entities/patient", params={"filter": json.dumps(where)}, headers=site.admin["alpha"])
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "condition",
    [
        "resource.name.matches('(a+)+$')",
        "[1,2,3,4,5,6,7,8,9].all(a, " * 20 + "true" + ")" * 20,
        "resource.name == '" + "x" * 3000 + "'",
        "((((((((((((((((((((((((((((((((((((((((((true))))))))))))))))))))))))))))))))))))))))))" * 20,
    ],
)
def test_a_condition_that_would_run_long_can_not_guard_a_list(site, condition):
    role = {"name": "slow", "grants": [{"allow": ["entities.patient.read"], "when": condition}]}
    answer = site.client.put(f"{API}/auth/roles/slow", json=role, headers=site.admin["alpha"])
    assert answer.status_code == 422


def test_a_graph_is_walked_so_far_and_no_further(site):
    answer = site.client.get(site.record() + "/graph?depth=1000", headers=site.admin["alpha"])
    assert answer.status_code == 422


def test_keys_for_idempotency_have_a_form(site):
    for key in ("x" * 201, "a b", "ü"):
        headers = [*site.admin["alpha"].items(), ("Idempotency-Key", key.encode("latin-1"))]
        answer = site.client.post(f"{API}/entities/patient", json={"fields": {"name": "x"}}, headers=headers)
        assert answer.status_code == 422
