"""Signing: what is asked for is in the document, and what can't be done is refused."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from brickwork.documents.signing import (
    Appearance,
    CertificateError,
    Field,
    Lock,
    Place,
    SigningError,
    Trust,
    add_fields,
    extend,
    sign,
    signature_fields,
    verify,
)
from brickwork.documents.signing.authority import TimestampAuthority
from brickwork.errors import DocumentUnreadableError, TooLargeError, ValidationError
from brickwork.testing.pki import Authority, Identity

Check = Callable[[bytes], None]


def signatures(pdf: bytes) -> list[Any]:
    found: list[Any] = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    return found


def test_an_invisible_signature(contract: bytes, ada: Identity, check: Check) -> None:
    signed = sign(contract, ada.signer(), reason="I agree", location="Berlin", contact="ada@example.org")
    assert signed.startswith(contract)
    (one,) = signatures(signed)
    assert (one.sig_object["/Reason"], one.sig_object["/Location"], one.field_name) == ("I agree", "Berlin", "Signature1")
    assert one.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    check(signed)


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_visible_signature(contract: bytes, authority: Authority, check: Check, kind: Any) -> None:
    signer = authority.issue("Zoë Ng", kind=kind).signer()
    appearance = Appearance("Signed by {name}\n{reason}", image=_png())
    signed = sign(contract, signer, place=Place(2, 72, 600, 220, 80), appearance=appearance, reason="I agree")
    check(signed)
    assert signature_fields(signed)[0].visible
    import pypdfium2

    document = pypdfium2.PdfDocument(signed)
    document.init_forms()
    picture = document[1].render(may_draw_forms=True).to_numpy()
    area = picture[842 - 680 : 842 - 600, 72:292]
    assert (area < 128).any()
    assert (area[2:-2, :3] < 200).any(), "the picture fills its field"
    assert (area[2:-2, -3:] < 200).any()


@pytest.mark.parametrize("line", ["{name.__class__}", "{name:>1000000000}", "{who}", "{}", "{0}"])
def test_placeholders_are_names_alone(contract: bytes, ada: Identity, line: str) -> None:
    with pytest.raises(ValidationError, match=r"is none of \{name\}, \{time\}, \{reason\}, \{location\}"):
        sign(contract, ada.signer(), place=Place(1, 72, 600, 220, 80), appearance=Appearance(line))


def test_fields_are_made_ahead_and_signed_one_after_the_other(
    contract: bytes, ada: Identity, ben: Identity, check: Check
) -> None:
    prepared = add_fields(contract, [Field("tenant", Place(2, 72, 600, 200, 60)), Field("owner", Place(2, 300, 600, 200, 60))])
    assert [(one.name, one.signed) for one in signature_fields(prepared)] == [("tenant", False), ("owner", False)]
    assert PdfFileReader(io.BytesIO(prepared)).xrefs.total_revisions == 2, "all fields are one update"
    assert add_fields(contract, []) == contract
    once = sign(prepared, ada.signer(), field="owner")
    twice = sign(once, ben.signer())
    assert twice.startswith(once)
    assert [(one.name, one.signed) for one in signature_fields(twice)] == [("tenant", True), ("owner", True)]
    check(twice)


@pytest.mark.parametrize("level", ["B-T", "B-LT", "B-LTA"])
def test_levels(contract: bytes, ada: Identity, trust: Trust, clock: TimestampAuthority, check: Check, level: Any) -> None:
    signed = sign(contract, ada.signer(), level=level, timestamps=clock, trust=trust)
    check(signed)
    reader = PdfFileReader(io.BytesIO(signed))
    kinds = [str(one.sig_object_type) for one in reader.embedded_signatures]
    assert kinds == (["/Sig", "/DocTimeStamp"] if level == "B-LTA" else ["/Sig"])
    assert verify(signed, trust).signatures[0].level == level
    assert ("/DSS" in reader.root) == (level != "B-T")


def test_a_plain_signature_is_extended(
    contract: bytes, ada: Identity, ben: Identity, trust: Trust, clock: TimestampAuthority, check: Check
) -> None:
    signed = sign(sign(contract, ada.signer()), ben.signer())
    lasting = extend(signed, level="B-LTA", timestamps=clock, trust=trust)
    again = extend(lasting, level="B-LTA", timestamps=clock, trust=trust)
    assert lasting.startswith(signed)
    assert again.startswith(lasting)
    assert len(signatures(again)) == 4
    check(again)


@pytest.mark.parametrize("certify", ["none", "forms", "annotations"])
def test_certifying(contract: bytes, ada: Identity, ben: Identity, check: Check, certify: Any) -> None:
    prepared = add_fields(contract, [Field("owner")])
    certified = sign(prepared, ada.signer(), field="author", certify=certify)
    check(certified)
    assert signatures(certified)[0].docmdp_level.value == {"none": 1, "forms": 2, "annotations": 3}[certify]
    if certify == "none":
        with pytest.raises(SigningError):
            sign(certified, ben.signer(), field="owner")
    else:
        check(sign(certified, ben.signer(), field="owner"))
    with pytest.raises(SigningError, match="only in fields"):
        sign(certified, ben.signer(), field="another")
    with pytest.raises(SigningError, match="first signature"):
        sign(sign(prepared, ada.signer()), ben.signer(), certify="forms")


def test_a_lock_is_put_into_the_document(contract: bytes, ada: Identity) -> None:
    signed = sign(contract, ada.signer(), lock=Lock("only", ["note"]))
    assert signatures(signed)[0].fieldmdp.fields == ["note"]


def test_what_cannot_be_signed(contract: bytes, ada: Identity) -> None:
    signer = ada.signer()
    with pytest.raises(SigningError, match="signed already"):
        sign(sign(contract, signer, field="a"), signer, field="a")
    with pytest.raises(SigningError, match="not for signatures"):
        sign(contract, signer, field="note")
    with pytest.raises(SigningError, match="before the first signature"):
        add_fields(sign(contract, signer), [Field("later")])
    with pytest.raises(SigningError, match="there is a field"):
        add_fields(contract, [Field("a"), Field("a")])
    with pytest.raises(ValidationError, match="no page 3"):
        sign(contract, signer, place=Place(3, 0, 0, 10, 10))
    with pytest.raises(ValidationError, match="timestamp authority"):
        sign(contract, signer, level="B-T")
    with pytest.raises(ValidationError, match="is none of"):
        sign(contract, signer, level="B-X")  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"no PDF", b"%PDF-1.7\n%%EOF", b"%PDF-1.7\n" + b"\xff" * 500])
def test_what_is_no_pdf(content: bytes, ada: Identity) -> None:
    with pytest.raises(DocumentUnreadableError):
        sign(content, ada.signer())


def test_what_is_cut_short_or_too_large(contract: bytes, ada: Identity) -> None:
    from brickwork.documents.signing import Limits

    for end in range(len(contract) // 7, len(contract) - 8, len(contract) // 7):
        with pytest.raises(DocumentUnreadableError):
            sign(contract[:end], ada.signer())
    with pytest.raises(TooLargeError):
        sign(contract, ada.signer(), limits=Limits(bytes=100))


def test_certificates_that_are_no_good(contract: bytes, authority: Authority, trust: Trust) -> None:
    now = datetime.now(UTC)
    cases = {
        "expired": authority.issue(begin=now - timedelta(days=9), end=now - timedelta(days=1)),
        "not_yet_valid": authority.issue(begin=now + timedelta(days=1)),
        "key_usage": authority.issue(usage="encrypt"),
        "untrusted": Authority("Another Root").issue(),
        "revoked": authority.issue(),
    }
    authority.revoke(cases["revoked"])
    for problem, identity in cases.items():
        with pytest.raises(CertificateError) as caught:
            sign(contract, identity.signer(), trust=trust)
        assert caught.value.details["problem"] == problem


def test_what_nobody_tells_the_state_of_cannot_last(
    contract: bytes, authority: Authority, trust: Trust, clock: TimestampAuthority
) -> None:
    silent = authority.issue(status="none")
    with pytest.raises(CertificateError) as caught:
        sign(contract, silent.signer(), level="B-LT", timestamps=clock, trust=trust)
    assert caught.value.details["problem"] == "status_unknown"


def _png() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGBA", (40, 20), (10, 20, 120, 255)).save(buffer, "PNG")
    return buffer.getvalue()
