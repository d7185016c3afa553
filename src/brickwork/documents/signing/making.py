"""Signing: a document's bytes in, its bytes and an update with the signature out."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs
from cryptography import x509

from brickwork.documents.signing.appearance import Appearance
from brickwork.documents.signing.authority import TimestampAuthority
from brickwork.documents.signing.errors import CertificateError, SigningError
from brickwork.documents.signing.fields import Field, Lock, Permission, Place, check_page, names, size_of, specification, states
from brickwork.documents.signing.keys import check_certificate, hash_for
from brickwork.documents.signing.opening import Limits, open_reader, open_writer, reading, said
from brickwork.documents.signing.port import Signer
from brickwork.documents.signing.running import library, run
from brickwork.documents.signing.trust import Trust
from brickwork.errors import BrickworkError, ValidationError

if TYPE_CHECKING:
    from brickwork.documents.signing.report import Report

#: PAdES baselines (ETSI EN 319 142-1): a signature; with a timestamp; with all that its verification needs; with a timestamp on
#: that.
Level = Literal["B-B", "B-T", "B-LT", "B-LTA"]


@attrs.frozen(kw_only=True)
class Request:
    """What is to be signed how."""

    field: str | None = None
    place: Place | None = None
    appearance: Appearance | None = None
    level: Level = "B-B"
    certify: Permission | None = None
    lock: Lock | None = None
    reason: str | None = None
    location: str | None = None
    name: str | None = None
    contact: str | None = None
    moment: datetime | None = None
    limits: Limits = attrs.field(factory=Limits)

    def __attrs_post_init__(self) -> None:
        if self.level not in get_args(Level):
            raise ValidationError(f"level {self.level!r} is none of {', '.join(get_args(Level))}", field="level")
        if self.certify is not None and self.certify not in get_args(Permission):
            raise ValidationError(f"certify {self.certify!r} is none of {', '.join(get_args(Permission))}", field="certify")
        if self.moment is not None and self.moment.tzinfo is None:
            raise ValidationError("moment has no zone", field="moment")


def sign(
    pdf: bytes, signer: Signer, *, field: str | None = None, place: Place | None = None, appearance: Appearance | None = None,
    level: Level = "B-B", certify: Permission | None = None, lock: Lock | None = None, reason: str | None = None,
    location: str | None = None, name: str | None = None, contact: str | None = None,
    timestamps: TimestampAuthority | None = None, trust: Trust | None = None, moment: datetime | None = None,
    limits: Limits | None = None,
) -> bytes:  # fmt: skip
    """The document with a signature more; what was there stays byte for byte, and earlier signatures valid.

    `field` names an empty field, or one that is made, at `place` or invisible; without it the only empty one is taken, or one is
    made. `timestamps` is needed from B-T on, `trust` from B-LT on; with it, a certificate that is revoked or leads to no root is
    refused at every level. `moment` is the time the signature claims. Raises `SigningError` and what is below it, `SignerError`,
    `TimestampError`, `DocumentUnreadableError`, `DocumentPasswordError`, `TooLargeError`.
    """
    library()
    request = Request(
        field=field, place=place, appearance=appearance, level=level, certify=certify, lock=lock, reason=reason,
        location=location, name=name, contact=contact, moment=moment, limits=limits or Limits(),
    )  # fmt: skip
    if level != "B-B" and timestamps is None:
        raise ValidationError(f"{level} needs a timestamp authority", field="timestamps")
    if level in ("B-LT", "B-LTA") and trust is None:
        raise ValidationError(f"{level} needs roots, to know whose state to ask for", field="trust")
    return _Signing(pdf, signer, request, timestamps, trust).done()


class _Signing:
    """One signature as it is made."""

    def __init__(
        self, pdf: bytes, signer: Signer, request: Request, timestamps: TimestampAuthority | None, trust: Trust | None
    ) -> None:
        self._request = request
        self._signer = signer
        self._timestamps = timestamps.client if timestamps and request.level != "B-B" else None
        self._trust = trust
        self._moment = (request.moment or datetime.now(UTC)).astimezone(UTC)
        self._chain = list(signer.certificates())
        check_certificate(self._chain[0], self._moment)
        self._pdf = bytes(pdf)
        self._writer = open_writer(pdf, request.limits)
        self._earlier = _judged(open_reader(pdf, request.limits), request.limits)
        self._field = self._chosen()

    def done(self) -> bytes:
        from pyhanko.pdf_utils.layout import AxisAlignment, SimpleBoxLayoutRule
        from pyhanko.stamp import StaticStampStyle

        from brickwork.documents.signing.bridge import Bridge, Session

        bridge = Bridge(self._signer, self._chain)
        session = self._trust.session() if self._trust else None
        if session is not None:
            run(check_trust(self._chain, session))
        with self._drawn() as drawn:
            whole = SimpleBoxLayoutRule(AxisAlignment.ALIGN_MIN, AxisAlignment.ALIGN_MIN)
            style = StaticStampStyle(border_width=0)
            if drawn is not None:
                style = StaticStampStyle.from_pdf_file(str(drawn), border_width=0, background_layout=whole)
            worker = Session(
                self._metadata(session), bridge, timestamper=self._timestamps, stamp_style=style, new_field_spec=self._new()
            )
            worker.moment = self._moment
            with refusing():
                made: bytes = run(worker.async_sign_pdf(self._writer, output=io.BytesIO())).getvalue()
        self._check_earlier(made)
        return made

    def _chosen(self) -> Field:
        """The field to sign in: an empty one, or one to make."""
        request, there = self._request, {state.name: state for state in states(self._writer)}
        check_page(self._writer, request.place)
        empty = [state.name for state in there.values() if not state.signed]
        name = request.field
        if name is None and request.place is None and len(empty) == 1:
            name = empty[0]
        if name is None:
            taken = names(self._writer) | set(there)
            name = next(f"Signature{n}" for n in range(1, 10_000) if f"Signature{n}" not in taken)
        if name in there:
            return self._existing(name, there[name].signed)
        if name in names(self._writer):
            raise SigningError(f"the field {name!r} is not for signatures", field="field")
        if "." in name:
            raise SigningError(f"there is no field {name!r}, and one with a dot in its name is not made", field="field")
        if request.certify is None and any(one.certified for one in self._earlier):
            raise SigningError("the document is certified, so it is signed only in fields that were there before", field="field")
        return Field(name, request.place, request.lock)

    def _existing(self, name: str, signed: bool) -> Field:
        if signed:
            raise SigningError(f"the field {name!r} is signed already", field="field")
        if self._request.place is not None:
            raise SigningError(f"the field {name!r} has its place already", field="place")
        if self._request.lock is not None:
            raise SigningError(f"the field {name!r} is there already; its lock is given when it is made", field="lock")
        return Field(name)

    def _new(self) -> Any:
        there = {state.name for state in states(self._writer)}
        return None if self._field.name in there else specification(self._field)

    def _metadata(self, session: Any) -> Any:
        from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
        from pyhanko.sign.signers import PdfSignatureMetadata

        request = self._request
        if request.certify is not None and self._earlier:
            raise SigningError("a document is certified by its first signature, and this one has signatures", field="certify")
        permissions = {"none": MDPPerm.NO_CHANGES, "forms": MDPPerm.FILL_FORMS, "annotations": MDPPerm.ANNOTATE}
        lasting = request.level in ("B-LT", "B-LTA")
        return PdfSignatureMetadata(
            field_name=self._field.name,
            md_algorithm=hash_for(self._chain[0]),
            location=request.location,
            reason=request.reason,
            contact_info=request.contact,
            name=request.name,
            certify=request.certify is not None,
            docmdp_permissions=permissions[request.certify or "forms"],
            subfilter=SigSeedSubFilter.PADES,
            embed_validation_info=lasting,
            use_pades_lta=request.level == "B-LTA",
            validation_context=session.context(require=True) if lasting else None,
            signer_key_usage=set(),
        )

    @contextmanager
    def _drawn(self) -> Iterator[Path | None]:
        """A file with the appearance, which pyHanko takes by its path."""
        size = self._size()
        if size is None:
            yield None
            return
        subject = x509.load_der_x509_certificate(self._chain[0]).subject
        values = {
            "name": self._request.name or common_name(subject),
            "time": self._moment.strftime("%Y-%m-%d %H:%M UTC"),
            "reason": self._request.reason or "",
            "location": self._request.location or "",
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "appearance.pdf"
            path.write_bytes((self._request.appearance or Appearance()).draw(*size, values))
            yield path

    def _size(self) -> tuple[float, float] | None:
        """The size of the field; None where it is invisible."""
        from pyhanko.sign.fields import enumerate_sig_fields

        if self._field.place is not None:
            return self._field.place.width, self._field.place.height
        with reading():
            for _, _, reference in enumerate_sig_fields(self._writer, with_name=self._field.name):
                return size_of(reference.get_object())
        return None

    def _check_earlier(self, made: bytes) -> None:
        """Raises `SigningError` if a signature that allowed all changes so far would not allow this one."""
        after = {one.field: one for one in _judged(open_reader(made, self._request.limits), self._request.limits)}
        for before in self._earlier:
            if before.allowed and not after[before.field].allowed:
                raise SigningError(f"the signature in {before.field!r} forbids this one: {after[before.field].why}", field="pdf")


@attrs.frozen
class Judged:
    """A signature that is there, and whether it allows what was done to the document after it."""

    field: str
    certified: bool
    allowed: bool
    why: str


def _judged(reader: Any, limits: Limits) -> list[Judged]:
    from pyhanko.sign.diff_analysis import SuspiciousModification

    from brickwork.documents.signing.judging import policy_for

    found = []
    with reading():
        embedded = reader.embedded_signatures
        if len(embedded) > limits.signatures:
            raise SigningError(f"the document has {len(embedded)} signatures; {limits.signatures} are allowed", field="pdf")
        for one in embedded:
            one.compute_integrity_info(diff_policy=policy_for(one))
            summary = one.summarise_integrity_info()
            result = summary["diff_result"]
            why = said(result) if isinstance(result, SuspiciousModification) else "its certification does"
            certified = one.docmdp_level is not None and one.sig_object_type == "/Sig"
            found.append(Judged(one.field_name, certified, bool(summary["docmdp_ok"]), why))
    return found


def extend(pdf: bytes, *, level: Level, timestamps: TimestampAuthority, trust: Trust, limits: Limits | None = None) -> bytes:
    """The document with what later verification of its signatures needs (B-LT), and a timestamp on all of it (B-LTA), before
    certificates or the last timestamp end. Raises what `sign` does."""
    library()
    if level not in ("B-LT", "B-LTA"):
        raise ValidationError("a signature is extended to B-LT or B-LTA", field="level")
    limits = limits or Limits()
    session = trust.session()
    with refusing():
        return run(_extended(bytes(pdf), level, timestamps.client, session, limits))


async def _extended(pdf: bytes, level: Level, timestamps: Any, session: Any, limits: Limits) -> bytes:
    from pyhanko.sign.signers import PdfTimeStamper
    from pyhanko.sign.validation.dss import async_add_validation_info

    count = len(open_reader(pdf, limits).embedded_regular_signatures)
    if not count:
        raise SigningError("the document has no signature to extend", field="pdf")
    for n in range(count):
        one = open_reader(pdf, limits).embedded_regular_signatures[n]
        out = await async_add_validation_info(one, session.context(require=True))
        pdf = out.getvalue()
    if level == "B-LTA":
        reader = open_reader(pdf, limits)
        out = await PdfTimeStamper(timestamps).async_update_archival_timestamp_chain(
            reader, session.context(require=True), in_place=False, output=io.BytesIO()
        )
        pdf = out.getvalue()
    return pdf


def verify(pdf: bytes, trust: Trust | None = None, *, limits: Limits | None = None) -> "Report":
    """What there is to say of the signatures in a document. Without `trust` nobody is trusted, and nobody asked. Raises
    `DocumentUnreadableError`, `DocumentPasswordError`, `TooLargeError`; what is wrong with a signature is a finding."""
    library()
    from brickwork.documents.signing.verifying import Verification

    return run(Verification(bytes(pdf), trust or Trust(fetch=False), limits or Limits()).report())


async def check_trust(chain: list[bytes], session: Any) -> None:
    """Raises `CertificateError` unless the chain leads to a root and nobody says that it is revoked."""
    from asn1crypto import x509 as asn1
    from pyhanko_certvalidator import CertificateValidator

    own, *others = [asn1.Certificate.load(one) for one in chain]
    try:
        await CertificateValidator(own, others, validation_context=session.context()).async_validate_usage(set())
    except Exception as error:
        raise as_certificate_error(error) from None


def as_certificate_error(error: BaseException) -> CertificateError:
    """What pyHanko says of a path of certificates, by a name."""
    from pyhanko_certvalidator import errors

    known: list[tuple[type[BaseException], str]] = [
        (errors.RevokedError, "revoked"),
        (errors.ExpiredError, "expired"),
        (errors.NotYetValidError, "not_yet_valid"),
        (errors.InsufficientRevinfoError, "status_unknown"),
        (errors.InvalidCertificateError, "key_usage"),
    ]
    problem = next((name for kind, name in known if isinstance(error, kind)), "untrusted")
    return CertificateError(f"the certificate is not good: {said(error)}", field="signer", problem=problem)


@contextmanager
def refusing() -> Iterator[None]:
    """A block of pyHanko's work: its refusals become `SigningError`, or `CertificateError` where they are of certificates."""
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko_certvalidator.errors import PathError
    from pyhanko_certvalidator.errors import ValidationError as PathProblem

    try:
        yield
    except BrickworkError:
        raise
    except (PathError, PathProblem) as error:
        raise as_certificate_error(error) from None
    except (PdfError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, OSError) as error:
        cause = next((one for one in _causes(error) if isinstance(one, (BrickworkError, PathError, PathProblem))), None)
        if isinstance(cause, BrickworkError):
            raise cause from None
        if cause is not None:
            raise as_certificate_error(cause) from None
        raise SigningError(f"the document can't be signed: {said(error)}", field="pdf") from None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [one.__cause__, one.__context__, *(arg for arg in one.args if isinstance(arg, BaseException))]


def common_name(subject: x509.Name) -> str:
    """Who a certificate is of, in short."""
    found = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else subject.rfc4514_string()
