"""A client of timestamp authorities (RFC 3161) that checks what it is given before it is put anywhere."""

from typing import Any

from asn1crypto import cms, core, tsp, x509
from cryptography import x509 as certificates
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import SecretStr
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.timestamps.common_utils import TimestampRequestError, handle_tsp_response
from pyhanko.sign.validation.generic_cms import extract_certs_for_validation, validate_sig_integrity
from pyhanko_certvalidator.sig_validate import DefaultSignatureValidator
from pyhanko_certvalidator.util import get_pyca_cryptography_hash

from brickwork.documents.signing.errors import TimestampError
from brickwork.documents.signing.http import Http, HttpFailure

_HEADERS = {"content-type": "application/timestamp-query", "accept": "application/timestamp-reply"}


class _Answer(core.Sequence):  # type: ignore[misc]
    """A response whose token may be missing, as that of a refusal is (RFC 3161, section 2.4.2)."""

    _fields = [("status", tsp.PKIStatusInfo), ("time_stamp_token", cms.ContentInfo, {"optional": True})]


class TimestampClient(TimeStamper):
    """Timestamps by the authority at a URL. Every failure is a `TimestampError`."""

    def __init__(
        self, url: str, *, timeout: float = 15.0, authorization: SecretStr | None = None, answer_bytes: int = 262_144
    ) -> None:
        """`authorization` is the value of that header, such as "Basic …"."""
        super().__init__()
        self._url = url
        self._authorization = authorization
        self._http = Http(timeout=timeout, answer_bytes=answer_bytes)

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        headers = dict(_HEADERS)
        if self._authorization is not None:
            headers["authorization"] = self._authorization.get_secret_value()
        try:
            return _Answer.load(self._http.call("POST", self._url, headers, req.dump()), strict=True)
        except HttpFailure as failure:
            raise TimestampError(f"the timestamp authority: {failure}") from None
        except (ValueError, TypeError):
            raise TimestampError("the timestamp authority's answer is no timestamp response") from None

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:
        nonce, request = self.request_cms(message_digest, md_algorithm)
        answer = await self.async_request_tsa_response(request)
        try:
            token = handle_tsp_response(answer, nonce)
            _check(token, message_digest, md_algorithm)
        except TimestampRequestError as error:
            raise TimestampError(f"the timestamp authority refused: {str(error)[:200]}") from None
        except TimestampError:
            raise
        except Exception as error:  # a token is parsed where it is used; broken ones raise whatever comes about
            raise TimestampError(f"the timestamp authority's token can't be read ({type(error).__name__})") from None
        return token

    def close(self) -> None:
        self._http.close()


def _check(token: Any, digest: bytes, hash: str) -> None:
    signed = token["content"]
    info = signed["encap_content_info"]["content"].parsed
    imprint = info["message_imprint"]
    if (imprint["hashed_message"].native, imprint["hash_algorithm"]["algorithm"].native) != (digest, hash):
        raise TimestampError("the timestamp is of something else than was sent")
    (signer,) = signed["signer_infos"]
    own: x509.Certificate = extract_certs_for_validation(signed).signer_cert
    if not _for_timestamps(own):
        raise TimestampError("the certificate of the timestamp authority is not for timestamps")
    hasher = Hash(get_pyca_cryptography_hash(signer["digest_algorithm"]["algorithm"].native))
    hasher.update(bytes(signed["encap_content_info"]["content"]))
    intact, valid = validate_sig_integrity(
        signer, own, expected_content_type="tst_info", actual_digest=hasher.finalize(), sig_validator=DefaultSignatureValidator()
    )
    if not (intact and valid):
        raise TimestampError("the timestamp is not signed by its certificate")


def _for_timestamps(own: x509.Certificate) -> bool:
    found = certificates.load_der_x509_certificate(own.dump())
    try:
        usage = found.extensions.get_extension_for_class(certificates.ExtendedKeyUsage).value
    except certificates.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.TIME_STAMPING in usage
