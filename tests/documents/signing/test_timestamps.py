"""Timestamp authorities that stall, refuse, or answer something else."""

import datetime
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from asn1crypto import tsp

from brickwork.documents.signing import TimestampError, Trust, sign
from brickwork.documents.signing.authority import TimestampAuthority
from brickwork.testing.pki import Authority, Identity


@pytest.mark.parametrize(
    "answer",
    [(500, b""), (404, b""), (301, b""), (200, b""), (200, b"garbage"), (200, b"0" * 300_000), (200, b"\x30\x03\x02\x01\x00")],
)
def test_garbage(
    contract: bytes, authority: Authority, ada: Identity, clock: TimestampAuthority, answer: tuple[int, bytes]
) -> None:
    authority.instead["/tsa"] = answer
    with pytest.raises(TimestampError):
        sign(contract, ada.signer(), level="B-T", timestamps=clock)


def test_it_stalls(contract: bytes, authority: Authority, ada: Identity) -> None:
    over = Event()
    authority.instead["/tsa"] = lambda _: (over.wait(20), (200, b""))[1]
    impatient = TimestampAuthority(f"{authority.url}/tsa", timeout=0.3)
    with pytest.raises(TimestampError, match="no answer"):
        sign(contract, ada.signer(), level="B-T", timestamps=impatient)
    over.set()


def test_it_is_not_there(contract: bytes, ada: Identity) -> None:
    with pytest.raises(TimestampError):
        sign(contract, ada.signer(), level="B-T", timestamps=TimestampAuthority("http://127.0.0.1:9/tsa", timeout=2))


def test_it_refuses(contract: bytes, authority: Authority, ada: Identity, clock: TimestampAuthority) -> None:
    status = tsp.PKIStatusInfo({"status": "rejection", "status_string": ["not today"]}).dump()
    authority.instead["/tsa"] = (200, bytes([0x30, len(status)]) + status)
    with pytest.raises(TimestampError, match="not today"):
        sign(contract, ada.signer(), level="B-T", timestamps=clock)


def _other_imprint(request: Any) -> None:
    request["message_imprint"]["hashed_message"] = bytes(32)


def _other_nonce(request: Any) -> None:
    request["nonce"] = 7


@pytest.mark.parametrize("change", [_other_imprint, _other_nonce])
def test_it_stamps_something_else(
    contract: bytes, authority: Authority, ada: Identity, clock: TimestampAuthority, change: Callable[[Any], None]
) -> None:
    def answer(body: bytes) -> tuple[int, bytes]:
        request = tsp.TimeStampReq.load(body)
        change(request)
        return 200, authority._timestamp(request.dump(force=True))

    authority.instead["/tsa"] = answer
    with pytest.raises(TimestampError):
        sign(contract, ada.signer(), level="B-T", timestamps=clock)


def test_its_token_was_altered(contract: bytes, authority: Authority, ada: Identity, clock: TimestampAuthority) -> None:
    moment = datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)

    def answer(body: bytes) -> tuple[int, bytes]:
        authority.moment = moment
        token = authority._timestamp(body)
        assert token.count(b"20200102030405Z") == 1
        return 200, token.replace(b"20200102030405Z", b"20100102030405Z")

    authority.instead["/tsa"] = answer
    with pytest.raises(TimestampError, match="not signed"):
        sign(contract, ada.signer(), level="B-T", timestamps=clock)


def test_its_certificate_is_for_something_else(
    contract: bytes,
    authority: Authority,
    ada: Identity,
    ben: Identity,
    clock: TimestampAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(authority, "_tsa", ben)
    with pytest.raises(TimestampError, match="not for timestamps"):
        sign(contract, ada.signer(), level="B-T", timestamps=clock)


def test_an_authority_without_trust_is_refused_where_it_must_last(contract: bytes, ada: Identity, trust: Trust) -> None:
    from brickwork.documents.signing import CertificateError

    with Authority("Other Root").serving() as url, pytest.raises(CertificateError):
        sign(contract, ada.signer(), level="B-LT", timestamps=TimestampAuthority(f"{url}/tsa", timeout=5), trust=trust)
