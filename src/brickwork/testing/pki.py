"""Certificates and the services around them, for tests of signatures: an authority that issues and revokes, answers OCSP
and gives out CRLs over local HTTP, and a timestamp authority. The keys are real, and good for nothing else."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from brickwork.documents.signing.backends.file import FileSigner
from brickwork.documents.signing.keys import der

Kind = Literal["rsa", "ec"]
_DER = serialization.Encoding.DER
_PEM = serialization.Encoding.PEM


def new_key(kind: Kind = "ec") -> Any:
    """A private key: RSA of 2048 bits, or on P-256."""
    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


class Identity:
    """A key and its certificate, with those of its issuers."""

    def __init__(self, key: Any, chain: list[x509.Certificate]) -> None:
        self.key, self.chain = key, chain

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]

    def signer(self) -> FileSigner:
        return FileSigner(self.key, self.chain)

    def pkcs12(self, passphrase: str) -> bytes:
        locked = serialization.BestAvailableEncryption(passphrase.encode())
        return pkcs12.serialize_key_and_certificates(b"key", self.key, self.chain[0], self.chain[1:], locked)

    def key_pem(self, passphrase: str | None = None) -> bytes:
        locked = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
        pem: bytes = self.key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, locked)
        return pem

    def chain_pem(self) -> bytes:
        return b"".join(one.public_bytes(_PEM) for one in self.chain)


class Authority:
    """A root that issues certificates. While `serving` it answers at `/ocsp`, `/crl`, `/ca` and `/tsa`; `calls` has the paths."""

    def __init__(self, name: str = "Test Root", kind: Kind = "rsa") -> None:
        self.key = new_key(kind)
        subject = _name(name)
        begin = datetime(2015, 1, 1, tzinfo=UTC)
        self.root = (
            _builder(subject, subject, self.key.public_key(), begin, datetime(2099, 1, 1, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True, digital_signature=True), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.url: str | None = None
        self.revoked: dict[int, datetime] = {}
        self.calls: list[str] = []
        #: What a path answers instead, as (status, content); or a callable that does what it likes with the request.
        self.instead: dict[str, tuple[int, bytes] | Callable[[bytes], tuple[int, bytes]]] = {}
        #: The time that timestamps tell; None is now.
        self.moment: datetime | None = None
        self._tsa: Identity | None = None

    @property
    def pem(self) -> bytes:
        return self.root.public_bytes(_PEM)

    def issue(
        self, name: str = "Ada Ito", *, kind: Kind = "ec", begin: datetime | None = None, end: datetime | None = None,
        usage: Literal["sign", "encrypt", "timestamp"] = "sign", status: Literal["ocsp", "crl", "both", "none"] = "both",
    ) -> Identity:  # fmt: skip
        """A key with a certificate, good from a day ago for a year unless told otherwise."""
        now = datetime.now(UTC).replace(microsecond=0)
        key = new_key(kind)
        begin, end = begin or now - timedelta(days=1), end or now + timedelta(days=365)
        built = _builder(_name(name), self.root.subject, key.public_key(), begin, end)
        built = built.add_extension(x509.BasicConstraints(False, None), critical=True)
        built = built.add_extension(
            _usage(key_encipherment=True) if usage == "encrypt" else _usage(digital_signature=True, content_commitment=True),
            critical=True,
        )
        built = built.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if usage == "timestamp":
            stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            built = built.add_extension(stamping, critical=True)
        built = self._places(built, status)
        return Identity(key, [built.sign(self.key, hashes.SHA256()), self.root])

    def revoke(self, identity: Identity, moment: datetime | None = None) -> None:
        self.revoked[identity.certificate.serial_number] = (moment or datetime.now(UTC)).replace(microsecond=0)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """A block in which the services answer; certificates that are issued in it name them."""
        server = _Server(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self.url
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        """What the service at a path says."""
        self.calls.append(path)
        instead = self.instead.get(path)
        if instead is not None:
            return instead(body) if callable(instead) else instead
        makers = {"/ocsp": self._ocsp, "/crl": self._crl, "/ca": lambda _: der(self.root), "/tsa": self._timestamp}
        return (200, makers[path](body)) if path in makers else (404, b"")

    def _places(self, built: x509.CertificateBuilder, status: str) -> x509.CertificateBuilder:
        if self.url is None or status == "none":
            return built
        oid, place = AuthorityInformationAccessOID, x509.UniformResourceIdentifier
        access = [x509.AccessDescription(oid.CA_ISSUERS, place(f"{self.url}/ca"))]
        if status in ("ocsp", "both"):
            access.append(x509.AccessDescription(oid.OCSP, place(f"{self.url}/ocsp")))
        if status in ("crl", "both"):
            point = x509.DistributionPoint([place(f"{self.url}/crl")], None, None, None)
            built = built.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        return built.add_extension(x509.AuthorityInformationAccess(access), critical=False)

    def _ocsp(self, body: bytes) -> bytes:
        asked = ocsp.load_der_ocsp_request(body)
        moment = self.revoked.get(asked.serial_number)
        now = datetime.now(UTC)
        state = ocsp.OCSPCertStatus.GOOD if moment is None else ocsp.OCSPCertStatus.REVOKED
        built = ocsp.OCSPResponseBuilder().add_response_by_hash(
            asked.issuer_name_hash, asked.issuer_key_hash, asked.serial_number, asked.hash_algorithm, state,
            now - timedelta(minutes=1), now + timedelta(days=1), moment, None,
        )  # fmt: skip
        for extension in asked.extensions:
            built = built.add_extension(extension.value, extension.critical)
        built = built.responder_id(ocsp.OCSPResponderEncoding.HASH, self.root)
        return built.certificates([self.root]).sign(self.key, hashes.SHA256()).public_bytes(_DER)

    def _crl(self, body: bytes) -> bytes:
        now = datetime.now(UTC)
        built = x509.CertificateRevocationListBuilder().issuer_name(self.root.subject)
        built = built.last_update(now - timedelta(minutes=1)).next_update(now + timedelta(days=1))
        built = built.add_extension(x509.CRLNumber(1), critical=False)
        for serial, moment in self.revoked.items():
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment).build()
            built = built.add_revoked_certificate(one)
        return built.sign(self.key, hashes.SHA256()).public_bytes(_DER)

    def _timestamp(self, body: bytes) -> bytes:
        from asn1crypto import keys, tsp
        from asn1crypto import x509 as asn1
        from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
        from pyhanko_certvalidator.registry import SimpleCertificateStore

        if self._tsa is None:
            begin = datetime(2016, 1, 1, tzinfo=UTC)
            self._tsa = self.issue("Test Time", kind="rsa", usage="timestamp", begin=begin)
        plain = serialization.NoEncryption()
        key = keys.PrivateKeyInfo.load(self._tsa.key.private_bytes(_DER, serialization.PrivateFormat.PKCS8, plain))
        own, *others = [asn1.Certificate.load(der(one)) for one in self._tsa.chain]
        store = SimpleCertificateStore()
        store.register_multiple(others)
        stamper = DummyTimeStamper(own, key, certs_to_embed=store, fixed_dt=self.moment)
        answer: bytes = stamper.request_tsa_response(tsp.TimeStampReq.load(body)).dump()
        return answer


def _name(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, name), x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Test")]
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, begin: datetime, end: datetime) -> x509.CertificateBuilder:
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return built.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)


def _usage(**given: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
        "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: given.get(name, False) for name in names})


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Who didn't wait for the answer is what a test was about."""


def _handler(authority: Authority) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, content = authority.answer(self.path, body)
            self.send_response(status)
            self.send_header("content-type", _TYPES.get(self.path, "application/octet-stream"))
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            """Tests don't want it."""

    return Handler


_TYPES = {
    "/ocsp": "application/ocsp-response", "/crl": "application/pkix-crl", "/ca": "application/pkix-cert",
    "/tsa": "application/timestamp-reply",
}  # fmt: skip
