"""Bundles: what travels together, and when the whole is settled."""

import pytest

from brickwork.messaging import Parcel
from brickwork.messaging.bundle import LARGE, Bundle, bundled


def parcel(id, queue="default", event="{}", tried=False):
    return Parcel(id, "alpha", "open", queue, event, tried)


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(1, 16, [1]), (5, 16, [1] * 5), (9, 16, [2, 2, 2, 2, 1]), (100, 16, [16] * 6 + [4]), (100, 1, [1] * 100)],
)
def test_a_batch_is_cut_so_that_several_workers_share_it(count, most, sizes):
    parcels = [parcel(id) for id in range(count)]
    cut = list(bundled(parcels, most))
    assert [len(bundle) for bundle in cut] == sizes
    assert [part for bundle in cut for part in bundle] == parcels


def test_queues_are_kept_apart():
    cut = list(bundled([*(parcel(id) for id in range(8)), *(parcel(id, "dogs") for id in range(8))], 16))
    assert [{part.queue for part in bundle} for bundle in cut] == [{"default"}] * 4 + [{"dogs"}] * 4


def test_what_was_tried_before_travels_by_itself():
    cut = list(bundled([parcel(id, tried=id == 3) for id in range(17)], 16))
    assert [part.id for part in next(bundle for bundle in cut if bundle[0].id == 3)] == [3]
    assert sorted(len(bundle) for bundle in cut) == [1, 4, 4, 4, 4]


def test_a_bundle_of_large_events_is_short():
    cut = list(bundled([parcel(id, event="x" * (LARGE // 2)) for id in range(40)], 16))
    assert [len(bundle) for bundle in cut] == [2] * 20


def test_a_bundle_is_settled_with_its_last_part():
    bundle = Bundle("receipt", [parcel(1), parcel(2), parcel(3)])
    one, two, three = bundle.parts
    assert bundle.end(one, good=True) is None
    assert bundle.end(one, good=True) is None  # told again, after the connection broke
    assert bundle.end(three, good=False) is None
    assert bundle.end(two, good=True) is False
    whole = Bundle("receipt", [parcel(1)])
    assert whole.end(whole.parts[0], good=True) is True
