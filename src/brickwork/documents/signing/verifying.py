"""Verification: who signed, when, what it covers, whom the certificate leads to, and what was done to the document since."""

from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from pyhanko.sign.ades.report import AdESFailure, AdESIndeterminate
from pyhanko.sign.diff_analysis import SuspiciousModification
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko.sign.validation.generic_cms import collect_timing_info
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import CertificateValidator

from brickwork.documents.signing.changes import changes_between
from brickwork.documents.signing.judging import certification, judged, policy_for
from brickwork.documents.signing.making import as_certificate_error, common_name
from brickwork.documents.signing.opening import Limits, entry, open_reader, reading, said
from brickwork.documents.signing.report import Change, Finding, Found, Report
from brickwork.documents.signing.trust import Session, Trust
from brickwork.errors import BrickworkError, TooLargeError

_SIGNING = KeyUsageConstraints(key_usage={"digital_signature", "non_repudiation"})
_PROBLEMS: dict[Any, str] = {
    AdESFailure.REVOKED: "revoked",
    AdESIndeterminate.REVOKED_NO_POE: "revoked",
    AdESIndeterminate.REVOKED_CA_NO_POE: "revoked",
    AdESFailure.NOT_YET_VALID: "not_yet_valid",
    AdESIndeterminate.NOT_YET_VALID: "not_yet_valid",
    AdESIndeterminate.EXPIRED: "expired",
    AdESIndeterminate.OUT_OF_BOUNDS_NO_POE: "expired",
    AdESIndeterminate.OUT_OF_BOUNDS_NOT_REVOKED: "expired",
    AdESIndeterminate.NO_CERTIFICATE_CHAIN_FOUND: "unknown_issuer",
    AdESIndeterminate.CHAIN_CONSTRAINTS_FAILURE: "key_usage",
    AdESIndeterminate.CRYPTO_CONSTRAINTS_FAILURE: "weak_algorithm",
    AdESIndeterminate.CRYPTO_CONSTRAINTS_FAILURE_NO_POE: "weak_algorithm",
    AdESIndeterminate.TRY_LATER: "status_unknown",
    AdESIndeterminate.REVOCATION_OUT_OF_BOUNDS_NO_POE: "status_unknown",
    AdESFailure.HASH_FAILURE: "altered",
    AdESFailure.SIG_CRYPTO_FAILURE: "forged",
    AdESFailure.FORMAT_FAILURE: "malformed",
}
_TOLD = {
    "revoked": "its certificate, or one that it leads to, was revoked",
    "not_yet_valid": "its certificate was not valid yet",
    "expired": "its certificate has expired, and no timestamp proves that it was made before",
    "unknown_issuer": "its certificate leads to none of the trusted roots",
    "key_usage": "its certificate is not for this, or not for this chain",
    "weak_algorithm": "it is by an algorithm that is not safe any more",
    "status_unknown": "nobody tells whether its certificate was revoked",
    "altered": "the signed bytes are not those that were signed",
    "forged": "it is not by the key of its certificate",
    "malformed": "it is not built as the standard says",
    "chain": "its certificates don't hold together",
}
_COVERAGE: dict[Any, Any] = {SignatureCoverageLevel.ENTIRE_FILE: "file", SignatureCoverageLevel.ENTIRE_REVISION: "revision"}


class Verification:
    """The verification of one document."""

    def __init__(self, pdf: bytes, trust: Trust, limits: Limits) -> None:
        self._reader = open_reader(pdf, limits)
        self._size = len(pdf)
        self._limits = limits
        self._session: Session = trust.session()
        self._has_dss = False
        #: Times of trusted timestamps on the document, with the revision that holds them.
        self._proofs: list[tuple[int, datetime]] = []

    async def report(self) -> Report:
        """What there is to say. Raises `TooLargeError` for more signatures than allowed."""
        embedded, broken = self._embedded()
        self._read_dss()
        found: list[tuple[int, Found]] = []
        for one in reversed([one for one in embedded if one.sig_object_type == "/DocTimeStamp"]):
            found.append((one.signed_revision, await self._guarded(self._timestamp, one, "timestamp")))
        for one in embedded:
            if one.sig_object_type != "/DocTimeStamp":
                found.append((one.signed_revision, await self._guarded(self._signature, one, "signature")))
        ordered = [one for _, one in sorted(found, key=lambda item: item[0])]
        return Report((*ordered, *broken), self._size)

    # -- what there is ---------------------------------------------------------------------------------------------------

    def _embedded(self) -> tuple[list[Any], list[Found]]:
        """The signatures that can be read, in their order, and those that can't."""
        good, broken = [], []
        with reading():
            listed = list(enumerate_sig_fields(self._reader, filled_status=True))
        if len(listed) > self._limits.signatures:
            raise TooLargeError(f"the document has {len(listed)} signatures; {self._limits.signatures} are allowed")
        for name, value, field in listed:
            try:
                with reading():
                    if entry(value.get_object(), "/SubFilter") not in _SUBFILTERS:
                        told = str(entry(value.get_object(), "/SubFilter"))[:60]
                        finding = Finding("unsupported", f"it is of the kind {told}, which is not verified")
                        broken.append(Found(field=name, kind="signature", findings=(finding,)))
                        continue
                    one = EmbeddedPdfSignature(self._reader, field, name)
                    _ = one.signed_revision, one.signer_cert.dump(), one.sig_object_type
                good.append(one)
            except BrickworkError as error:
                broken.append(_malformed(name, "signature", error))
        return sorted(good, key=lambda one: one.signed_revision), broken

    def _read_dss(self) -> None:
        """Take what the document holds on its certificates; without it, or with a broken one, others are asked."""
        try:
            with reading():
                try:
                    store = DocumentSecurityStore.read_dss(self._reader)
                except NoDSSFoundError:
                    return
                context = store.as_validation_context({"allow_fetching": False, "trust_roots": []})
                self._session.certificates += list(store.load_certs())
                self._session.ocsps += list(context.ocsps)
                self._session.crls += list(context.crls)
                self._has_dss = True
        except BrickworkError:
            return

    async def _guarded(self, look: Any, one: Any, kind: Any) -> Found:
        """One signature's findings; what is broken inside it is one of them."""
        try:
            with reading():
                found: Found = await look(one)
        except BrickworkError as error:
            return _malformed(one.field_name, kind, error)
        return found

    # -- timestamps on the document ----------------------------------------------------------------------------------------

    async def _timestamp(self, one: Any) -> Found:
        context = self._session.context(self._proof(one))
        status = await async_validate_pdf_timestamp(one, context, policy_for(one))
        if status.trusted and status.intact and status.valid:
            self._proofs.append((one.signed_revision, status.timestamp.astimezone(UTC)))
        problem = await self._problem(one, status, context)
        moment = status.timestamp.astimezone(UTC) if status.trusted else None
        return self._found(one, status, "timestamp", problem, timestamped_at=moment)

    def _proof(self, one: Any) -> datetime | None:
        """The earliest time that a later trusted timestamp proves the document's state for."""
        return min((moment for revision, moment in self._proofs if revision > one.signed_revision), default=None)

    # -- signatures ----------------------------------------------------------------------------------------------------------

    async def _signature(self, one: Any) -> Found:
        later = self._proof(one)
        timing = await collect_timing_info(one.signer_info, self._session.context(later), one.compute_digest)
        stamp = timing.get("timestamp_validity")
        good = stamp is not None and stamp.trusted and stamp.intact and stamp.valid
        proven = stamp.timestamp.astimezone(UTC) if good else later
        context = self._session.context(proven)
        status = await async_validate_pdf_signature(
            one, context, self._session.context(later), diff_policy=policy_for(one), key_usage_settings=_SIGNING
        )
        extra = () if stamp is None or good else (Finding("timestamp", "its timestamp can't be relied on: " + _why(stamp)),)
        level = await self._level(one, proven, bool(status.trusted))
        problem = await self._problem(one, status, context)
        return self._found(one, status, "signature", problem, extra, timestamped_at=proven, level=level)

    async def _level(self, one: Any, proven: datetime | None, trusted: bool) -> Any:
        if entry(one.sig_object, "/SubFilter") != "/ETSI.CAdES.detached":
            return "CMS"
        if proven is None:
            return "B-B"
        if not (trusted and self._has_dss and await self._lasts(one, proven)):
            return "B-T"
        later = [revision for revision, _ in self._proofs if revision > one.signed_revision]
        kept = any("/DSS" in self._reader.get_historical_resolver(revision).root for revision in later)
        return "B-LTA" if kept else "B-LT"

    async def _problem(self, one: Any, status: Any, context: Any) -> str | None:
        """The code of what is wrong with the certificates, which pyHanko's indication doesn't always tell apart."""
        if status.trusted or not (status.intact and status.valid):
            return None
        code = _PROBLEMS.get(status.trust_problem_indic)
        if code is not None:
            return code
        try:
            validator = CertificateValidator(one.signer_cert, one.other_embedded_certs, validation_context=context)
            await validator.async_validate_usage(set())
        except Exception as error:
            problem = str(as_certificate_error(error).details["problem"])
            return "chain" if problem == "untrusted" else problem
        return "chain"

    async def _lasts(self, one: Any, proven: datetime | None) -> bool:
        """Whether the document itself holds what tells that its certificates were not revoked."""
        context = self._session.context(proven, require=True, online=False)
        try:
            validator = CertificateValidator(one.signer_cert, one.other_embedded_certs, validation_context=context)
            await validator.async_validate_usage(set())
        except Exception:  # whatever keeps it from being shown
            return False
        return True

    # -- both ------------------------------------------------------------------------------------------------------------------

    def _found(self, one: Any, status: Any, kind: Any, problem: str | None, extra: Any = (), **more: Any) -> Found:
        own = x509.load_der_x509_certificate(one.signer_cert.dump())
        changes = self._changes(one, status)
        findings = [*_trust(status, problem), *extra]
        if status.coverage not in _COVERAGE:
            findings.append(Finding("coverage", "it covers only a part of what was there when it was made"))
        if forbidden := [change for change in changes if not change.allowed]:
            findings.append(Finding("changed", f"what was done afterwards is not allowed: {_listed(forbidden)}"))
        values = one.sig_object
        return Found(
            field=one.field_name,
            kind=kind,
            intact=bool(status.intact and status.valid),
            trusted=bool(status.trusted),
            signer=common_name(own.subject),
            subject=own.subject.rfc4514_string(),
            issuer=own.issuer.rfc4514_string(),
            certificate=one.signer_cert.dump(),
            claimed_at=_aware(one.self_reported_timestamp),
            coverage=_COVERAGE.get(status.coverage, "part"),
            certification=certification(one) if kind == "signature" else None,
            reason=_text(values, "/Reason"),
            location=_text(values, "/Location"),
            contact=_text(values, "/ContactInfo"),
            name=_text(values, "/Name"),
            findings=tuple(findings),
            changes=tuple(changes),
            **more,
        )

    def _changes(self, one: Any, status: Any) -> list[Change]:
        """What was done after a signature. pyHanko's judgement and ours must both allow it."""
        if status.coverage == SignatureCoverageLevel.ENTIRE_FILE:
            return []
        total = self._reader.xrefs.total_revisions
        touched = {ref for n in range(one.signed_revision + 1, total) for ref in self._reader.xrefs.explicit_refs_in_revision(n)}
        old, new = (self._reader.get_historical_resolver(n) for n in (one.signed_revision, total - 1))
        found = judged(changes_between(old, new, touched), one)
        if not one.summarise_integrity_info()["docmdp_ok"] and all(change.allowed for change in found):
            why = said(status.diff_result) if isinstance(status.diff_result, SuspiciousModification) else None
            found.append(Change("objects_changed", why, allowed=False))
        return found


_SUBFILTERS = frozenset({"/adbe.pkcs7.detached", "/ETSI.CAdES.detached", "/ETSI.RFC3161"})


def _malformed(name: str, kind: Any, error: BrickworkError) -> Found:
    return Found(field=name, kind=kind, findings=(Finding("malformed", f"it can't be read: {error.message}"),))


def _trust(status: Any, problem: str | None) -> list[Finding]:
    if not status.intact:
        return [Finding("altered", _TOLD["altered"])]
    if not status.valid:
        return [Finding("forged", _TOLD["forged"])]
    return [Finding(problem, _TOLD[problem])] if problem is not None else []


def _why(stamp: Any) -> str:
    if not stamp.intact:
        return "it is of something else"
    if not stamp.valid:
        return _TOLD["forged"]
    return _TOLD[_PROBLEMS.get(stamp.trust_problem_indic, "chain")]


def _listed(changes: list[Change]) -> str:
    told = []
    for change in changes[:8]:
        place = f" on page {change.page}" if change.page else ""
        name = f" {change.name!r}" if change.name else ""
        told.append(change.kind.replace("_", " ") + name + place)
    return ", ".join(told) + ("" if len(changes) <= 8 else f" and {len(changes) - 8} more")


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _text(values: Any, key: str) -> str | None:
    found = entry(values, key)
    return str(found)[:2000] if found is not None else None
