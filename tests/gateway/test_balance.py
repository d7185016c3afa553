"""Who gets the next request."""

from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickwork.gateway.balance import balancer
from brickwork.gateway.discovery import Instance


def made(kind, **weights):
    balance = balancer(kind)
    balance.update([Instance(name, 80, weight) for name, weight in weights.items()])
    return balance


def host(balance, usable=lambda instance: True, *, keep=False):
    place = balance.take(usable)
    if not keep:
        balance.give_back(place)
    return place.instance.host


def test_heavy_instances_do_not_come_in_bursts():
    """The example of nginx's own description: weights 5, 1, 1."""
    balance = made("round_robin", a=5, b=1, c=1)
    assert "".join(host(balance) for _ in range(14)) == "aabacaa" * 2


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_a_round_gives_each_instance_as_many_as_it_weighs(weights):
    balance = made("round_robin", **{f"h{number}": weight for number, weight in enumerate(weights)})
    counts = Counter(host(balance) for _ in range(sum(weights)))
    assert counts == {f"h{number}": weight for number, weight in enumerate(weights)}


def test_an_unusable_instance_gets_nothing_and_the_others_its_share():
    balance = made("round_robin", a=2, b=1, c=1)
    counts = Counter(host(balance, lambda instance: instance.host != "a") for _ in range(10))
    assert counts == {"b": 5, "c": 5}


def test_where_nobody_is_usable_nobody_is_chosen():
    assert made("round_robin", a=1).take(lambda instance: False) is None
    assert made("least_connections").take(lambda instance: True) is None


def test_an_instance_without_weight_gets_nothing():
    balance = made("round_robin", a=1, b=0)
    assert {host(balance) for _ in range(5)} == {"a"}


def test_the_least_busy_for_its_weight_is_chosen():
    balance = made("least_connections", a=3, b=1)
    assert Counter(host(balance, keep=True) for _ in range(8)) == {"a": 6, "b": 2}
    slow = next(place for instance, place in balance.places.items() if instance.host == "b")
    for _ in range(2):
        balance.give_back(slow)
    assert [host(balance, keep=True) for _ in range(2)] == ["b", "b"]


def test_equally_busy_instances_take_turns():
    balance = made("least_connections", a=1, b=1, c=1)
    assert Counter(host(balance) for _ in range(9)) == {"a": 3, "b": 3, "c": 3}


def test_a_later_priority_waits_until_no_earlier_one_is_usable():
    balance = balancer("round_robin")
    balance.update([Instance("near", 80), Instance("far", 80, priority=10)])
    assert {host(balance) for _ in range(4)} == {"near"}
    assert host(balance, lambda instance: instance.host != "near") == "far"


@pytest.mark.parametrize("kind", ["round_robin", "least_connections"])
def test_who_stays_keeps_its_place_when_instances_change(kind):
    balance = made(kind, a=1, b=1)
    busy = [balance.take(lambda instance: True) for _ in range(2)]
    instances = list(balance.places)
    balance.update([*instances, Instance("c", 80)])
    assert [balance.places[instance].active for instance in instances] == [1, 1]
    balance.update(instances[:1])
    for place in busy:
        balance.give_back(place)  # of an instance that is gone, too
    assert host(balance, partial(bool)) == "a"
