"""Broken stores that show that the limits' contract bites."""

from time import sleep

import pytest

from brickwork import Backend, hookimpl
from brickwork.limits.backends.embedded import EmbeddedLimits
from brickwork.limits.port import Taken
from brickwork.testing.contracts.limits import LimitsContract


class TakesWhatItCan(EmbeddedLimits):
    """Takes each by itself, so that a refused call has used up something."""

    def take(self, paces, counts):
        one = [super(TakesWhatItCan, self).take([pace], []) for pace in paces]
        two = [super(TakesWhatItCan, self).take([], [count]) for count in counts]
        ahead, used = [taken.ahead[0] for taken in one], [taken.used[0] for taken in two]
        return Taken(all(taken.all for taken in (*one, *two)), ahead, used)


class LooksThenTakes(EmbeddedLimits):
    """Decides in one step and takes in another, where somebody else can come between."""

    def take(self, paces, counts):
        asked = super().take([pace._replace(step=0) for pace in paces], [count._replace(cost=0) for count in counts])
        sleep(0.001)
        fits = all(a + pace.step <= pace.most for a, pace in zip(asked.ahead, paces, strict=True))
        fits = fits and all(u is None or u + count.cost <= count.most for u, count in zip(asked.used, counts, strict=True))
        if not fits:
            return Taken(False, asked.ahead, asked.used)
        return super().take([p._replace(most=1e9) for p in paces], [c._replace(most=10**9) for c in counts])


class BeginsAtZero(EmbeddedLimits):
    """Takes a count that it doesn't know for one that nothing was used of."""

    def take(self, paces, counts):
        return super().take(paces, [count._replace(floor=0) for count in counts])


class BelievesTheFloor(EmbeddedLimits):
    """Counts from what it is told, whatever it knows."""

    def take(self, paces, counts):
        taken = super().take(paces, counts)
        told = [used if count.floor is None else count.floor + count.cost for used, count in zip(taken.used, counts, strict=True)]
        return Taken(taken.all, taken.ahead, told)


class CountsQuestions(EmbeddedLimits):
    """Whoever asks has used one more."""

    def take(self, paces, counts):
        return super().take(paces, [count._replace(cost=max(count.cost, 1)) for count in counts])


class RoundsUp(EmbeddedLimits):
    """Holds times in whole milliseconds."""

    def take(self, paces, counts):
        return super().take([pace._replace(step=round(pace.step + 0.0005, 3)) for pace in paces], counts)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (TakesWhatItCan, "test_all_is_taken_or_nothing"),
        (TakesWhatItCan, "test_a_full_count_lets_no_pace_advance"),
        (LooksThenTakes, "test_of_many_threads_in_all_processes_just_as_many_as_fit_take_all"),
        (BeginsAtZero, "test_a_count_it_does_not_know_takes_nothing_until_its_floor_is_told"),
        (BelievesTheFloor, "test_a_count_it_does_not_know_takes_nothing_until_its_floor_is_told"),
        (CountsQuestions, "test_asking_changes_nothing"),
        (RoundsUp, "test_a_burst_is_exactly_as_large_as_its_rate_says"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_contract_finds_what_is_broken(make_platform, database_kind, broken, rule):
    if database_kind != "sqlite":
        return  # the store is a file of its own on every database
    plugin = _Plugin(broken)
    limits = {"backend": "broken"}
    one = make_platform(components=["limits"], plugins=[plugin], migrated=False, limits=limits)
    folder = {"data_dir": one.settings.platform.data_dir}
    database = one.settings.database.model_dump(exclude_unset=True)
    two = make_platform(components=["limits"], plugins=[plugin], database=database, platform=folder, limits=limits)
    arguments = {
        "test_of_many_threads_in_all_processes_just_as_many_as_fit_take_all": (one, two),
        "test_a_burst_is_exactly_as_large_as_its_rate_says": (one.limits.store, "3333/minute"),
    }
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(LimitsContract(), rule)(*arguments.get(rule, (one.limits.store,)))


class _Plugin:
    """Offers a broken store as `limits.backend = "broken"`."""

    def __init__(self, broken):
        self._broken = broken

    @hookimpl
    def brickwork_backends(self):
        return [Backend(port="limits", name="broken", factory=f"{__name__}:{self._broken.__name__}")]
