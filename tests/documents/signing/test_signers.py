"""The signers that ship: the contract, that the contract bites, and what each refuses of its own."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from pydantic import SecretStr, ValidationError

from brickwork.documents.signing import FileSigner, SignerError, SigningKeyError, sign
from brickwork.documents.signing.backends.file import FileSignerSettings, make
from brickwork.documents.signing.backends.pkcs11 import Pkcs11Signer, Pkcs11SignerSettings
from brickwork.documents.signing.backends.remote import RemoteSigner, RemoteSignerSettings
from brickwork.documents.signing.keys import der
from brickwork.testing.contracts.signer import SignerContract
from brickwork.testing.pki import Authority, Identity

MODULES = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"]


@pytest.fixture(params=["rsa", "ec"])
def identity(request: pytest.FixtureRequest, ada: Identity, ben: Identity) -> Identity:
    return ben if request.param == "rsa" else ada


class TestFileSigner(SignerContract):
    @pytest.fixture(params=["pkcs12", "pem"])
    def signer(self, request: pytest.FixtureRequest, identity: Identity, tmp_path: Path) -> Any:
        if request.param == "pkcs12":
            (tmp_path / "key.p12").write_bytes(identity.pkcs12("secret"))
            return make(None, FileSignerSettings(pkcs12=tmp_path / "key.p12", passphrase=SecretStr("secret")))  # type: ignore[arg-type]
        (tmp_path / "key.pem").write_bytes(identity.key_pem("secret"))
        (tmp_path / "chain.pem").write_bytes(identity.chain_pem())
        settings = FileSignerSettings(
            key=tmp_path / "key.pem", certificates=tmp_path / "chain.pem", passphrase=SecretStr("secret")
        )
        return make(None, settings)  # type: ignore[arg-type]


def service(identity: Identity) -> Any:
    """What a signing service does with a request."""

    def answer(body: bytes) -> tuple[int, bytes]:
        if not body:
            return 200, json.dumps({"certificates": [base64.b64encode(der(one)).decode() for one in identity.chain]}).encode()
        asked = json.loads(body)
        signature = identity.signer().sign(base64.b64decode(asked["digest"]), asked["hash"])
        return 200, json.dumps({"signature": base64.b64encode(signature).decode()}).encode()

    return answer


class TestRemoteSigner(SignerContract):
    @pytest.fixture
    def signer(self, authority: Authority, identity: Identity) -> Iterator[Any]:
        authority.instead["/sign"] = authority.instead["/sign?key=seal"] = service(identity)
        found = RemoteSigner(RemoteSignerSettings(url=f"{authority.url}/sign", key="seal", token=SecretStr("t"), timeout=5))
        yield found
        found.close()


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: Identity) -> Pkcs11SignerSettings:
    """A token of SoftHSM with the key and its certificate."""
    module = next((path for path in MODULES if Path(path).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        assert not os.environ.get("BRICKWORK_REQUIRE_SERVICES"), "softhsm2 is not installed"
        pytest.skip("softhsm2 is not installed")
    pkcs11 = pytest.importorskip("pkcs11")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    label = f"t{os.urandom(6).hex()}"
    (tmp_path / "key.pem").write_bytes(identity.key_pem())
    new = ["--init-token", "--free", "--label", label, "--pin", "1234", "--so-pin", "1234"]
    load = ["--import", str(tmp_path / "key.pem"), "--token", label, "--label", "seal", "--id", "01", "--pin", "1234"]
    for arguments in (new, load):
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)
    (tmp_path / "chain.pem").write_bytes(identity.chain_pem())
    pkcs11.lib(module).reinitialize()
    return Pkcs11SignerSettings(
        library=Path(module), token=label, pin=SecretStr("1234"), key="seal", certificates=tmp_path / "chain.pem"
    )


class TestPkcs11Signer(SignerContract):
    @pytest.fixture
    def signer(self, device: Pkcs11SignerSettings) -> Iterator[Any]:
        found = Pkcs11Signer(device)
        yield found
        found.close()

    def test_a_document_is_signed(self, signer: Any, contract: bytes) -> None:
        assert sign(contract, signer).startswith(contract)

    def test_two_signers_share_a_token(self, device: Pkcs11SignerSettings) -> None:
        first, second = Pkcs11Signer(device), Pkcs11Signer(device)
        digest = hashlib.sha256(b"a document").digest()
        first.sign(digest, "sha256")
        second.sign(digest, "sha256")
        first.close()
        second.sign(digest, "sha256")
        second.close()

    def test_what_the_device_lacks_is_told(
        self, device: Pkcs11SignerSettings, ada: Identity, ben: Identity, tmp_path: Path
    ) -> None:
        other = ben if ada.chain_pem() in device.certificates.read_bytes() else ada  # type: ignore[union-attr]
        (tmp_path / "other.pem").write_bytes(other.chain_pem())
        for change, told in [
            ({"pin": SecretStr("9999")}, "PIN"),
            ({"key": "none"}, "no private key"),
            ({"certificates": None}, "no certificate"),
            ({"certificates": tmp_path / "other.pem"}, "not that of the certificate"),
        ]:
            with pytest.raises(SigningKeyError, match=told):
                Pkcs11Signer(device.model_copy(update=change)).certificates()
        with pytest.raises(SignerError):
            Pkcs11Signer(device.model_copy(update={"token": "nowhere"})).certificates()
        with pytest.raises(SignerError, match="can't be loaded"):
            Pkcs11Signer(device.model_copy(update={"library": tmp_path / "none.so"})).certificates()


class _Broken:
    """A signer that breaks one rule."""

    def __init__(self, identity: Identity, rule: str) -> None:
        self._signer, self._rule = identity.signer(), rule

    def certificates(self) -> Any:
        chain = list(self._signer.certificates())
        return chain[::-1] if self._rule == "upwards" else chain

    def sign(self, digest: bytes, hash: Any) -> bytes:
        if self._rule == "refused" and len(digest) != hashlib.new(hash).digest_size:
            return b"signed"
        if self._rule == "alone":
            digest = hashlib.new(hash, b"a document").digest()
        if self._rule == "certificate":
            return bytes(70)
        return self._signer.sign(digest, hash)

    def health(self) -> Any:
        return self._signer.health()

    def close(self) -> None:
        if self._rule == "twice" and hasattr(self, "_closed"):
            raise RuntimeError("closed")
        self._closed = True


@pytest.mark.parametrize(
    ("rule", "test", "arguments"),
    [
        ("upwards", "test_certificates_lead_from_the_signer_upwards", ()),
        ("certificate", "test_a_signature_is_by_the_key_of_the_certificate", ("sha256",)),
        ("alone", "test_many_sign_at_once", ()),
        ("refused", "test_what_is_no_digest_of_the_hash_is_refused", (b"short", "sha256")),
        ("twice", "test_it_is_well_and_can_be_closed_twice", ()),
    ],
)
def test_the_contract_bites(ada: Identity, rule: str, test: str, arguments: Any) -> None:
    with pytest.raises((AssertionError, RuntimeError, ValueError, pytest.fail.Exception)):
        getattr(SignerContract(), test)(_Broken(ada, rule), *arguments)


def test_files_that_are_no_good(ada: Identity, ben: Identity) -> None:
    with pytest.raises(SigningKeyError, match="passphrase of the PKCS"):
        FileSigner.from_pkcs12(ada.pkcs12("secret"), "wrong")
    with pytest.raises(SigningKeyError, match="no PKCS"):
        FileSigner.from_pkcs12(b"nothing", "secret")
    with pytest.raises(SigningKeyError, match="passphrase of the key"):
        FileSigner.from_pem(ada.key_pem("secret"), ada.chain_pem(), "wrong")
    with pytest.raises(SigningKeyError, match="needs its passphrase"):
        FileSigner.from_pem(ada.key_pem("secret"), ada.chain_pem())
    with pytest.raises(SigningKeyError, match="no private key"):
        FileSigner.from_pem(b"-----BEGIN nothing", ada.chain_pem())
    with pytest.raises(SigningKeyError, match="no certificate"):
        FileSigner.from_pem(ada.key_pem(), b"nothing")
    with pytest.raises(SigningKeyError, match="not that of the certificate"):
        FileSigner.from_pem(ada.key_pem(), ben.chain_pem())


def test_keys_that_are_too_weak_or_of_another_kind(ada: Identity) -> None:
    weak, other = rsa.generate_private_key(65537, 1024), ed25519.Ed25519PrivateKey.generate()
    for key, told in ((weak, "2048 bits"), (other, "not Ed25519")):
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with pytest.raises(SigningKeyError, match=told):
            FileSigner.from_pem(pem, ada.chain_pem())


def test_settings_of_a_file_are_complete_or_refused(tmp_path: Path) -> None:
    for given in ({}, {"key": tmp_path}, {"pkcs12": tmp_path, "key": tmp_path, "certificates": tmp_path}):
        with pytest.raises(ValidationError, match="takes pkcs12"):
            FileSignerSettings(**given)  # type: ignore[arg-type]
    with pytest.raises(SigningKeyError, match="can't be read"):
        make(None, FileSignerSettings(pkcs12=tmp_path / "none.p12"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        (500, b""),
        (302, b""),
        (200, b""),
        (200, b"not json"),
        (200, b"[]"),
        (200, b'{"signature": 7}'),
        (200, b'{"signature": "!!"}'),
        (200, b'{"signature": "AAAA"}'),
        (200, b"[" * 100_000),
        (200, b'{"signature": "' + b"A" * 300_000 + b'"}'),
    ],
)
def test_a_service_that_answers_something_else(
    authority: Authority, ada: Identity, contract: bytes, answer: tuple[int, bytes]
) -> None:
    authority.instead["/sign"] = answer
    signer = RemoteSigner(RemoteSignerSettings(url=f"{authority.url}/sign", timeout=5), [der(one) for one in ada.chain])
    with pytest.raises(SignerError):
        sign(contract, signer)


def test_a_service_that_signs_something_else(authority: Authority, ada: Identity, ben: Identity, contract: bytes) -> None:
    authority.instead["/sign"] = service(ben)
    signer = RemoteSigner(RemoteSignerSettings(url=f"{authority.url}/sign", timeout=5), [der(one) for one in ada.chain])
    with pytest.raises(SignerError, match="not by the key"):
        sign(contract, signer)


def test_a_service_that_stalls(authority: Authority, ada: Identity, contract: bytes) -> None:
    from threading import Event

    over = Event()
    authority.instead["/sign"] = lambda _: (over.wait(20), (200, b""))[1]
    signer = RemoteSigner(RemoteSignerSettings(url=f"{authority.url}/sign", timeout=0.3), [der(one) for one in ada.chain])
    with pytest.raises(SignerError, match="no answer"):
        sign(contract, signer)
    over.set()


def test_a_service_is_reached_by_tls() -> None:
    with pytest.raises(ValidationError, match="https"):
        RemoteSignerSettings(url="http://signer.example/sign")
    with pytest.raises(ValidationError, match="without a user"):
        RemoteSignerSettings(url="https://me:secret@signer.example/sign")
