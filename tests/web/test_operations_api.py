"""What operators reach over HTTP: dead letters, jobs, schedules, and metrics of all of it."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from brickwork import hookimpl
from brickwork.jobs import job
from brickwork.kernel.platform import Platform
from brickwork.messaging import Event, Retry, handles
from brickwork.testing.auth import bearer
from brickwork.testing.plugin import PlatformMaker
from brickwork.web import create_app

from .conftest import HERE, TENANT, data_of, errors_of

LETTERS, RUNS = "/api/v1/messaging/dead-letters", "/api/v1/jobs/runs"


class Knocked(Event, name="door.knocked", key="door"):
    """Somebody is at a door."""

    door: str


class Product:
    """A handler that doesn't like one door, and a job."""

    @hookimpl
    def brickwork_handlers(self) -> list[Any]:
        @handles(Knocked, name="open", retry=Retry(attempts=1))
        def open_(platform: Platform, event: Knocked) -> None:
            if event.door == "stuck":
                raise RuntimeError("it doesn't open")

        return [open_]

    @hookimpl
    def brickwork_jobs(self) -> list[Any]:
        @job(name="report")
        def report(platform: Platform, run: Any, month: str = "2026-01") -> None:
            run.progress(1, 2, month)

        return [report]


@pytest.fixture
def platform(make_platform: PlatformMaker) -> Platform:
    return make_platform(plugins=[Product()], messaging={"in_server": False})


@pytest.fixture
def letters(api: TestClient, platform: Platform) -> list[dict[str, Any]]:
    """Two dead letters."""
    with platform.context(tenant=TENANT, actor="user:kim"), platform.transaction() as transaction:
        for _ in range(2):
            transaction.publish(Knocked(door="stuck"))
    platform.messaging.drain()
    return list(data_of(api.get(LETTERS)))


def test_dead_letters_are_listed_read_mended_and_replayed(api, platform, letters):
    assert [letter["error"] for letter in letters] == ["RuntimeError: it doesn't open"] * 2
    first, second = (f"{LETTERS}/{letter['id']}" for letter in letters)
    assert "Traceback" in data_of(api.get(first))["history"][0]["traceback"]
    assert data_of(api.patch(first, json={"data": {"door": "front"}}))["event"]["data"] == {"door": "front"}
    assert data_of(api.post(f"{LETTERS}/replay", json={"ids": [letters[0]["id"]]})) == {"count": 1}
    assert platform.messaging.drain() == 1
    assert data_of(api.post(f"{LETTERS}/discard", json={"subscription": "open", "reason": "a drill"})) == {"count": 1}
    assert data_of(api.get(second))["reason"] == "a drill"
    assert data_of(api.get(LETTERS)) == []


def test_dead_letters_of_another_tenant_are_not_there(api, platform, letters):
    other = bearer(platform, "elsewhere")
    assert data_of(api.get(LETTERS, headers=other)) == []
    assert api.get(f"{LETTERS}/{letters[0]['id']}", headers=other).status_code == 404


def test_a_mend_that_does_not_fit_and_an_id_that_is_none_are_refused(api, letters):
    response = api.patch(f"{LETTERS}/{letters[0]['id']}", json={"data": {"gate": "front"}})
    assert response.status_code == 422
    assert any("door" in (error["field"] or "") + error["message"] for error in errors_of(response))
    assert errors_of(api.get(f"{LETTERS}/nonsense"))[0]["field"] == "id"


def test_a_run_is_asked_for_watched_and_cancelled(api, platform):
    asked = data_of(api.post(RUNS, json={"job": "report", "arguments": {"month": "2026-02"}}))
    assert asked["status"] == "waiting"
    platform.messaging.drain()
    done = data_of(api.get(f"{RUNS}/{asked['id']}"))
    assert (done["status"], done["done"], done["total"], done["note"]) == ("done", 1, 2, "2026-02")
    assert errors_of(api.post(f"{RUNS}/{asked['id']}/cancel"))[0]["code"] == "conflict"
    later = data_of(api.post(RUNS, json={"job": "report", "at": "2999-01-01T00:00:00Z"}))
    assert data_of(api.post(f"{RUNS}/{later['id']}/cancel"))["status"] == "cancelled"
    assert [run["id"] for run in data_of(api.get(f"{RUNS}?status=cancelled"))] == [later["id"]]
    assert api.post(RUNS, json={"job": "nope"}).status_code == 404


def test_a_schedule_is_put_listed_and_removed(api):
    path = "/api/v1/jobs/schedules/monthly"
    body = {"job": "report", "trigger": {"cron": "0 6 1 * *", "zone": "Europe/Berlin"}}
    assert data_of(api.put(path, json=body))["name"] == "monthly"
    assert [made["name"] for made in data_of(api.get("/api/v1/jobs/schedules"))] == ["monthly"]
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404


def test_metrics_tell_of_handlers_dead_letters_and_the_cache(api, platform, letters):
    with platform.context(tenant=TENANT, actor="user:kim"):
        with platform.transaction() as transaction:
            transaction.publish(Knocked(door="front"))
        platform.cache.region("default").get_or_load("k", lambda: 1)
    waiting = api.get("/metrics").text
    assert 'brickwork_events_waiting{handler="open"} 1.0' in waiting
    platform.messaging.drain()
    text = api.get("/metrics").text
    for line in (
        'brickwork_events_waiting{handler="open"} 0.0',
        'brickwork_dead_letters{handler="open"} 2.0',
        'brickwork_events_handled_total{handler="open",result="dead"} 2.0',
        'brickwork_events_handled_total{handler="open",result="done"} 1.0',
        'brickwork_event_seconds_count{handler="open"} 1.0',
        'brickwork_cache_reads_total{region="default",result="miss"} 1.0',
        "brickwork_realtime_connections 0.0",
    ):
        assert line in text


def test_without_messaging_there_are_metrics_still(make_platform: PlatformMaker) -> None:
    with TestClient(create_app(make_platform(components=["web"])), client=HERE) as client:
        assert "brickwork_http_requests" in client.get("/metrics").text
