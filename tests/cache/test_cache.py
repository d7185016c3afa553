"""The cache as a product uses it: decorator, entities, transactions, warming, settings. Both databases, the embedded store."""

import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pytest
from pydantic import BaseModel

from brickwork import hookimpl
from brickwork.cache import Strategy, cached
from brickwork.cache.port import SLOTS, slot_of
from brickwork.errors import NotFoundError, SettingsError, ValidationError
from brickwork.messaging import Event
from brickwork.testing.contracts.broker import until


class Price(BaseModel):
    amount: Decimal
    since: date


class PriceChanged(Event, name="price.changed", key="list_id"):
    list_id: str


CALLS: list[tuple[object, ...]] = []


@cached("default", tags=["price.changed:{list_id}"])
def prices(platform, list_id: str, day: str = "today") -> list[Price] | None:
    CALLS.append((list_id, day))
    return None if list_id == "none" else [Price(amount=Decimal("9.90"), since=date(2026, 1, 5))]


@cached("negative")
def nothing(platform, key: str) -> str | None:
    CALLS.append((key,))


@pytest.fixture
def platform(make_platform):
    """On one machine, as the tests are; what is kept where there may be more is tested by itself."""
    return make_platform(cache={"one_machine": True})


@pytest.fixture(autouse=True)
def _fresh():
    CALLS.clear()


@pytest.fixture
def alpha(platform):
    with platform.context(tenant="alpha", actor="user:kim"):
        yield platform


def test_a_cached_function_is_called_once_for_its_arguments_and_gives_its_type_back(alpha):
    first, second = prices(alpha, "retail"), prices(alpha, list_id="retail", day="today")
    assert first == second == [Price(amount=Decimal("9.90"), since=date(2026, 1, 5))]
    assert first is not second
    assert type(second[0]) is Price
    prices(alpha, "trade")
    assert CALLS == [("retail", "today"), ("trade", "today")]


def test_an_event_forgets_what_it_names_when_it_commits(alpha):
    prices(alpha, "retail")
    prices(alpha, "trade")
    with pytest.raises(RuntimeError), alpha.transaction() as transaction:
        transaction.publish(PriceChanged(list_id="retail"))
        prices(alpha, "retail")  # what the transaction has changed is asked anew, and not kept
        raise RuntimeError
    assert CALLS == [("retail", "today"), ("trade", "today"), ("retail", "today")]
    prices(alpha, "retail")
    assert len(CALLS) == 3
    with alpha.transaction() as transaction:
        transaction.publish(PriceChanged(list_id="retail"))
    prices(alpha, "retail")
    prices(alpha, "trade")
    assert CALLS[3:] == [("retail", "today")]


def test_what_is_loaded_inside_a_transaction_is_not_kept(alpha):
    with alpha.transaction():
        prices(alpha, "retail")
        prices(alpha, "retail")
    prices(alpha, "retail")
    prices(alpha, "retail")
    assert len(CALLS) == 3


def test_a_commit_that_fails_leaves_only_a_pause(alpha):
    """The announcement of a change that is never made counts as a change, after a while."""
    prices(alpha, "retail")
    slot = slot_of("alpha", "price.changed:retail")
    alpha.cache.store.announce([slot])
    prices(alpha, "retail")
    prices(alpha, "retail")
    assert len(CALLS) == 3
    alpha.cache.store.change([slot])
    prices(alpha, "retail")
    prices(alpha, "retail")
    assert len(CALLS) == 4


def test_forget_and_refresh(alpha):
    prices(alpha, "retail")
    prices.forget(alpha, "retail")
    prices(alpha, "retail")
    prices.refresh(alpha, "retail")
    prices(alpha, "retail")
    assert len(CALLS) == 3


def test_none_is_kept_only_where_the_strategy_says_so(make_platform):
    platform = make_platform(components=["cache"], cache={"strategies": {"negative": {"negative_ttl": 30}}})
    with platform.context(tenant="alpha"):
        assert [prices(platform, "none"), prices(platform, "none")] == [None, None]
        assert [nothing(platform, "k"), nothing(platform, "k")] == [None, None]
    assert CALLS == [("none", "today"), ("none", "today"), ("k",)]


def test_a_value_that_is_not_what_was_declared_is_refused(alpha):
    with pytest.raises(ValidationError, match="can't be kept as JSON"):
        alpha.cache.region("default").get_or_load("k", lambda: date(2026, 1, 5))
    assert alpha.cache.region("default", date).get_or_load("k", lambda: date(2026, 1, 5)) == date(2026, 1, 5)
    assert alpha.cache.region("default", date).get("k") == date(2026, 1, 5)


def test_tags_may_only_name_arguments():
    with pytest.raises(ValidationError, match="may name its arguments only: list_id"):

        @cached("default", tags=["price.changed:{lst}"])
        def wrong(platform, list_id): ...


def test_a_value_too_large_is_given_and_not_kept(make_platform):
    platform = make_platform(components=["cache"], cache={"max_value_bytes": 1024})
    with platform.context(tenant="alpha"):
        assert platform.cache.region("default").get_or_load("k", lambda: "x" * 2000) == "x" * 2000
        assert platform.cache.region("default").get("k") is None


def test_a_value_that_another_release_kept_is_loaded_anew(alpha):
    alpha.cache.region("default").get_or_load("k", lambda: {"amount": "much"})
    wanted = Price(amount=Decimal(1), since=date(2026, 1, 5))
    for _ in range(2):
        assert alpha.cache.region("default", Price).get_or_load("k", lambda: wanted) == wanted


def test_a_long_key_is_kept_too(alpha):
    key = "q" * 5000
    assert alpha.cache.region("default").get_or_load(key, lambda: 1) == 1
    assert alpha.cache.region("default").get(key) == 1
    assert alpha.cache.region("default").get(key + "q") is None


def test_an_unknown_strategy_is_named_with_those_there_are(alpha):
    with pytest.raises(NotFoundError, match=r"\[cache.strategies.nope\]; there are default, entity_data"):
        alpha.cache.region("nope")
    alpha.cache.define("nope", Strategy(ttl=5))
    assert alpha.cache.region("nope").strategy.ttl == 5


def test_settings_are_merged_over_the_strategies_there_are(make_platform):
    platform = make_platform(components=["cache"], cache={"strategies": {"entity_data": {"ttl": 10}, "mine": {"ttl": 7}}})
    strategies = platform.settings.cache.strategies
    assert (strategies["entity_data"].ttl, strategies["entity_data"].strict) == (10, True)
    assert strategies["mine"].ttl == 7
    assert strategies["user_sessions"].ttl == 3600
    with pytest.raises(SettingsError, match=r"cache.strategies.mine.ttl: Input should be greater than 0 \(seen: -1\)"):
        make_platform(cache={"strategies": {"mine": {"ttl": -1}}})


def test_a_thousand_who_miss_at_once_load_once(alpha):
    loads, begin = [], threading.Barrier(200)

    def load():
        loads.append(1)
        threading.Event().wait(0.3)
        return "value"

    def read(_):
        begin.wait()
        with alpha.context(tenant="alpha"):
            return [alpha.cache.region("default").get_or_load("k", load) for _ in range(5)]

    with ThreadPoolExecutor(200) as pool:
        answers = [value for values in pool.map(read, range(200)) for value in values]
    assert answers == ["value"] * 1000
    assert len(loads) == 1


def test_reads_are_counted(alpha):
    region = alpha.cache.region("search_results")
    region.get_or_load("k", lambda: 1)
    region.get_or_load("k", lambda: 1)
    region.get_or_load("k", lambda: 1)
    stats = alpha.cache.stats()["search_results"]
    assert (stats.miss, stats.process, stats.hit_ratio) == (1, 2, pytest.approx(2 / 3))


def test_the_memory_of_a_process_is_bounded(make_platform):
    platform = make_platform(components=["cache"], cache={"process_entries": 10})
    with platform.context(tenant="alpha"):
        for number in range(50):
            platform.cache.region("default").set(str(number), number)
    assert len(platform.cache.near) == 10


def test_a_product_warms_its_cache_at_the_start(make_platform):
    class Warmer:
        @hookimpl
        def brickwork_warm_cache(self, platform):
            with platform.context(tenant="alpha"):
                prices(platform, "retail")

    platform = make_platform(components=["cache"], plugins=[Warmer()], cache={"warm_every": 0.1})
    platform.start()
    until(lambda: len(CALLS) >= 2)  # at the start, and by the clock
    with platform.context(tenant="alpha"):
        prices(platform, "retail")
        assert platform.cache.stats()["default"].process == 1


def test_one_process_at_a_time_warms_by_the_clock(make_platform):
    class Warmer:
        @hookimpl
        def brickwork_warm_cache(self, platform):
            CALLS.append(("warm",))

    platform = make_platform(components=["cache"], plugins=[Warmer()], cache={"warm_every": 0.05})
    assert platform.cache.store.lease("warm", 60)  # another process has just done it
    platform.start()
    until(lambda: CALLS)
    threading.Event().wait(0.4)
    assert CALLS == [("warm",)]


# -- entities read through it --------------------------------------------------------------------------------------------

PERSON = {
    "name": "person",
    "fields": {"name": {"type": "text"}, "secret": {"type": "text", "sensitive": True}},
}


@pytest.fixture
def people(alpha):
    alpha.entities.types.apply(PERSON)
    return alpha


def _hits(platform):
    stats = platform.cache.stats()["entity_data"]
    return stats.process + stats.shared


def test_a_record_comes_from_the_cache_and_is_never_old(people):
    made = people.entities.create("person", {"name": "Ann", "secret": "s1"})
    assert people.entities.get("person", made.id) == made
    hits = _hits(people)
    assert people.entities.get("person", made.id) == made
    assert _hits(people) == hits + 1
    people.entities.update("person", made.id, {"name": "Anna"})
    assert people.entities.get("person", made.id).data == {"name": "Anna", "secret": "s1"}
    people.entities.delete("person", made.id)
    with pytest.raises(NotFoundError):
        people.entities.get("person", made.id)
    people.entities.restore("person", made.id)
    assert people.entities.get("person", made.id).version == 4


def test_another_tenant_gets_nothing_from_it(people):
    made = people.entities.create("person", {"name": "Ann"})
    people.entities.get("person", made.id)
    with people.context(tenant="beta"):
        people.entities.types.apply(PERSON)
        with pytest.raises(NotFoundError):
            people.entities.get("person", made.id)


def test_a_transaction_sees_its_own_writes_and_keeps_nothing(people):
    made = people.entities.create("person", {"name": "Ann"})
    people.entities.get("person", made.id)
    with pytest.raises(RuntimeError), people.transaction():
        people.entities.update("person", made.id, {"name": "Anna"})
        assert people.entities.get("person", made.id)["name"] == "Anna"
        raise RuntimeError
    assert people.entities.get("person", made.id)["name"] == "Ann"


def test_import_merge_and_a_new_definition_forget_records(people):
    first = people.entities.create("person", {"name": "Ann"})
    second = people.entities.create("person", {"name": "Anne"})
    for made in (first, second):
        people.entities.get("person", made.id)
    people.entities.bulk.update_many("person", [(first.id, {"name": "Bulk"})])
    assert people.entities.get("person", first.id)["name"] == "Bulk"
    fields = {**PERSON["fields"], "town": {"type": "text", "default": "Ulm"}}
    people.entities.types.apply({**PERSON, "fields": fields})
    people.entities.update("person", first.id, {"town": "Bern"})
    assert people.entities.get("person", first.id)["town"] == "Bern"
    people.entities.duplicates.merge("person", first.id, second.id)
    with pytest.raises(NotFoundError, match="merged"):
        people.entities.get("person", second.id)


def test_what_is_sensitive_is_encrypted_in_the_cache_too(people):
    made = people.entities.create("person", {"name": "Ann", "secret": "open sesame"})
    people.entities.get("person", made.id)
    people.entities.get("person", made.id)
    kept = [entry.payload for entry in people.cache.near._entries.values()]
    assert any(b"Ann" in payload for payload in kept)
    assert not any(b"sesame" in payload for payload in kept)


OTHER_PROCESS = """
import sys
from brickwork import Platform
own = {"database": {"url": sys.argv[1]}, "platform": {"data_dir": sys.argv[2]}, "cache": {"one_machine": True}}
platform = Platform(settings=own)
with platform.context(tenant="alpha", actor="user:kim"):
    print(platform.entities.get("person", sys.argv[3])["name"], flush=True)
    for line in sys.stdin:
        print(platform.entities.get("person", sys.argv[3])["name"], flush=True)
"""


def test_no_process_gives_an_old_record_after_a_commit_in_another(people, tmp_path):
    """With an embedded database also where the processes were started in different folders."""
    made = people.entities.create("person", {"name": "0"})
    folder = tmp_path / "elsewhere" if people.database.embedded else people.settings.platform.data_dir
    command = [sys.executable, "-c", textwrap.dedent(OTHER_PROCESS), people.settings.database.url, str(folder), str(made.id)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ) as other:
        assert other.stdout.readline() == "0\n"
        for number in range(1, 30):
            people.entities.update("person", made.id, {"name": str(number)})
            other.stdin.write("\n")
            other.stdin.flush()
            assert other.stdout.readline() == f"{number}\n"
        other.stdin.close()


def test_a_reader_beside_a_writer_never_goes_back(people):
    made = people.entities.create("person", {"name": "0"})
    stop, seen = threading.Event(), []

    def read():
        with people.context(tenant="alpha", actor="user:kim"):
            while not stop.is_set():
                seen.append(int(people.entities.get("person", made.id)["name"]))

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(1, 60):
        people.entities.update("person", made.id, {"name": str(number)})
        assert people.entities.get("person", made.id)["name"] == str(number)
    stop.set()
    thread.join()
    assert seen == sorted(seen)


def test_where_other_machines_may_write_a_record_is_never_taken_from_the_embedded_cache(make_platform):
    platform = make_platform()
    with platform.context(tenant="alpha", actor="user:kim"):
        platform.entities.types.apply(PERSON)
        made = platform.entities.create("person", {"name": "Ann"})
        for _ in range(3):
            assert platform.entities.get("person", made.id) == made
        stats = platform.cache.stats()["entity_data"]
    assert (stats.process, stats.bypass) == ((2, 0) if platform.database.embedded else (0, 3))


def test_on_a_disk_that_can_not_be_written_the_platform_works_without_a_cache(make_platform, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    platform = make_platform(cache={"one_machine": True})
    monkeypatch.setattr(type(platform.database), "beside", lambda self, name: tmp_path / "file" / name)
    with platform.context(tenant="alpha", actor="user:kim"):
        platform.entities.types.apply(PERSON)
        made = platform.entities.create("person", {"name": "Ann"})
        platform.entities.update("person", made.id, {"name": "Anna"})
        assert platform.entities.get("person", made.id)["name"] == "Anna"
        assert platform.cache.failures
        assert "can't be used" in platform.health()["cache"].detail


def test_an_argument_may_be_annotated_with_what_only_type_checkers_know(alpha):
    @cached()
    def greet(platform: "Unknown", name: str) -> "str | None":  # noqa: F821
        return f"hello {name}"

    assert greet(alpha, "Ann") == "hello Ann"
    with pytest.raises(ValidationError, match="import it at run time"):

        @cached()
        def wrong(platform) -> "Unknown": ...  # noqa: F821


def test_in_a_transaction_with_many_events_the_loader_is_asked(alpha):
    prices(alpha, "retail")
    with alpha.transaction() as transaction:
        for _ in range(101):
            transaction.publish(PriceChanged(list_id="other"))
        prices(alpha, "retail")
    assert len(CALLS) == 2
    prices(alpha, "retail")
    assert len(CALLS) == 2


def test_slots_spread(alpha):
    slots = [slot_of("alpha", f"entity:person:{number}") for number in range(10_000)]
    assert len(set(slots)) > 9_900
    assert min(slots) > 0
    assert max(slots) < SLOTS
