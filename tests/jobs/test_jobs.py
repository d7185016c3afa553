"""Jobs: asked for, delayed, scheduled, reported on, cancelled."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest

from brickwork.errors import ConflictError, NotFoundError, ValidationError
from brickwork.jobs import JobCancelledError, job
from brickwork.messaging import Retry, handles


@pytest.fixture
def calls():
    return []


@pytest.fixture
def platform(make_platform, frozen_clock, calls):
    platform = make_platform(components=["jobs"], clock=frozen_clock)

    @job(name="count", retry=Retry(attempts=2, first=10, most=10))
    def count(platform, run, upto=0, fail=0):
        calls.append((run.attempt, run.due_at, platform.current.tenant, platform.current.actor))
        for n in range(upto):
            frozen_clock.advance(seconds=1)
            run.progress(n + 1, upto, f"at {n + 1}")
        if run.attempt <= fail:
            raise RuntimeError("not this time")

    platform.jobs.add(count)
    with platform.context(tenant="alpha", actor="user:kim"):
        yield platform


def work(platform):
    return platform.messaging.drain()


def test_a_job_runs_later_as_who_asked(platform, frozen_clock, calls):
    id = platform.jobs.enqueue("count", {"upto": 3})
    assert platform.jobs.get(id).status == "waiting"
    assert work(platform) == 1
    state = platform.jobs.get(id)
    assert (state.status, state.done, state.total, state.note, state.attempts) == ("done", 3, 3, "at 3", 1)
    assert state.started_at <= state.ended_at
    assert calls[0][2:] == ("alpha", "user:kim")


def test_a_rollback_asks_for_nothing(platform, calls):
    with pytest.raises(KeyError), platform.transaction():
        platform.jobs.enqueue("count")
        raise KeyError
    assert work(platform) == 0
    assert platform.jobs.list().items == []


def test_a_delayed_job_waits_for_its_time(platform, frozen_clock, calls):
    platform.jobs.enqueue("count", delay=60)
    at = frozen_clock.now() + timedelta(hours=1)
    platform.jobs.enqueue("count", at=at)
    assert work(platform) == 0
    frozen_clock.advance(seconds=61)
    assert work(platform) == 1
    frozen_clock.advance(hours=1)
    assert work(platform) == 1
    assert calls[1][1] == at


def test_a_failed_job_is_tried_again_and_ends_failed(platform, frozen_clock, calls):
    once, never = platform.jobs.enqueue("count", {"fail": 1}), platform.jobs.enqueue("count", {"fail": 9})
    work(platform)
    assert platform.jobs.get(once).status == "waiting"
    assert platform.jobs.get(once).error == "RuntimeError: not this time"
    frozen_clock.advance(seconds=11)
    work(platform)
    assert (platform.jobs.get(once).status, platform.jobs.get(once).attempts) == ("done", 2)
    assert platform.jobs.get(never).status == "failed"
    assert len(platform.messaging.dead.list().items) == 1


def test_a_waiting_job_is_cancelled_and_never_begins(platform, calls):
    id = platform.jobs.enqueue("count")
    assert platform.jobs.cancel(id).status == "cancelled"
    work(platform)
    assert calls == []
    with pytest.raises(ConflictError, match="is cancelled already"):
        platform.jobs.cancel(id)


def test_a_running_job_learns_of_its_cancellation(platform, frozen_clock):
    begun = []

    @job(name="endless")
    def endless(platform, run):
        begun.append(run.id)
        platform.jobs.cancel(run.id)
        with pytest.raises(JobCancelledError):
            run.check()
        frozen_clock.advance(seconds=1)
        while True:
            run.progress(1)

    platform.jobs.add(endless)
    id = platform.jobs.enqueue("endless")
    assert work(platform) == 1
    assert begun == [id]
    assert platform.jobs.get(id).status == "cancelled"


def test_progress_is_published(platform):
    told = []

    @handles("job.progressed", name="watch")
    def watch(platform, event):
        told.append((event.status, event.done, event.total))

    platform.messaging.subscribe(watch)
    platform.jobs.enqueue("count", {"upto": 2})
    work(platform)
    assert told == [("running", 1, 2), ("running", 2, 2), ("done", None, None)]


def test_runs_are_listed_newest_first_in_pages(platform):
    ids = [platform.jobs.enqueue("count") for _ in range(3)]
    first = platform.jobs.list(limit=2)
    second = platform.jobs.list(limit=2, cursor=first.cursor)
    assert [run.id for run in [*first.items, *second.items]] == ids[::-1]
    work(platform)
    assert len(platform.jobs.list(job="count", status="done").items) == 3


def test_another_tenant_sees_and_ends_nothing(platform):
    id = platform.jobs.enqueue("count")
    with platform.context(tenant="beta", actor="user:eve"):
        with pytest.raises(NotFoundError):
            platform.jobs.cancel(id)
        assert platform.jobs.list().items == []


def test_what_is_not_there_is_told(platform):
    with pytest.raises(NotFoundError, match="known are count"):
        platform.jobs.enqueue("nothing")
    with pytest.raises(NotFoundError):
        platform.jobs.get(uuid4())
    with pytest.raises(ValidationError, match="no job"):
        platform.jobs.add(len)


def test_old_runs_are_forgotten(platform, frozen_clock):
    platform.jobs.enqueue("count")
    work(platform)
    waiting = platform.jobs.enqueue("count", delay=10**7)
    frozen_clock.advance(days=31)
    assert platform.jobs.expire() == 1
    assert [run.id for run in platform.jobs.list().items] == [waiting]


class TestSchedules:
    def fire(self, platform, frozen_clock, **step):
        frozen_clock.advance(**step)
        return platform.jobs.scheduler.fire()

    def test_a_schedule_fires_at_its_times(self, platform, frozen_clock, calls):
        made = platform.jobs.schedules.put("hourly", "count", {"cron": "0 * * * *"}, arguments={"upto": 1})
        assert made.next_at == frozen_clock.now() + timedelta(hours=1)  # the clock stands at nine sharp
        assert self.fire(platform, frozen_clock, minutes=59) == 0
        assert self.fire(platform, frozen_clock, minutes=1) == 1
        assert platform.jobs.scheduler.fire() == 0
        work(platform)
        (run,) = platform.jobs.list().items
        assert (run.status, run.due_at, run.schedule_id, run.arguments) == ("done", made.next_at, made.id, {"upto": 1})
        assert calls[0][3] == "system:scheduler"

    @pytest.mark.parametrize("misfire, runs", [("once", 1), ("skip", 0), ("all", 5)])
    def test_missed_times_are_treated_as_declared(self, platform, frozen_clock, misfire, runs):
        platform.jobs.schedules.put("hourly", "count", {"cron": "0 * * * *"}, misfire=misfire)
        assert self.fire(platform, frozen_clock, hours=5, minutes=30) == runs
        assert platform.jobs.schedules.get("hourly").next_at == frozen_clock.now() + timedelta(minutes=30)
        if misfire == "once":
            assert platform.jobs.list().items[0].due_at == frozen_clock.now() - timedelta(minutes=30)

    def test_a_pause_holds_it_and_nothing_is_made_up_for(self, platform, frozen_clock):
        schedules = platform.jobs.schedules
        schedules.put("hourly", "count", {"every": 3600})
        schedules.pause("hourly")
        assert self.fire(platform, frozen_clock, hours=3) == 0
        schedules.resume("hourly")
        assert platform.jobs.scheduler.fire() == 0
        assert self.fire(platform, frozen_clock, hours=1) == 1

    def test_it_is_changed_and_removed_by_name(self, platform, frozen_clock):
        schedules = platform.jobs.schedules
        first = schedules.put("hourly", "count", {"every": 3600})
        assert schedules.put("hourly", "count", {"every": 7200}).id == first.id
        assert [s.name for s in schedules.list()] == ["hourly"]
        schedules.remove("hourly")
        with pytest.raises(NotFoundError):
            schedules.get("hourly")
        with pytest.raises(NotFoundError):
            schedules.put("x", "nothing", {"every": 60})

    def test_many_that_look_at_once_fire_once(self, platform, frozen_clock):
        platform.jobs.schedules.put("hourly", "count", {"every": 3600})
        frozen_clock.advance(hours=1)
        fired, begun = [], threading.Barrier(4)

        def look():
            begun.wait()
            fired.append(platform.jobs.scheduler.fire())

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(fired) == [0, 0, 0, 1]
        assert len(platform.jobs.list().items) == 1

    def test_tenants_have_schedules_of_their_own(self, platform, frozen_clock):
        platform.jobs.schedules.put("hourly", "count", {"every": 3600})
        with platform.context(tenant="beta", actor="user:eve"):
            platform.jobs.schedules.put("hourly", "count", {"every": 3600})
            assert self.fire(platform, frozen_clock, hours=1) == 2
            assert len(platform.jobs.list().items) == 1


class TestClocks:
    def test_an_interval_goes_on_after_the_clock_was_set_back(self, platform, frozen_clock, calls):
        platform.jobs.schedules.put("often", "count", {"every": 60})
        scheduler = platform.jobs.scheduler
        frozen_clock.advance(seconds=60)
        assert scheduler.fire() == 1
        frozen_clock.jump(hours=-1)
        assert scheduler.fire() == 0
        frozen_clock.advance(seconds=60)
        assert scheduler.fire() == 1
        assert work(platform) == 2

    def test_a_time_of_day_that_comes_twice_fires_once(self, platform, frozen_clock):
        platform.jobs.schedules.put("daily", "count", {"cron": "30 9 * * *"})
        scheduler = platform.jobs.scheduler
        frozen_clock.advance(minutes=31)
        assert scheduler.fire() == 1
        frozen_clock.jump(minutes=-30)
        frozen_clock.advance(minutes=40)
        assert scheduler.fire() == 0
        frozen_clock.advance(hours=24)
        assert scheduler.fire() == 1

    def test_a_clock_set_forward_misses_times_as_declared(self, platform, frozen_clock):
        platform.jobs.schedules.put("often", "count", {"every": 60}, misfire="once")
        frozen_clock.jump(days=10)
        assert platform.jobs.scheduler.fire() == 1

    def test_a_job_asked_for_before_the_clock_was_set_back_runs(self, platform, frozen_clock, calls):
        platform.jobs.enqueue("count")
        frozen_clock.jump(hours=-1)
        assert work(platform) == 1
