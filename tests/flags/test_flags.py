"""Flags as a product asks for them, changes them and sees why."""

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickwork import hookimpl
from brickwork.errors import CrossTenantError, MissingTenantError, NotFoundError, UnavailableError, ValidationError
from brickwork.flags import Flag, Rollout, Rule
from brickwork.flags.decide import Compiled, Subject
from brickwork.kernel.context import Context
from brickwork.testing.contracts.broker import until


class Product:
    @hookimpl
    def brickwork_flags(self):
        return [
            Flag(key="engine", description="a new engine"),
            Flag(key="theme", variants={"light": "l", "dark": "d"}, default="light", off="light"),
            Flag(key="beds", variants={"few": 3, "many": 30.5}, default="few", off="few"),
            Flag(key="layout", variants={"a": {"columns": 2}, "b": {"columns": 3}}, default="b", off="a"),
        ]


@pytest.fixture
def platform(make_platform, request):
    frozen = "frozen_clock" in request.fixturenames
    return make_platform(plugins=[Product()], clock=request.getfixturevalue("frozen_clock") if frozen else None)


@pytest.fixture
def flags(platform):
    with platform.context(tenant="north", actor="user:kim"):
        yield platform.flags


def rule(**values):
    return Flag(key="engine", rules=[Rule(**values)])


def test_what_code_declares_is_there_with_its_kind(flags):
    assert flags.enabled("engine") is False
    assert flags.value("theme", default="x") == "l"
    assert flags.value("beds", default=0) == 3
    assert flags.value("layout", default={}) == {"columns": 3}
    assert flags.evaluate("theme", "").reason == "STATIC"
    assert flags.values() == {"engine": False, "theme": "l", "beds": 3, "layout": {"columns": 3}}
    assert [flag.key for flag in flags.list()] == ["beds", "engine", "layout", "theme"]


def test_an_unknown_flag_and_one_of_another_kind_give_the_default(flags, platform):
    assert flags.value("typo", default="x") == "x"
    assert flags.evaluate("typo", 1).error == "FLAG_NOT_FOUND"
    assert flags.evaluate("theme", True) == flags.evaluate("theme", True)
    assert (flags.evaluate("theme", True).value, flags.evaluate("theme", True).error) == (True, "TYPE_MISMATCH")
    assert platform.metrics.get_sample_value("brickwork_flag_evaluations_total", {"flag": "", "variant": ""}) == 2
    assert platform.metrics.get_sample_value("brickwork_flag_evaluations_total", {"flag": "theme", "variant": ""}) == 4


def test_rules_see_context_and_attributes_and_the_first_that_fits_decides(flags, platform):
    flags.define(
        Flag(
            key="engine",
            rules=[
                Rule(when='plan == "gold" && tenant == "north"', serve="on"),
                Rule(when='actor == "user:kim" && locale.startsWith("e")', serve="off"),
                Rule(serve="on"),
            ],
        )
    )
    assert flags.enabled("engine", plan="gold")
    assert not flags.enabled("engine", plan="silver")
    assert not flags.enabled("engine"), "a rule whose attribute is missing does not fit"
    with platform.context(tenant="north", actor="user:ito"):
        assert flags.evaluate("engine", False).reason == "TARGETING_MATCH"
        assert flags.enabled("engine")


def test_the_kill_switch_is_stronger_than_rules_and_tenants(flags):
    flags.define(rule(serve="on"))
    flags.override("engine", "on", reason="pilot")
    flags.switch("engine", on=False)
    found = flags.evaluate("engine", True)
    assert (found.value, found.variant, found.reason) == (False, "off", "DISABLED")
    flags.switch("engine", on=True)
    assert flags.evaluate("engine", True).reason == "OVERRIDE"


def test_a_tenant_may_differ_for_a_while(flags, platform, frozen_clock):
    flags.override("theme", "dark", reason="asked", until=frozen_clock.now() + timedelta(hours=1))
    assert flags.value("theme", default="") == "d"
    assert flags.overrides()["theme"].reason == "asked"
    with platform.context(tenant="south", actor="user:kim"):
        assert flags.value("theme", default="") == "l"
        assert flags.overrides() == {}
    frozen_clock.advance(hours=2)
    assert flags.value("theme", default="") == "l"
    flags.override("theme", "dark", reason="again")
    flags.revoke("theme")
    flags.revoke("theme")
    assert flags.value("theme", default="") == "l"


def test_times_of_flags_and_rules(flags, frozen_clock):
    now = frozen_clock.now()
    flags.define(rule(serve="on", since=now + timedelta(hours=1), until=now + timedelta(hours=2)))
    flags.define(Flag(key="season", default="on", since=now + timedelta(hours=1), until=now + timedelta(hours=2)))
    seen = []
    for _ in range(3):
        seen.append((flags.enabled("engine"), flags.evaluate("season", False).reason))
        frozen_clock.advance(hours=1)
    assert seen == [(False, "DISABLED"), (True, "DEFAULT"), (False, "DISABLED")]


def test_prerequisites(flags):
    flags.define(Flag(key="base", default="off"))
    flags.define(Flag(key="engine", default="on", prerequisites={"base": "on"}))
    assert not flags.enabled("engine")
    flags.define(Flag(key="base", default="on"))
    assert flags.enabled("engine")
    with pytest.raises(ValidationError, match="prerequisite of engine"):
        flags.remove("base")
    with pytest.raises(ValidationError, match="circle: base needs engine needs base"):
        flags.define(Flag(key="base", prerequisites={"engine": "on"}))
    with pytest.raises(ValidationError, match="no such flag with a variant"):
        flags.define(Flag(key="engine", prerequisites={"base": "maybe"}))
    with pytest.raises(ValidationError, match="circle"):
        flags.define(Flag(key="self", prerequisites={"self": "on"}))


def test_a_removed_flag_is_as_code_declares_it(flags):
    flags.define(Flag(key="engine", default="on"))
    flags.define(Flag(key="extra", default="on"))
    flags.remove("engine")
    flags.remove("extra")
    assert not flags.enabled("engine")
    assert flags.evaluate("extra", False).error == "FLAG_NOT_FOUND"
    flags.define(Flag(key="extra", default="on"))
    assert flags.enabled("extra")


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ({"key": "Über"}, "key"),
        ({"key": "x", "default": "maybe"}, "default: there is no variant 'maybe'"),
        ({"key": "x", "variants": {"on": True, "off": "no"}}, "variants are all"),
        ({"key": "x", "rules": [{"serve": "later"}]}, r"rules\[0\]"),
        ({"key": "x", "rules": [{"serve": {"weights": {"on": 1, "more": 2}}}]}, r"rules\[0\]"),
        ({"key": "x", "rules": [{"serve": {"weights": {"on": 0}}}]}, "at least one is positive"),
        ({"key": "x", "rules": [{"when": "plan ==", "serve": "on"}]}, "does not compile"),
        ({"key": "x", "since": "2026-01-01T00:00:00"}, "since"),
        ({"key": "x", "colour": "red"}, "colour"),
    ],
)
def test_a_definition_that_is_none_is_refused(flags, definition, told):
    with pytest.raises(ValidationError, match=told):
        flags.define(definition)
    assert "x" not in {flag.key for flag in flags.list()}


def test_overrides_that_make_no_sense_are_refused(flags, platform, frozen_clock):
    with pytest.raises(ValidationError, match="no variant 'red'; it has dark, light"):
        flags.override("theme", "red", reason="why not")
    with pytest.raises(ValidationError, match="reason"):
        flags.override("theme", "dark", reason=" ")
    with pytest.raises(ValidationError, match="zone"):
        flags.override("theme", "dark", reason="x", until=frozen_clock.now().replace(tzinfo=None))
    for call in (
        lambda: flags.override("typo", "on", reason="x"),
        lambda: flags.switch("typo", on=True),
        lambda: flags.remove("typo"),
    ):
        with pytest.raises(NotFoundError, match="typo"):
            call()
    asks = (flags.overrides, lambda: flags.revoke("theme"), lambda: flags.override("theme", "dark", reason="all of them"))
    for ask in asks:
        with platform.system_context(reason="test"), pytest.raises(MissingTenantError):
            ask()


def test_a_change_that_is_rolled_back_was_none(flags, platform):
    flags.override("engine", "on", reason="first")
    with pytest.raises(RuntimeError), platform.transaction():
        flags.override("engine", "off", reason="second")
        raise RuntimeError
    assert flags.enabled("engine")


def test_what_one_transaction_overrides_it_can_revoke(flags, platform):
    with platform.transaction():
        flags.override("engine", "on", reason="first")
        flags.revoke("engine")
    assert not flags.enabled("engine")
    assert flags.overrides() == {}


def test_a_flag_can_be_killed_though_its_prerequisite_is_gone(flags):
    flags.define(Flag(key="base", default="on"))
    flags.define(Flag(key="season", default="on", off="off", prerequisites={"base": "on"}))
    flags._store("base", {}, "as if code no longer declared it")
    assert flags.evaluate("season", True).value is False
    assert flags.switch("season", on=False).enabled is False
    assert flags.evaluate("season", True).reason == "DISABLED"


def test_without_its_database_flags_are_as_code_declares_them_until_it_is_back(make_platform, monkeypatch):
    platform = make_platform(plugins=[Product()], flags={"refresh": 0.1})
    platform.flags.define(rule(serve="on"))
    platform = make_platform(
        plugins=[Product()], flags={"refresh": 0.1}, database=platform.settings.database.model_dump(include={"url", "owner_url"})
    )
    watch = platform.flags._watch._watch
    refresh, away = watch.refresh, [True]

    def maybe():
        if away[0]:
            raise UnavailableError("the database cannot be reached")
        refresh()

    monkeypatch.setattr(watch, "refresh", maybe)
    with platform.context(tenant="north", actor="user:kim"):
        assert platform.flags.value("theme", default="") == "l"
        assert not platform.flags.enabled("engine")
        away[0] = False
        until(lambda: platform.flags.enabled("engine"), 10)


def test_a_definition_is_no_part_of_a_tenants_transaction(flags, platform):
    with platform.transaction(), pytest.raises(CrossTenantError):
        flags.define(Flag(key="engine", default="on"))


def test_changes_are_audited(flags, platform):
    flags.define(Flag(key="engine", default="on"))
    flags.override("engine", "off", reason="complaint 12")
    assert [entry.action for entry in platform.audit.entries(entity="flag_override").items] == ["insert"]
    with platform.system_context(reason="look"):
        entries = platform.audit.entries(entity="flag").items
    assert [(entry.actor, entry.reason) for entry in entries] == [("user:kim", "flag engine defined")]


def test_another_process_hears_of_a_change(flags, platform, make_platform):
    """A platform of its own on the same database stands for the other process: nothing in memory is shared."""
    other = make_platform(plugins=[Product()], database=platform.settings.database.model_dump(include={"url", "owner_url"}))
    with other.context(tenant="north", actor="user:kim"):
        assert not other.flags.enabled("engine")
        flags.define(rule(serve="on"))
        until(lambda: other.flags.enabled("engine"), 4)
        flags.override("engine", "off", reason="x")
        until(lambda: not other.flags.enabled("engine"), 4)


def test_a_stored_flag_that_cannot_be_read_is_as_code_declares_it(flags, platform):
    from sqlalchemy import update

    from brickwork.flags.models import FlagRow

    flags.define(Flag(key="engine", default="on"))
    with platform.system_context(reason="a newer version writes"), platform.transaction() as transaction:
        newer = {"key": "engine", "invented": True}
        transaction.execute(update(FlagRow).values(definition=newer, version=FlagRow.version + 1))
    flags._watch.refresh()
    assert not flags.enabled("engine")


def test_threads_that_ask_while_it_changes_see_one_or_the_other(flags, platform):
    wrong = []
    stop = threading.Event()

    def ask():
        with platform.context(tenant="north", actor="user:kim"):
            while not stop.is_set():
                found = flags.evaluate("theme", "")
                if (found.variant, found.value) not in {("light", "l"), ("dark", "d")}:
                    wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10):
        flags.define(Flag(key="theme", variants={"light": "l", "dark": "d"}, default=("light", "dark")[number % 2], off="light"))
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


# -- rollouts ----------------------------------------------------------------------------------------------------------


def served(weights, key, by="key", flag="engine", salt=None):
    compiled = Compiled(Flag(key=flag, rules=[Rule(serve=Rollout(weights=weights, by=by, salt=salt))]))
    context = Context("north", f"user:{key}", "c")
    return compiled.decide(Subject(context, {}), lambda: None)[0]


def test_a_share_is_as_large_as_it_says():
    on = sum(served({"on": 20, "off": 80}, number) == "on" for number in range(20_000))
    assert 3_800 < on < 4_200


@given(st.integers(0, 99), st.integers(0, 99), st.integers())
def test_who_is_in_a_share_stays_when_it_grows(one, two, key):
    small, large = sorted((one, two))
    if served({"on": small, "off": 100 - small}, key) == "on":
        assert served({"on": large, "off": 100 - large}, key) == "on"


def test_a_share_is_the_same_on_every_machine():
    """Fixed by hand from the definition: BLAKE2b of "engine/user:N", 8 bytes, as a fraction of the whole."""
    assert [served({"on": 50, "off": 50}, number) for number in range(8)] == ["on", "off", "on", "on", "off", "off", "off", "on"]


def test_flags_are_rolled_out_to_different_keys_unless_they_share_a_salt():
    half = {"on": 50, "off": 50}
    one, two = ([served(half, number, flag=flag) for number in range(200)] for flag in ("engine", "theme2"))
    assert one != two
    salted = [[served(half, number, flag=flag, salt="s") for number in range(200)] for flag in ("engine", "theme2")]
    assert salted[0] == salted[1]


def test_a_rollout_by_something_that_is_missing_does_not_fit():
    assert served({"on": 1}, 1, by="clinic") == "off"
    assert served({"on": 1}, 1, by="tenant") == "on"


# -- OpenFeature -------------------------------------------------------------------------------------------------------


def test_openfeature_asks_through_the_provider(flags, platform):
    api = pytest.importorskip("openfeature.api")
    from openfeature.evaluation_context import EvaluationContext

    from brickwork.flags.openfeature import BrickworkProvider

    flags.define(Flag(key="engine", rules=[Rule(when='key == "user:a" && plan == "gold"', serve="on")]))
    api.set_provider(BrickworkProvider(platform), "brickwork-test")
    client = api.get_client("brickwork-test")
    gold = EvaluationContext(targeting_key="user:a", attributes={"plan": "gold"})
    details = client.get_boolean_details("engine", False, gold)
    assert (details.value, details.variant, details.reason) == (True, "on", "TARGETING_MATCH")
    assert client.get_boolean_value("engine", True, EvaluationContext(targeting_key="user:b")) is False
    assert client.get_string_value("theme", "x") == "l"
    assert client.get_integer_value("beds", 0) == 3
    assert client.get_object_value("layout", {}) == {"columns": 3}
    assert str(client.get_boolean_details("typo", True).error_code) == "FLAG_NOT_FOUND"
    assert str(client.get_boolean_details("theme", True).error_code) == "TYPE_MISMATCH"
    api.clear_providers()
