"""The embedded limits keep the contract, and decide as the settings say where they can't count."""

import pytest

from brickwork.errors import UnavailableError
from brickwork.testing.contracts.limits import LimitsContract


class TestEmbedded(LimitsContract):
    @pytest.fixture
    def database_kind(self):
        return "sqlite"

    @pytest.fixture
    def limits_section(self):
        return {"backend": "embedded"}


@pytest.mark.parametrize("decision", ["alone", "allow", "refuse"])
def test_without_its_store_it_decides_as_the_settings_say(make_platform, monkeypatch, decision):
    platform = make_platform(components=["limits"], migrated=False, limits={"when_unavailable": decision})

    def away(*arguments):
        raise UnavailableError("the disk is gone")

    monkeypatch.setattr(platform.limits.store._store, "advance", away)
    assert [platform.limits.hit("k", "1/hour").allowed for _ in range(2)] == {
        "alone": [True, False],
        "allow": [True, True],
        "refuse": [False, False],
    }[decision]


def test_a_clock_that_was_set_back_blocks_no_longer_than_the_limit_itself(make_platform, monkeypatch):
    platform = make_platform(components=["limits"])
    now = [1_700_000_000.0]
    monkeypatch.setattr("brickwork.limits.backends.embedded.time", lambda: now[0])
    backend = platform.limits.store
    for _ in range(3):
        assert backend.advance("ann", 10.0, 30.0)[0]
    now[0] -= 3600
    admitted, ahead = backend.advance("ann", 10.0, 30.0)
    assert not admitted
    assert ahead <= 30.0
    now[0] += 10
    assert backend.advance("ann", 10.0, 30.0)[0]
