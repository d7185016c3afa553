"""The contract of signers. A backend's tests subclass `SignerContract` and give the fixture `signer`."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from cryptography import x509

from brickwork.documents.signing.keys import is_signature
from brickwork.documents.signing.port import HASHES, Signer
from brickwork.errors import ValidationError


class SignerContract:
    """What every signer must do."""

    @pytest.fixture
    def signer(self) -> Signer:
        """The signer, with a key and its certificate; given by the backend's tests."""
        raise pytest.UsageError("a subclass gives the fixture `signer`")

    def test_certificates_lead_from_the_signer_upwards(self, signer: Signer) -> None:
        chain = [x509.load_der_x509_certificate(one) for one in signer.certificates()]
        assert chain
        for lower, upper in pairwise(chain):
            assert lower.issuer == upper.subject
            lower.verify_directly_issued_by(upper)

    @pytest.mark.parametrize("hash", HASHES)
    def test_a_signature_is_by_the_key_of_the_certificate(self, signer: Signer, hash: Any) -> None:
        digest = hashlib.new(hash, b"a document").digest()
        assert is_signature(signer.certificates()[0], signer.sign(digest, hash), digest, hash)

    def test_a_signature_is_of_its_digest_alone(self, signer: Signer) -> None:
        first, second = (hashlib.sha256(text).digest() for text in (b"a document", b"another"))
        assert not is_signature(signer.certificates()[0], signer.sign(first, "sha256"), second, "sha256")

    @pytest.mark.parametrize(
        ("digest", "hash"), [(b"short", "sha256"), (b"", "sha512"), (bytes(32), "sha384"), (bytes(9), "sha1")]
    )
    def test_what_is_no_digest_of_the_hash_is_refused(self, signer: Signer, digest: bytes, hash: Any) -> None:
        with pytest.raises(ValidationError):
            signer.sign(digest, hash)

    def test_many_sign_at_once(self, signer: Signer) -> None:
        digests = [hashlib.sha256(bytes([n])).digest() for n in range(16)]
        with ThreadPoolExecutor(8) as threads:
            signatures = list(threads.map(lambda digest: signer.sign(digest, "sha256"), digests))
        for digest, signature in zip(digests, signatures, strict=True):
            assert is_signature(signer.certificates()[0], signature, digest, "sha256")

    def test_it_is_well_and_can_be_closed_twice(self, signer: Signer) -> None:
        assert signer.health().ok
        signer.close()
        signer.close()
