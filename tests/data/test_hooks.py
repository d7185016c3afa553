"""The moments around a commit that a plugin may join."""

import pytest

from brickwork import hookimpl


class Listener:
    def __init__(self):
        self.heard = []

    @hookimpl
    def brickwork_after_commit(self, platform, transaction):
        self.heard.append((transaction.tenant, list(transaction.events), transaction.committed))
        raise RuntimeError("a listener that fails")


@pytest.fixture
def listener(platform):
    made = Listener()
    platform.plugins.register(made)
    return made


def test_listeners_hear_of_what_was_committed_and_their_failures_change_nothing(platform, listener):
    with platform.context(tenant="a", actor="user:x"), platform.transaction() as transaction:
        transaction.publish("told")
    assert listener.heard == [("a", ["told"], True)]


def test_a_rollback_and_a_reader_are_not_told_of(platform, listener):
    with platform.context(tenant="a", actor="user:x"):
        with pytest.raises(KeyError), platform.transaction() as transaction:
            transaction.publish("lost")
            raise KeyError
        with platform.transaction(readonly=True):
            pass
    assert listener.heard == []
