"""A signer whose key is a service's. It is asked over HTTP:

    POST {url}        {"digest": "…base64…", "hash": "sha256", "key": "…"}   ->  200 {"signature": "…base64…"}
    GET  {url}?key=…                                                         ->  200 {"certificates": ["…base64 of DER…", …]}

with the token as a bearer's. The certificates may also be given by a file; then only the first call is made.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cryptography import x509
from pydantic import Field, SecretStr

from brickwork.documents.signing.errors import SignerError
from brickwork.documents.signing.http import Http, HttpFailure, SecureUrl
from brickwork.documents.signing.keys import chain_of, check_digest, check_key, check_signature, der, read_certificates, read_file
from brickwork.documents.signing.port import Hash
from brickwork.errors import BrickworkError
from brickwork.kernel.component import ComponentSettings, Health

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_MOST_CERTIFICATES = 10


class RemoteSignerSettings(ComponentSettings):
    """What the backend "remote" takes."""

    url: SecureUrl
    token: SecretStr | None = None
    #: What the service calls the key.
    key: str = Field(default="default", min_length=1, max_length=200)
    #: A file with the certificate and those of its issuers; None asks the service.
    certificates: Path | None = None
    #: Seconds for one call, and bytes of an answer.
    timeout: float = Field(default=20.0, gt=0, le=300)
    answer_bytes: int = Field(default=262_144, ge=1024)


class RemoteSigner:
    """A key of a service, which is told digests and never documents."""

    def __init__(self, settings: RemoteSignerSettings, certificates: Sequence[bytes] = ()) -> None:
        self._settings = settings
        self._http = Http(timeout=settings.timeout, answer_bytes=settings.answer_bytes)
        self._certificates = list(certificates)
        self._lock = Lock()

    def certificates(self) -> Sequence[bytes]:
        with self._lock:
            if not self._certificates:
                self._certificates = self._ask_certificates()
            return self._certificates

    def sign(self, digest: bytes, hash: Hash) -> bytes:
        check_digest(digest, hash)
        asked = {"digest": base64.b64encode(digest).decode(), "hash": hash, "key": self._settings.key}
        answer = self._call("POST", self._settings.url, json.dumps(asked).encode())
        return check_signature(self.certificates()[0], _bytes(answer.get("signature")), digest, hash)

    def health(self) -> Health:
        try:
            self._ask_certificates()
        except BrickworkError as error:
            return Health(False, error.message)
        return Health(True, "the service answers")

    def close(self) -> None:
        self._http.close()

    def _ask_certificates(self) -> list[bytes]:
        mark = "&" if "?" in self._settings.url else "?"
        answer = self._call("GET", f"{self._settings.url}{mark}key={quote(self._settings.key, safe='')}")
        given = answer.get("certificates")
        if not isinstance(given, list) or not 0 < len(given) <= _MOST_CERTIFICATES:
            raise SignerError("the signing service gave no list of certificates")
        try:
            first, *others = [x509.load_der_x509_certificate(_bytes(one)) for one in given]
        except ValueError:
            raise SignerError("the signing service gave a certificate that can't be read") from None
        check_key(first.public_key())
        return [der(one) for one in chain_of(first, others)]

    def _call(self, method: str, url: str, content: bytes = b"") -> dict[str, Any]:
        headers = {"accept": "application/json"}
        if content:
            headers["content-type"] = "application/json"
        if self._settings.token is not None:
            headers["authorization"] = f"Bearer {self._settings.token.get_secret_value()}"
        try:
            answer = json.loads(self._http.call(method, url, headers, content))
        except HttpFailure as failure:
            raise SignerError(f"the signing service: {failure}") from None
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise SignerError("the signing service's answer is no JSON object")
        return answer


def make(platform: "Platform", settings: RemoteSignerSettings) -> RemoteSigner:
    """The signer that settings tell. Raises `SigningKeyError` for a file of certificates that can't be read."""
    if settings.certificates is None:
        return RemoteSigner(settings)
    first, *others = read_certificates(read_file(settings.certificates, "certificates"))
    return RemoteSigner(settings, [der(one) for one in chain_of(first, others)])


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise SignerError("the signing service's answer is not in base64") from None
