"""Verification: what is good is said to be, and every way to cheat that is tried here is named."""

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from brickwork.documents.signing import Field, Limits, Lock, Place, Trust, add_fields, extend, sign, verify
from brickwork.documents.signing.authority import TimestampAuthority
from brickwork.documents.signing.report import Change, Found
from brickwork.errors import DocumentPasswordError, DocumentUnreadableError, TooLargeError
from brickwork.testing.pki import Authority, Identity

name = generic.NameObject


def first(pdf: bytes, trust: Trust) -> Found:
    return verify(pdf, trust).signatures[0]


def told(found: Found) -> list[Change]:
    """The changes, without the time of the last change that some updates write."""
    return [change for change in found.changes if change.kind != "metadata_changed"]


def kinds(found: Found) -> set[str]:
    return {change.kind for change in told(found)}


def codes(found: Found) -> set[str]:
    return {finding.code for finding in found.findings}


def updated(pdf: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    """The document with an incremental update, as an attacker or another program would write it."""
    writer, out = IncrementalPdfFileWriter(io.BytesIO(pdf)), io.BytesIO()
    change(writer)
    writer.write(out)
    return out.getvalue()


def page(writer: IncrementalPdfFileWriter, number: int = 1) -> Any:
    return writer.find_page_for_modification(number - 1)[0].get_object()


def fill(writer: IncrementalPdfFileWriter) -> None:
    (field,) = [one.get_object() for one in writer.root["/AcroForm"]["/Fields"] if one.get_object()["/T"] == "note"]
    field[name("/V")] = generic.TextStringObject("filled in")
    writer.update_container(field)


def annotate(writer: IncrementalPdfFileWriter) -> None:
    note = generic.DictionaryObject({
        name("/Type"): name("/Annot"), name("/Subtype"): name("/Text"), name("/Contents"): generic.TextStringObject("hm"),
        name("/Rect"): generic.ArrayObject(generic.NumberObject(n) for n in (10, 10, 30, 30)),
    })  # fmt: skip
    writer.register_annotation(writer.find_page_for_modification(1)[0], writer.add_object(note))


def rewrite(writer: IncrementalPdfFileWriter) -> None:
    first = page(writer)
    stream = generic.StreamObject(stream_data=b"BT /F1 12 Tf 72 770 Td (Lease: the rent is 9) Tj ET")
    first[name("/Contents")] = writer.add_object(stream)
    writer.update_container(first)


def add_page(writer: IncrementalPdfFileWriter) -> None:
    pages = writer.root["/Pages"]
    new = generic.DictionaryObject({
        name("/Type"): name("/Page"), name("/Parent"): writer.root.raw_get("/Pages"),
        name("/MediaBox"): generic.ArrayObject(generic.NumberObject(n) for n in (0, 0, 200, 200)),
    })  # fmt: skip
    pages["/Kids"].append(writer.add_object(new))
    pages[name("/Count")] = generic.NumberObject(len(pages["/Kids"]))
    writer.update_container(pages["/Kids"])
    writer.update_container(pages)


def script(writer: IncrementalPdfFileWriter) -> None:
    action = {name("/S"): name("/JavaScript"), name("/JS"): generic.TextStringObject("app.alert(1)")}
    writer.root[name("/OpenAction")] = generic.DictionaryObject(action)
    writer.update_root()


def test_a_good_signature(contract: bytes, ada: Identity, trust: Trust) -> None:
    moment = datetime.now(UTC).replace(microsecond=0)
    report = verify(sign(contract, ada.signer(), reason="I agree", location="Berlin", name="A. Ito", moment=moment), trust)
    (found,) = report.signatures
    assert report.ok
    assert (found.intact, found.trusted, found.level, found.coverage) == (True, True, "B-B", "file")
    assert (found.signer, found.name, found.reason, found.location) == ("Ada Ito", "A. Ito", "I agree", "Berlin")
    assert (found.claimed_at, found.timestamped_at, found.certification) == (moment, None, None)


def test_no_signature(contract: bytes, trust: Trust) -> None:
    report = verify(contract, trust)
    assert (report.ok, report.signed, report.signatures) == (False, False, ())


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_archived(contract: bytes, authority: Authority, trust: Trust, clock: TimestampAuthority, kind: Any) -> None:
    signed = sign(contract, authority.issue(kind=kind).signer(), level="B-LTA", timestamps=clock, trust=trust)
    signature, stamp = verify(signed, trust).signatures
    assert (signature.ok, signature.level, signature.coverage) == (True, "B-LTA", "revision")
    assert (stamp.ok, stamp.kind) == (True, "timestamp")
    assert kinds(signature) <= {"timestamp_added", "validation_data_added"}


def test_an_archived_signature_needs_nobody(
    contract: bytes, authority: Authority, ada: Identity, trust: Trust, clock: TimestampAuthority
) -> None:
    signed = sign(contract, ada.signer(), level="B-LTA", timestamps=clock, trust=trust)
    authority.calls.clear()
    alone = Trust(roots=authority.pem, fetch=False)
    assert verify(signed, alone).ok
    assert first(signed, alone).level == "B-LTA"
    assert authority.calls == []


def test_several_signers(contract: bytes, ada: Identity, ben: Identity, trust: Trust) -> None:
    prepared = add_fields(contract, [Field("a", Place(2, 72, 600, 200, 60)), Field("b", Place(2, 300, 600, 200, 60))])
    report = verify(sign(sign(prepared, ada.signer(), field="b"), ben.signer(), field="a"), trust)
    assert [(one.field, one.signer, one.ok) for one in report.signatures] == [("b", "Ada Ito", True), ("a", "Ben Okafor", True)]
    assert [(change.kind, change.name, change.allowed) for change in told(report.signatures[0])] == [
        ("signature_added", "a", True)
    ]
    assert report.ok


@pytest.mark.parametrize(
    ("change", "kind"),
    [(rewrite, "content_changed"), (add_page, "page_added"), (annotate, "annotation_added"), (script, "actions_changed")],
)
@pytest.mark.parametrize("certify", [None, "none", "forms"])
def test_what_was_done_afterwards_is_named(
    contract: bytes, ada: Identity, trust: Trust, certify: Any, change: Any, kind: str
) -> None:
    found = first(updated(sign(contract, ada.signer(), certify=certify), change), trust)
    assert found.intact
    assert not found.ok
    assert codes(found) == {"changed"}
    assert [one.allowed for one in found.changes if one.kind == kind] == [False]


@pytest.mark.parametrize(("certify", "allowed"), [(None, True), ("forms", True), ("annotations", True), ("none", False)])
def test_filling_in(contract: bytes, ada: Identity, trust: Trust, certify: Any, allowed: bool) -> None:
    found = first(updated(sign(contract, ada.signer(), certify=certify), fill), trust)
    assert [(one.kind, one.name, one.allowed) for one in told(found)] == [("field_filled", "note", allowed)]
    assert (found.ok, found.certification) == (allowed, certify)


def test_annotations_where_they_are_allowed(contract: bytes, ada: Identity, trust: Trust) -> None:
    certified = sign(contract, ada.signer(), certify="annotations")
    found = first(updated(certified, annotate), trust)
    assert [(one.kind, one.name, one.page, one.allowed) for one in told(found)] == [("annotation_added", "Text", 2, True)]
    assert found.ok
    for change in (rewrite, add_page, script):
        assert not first(updated(updated(certified, annotate), change), trust).ok
        assert not first(updated(updated(certified, change), annotate), trust).ok


@pytest.mark.parametrize(
    ("lock", "good"),
    [(Lock(), False), (Lock("only", ["note"]), False), (Lock("only", ["x"]), True), (Lock("except", ["note"]), True)],
)
def test_locks(contract: bytes, ada: Identity, trust: Trust, lock: Lock, good: bool) -> None:
    found = first(updated(sign(contract, ada.signer(), lock=lock), fill), trust)
    assert found.ok == good
    assert [one.allowed for one in told(found)] == [good]


def test_what_was_overwritten_in_place(contract: bytes, ada: Identity, trust: Trust) -> None:
    signed = sign(contract, ada.signer())
    for before, after in ((b"/Title (untitled)", b"/Title (Untitled)"), (b"/MediaBox [ 0 0 595 ", b"/MediaBox [ 0 0 594 ")):
        assert before in signed
        found = first(signed.replace(before, after), trust)
        assert (found.intact, codes(found)) == (False, {"altered"})


def test_a_signature_of_another_document(contract: bytes, ada: Identity, trust: Trust) -> None:
    one, two = sign(contract, ada.signer(), reason="this"), sign(contract, ada.signer(), reason="that")
    pattern = re.compile(rb"/Contents <([0-9a-fA-F]{200,})>")
    mine, other = pattern.search(one), pattern.search(two)
    assert mine is not None
    assert other is not None
    assert len(mine.group(1)) == len(other.group(1))
    found = first(one.replace(mine.group(1), other.group(1)), trust)
    assert codes(found) == {"altered"}


def test_a_signature_that_covers_less(contract: bytes, ada: Identity, trust: Trust) -> None:
    """The byte range is shortened; whatever follows could then be anything."""
    signed = sign(contract, ada.signer())
    match = re.search(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)\s*\]", signed)
    assert match is not None
    shorter = str(int(match.group(4)) - 1).encode().rjust(len(match.group(4)), b"0")
    changed = signed[: match.start(4)] + shorter + signed[match.end(4) :]
    found = first(changed, trust)
    assert not found.ok
    assert "altered" in codes(found)


def test_content_hidden_ahead_and_swapped_afterwards(contract: bytes, ada: Identity, trust: Trust) -> None:
    """A shadow attack: what is shown later lies in the document when it is signed, unused, and a small update brings it up."""
    hidden: list[Any] = []

    def prepare(writer: IncrementalPdfFileWriter) -> None:
        stream = generic.StreamObject(stream_data=b"BT /F1 12 Tf 72 770 Td (the rent is 9) Tj ET")
        page(writer)[name("/Shadow")] = reference = writer.add_object(stream)
        hidden.append(reference)
        writer.update_container(page(writer))

    def swap(writer: IncrementalPdfFileWriter) -> None:
        one = page(writer)
        one[name("/Contents")] = generic.IndirectObject(hidden[0].idnum, 0, writer)
        writer.update_container(one)

    found = first(updated(sign(updated(contract, prepare), ada.signer()), swap), trust)
    assert "content_changed" in kinds(found)
    assert codes(found) == {"changed"}


def test_a_field_that_shows_something_else(contract: bytes, ada: Identity, trust: Trust) -> None:
    """The value stays and the appearance changes."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        (field,) = [one.get_object() for one in writer.root["/AcroForm"]["/Fields"] if one.get_object()["/T"] == "note"]
        stream = generic.StreamObject({name("/Subtype"): name("/Form")}, stream_data=b"BT (you owe 1000) Tj ET")
        field[name("/AP")] = generic.DictionaryObject({name("/N"): writer.add_object(stream)})
        writer.update_container(field)

    assert "field_appearance_changed" in kinds(first(updated(sign(contract, ada.signer()), change), trust))


def test_certificates(contract: bytes, authority: Authority, trust: Trust) -> None:
    now = datetime.now(UTC)
    old = authority.issue(begin=now - timedelta(days=9), end=now - timedelta(days=1))
    early = authority.issue(begin=now + timedelta(days=1), end=now + timedelta(days=9))
    stranger, impostor, revoked = Authority("Other Root").issue(), Authority("Test Root").issue(), authority.issue()
    silent = authority.issue(status="none")
    strict = Trust(roots=authority.pem, allowed_networks=["127.0.0.0/8"], require_status=True)
    cases = [
        ("expired", sign(contract, old.signer(), moment=now - timedelta(days=5)), trust),
        ("not_yet_valid", sign(contract, early.signer(), moment=now + timedelta(days=5)), trust),
        ("unknown_issuer", sign(contract, stranger.signer()), trust),
        ("chain", sign(contract, impostor.signer()), trust),
        ("revoked", sign(contract, revoked.signer()), trust),
        ("status_unknown", sign(contract, silent.signer()), strict),
    ]
    authority.revoke(revoked)
    for code, signed, whom in cases:
        found = first(signed, whom)
        assert codes(found) == {code}
        assert (found.intact, found.trusted, found.ok) == (True, False, False)


def test_nobody_is_trusted_unless_told(contract: bytes, authority: Authority, ada: Identity) -> None:
    authority.calls.clear()
    assert codes(verify(sign(contract, ada.signer())).signatures[0]) == {"unknown_issuer"}
    assert authority.calls == []


def test_places_inside_the_network_are_not_called(contract: bytes, authority: Authority, ada: Identity) -> None:
    signed = sign(contract, ada.signer())
    authority.calls.clear()
    guarded = Trust(roots=authority.pem, require_status=True)
    assert codes(first(signed, guarded)) == {"status_unknown"}
    assert authority.calls == []


def test_a_timestamp_proves_that_the_certificate_was_good_then(
    contract: bytes, authority: Authority, trust: Trust, clock: TimestampAuthority
) -> None:
    moment = datetime(2020, 6, 1, tzinfo=UTC)
    old = authority.issue(begin=datetime(2020, 1, 1, tzinfo=UTC), end=datetime(2021, 1, 1, tzinfo=UTC))
    authority.moment = moment
    found = first(sign(contract, old.signer(), level="B-T", timestamps=clock, moment=moment), trust)
    assert (found.ok, found.timestamped_at, found.level) == (True, moment, "B-T")


@pytest.mark.parametrize(("days", "good"), [(1, True), (-1, False)])
def test_revoked_after_or_before_the_timestamp(
    contract: bytes, authority: Authority, trust: Trust, clock: TimestampAuthority, days: int, good: bool
) -> None:
    now = datetime.now(UTC)
    identity = authority.issue(begin=now - timedelta(days=30))
    authority.moment = now - timedelta(days=10)
    signed = sign(contract, identity.signer(), level="B-T", timestamps=clock, moment=authority.moment)
    authority.revoke(identity, authority.moment + timedelta(days=days))
    found = first(signed, trust)
    assert found.ok == good
    assert codes(found) == (set() if good else {"revoked"})


def test_a_timestamp_of_strangers_proves_nothing(contract: bytes, ada: Identity, trust: Trust) -> None:
    stranger = Authority("Other Root")
    with stranger.serving() as url:
        found = first(sign(contract, ada.signer(), level="B-T", timestamps=TimestampAuthority(f"{url}/tsa")), trust)
    assert (found.timestamped_at, found.level, codes(found)) == (None, "B-B", {"timestamp"})


def test_an_extension_keeps_what_was_good(contract: bytes, ada: Identity, trust: Trust, clock: TimestampAuthority) -> None:
    signed = sign(contract, ada.signer(), level="B-T", timestamps=clock)
    for level in ("B-LT", "B-LTA"):
        report = verify(extend(signed, level=level, timestamps=clock, trust=trust), trust)  # type: ignore[arg-type]
        assert report.ok
        assert report.signatures[0].level == level


def test_what_cannot_be_read(contract: bytes, ada: Identity, trust: Trust) -> None:
    signed = sign(contract, ada.signer())
    for content in (
        b"",
        b"nothing",
        signed[: len(signed) // 2],
        signed[: len(signed) - 100],
        b"%PDF-1.7\nstartxref\n99999\n%%EOF",
    ):
        with pytest.raises(DocumentUnreadableError):
            verify(content, trust)
    with pytest.raises(TooLargeError):
        verify(signed, trust, limits=Limits(bytes=1000))
    with pytest.raises(TooLargeError):
        verify(sign(signed, ada.signer()), trust, limits=Limits(signatures=1))
    with pytest.raises(TooLargeError):
        verify(sign(signed, ada.signer()), trust, limits=Limits(revisions=2))


def test_an_encrypted_document(contract: bytes, ada: Identity, trust: Trust) -> None:
    from brickwork.documents.packaging import Pdf

    locked = Pdf(contract).encrypt(user_password="open", owner_password="rule").save()
    with pytest.raises(DocumentPasswordError):
        verify(locked, trust)
    with pytest.raises(DocumentPasswordError):
        sign(locked, ada.signer())


def test_any_byte_may_be_broken(contract: bytes, ada: Identity, trust: Trust) -> None:
    """Broken at many places, a document gives a typed error or a report that is not ok."""
    signed = sign(contract, ada.signer())
    offline = Trust(roots=trust.roots, fetch=False)
    begin = signed.index(b"/ByteRange")
    gap = range(signed.index(b"<", begin), signed.index(b">", signed.index(b"<", begin)))
    for at in range(0, len(signed), 97):
        broken = signed[:at] + bytes([signed[at] ^ 0x15]) + signed[at + 1 :]
        try:
            report = verify(broken, offline)
        except (DocumentUnreadableError, DocumentPasswordError):
            continue
        assert not report.ok or at in gap, at


def test_pages_in_a_circle(contract: bytes, ada: Identity, trust: Trust) -> None:
    def circle(writer: IncrementalPdfFileWriter) -> None:
        pages = writer.root["/Pages"]
        pages["/Kids"].append(writer.root.raw_get("/Pages"))
        writer.update_container(pages["/Kids"])
        writer.update_container(pages)

    found = first(updated(sign(contract, ada.signer()), circle), trust)
    assert not found.ok
