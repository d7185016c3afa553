"""Plans: what they take, who is on which, what counts for whom, and what becomes of quotas over time and restarts."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError as PydanticError

from brickwork import hookimpl
from brickwork.errors import NotFoundError, PermissionDeniedError, SettingsError, UnavailableError, ValidationError
from brickwork.limits import Caller, Plan, Quota, QuotaExceededError, RateLimitedError, RateRule, refusal
from brickwork.limits.admission import network
from brickwork.limits.window import Calendar
from brickwork.testing.contracts.broker import until

KIM, LEE = Caller("alpha", "user:kim", "k1", "192.0.2.1"), Caller("alpha", "user:lee", "k2", "192.0.2.2")
READ = "GET", ["api", "v1", "entities", "patient", "7"]
CREATE = "POST", ["api", "v1", "entities", "patient"]

PLANS = [
    Plan(name="free", rates=(RateRule(per="user", rate="3/hour"),)),
    Plan(name="team", rates=(RateRule(per="user", rate="3/hour"), RateRule(per="tenant", rate="4/hour"))),
    Plan(name="keys", rates=(RateRule(per="key", rate="2/hour"),)),
    Plan(name="places", rates=(RateRule(per="address", rate="2/hour"),)),
    Plan(
        name="metered",
        quotas=(Quota(name="calls", limit=5, every="month"), Quota(name="mine", per="user", limit=3, every="day")),
    ),
    Plan(
        name="writes",
        rates=(RateRule(per="user", rate="2/hour", name="writing", routes=["POST /api/v1/entities/*", "* /api/v1/jobs"]),),
    ),
    Plan(name="closed", quotas=(Quota(name="none", limit=0, every="day"),)),
]


class Declares:
    @hookimpl
    def brickwork_plans(self):
        return PLANS


@pytest.fixture
def make(make_platform):
    def build(**sections):
        return make_platform(components=["limits"], plugins=[Declares()], **sections)

    return build


@pytest.fixture
def platform(make, frozen_clock):
    return make(clock=frozen_clock)


def on(platform, plan, caller=KIM):
    platform.limits.plans.assign(caller.tenant, plan)
    return platform.limits


def passed(limits, times, caller=KIM, route=READ):
    """How many of `times` calls pass."""
    admissions = [limits.admit(caller, lambda: route) for _ in range(times)]
    return sum(admission is None or admission.allowed for admission in admissions)


# -- what a plan may be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"rates": [{"per": "user", "rate": "5/year"}]}, "5/minute"),
        ({"rates": [{"per": "user", "rate": "0/minute"}]}, "positive"),
        ({"rates": [{"per": "planet", "rate": "5/minute"}]}, "'user', 'tenant', 'key' or 'address'"),
        ({"rates": [{"per": "user", "rate": "5/minute", "burst": 0}]}, "greater than or equal to 1"),
        ({"rates": [{"per": "user", "rate": "5/minute"}, {"per": "user", "rate": "9/hour"}]}, "two rules are called 'user'"),
        ({"rates": [{"per": "user", "rate": "5/minute", "name": 'a"b'}]}, "pattern"),
        ({"rates": [{"per": "user", "rate": "5/minute", "routes": ["/api"]}]}, "names no routes"),
        ({"rates": [{"per": "user", "rate": "5/minute", "routes": ["GET /api/ent*"]}]}, "names no routes"),
        ({"rates": [{"per": "user", "rate": "5/minute", "routes": []}]}, "at least 1 item"),
        ({"quotas": [{"name": "calls", "limit": 5, "every": "week"}]}, "'day' or 'month'"),
        ({"quotas": [{"name": "calls", "limit": -1, "every": "day"}]}, "greater than or equal to 0"),
        ({"quotas": [{"name": "calls", "limit": 5, "every": "day", "zone": "Mars/Olympus"}]}, "no time zone"),
        ({"quotas": [{"name": "calls", "limit": 5, "every": "day", "per": "address"}]}, "'tenant', 'user' or 'key'"),
        ({"rate": []}, "Extra inputs"),
    ],
)
def test_what_is_no_plan_is_refused_and_told_why(make_platform, plan, told):
    with pytest.raises(PydanticError, match=told):
        Plan.model_validate({"name": "x", **plan})
    with pytest.raises(SettingsError, match=r"limits\.plans\.x"):
        make_platform(components=["limits"], migrated=False, limits={"plans": {"x": plan}})


@pytest.mark.parametrize("setting", ["default_plan", "anonymous_plan"])
def test_a_setting_that_names_no_plan_stops_the_start(make, setting):
    with pytest.raises(SettingsError, match=f"limits.{setting}: there is no plan 'golden'; there are anonymous, closed, free"):
        _ = make(limits={setting: "golden"}, migrated=False).limits


def test_settings_replace_a_plan_of_code(make):
    platform = make(limits={"plans": {"free": {"rates": [{"per": "user", "rate": "9/hour"}]}}}, migrated=False)
    assert platform.limits.plans.get("free").rates[0].rate == "9/hour"
    assert [plan.name for plan in platform.limits.plans.list()][:3] == ["anonymous", "closed", "free"]


# -- who is on which -----------------------------------------------------------------------------------------------------


def test_without_a_plan_nothing_is_limited_and_nothing_looked_up(make_platform):
    platform = make_platform(components=["limits"], migrated=False)
    assert platform.limits.admit(KIM, lambda: READ) is None
    assert platform.limits.standing(Caller(None, "anonymous", address="192.0.2.1")) is None


def test_a_tenant_is_put_on_a_plan_and_back_on_the_default(make, frozen_clock):
    platform = make(clock=frozen_clock, limits={"default_plan": "free"})
    limits = platform.limits
    assert limits.plans.of("alpha").name == "free"
    limits.plans.assign("alpha", "keys")
    assert limits.plans.of("alpha").name == "keys"
    assert limits.plans.of("beta").name == "free"
    assert limits.plans.assignments() == {"alpha": "keys"}
    limits.plans.assign("alpha", None)
    assert limits.plans.of("alpha").name == "free"
    assert limits.plans.assignments() == {}


def test_another_process_hears_of_it(platform, make):
    folder = {"data_dir": platform.settings.platform.data_dir}
    other = make(database=platform.settings.database.model_dump(exclude_unset=True), platform=folder)
    assert other.limits.plans.of("alpha") is None
    platform.limits.plans.assign("alpha", "free")
    until(lambda: other.limits.plans.of("alpha") is not None, 10)


def test_an_assignment_is_in_the_audit_trail(platform):
    with platform.context(actor="user:operator", reason="contract 7 signed"):
        platform.limits.plans.assign("alpha", "free")
    with platform.context(tenant="alpha", actor="user:kim"):
        (entry,) = platform.audit.entries(entity="limits_assignment")
    assert (entry.actor, entry.after["plan"], entry.reason) == ("user:operator", "free", "contract 7 signed")


def test_there_is_no_assigning_to_what_is_not_there(platform):
    with pytest.raises(NotFoundError, match="there is no plan 'golden'; there are anonymous, closed"):
        platform.limits.plans.assign("alpha", "golden")


def test_where_no_plans_are_declared_there_is_nothing_to_assign(make_platform):
    platform = make_platform(components=["limits"], migrated=False)
    with pytest.raises(ValidationError, match=r"see limits\.plans and the hook brickwork_plans"):
        platform.limits.plans.assign("alpha", "anonymous")


def test_no_caller_chooses_the_plan_of_a_tenant_whatever_its_roles(make_platform):
    platform = make_platform(plugins=[Declares()])
    with platform.context(tenant="alpha", actor="user:kim"):
        subject = platform.auth.services.create("root", roles=["administrator"])
        with platform.auth.acting_as(subject), pytest.raises(PermissionDeniedError, match="operator"):
            platform.limits.plans.assign("alpha", "team")


# -- what counts for whom ------------------------------------------------------------------------------------------------


def test_each_user_is_counted_apart(platform):
    limits = on(platform, "free")
    assert (passed(limits, 5, KIM), passed(limits, 5, LEE)) == (3, 3)


def test_a_rule_of_the_tenant_counts_all_of_it_and_the_tightest_decides(platform):
    limits = on(platform, "team")
    assert (passed(limits, 5, KIM), passed(limits, 5, LEE)) == (3, 1)
    refused = limits.admit(LEE, lambda: READ)
    assert refused.tightest.name == "tenant"
    assert {standing.name: (standing.remaining, standing.refused) for standing in refused.standings} == {
        "user": (2, False),
        "tenant": (0, True),
    }


def test_what_one_rule_refuses_counts_for_no_other(platform):
    limits = on(platform, "team")
    assert passed(limits, 50, KIM) == 3
    assert passed(limits, 1, LEE) == 1, "47 refused calls took nothing of the tenant's four"


def test_tenants_are_counted_apart(platform):
    on(platform, "team")
    other = KIM._replace(tenant="beta")
    limits = on(platform, "team", other)
    assert (passed(limits, 5, KIM), passed(limits, 5, other)) == (3, 3)


def test_keys_are_counted_apart_and_who_shows_none_is_not_counted_by_key(platform):
    limits = on(platform, "keys")
    assert (passed(limits, 5, KIM), passed(limits, 5, KIM._replace(key="k9"))) == (2, 2)
    assert limits.admit(KIM._replace(key=""), lambda: READ) is None


def test_addresses_are_counted_apart_but_not_those_of_one_ipv6_network(platform):
    limits = on(platform, "places")
    assert (passed(limits, 5, KIM), passed(limits, 5, LEE)) == (2, 2)
    near, far = (KIM._replace(address=address) for address in ("2001:db8::1", "2001:db8:0:1::1"))
    assert passed(limits, 5, near) == 2
    assert passed(limits, 5, near._replace(address="2001:db8::ffff:1")) == 0
    assert passed(limits, 5, far) == 2
    assert network("unix-socket") == "unix-socket"


@pytest.mark.parametrize(
    ("method", "path", "counts"),
    [
        ("POST", "/api/v1/entities/patient", True),
        ("POST", "/api/v1/entities/patient/7/links/3", True),
        ("GET", "/api/v1/entities/patient", False),
        ("POST", "/api/v1/entities", False),
        ("POST", "/api/v2/entities/patient", False),
        ("DELETE", "/api/v1/jobs", True),
        ("DELETE", "/api/v1/jobs/7", False),
    ],
)
def test_routes_say_what_a_rule_is_for(platform, method, path, counts):
    limits = on(platform, "writes")
    assert (limits.admit(KIM, lambda: (method, path.split("/")[1:])) is not None) is counts


def test_asking_how_it_stands_tells_every_rule_and_counts_nothing(platform):
    limits = on(platform, "writes")
    passed(limits, 1, route=CREATE)
    for _ in range(3):
        (standing,) = limits.standing(KIM).standings
        assert (standing.name, standing.limit, standing.window, standing.remaining) == ("writing", 2, 3600, 1)


def test_a_burst_may_be_smaller_than_the_rate(make, frozen_clock):
    plan = {"rates": [{"per": "user", "rate": "3600/hour", "burst": 4}]}
    limits = make(clock=frozen_clock, limits={"plans": {"even": plan}, "default_plan": "even"})
    (standing,) = limits.limits.standing(KIM).standings
    assert (standing.limit, standing.window) == (4, 4), "four in four seconds, which is the same pace"


def test_a_refusal_names_the_rule_and_all_that_refused(platform):
    limits = on(platform, "team")
    passed(limits, 4, KIM)
    passed(limits, 4, LEE)
    error = refusal(limits.admit(KIM, lambda: READ))
    assert type(error) is RateLimitedError
    assert "of plan 'team' is used up" in error.message
    assert error.details["violated_policies"] == ["user", "tenant"]
    assert error.details["rule"] == "user", "the one with the longest wait"
    assert 0 < error.details["retry_after"] <= 1200


# -- quotas --------------------------------------------------------------------------------------------------------------


def test_a_quota_begins_anew_with_the_calendar(platform, frozen_clock):
    limits = on(platform, "metered")
    assert (passed(limits, 9, KIM), passed(limits, 9, LEE)) == (3, 2)
    refused = limits.admit(KIM, lambda: READ)
    assert {s.name: s.remaining for s in refused.standings} == {"calls": 0, "mine": 0}
    error = refusal(refused)
    assert type(error) is QuotaExceededError
    assert error.details["retry_after"] == (datetime(2026, 2, 1, tzinfo=UTC) - frozen_clock.now()).total_seconds()
    frozen_clock.advance(days=1)
    assert passed(limits, 9, KIM) == 0, "a new day, but the month's are used up"
    frozen_clock.advance(days=30)
    assert passed(limits, 9, KIM) == 3


def test_a_quota_of_nothing_lets_nothing_through(platform):
    limits = on(platform, "closed")
    assert passed(limits, 3) == 0


def test_a_day_is_one_of_the_zone_also_where_clocks_change():
    berlin = Calendar("day", "Europe/Berlin")
    spring = berlin.window(datetime(2026, 3, 28, 23, 30, tzinfo=UTC))
    assert (spring.label, spring.begins, spring.seconds) == ("2026-03-29", datetime(2026, 3, 28, 23, tzinfo=UTC), 23 * 3600)
    assert berlin.window(spring.ends - timedelta(seconds=1)) is spring
    assert berlin.window(spring.ends).label == "2026-03-30"
    month = Calendar("month", "UTC").window(datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC))
    assert (month.label, month.seconds) == ("2028-02", 29 * 86_400)
    assert Calendar("month", "Pacific/Auckland").window(datetime(2026, 12, 31, 12, tzinfo=UTC)).label == "2027-01"


def test_what_is_used_is_written_down_and_known_after_the_store_was_lost(platform, make, frozen_clock):
    limits = on(platform, "metered")
    assert passed(limits, 2, KIM) == 2
    limits._usage.write()
    other = make(clock=frozen_clock, database=platform.settings.database.model_dump(exclude_unset=True))
    other.limits.store._store._file._path = platform.settings.platform.data_dir / "a-new-machine" / "limits.db"
    assert other.limits.plans.of("alpha").name == "metered"
    assert (passed(other.limits, 9, KIM), passed(other.limits, 9, LEE)) == (1, 2)


def test_what_this_process_counted_is_known_before_it_is_written_down(platform):
    limits = on(platform, "metered")
    assert passed(limits, 2, KIM) == 2
    _lose(limits)
    assert passed(limits, 9, KIM) == 1


def test_closing_writes_down_the_rest(platform, make, frozen_clock):
    limits = on(platform, "metered")
    passed(limits, 2, KIM)
    limits.close()
    other = make(clock=frozen_clock, database=platform.settings.database.model_dump(exclude_unset=True))
    with other.context(tenant="alpha", actor="user:kim"):
        assert [(use.quota, use.holder, use.window, use.used) for use in other.limits.usage()] == [
            ("calls", "tenant", "2026-01", 2),
            ("mine", "user:kim", "2026-01-05", 2),
        ]


def test_nobody_writes_down_less_than_somebody_else_did(platform):
    limits = on(platform, "metered")
    passed(limits, 2, KIM)
    (counted, _), *_ = limits._usage._fresh.items()
    limits._usage.write()
    limits._usage.note(counted, 1)
    limits._usage.write()
    with platform.context(tenant="alpha", actor="user:kim"):
        assert limits.usage()[0].used == 2


def test_what_can_not_be_written_down_now_is_written_later(platform, monkeypatch):
    limits = on(platform, "metered")
    passed(limits, 2, KIM)
    with monkeypatch.context() as broken:
        broken.setattr(limits._usage, "_store", _away)
        limits._usage._round()
    _lose(limits)
    assert passed(limits, 9, KIM) == 1
    limits._usage.write()
    with platform.context(tenant="alpha", actor="user:kim"):
        assert limits.usage()[0].used == 3


def test_old_use_is_forgotten(platform, frozen_clock):
    limits = on(platform, "metered")
    passed(limits, 1, KIM)
    limits._usage.write()
    frozen_clock.advance(days=1)
    passed(limits, 1, KIM)
    limits._usage.write()
    frozen_clock.advance(days=400)
    limits._usage._clean()
    with platform.system_context(reason="test"), platform.transaction() as transaction:
        from brickwork.limits.models import UsageRow

        assert {row.window for row in transaction.session.query(UsageRow)} == {"2026-01", "2026-01-06"}


def test_of_many_threads_just_the_quota_passes_however_the_store_is_lost_on_the_way(platform):
    """Each loss is found out by the next call, which counts on from what is known."""
    limits = on(platform, "metered")
    barrier, results = threading.Barrier(4), []

    def call():
        barrier.wait()
        results.append(passed(limits, 10, LEE._replace(actor=f"user:{threading.get_ident()}")))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _lose(limits)
    assert sum(results) + passed(limits, 10, KIM) == 5


# -- without the backend -------------------------------------------------------------------------------------------------


def test_while_the_backend_is_away_the_process_counts_for_itself(platform, monkeypatch):
    limits = on(platform, "team")
    assert passed(limits, 2) == 2
    monkeypatch.setattr(limits.store._store, "take", _away)
    assert passed(limits, 9) == 3
    assert platform.metrics.get_sample_value("brickwork_limits_degraded_total") == 9


def test_a_quota_goes_on_from_what_is_known_while_the_backend_is_away_and_when_it_is_back(platform, monkeypatch):
    limits = on(platform, "metered")
    assert passed(limits, 2, KIM) == 2
    with monkeypatch.context() as broken:
        broken.setattr(limits.store._store, "take", _away)
        assert passed(limits, 9, KIM) == 1
    limits.store._away_until = 1e-9
    assert passed(limits, 9, LEE) == 3, "what was used meanwhile is not told to the backend"


@pytest.mark.parametrize(("setting", "count"), [("allow", 9), ("refuse", 0)])
def test_or_it_lets_all_or_nothing_through(make, monkeypatch, setting, count):
    platform = make(limits={"when_unavailable": setting})
    limits = on(platform, "free")
    monkeypatch.setattr(limits.store._store, "take", _away)
    if setting == "allow":
        assert passed(limits, 9) == 9
    else:
        with pytest.raises(UnavailableError, match="can't be counted now, and plan free takes that"):
            limits.admit(KIM, lambda: READ)


def test_a_backend_that_failed_is_left_alone_for_a_while(make, monkeypatch):
    platform = make(limits={"retry_after": 3600})
    limits = on(platform, "free")
    asked = []

    def away(*arguments):
        asked.append(arguments)
        _away()

    monkeypatch.setattr(limits.store._store, "take", away)
    passed(limits, 9)
    assert len(asked) == 1


def _lose(limits):
    """The store forgets everything, as a Redis that began anew."""
    with limits.store._store._file.writing() as connection:
        connection.execute("DELETE FROM tally")


def _away(*arguments):
    raise UnavailableError("the disk is gone")
