"""The contract of the channels' port. A channel's tests subclass `ChannelContract` and give the fixture `rig`: the channel, and a
real server behind it whose behaviour a test can choose for each address."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Literal

import attrs
import pytest

from brickwork.errors import ValidationError
from brickwork.notify.channels.errors import PermanentFailure, SendError
from brickwork.notify.channels.port import Channel, Outgoing, Receipt

#: What the server does with messages to an address: takes them, refuses for now, refuses for good, doesn't answer.
Behaviour = Literal["accept", "temporary", "permanent", "hang"]


def outgoing(id: str, address: str) -> Outgoing:
    """A message that any channel can send, with its id in the text."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    return Outgoing(id=id, address=address, subject=id, text=f"text of {id}", data={"about": id}, secrets=(secret,))


@attrs.frozen(kw_only=True)
class Rig:
    """A channel and what a test must know of it."""

    channel: Channel
    #: A good address, another one for each number.
    address: Callable[[int], str]
    behave: Callable[[str, Behaviour], None]
    #: The ids of the messages that the server took so far, in the order they came.
    received: Callable[[], Sequence[str]]
    #: Addresses and their normal forms.
    normal: Mapping[str, str]
    #: What is no address.
    refused: Sequence[str]
    #: Texts that must not appear in errors or representations: passwords, tokens.
    secrets: Sequence[str]
    #: Seconds after which the channel doesn't wait any more.
    timeout: float
    #: Whether the other side tells a refusal for good from one for now. Where not, each may be tried again.
    tells_permanent: bool = True


class ChannelContract:
    """What every channel must do, whatever it talks to."""

    def test_an_address_has_one_normal_form(self, rig: Rig) -> None:
        assert rig.normal, "the rig must name some"
        for given, normal in rig.normal.items():
            assert rig.channel.check(given) == normal
            assert rig.channel.check(normal) == normal

    def test_what_is_no_address_is_refused(self, rig: Rig) -> None:
        good = rig.address(0)
        for bad in (*rig.refused, "", " ", "\r\n", f"{good}\r\nX: y", f"{good}\n", f"{good}\x00"):
            with pytest.raises(ValidationError):
                rig.channel.check(bad)
            with pytest.raises((ValidationError, PermanentFailure)):
                rig.channel.send(outgoing("bad", bad))
        assert rig.received() == []

    def test_a_message_that_is_taken_gives_a_receipt(self, rig: Rig) -> None:
        receipt = rig.channel.send(outgoing("one", rig.address(0)))
        assert isinstance(receipt, Receipt)
        assert receipt.parts >= 1
        assert rig.received() == ["one"]

    def test_a_refusal_for_now_can_be_tried_again(self, rig: Rig) -> None:
        rig.behave(rig.address(0), "temporary")
        error = _failure(rig, "one", rig.address(0))
        assert error.retryable
        assert not error.uncertain, "the server has said that it did not take it"
        rig.behave(rig.address(0), "accept")
        rig.channel.send(outgoing("one", rig.address(0)))
        assert rig.received() == ["one"]

    def test_a_refusal_for_good_can_not(self, rig: Rig) -> None:
        rig.behave(rig.address(0), "permanent")
        assert _failure(rig, "one", rig.address(0)).retryable is not rig.tells_permanent
        assert rig.received() == []

    def test_many_are_told_apart_and_stay_in_order(self, rig: Rig) -> None:
        addresses = [rig.address(number) for number in range(40)]
        rig.behave(addresses[3], "temporary")
        rig.behave(addresses[21], "permanent")
        addresses[30] = rig.refused[0]
        messages = [outgoing(f"m{number}", address) for number, address in enumerate(addresses)]
        outcomes = rig.channel.send_many(messages)
        assert len(outcomes) == 40
        taken = [message.id for message, outcome in zip(messages, outcomes, strict=True) if isinstance(outcome, Receipt)]
        assert taken == [f"m{number}" for number in range(40) if number not in (3, 21, 30)]
        assert sorted(rig.received()) == sorted(taken)
        one, other, bad = outcomes[3], outcomes[21], outcomes[30]
        assert isinstance(one, SendError)
        assert one.retryable
        assert isinstance(other, SendError)
        assert other.retryable is not rig.tells_permanent
        assert isinstance(bad, ValidationError | PermanentFailure)

    def test_none_are_none(self, rig: Rig) -> None:
        assert list(rig.channel.send_many([])) == []

    def test_who_does_not_answer_is_not_waited_for(self, rig: Rig) -> None:
        rig.behave(rig.address(0), "hang")
        began = monotonic()
        error = _failure(rig, "one", rig.address(0))
        assert monotonic() - began < 2 * rig.timeout + 2
        assert error.retryable

    def test_one_who_does_not_answer_keeps_no_other_back(self, rig: Rig) -> None:
        rig.behave(rig.address(2), "hang")
        messages = [outgoing(f"m{number}", rig.address(number)) for number in range(6)]
        outcomes = rig.channel.send_many(messages)
        assert [isinstance(outcome, Receipt) for outcome in outcomes] == [True, True, False, True, True, True]
        assert sorted(set(rig.received()) - {"m2"}) == ["m0", "m1", "m3", "m4", "m5"]

    def test_of_many_threads_each_message_is_sent_once(self, rig: Rig) -> None:
        ids = [f"m{number}" for number in range(60)]
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda id: rig.channel.send(outgoing(id, rig.address(0))), ids))
        assert sorted(rig.received()) == sorted(ids)

    def test_nothing_that_is_told_holds_a_secret(self, rig: Rig) -> None:
        assert rig.secrets, "the rig must name some"
        told = [repr(rig.channel), str(rig.channel.health()), repr(outgoing("one", "address"))]
        behaviours: tuple[Behaviour, ...] = ("temporary", "permanent", "hang")
        for behaviour in behaviours:
            rig.behave(rig.address(0), behaviour)
            error = _failure(rig, "one", rig.address(0))
            told += [repr(error), str(error.details), *traceback.format_exception(error)]
        for secret in (*rig.secrets, *outgoing("one", "address").secrets):
            assert not any(secret in text for text in told), "a secret is told"

    def test_its_health_can_be_asked(self, rig: Rig) -> None:
        assert rig.channel.health().ok

    def test_it_can_be_closed_twice(self, rig: Rig) -> None:
        rig.channel.send(outgoing("one", rig.address(0)))
        rig.channel.close()
        rig.channel.close()


def _failure(rig: Rig, id: str, address: str) -> SendError:
    with pytest.raises(SendError) as caught:
        rig.channel.send(outgoing(id, address))
    return caught.value
