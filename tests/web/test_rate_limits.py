"""Limits over HTTP: who is counted, what the answer tells, and what never happens."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from brickwork.errors import UnavailableError
from brickwork.kernel.platform import Platform
from brickwork.testing.auth import bearer
from brickwork.testing.plugin import PlatformMaker
from brickwork.web import create_app

from .conftest import HERE, PATIENT, TENANT, data_of, errors_of

LIST = "/api/v1/entities/patient"
SIGN_IN = "/api/v1/auth/session"
PLANS = {
    "small": {"rates": [{"per": "user", "rate": "3/hour"}, {"per": "tenant", "rate": "100/hour"}]},
    "keys": {"rates": [{"per": "key", "rate": "2/hour"}]},
    "writes": {"rates": [{"per": "user", "rate": "1/hour", "name": "creating", "routes": [f"POST {LIST}"]}]},
    "metered": {"quotas": [{"name": "api_calls", "limit": 2, "every": "month"}]},
    "doors": {"rates": [{"per": "address", "rate": "3/hour"}]},
}
#: A List of Strings with parameters, as far as RFC 9651 is used here.
ITEM = r'"[a-z][a-z0-9_.-]*"(;[a-z]+=\d+)+'


@pytest.fixture
def platform(make_platform: PlatformMaker) -> Platform:
    return make_platform(limits={"plans": PLANS, "anonymous_plan": "doors"})


@pytest.fixture
def caller(platform: Platform) -> Iterator[TestClient]:
    """A client of a tenant that is on no plan yet."""
    with TestClient(
        create_app(platform), headers=bearer(platform, TENANT, "ito"), client=HERE, raise_server_exceptions=False
    ) as client:
        assert client.put("/api/v1/entity-types/patient", json=PATIENT).status_code == 200
        yield client


def on(platform: Platform, plan: str) -> None:
    platform.limits.plans.assign(TENANT, plan)


def parameters(field: str) -> dict[str, dict[str, int]]:
    """The parameters of each item of a field, by its name."""
    items = field.split(", ")
    assert all(re.fullmatch(ITEM, item) for item in items), field
    pairs = {item.split('"')[1]: [pair.split("=") for pair in item.split(";")[1:]] for item in items}
    return {name: {key: int(value) for key, value in given} for name, given in pairs.items()}


def told(answer: httpx.Response) -> tuple[dict[str, Any], dict[str, Any]]:
    """The policies, and how the tightest stands."""
    return parameters(answer.headers["RateLimit-Policy"]), parameters(answer.headers["RateLimit"])


def test_without_a_plan_nothing_is_told(caller: TestClient) -> None:
    assert not {"ratelimit", "ratelimit-policy", "retry-after"} & set(caller.get(LIST).headers)


def test_an_answer_tells_the_policies_and_what_is_left(caller: TestClient, platform: Platform) -> None:
    on(platform, "small")
    policies, stands = told(caller.get(LIST))
    assert policies == {"user": {"q": 3, "w": 3600}, "tenant": {"q": 100, "w": 3600}}
    assert stands == {"user": {"r": 2, "t": 1200}}
    assert told(caller.get(LIST))[1]["user"]["r"] == 1


def test_too_many_are_refused_with_the_rule_and_the_time_to_wait(caller: TestClient, platform: Platform) -> None:
    on(platform, "small")
    answers = [caller.get(LIST) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    (error,) = errors_of(answers[3])
    assert error["code"] == "rate_limited"
    assert "'user' of plan 'small' is used up: 3 calls in 3600 s for each user" in error["message"]
    details = answers[3].json()["data"]["details"]
    assert details["violated_policies"] == ["user"]
    wait = int(answers[3].headers["Retry-After"])
    assert 1190 <= wait <= 1200
    policies, stands = told(answers[3])
    assert set(policies) == {"user", "tenant"}
    assert stands == {"user": {"r": 0, "t": wait}}


def test_also_what_fails_counts_and_tells(caller: TestClient, platform: Platform) -> None:
    on(platform, "small")
    assert [caller.get(f"{LIST}/nonsense").status_code for _ in range(4)] == [404, 404, 404, 429]


def test_who_may_not_is_counted_too(platform: Platform, caller: TestClient) -> None:
    on(platform, "small")
    headers = bearer(platform, TENANT, "nobody", roles=())
    answers = [caller.get(LIST, headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [403, 403, 403, 429]


def test_users_and_keys_are_counted_apart(platform: Platform, caller: TestClient) -> None:
    on(platform, "keys")
    other = bearer(platform, TENANT, "ito")  # another key of the same service
    assert [caller.get(LIST).status_code for _ in range(3)] == [200, 200, 429]
    assert [caller.get(LIST, headers=other).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("path", ["/api/v1/entities/patient", "/api/v1/entities/%70atient", "/api/v1/entities/%2570atient"])
def test_a_rule_of_a_route_holds_however_the_path_is_written(platform: Platform, caller: TestClient, path: str) -> None:
    on(platform, "writes")
    body = {"fields": {"family_name": "Okafor"}}
    assert caller.post(LIST, json=body).status_code == 201
    assert caller.post(path, json=body).status_code == 429
    assert "RateLimit" not in caller.get(LIST).headers


def test_a_quota_is_refused_by_its_name(platform: Platform, caller: TestClient) -> None:
    on(platform, "metered")
    answers = [caller.get(LIST) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    (error,) = errors_of(answers[2])
    assert error["code"] == "quota_exceeded"
    assert "quota 'api_calls' of plan 'metered'" in error["message"]
    policies, stands = told(answers[2])
    assert policies["api_calls"]["q"] == 2
    assert policies["api_calls"]["w"] in {days * 86_400 for days in (28, 29, 30, 31)}
    assert stands["api_calls"]["r"] == 0
    assert stands["api_calls"]["t"] == int(answers[2].headers["Retry-After"])


def test_who_signs_in_is_counted_by_address(caller: TestClient) -> None:
    body = {"email": "kim@example.org", "password": "a long enough guess"}
    answers = [caller.post(SIGN_IN, json=body) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert errors_of(answers[3])[0]["message"].startswith("rate limit 'address' of plan 'doors'")


def test_who_shows_nothing_or_what_is_not_good_is_counted_by_address(caller: TestClient) -> None:
    shown = [{"Authorization": ""}, {"Authorization": "Bearer bwk_nonsense"}, {"Authorization": "Bearer x"}]
    assert [caller.get(LIST, headers=headers).status_code for headers in shown] == [401, 401, 401]
    assert [caller.get(LIST, headers=headers).status_code for headers in shown] == [429, 429, 429]
    assert caller.get(LIST).status_code == 200, "who shows a good key is not held to that"


def test_routes_of_a_product_count_too(platform: Platform) -> None:
    app = create_app(platform)

    @app.get("/shop/{item}")
    def item(item: str) -> dict[str, str]:
        return {"item": item}

    on(platform, "small")
    with TestClient(app, headers=bearer(platform, TENANT, "ito"), raise_server_exceptions=False) as client:
        answers = [client.get("/shop/7") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [told(answer)[1]["user"]["r"] for answer in answers] == [2, 1, 0, 0]
        assert errors_of(answers[3])[0]["code"] == "rate_limited"


def test_health_and_metrics_are_never_refused(platform: Platform, caller: TestClient) -> None:
    for _ in range(5):
        assert caller.get("/healthz", headers={"Authorization": ""}).status_code == 200
        assert caller.get("/metrics", headers={"Authorization": ""}).status_code == 200


def test_a_caller_sees_its_plan_and_what_is_left(platform: Platform, caller: TestClient) -> None:
    assert data_of(caller.get("/api/v1/limits")) == {"plan": None, "rules": []}
    on(platform, "keys")
    caller.get(LIST)
    seen = data_of(caller.get("/api/v1/limits"))
    assert seen["plan"] == "keys"
    (rule,) = seen["rules"]
    assert (rule["name"], rule["kind"], rule["limit"], rule["window"], rule["remaining"]) == ("key", "rate", 2, 3600, 0)


def test_who_may_read_limits_sees_what_the_tenant_has_used(platform: Platform, caller: TestClient) -> None:
    on(platform, "metered")
    caller.get(LIST)
    platform.limits._usage.write()
    (use,) = data_of(caller.get("/api/v1/limits/usage"))
    assert (use["quota"], use["holder"], use["used"]) == ("api_calls", "tenant", 1)
    platform.limits.plans.assign(TENANT, None)
    plain = bearer(platform, TENANT, "nobody", roles=())
    assert caller.get("/api/v1/limits/usage", headers=plain).status_code == 403
    assert caller.get("/api/v1/limits", headers=plain).status_code == 200


def test_without_its_backend_a_server_goes_on_counting(
    platform: Platform, caller: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(platform, "small")

    def away(*arguments: object) -> None:
        raise UnavailableError("the disk is gone")

    monkeypatch.setattr(platform.limits.store._store, "take", away)  # type: ignore[attr-defined]
    assert [caller.get(LIST).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert "brickwork_limits_degraded_total 4.0" in caller.get("/metrics").text


def test_a_call_that_is_tried_again_in_a_thread_is_counted_once(platform: Platform, caller: TestClient) -> None:
    """On SQLite a short write is tried on the event loop first, and again in a thread where another writer is at it."""
    created = data_of(caller.post(LIST, json={"fields": {"family_name": "Okafor"}}))
    on(platform, "small")
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with platform.context(tenant="other", actor="user:kim"), platform.transaction() as transaction:
            transaction.flush()
            holding.set()
            done.wait(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(5)
    answer = caller.patch(f"{LIST}/{created['id']}", json={"fields": {"family_name": "Obi"}})
    done.set()
    thread.join()
    assert answer.status_code == 200
    assert told(answer)[1]["user"]["r"] == 2


def test_the_document_tells_that_any_call_may_be_refused(caller: TestClient) -> None:
    paths = caller.get("/openapi.json").json()["paths"]
    assert all("429" in operation["responses"] for path in paths.values() for operation in path.values())
