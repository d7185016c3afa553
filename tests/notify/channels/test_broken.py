"""Broken channels that show that the channels' contract bites."""

import threading
import time

import pytest

from brickwork.errors import ValidationError
from brickwork.kernel.component import Health
from brickwork.notify.channels import PermanentFailure, Receipt, TemporaryFailure
from brickwork.testing.contracts.channel import ChannelContract, Rig

TOKEN = "t0ken-of-the-channel"
TIMEOUT = 0.2


class Sound:
    """A channel to a list. It keeps the contract."""

    kind = "list"

    def __init__(self):
        self.behaviours, self.received, self.lock = {}, [], threading.Lock()
        self.over = threading.Event()
        self.closed = False

    def check(self, address):
        if not (address.isascii() and address.isalnum()):
            raise ValidationError("takes letters and digits", field="address")
        return address.lower()

    def send(self, message):
        behaviour = self.behaviours.get(self.check(message.address), "accept")
        if behaviour == "temporary":
            raise TemporaryFailure("later")
        if behaviour == "permanent":
            raise PermanentFailure("never")
        if behaviour == "hang":
            self.over.wait(TIMEOUT)
            raise TemporaryFailure("no answer in time")
        with self.lock:
            self.received.append(message.id)
        return Receipt()

    def outcome(self, message):
        try:
            return self.send(message)
        except Exception as error:
            return error

    def send_many(self, messages):
        return [self.outcome(message) for message in messages]

    def health(self):
        return Health(not self.closed)

    def close(self):
        self.closed = True


class TakesAnything(Sound):
    def check(self, address):
        return address.strip().lower()


class KeepsTheForm(Sound):
    def check(self, address):
        super().check(address)
        return address


class GivesUpTooEarly(Sound):
    def send(self, message):
        try:
            return super().send(message)
        except TemporaryFailure as error:
            raise PermanentFailure(str(error)) from None


class NeverGivesUp(Sound):
    def send(self, message):
        try:
            return super().send(message)
        except PermanentFailure as error:
            raise TemporaryFailure(str(error)) from None


class Unsure(Sound):
    def send(self, message):
        try:
            return super().send(message)
        except TemporaryFailure as error:
            raise TemporaryFailure(str(error), uncertain=True) from None


class TellsNothing(Sound):
    def send(self, message):
        outcome = super().outcome(message)
        return outcome if isinstance(outcome, Receipt) else Receipt(detail="failed")


class StopsAtTheFirst(Sound):
    def send_many(self, messages):
        return [self.send(message) for message in messages]


class MixesUp(Sound):
    def send_many(self, messages):
        outcomes = super().send_many(messages)
        return sorted(outcomes, key=lambda outcome: isinstance(outcome, Receipt))


class SendsTwice(Sound):
    def send_many(self, messages):
        super().send_many(messages[:1])
        return super().send_many(messages)


class LosesSome(Sound):
    """Two threads at once, and one message is gone."""

    def send(self, message):
        before = list(self.received)
        receipt = super().send(message)
        time.sleep(0.001)
        self.received = [*before, message.id]
        return receipt


class WaitsForEver(Sound):
    def send(self, message):
        if self.behaviours.get(message.address) == "hang":
            self.over.wait(4)
        return super().send(message)


class HoldsAllUp(Sound):
    def send_many(self, messages):
        if "hang" in self.behaviours.values():
            return [TemporaryFailure("no answer in time") for _ in messages]
        return super().send_many(messages)


class TellsItsToken(Sound):
    def send(self, message):
        try:
            return super().send(message)
        except TemporaryFailure as error:
            raise TemporaryFailure(f"{error} (signed in with {TOKEN})") from None


class ShowsItsToken(Sound):
    def __repr__(self):
        return f"Channel(token={TOKEN!r})"


class ChainsItsToken(Sound):
    def send(self, message):
        try:
            return super().send(message)
        except TemporaryFailure as error:
            raise TemporaryFailure(str(error)) from ValueError(TOKEN)


class Unwell(Sound):
    def health(self):
        return Health(False)


class ClosesOnce(Sound):
    def close(self):
        if self.closed:
            raise RuntimeError("closed already")
        super().close()


def rig_of(channel):
    return Rig(
        channel=channel,
        address=lambda number: f"kim{number}",
        behave=channel.behaviours.__setitem__,
        received=lambda: list(channel.received),
        normal={"Kim": "kim"},
        refused=["k im", "kïm"],
        secrets=[TOKEN],
        timeout=TIMEOUT,
    )


class TestSound(ChannelContract):
    @pytest.fixture
    def rig(self):
        return rig_of(Sound())


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (TakesAnything, "test_what_is_no_address_is_refused"),
        (KeepsTheForm, "test_an_address_has_one_normal_form"),
        (TellsNothing, "test_a_refusal_for_now_can_be_tried_again"),
        (GivesUpTooEarly, "test_a_refusal_for_now_can_be_tried_again"),
        (Unsure, "test_a_refusal_for_now_can_be_tried_again"),
        (NeverGivesUp, "test_a_refusal_for_good_can_not"),
        (TellsNothing, "test_many_are_told_apart_and_stay_in_order"),
        (StopsAtTheFirst, "test_many_are_told_apart_and_stay_in_order"),
        (MixesUp, "test_many_are_told_apart_and_stay_in_order"),
        (SendsTwice, "test_many_are_told_apart_and_stay_in_order"),
        (NeverGivesUp, "test_many_are_told_apart_and_stay_in_order"),
        (WaitsForEver, "test_who_does_not_answer_is_not_waited_for"),
        (GivesUpTooEarly, "test_who_does_not_answer_is_not_waited_for"),
        (HoldsAllUp, "test_one_who_does_not_answer_keeps_no_other_back"),
        (LosesSome, "test_of_many_threads_each_message_is_sent_once"),
        (TellsItsToken, "test_nothing_that_is_told_holds_a_secret"),
        (ShowsItsToken, "test_nothing_that_is_told_holds_a_secret"),
        (ChainsItsToken, "test_nothing_that_is_told_holds_a_secret"),
        (Unwell, "test_its_health_can_be_asked"),
        (ClosesOnce, "test_it_can_be_closed_twice"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_contract_finds_what_is_broken(broken, rule):
    with pytest.raises((AssertionError, pytest.fail.Exception, TemporaryFailure, RuntimeError)):
        getattr(ChannelContract(), rule)(rig_of(broken()))
