"""The doctor finds what is wrong, and nothing where nothing is."""

import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from brickwork import Platform
from brickwork.cli import doctor
from brickwork.cli.app import app
from brickwork.cli.doctor import ERROR, OK, WARNING, examine
from brickwork.errors import UnavailableError
from brickwork.messaging import Event, handles


class Knocked(Event, name="door.knocked"):
    door: str


def found(platform, about):
    return [(finding.state, finding.detail) for finding in examine(platform) if finding.about == about]


def test_a_deployment_that_is_well(platform):
    findings = examine(platform)
    assert {finding.state for finding in findings} <= {OK, WARNING}
    assert {"plugins", "data folder", "database", "messaging", "cache", "events", "schedules", "audit trail"} <= {
        f.about for f in findings
    }
    alone = [finding for finding in findings if finding.state == WARNING]
    # on PostgreSQL there may be other machines
    assert {finding.about for finding in alone} == (set() if platform.database.embedded else {"cache", "locks", "limits"})
    assert all("brickwork-redis" in finding.remedy for finding in alone)


def test_a_schema_that_is_behind_is_all_that_is_told_of_the_database(make_platform):
    platform = make_platform(migrated=False)
    told = found(platform, "database")
    assert told[0][0] == ERROR
    assert "brickwork db upgrade" in told[0][1]
    assert found(platform, "events") == []


def test_events_that_nobody_handles(make_platform, frozen_clock):
    platform = make_platform(clock=frozen_clock)

    @handles(Knocked, name="open")
    def open_(platform, event): ...

    platform.messaging.subscribe(open_)
    with platform.context(tenant="alpha", actor="user:kim"), platform.transaction() as transaction:
        transaction.publish(Knocked(door="front"))
    assert found(platform, "events") == [(OK, "none waits long, none is dead")]
    frozen_clock.advance(minutes=61)
    assert found(platform, "events") == [(ERROR, "one has waited for its handler for 61 min")]


def test_dead_letters(platform):
    platform.messaging.dead.unreadable("default", b"rubbish")
    assert found(platform, "events") == [(WARNING, "1 could not be handled")]


def test_entries_that_were_not_sealed(make_platform, frozen_clock):
    platform = make_platform(clock=frozen_clock)
    with platform.context(tenant="alpha", actor="user:kim"):
        platform.flags.define({"key": "engine"})
        frozen_clock.advance(minutes=10)
        assert found(platform, "audit trail")[0][0] == WARNING
        platform.audit.seal()
    with platform.system_context(reason="test"):
        platform.audit.seal()
    assert found(platform, "audit trail")[0][0] == OK


def test_schedules_that_are_overdue(make_platform, frozen_clock):
    from brickwork import hookimpl
    from brickwork.jobs import job

    class Product:
        @hookimpl
        def brickwork_jobs(self):
            @job(name="report")
            def report(platform, run): ...

            return [report]

    platform = make_platform(clock=frozen_clock, plugins=[Product()])
    with platform.context(tenant="alpha", actor="user:kim"):
        platform.jobs.schedules.put("hourly", "report", {"every": 3600})
    assert found(platform, "schedules") == [(OK, "none is overdue")]
    frozen_clock.advance(hours=2)
    assert found(platform, "schedules") == [(ERROR, "1 are overdue")]


def test_a_clock_that_differs(platform, monkeypatch):
    now = platform.clock.now
    monkeypatch.setattr(type(platform.clock), "now", lambda self: now() - timedelta(seconds=90))
    told = found(platform, "clock")
    if platform.database.embedded:
        assert told == []
    else:
        assert told[0][0] == WARNING
        assert "90.0 s ahead" in told[0][1]


def test_a_service_that_does_not_answer(platform, monkeypatch):
    from brickwork.kernel.component import Health

    monkeypatch.setattr(platform.messaging.broker, "health", lambda: Health(False, "nobody there"), raising=False)
    assert (ERROR, "nobody there") in found(platform, "messaging")


def test_one_service_that_is_broken_hides_no_other(platform, monkeypatch):
    get = platform.get

    def broken(name):
        if name == "cache":
            raise UnavailableError("the disk is gone")
        return get(name)

    monkeypatch.setattr(platform, "get", broken)
    assert (ERROR, "the disk is gone") in found(platform, "cache")
    assert found(platform, "locks")[0][0] == OK


def test_a_check_that_fails_is_a_finding(platform, monkeypatch):
    def broken(platform):
        raise UnavailableError("the disk is gone")
        yield

    monkeypatch.setattr(doctor, "_folder", broken)
    assert found(platform, "data folder") == [(ERROR, "the disk is gone")]


def test_production_without_a_key_and_little_space(make_platform, monkeypatch):
    platform = make_platform(platform={"environment": "production"})
    monkeypatch.setattr(doctor, "SPACE", 10**18)
    assert found(platform, "keys")[0][0] == WARNING
    assert found(platform, "data folder")[0][0] == WARNING


@pytest.mark.parametrize(("migrated", "code"), [(True, 0), (False, 1)])
def test_the_command_ends_with_one_if_something_is_wrong(tmp_path, monkeypatch, migrated, code):
    monkeypatch.chdir(tmp_path)
    if migrated:
        with Platform() as platform:
            platform.migrate()
    table = CliRunner().invoke(app, ["doctor"])
    assert table.exit_code == code, table.output
    result = CliRunner().invoke(app, ["doctor", "--json"])
    states = {finding["about"]: finding["state"] for finding in json.loads(result.output)}
    assert states["database"] == ("ok" if migrated else "error")
