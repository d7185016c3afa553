"""Upstreams over TLS: whom the gateway trusts, and how it shows itself."""

import contextlib
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Issues certificates; gives the files of certificate and key."""
    folder = tmp_path_factory.mktemp("pki")
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])

    def build(name, key, *, ca, hosts=()):
        now = datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(root_name if ca else subject)
            .issuer_name(root_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        certificate = builder.sign(root_key, hashes.SHA256())
        files = folder / f"{name}.pem", folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return tuple(map(str, files))

    ca, _ = build("ca", root_key, ca=True)

    def issue(name, *hosts):
        return build(name, ec.generate_private_key(ec.SECP256R1()), ca=False, hosts=hosts)

    issue.ca = ca
    return issue


@pytest.fixture
def secure(simple, authority):
    """A gateway before an upstream that speaks TLS as "api.internal"; `tls` is the service's section."""

    def start(tls, *, client=False):
        gateway, api = simple(service={"protocol": "https", "tls": tls, "retries": {"attempts": 0}})
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority("server", "api.internal"))
        if client:
            context.load_verify_locations(authority.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        plain = api._serve

        def serve(accepted, number):
            with contextlib.suppress(OSError), context.wrap_socket(accepted, server_side=True) as wrapped:
                plain(wrapped, number)

        api._serve = serve
        return gateway, api

    return start


def test_a_certificate_of_the_given_authority_and_name_is_trusted(secure, authority):
    gateway, api = secure({"ca": authority.ca, "server_name": "api.internal"})
    assert gateway.request("POST", "/", b"x" * 1_000_000).status == 200
    assert len(api.requests[0].body) == 1_000_000


def test_another_name_or_an_unknown_authority_is_not(secure, authority):
    for tls in ({"ca": authority.ca}, {"server_name": "api.internal"}):
        gateway, api = secure(tls)
        got = gateway.get()
        assert (got.status, got.code, api.requests) == (502, "upstream_unreachable", [])
    gateway, _ = secure({"verify": False})
    assert gateway.get().status == 200


def test_the_gateway_shows_its_own_certificate(secure, authority):
    known = {"ca": authority.ca, "server_name": "api.internal"}
    gateway, _ = secure(known, client=True)
    assert gateway.get().status == 502
    certificate, key = authority("gateway", "gateway.internal")
    gateway, _ = secure({**known, "client_cert": certificate, "client_key": key}, client=True)
    assert gateway.get().status == 200


def test_one_that_speaks_no_tls_or_none_in_time_is_502(simple):
    free = threading.Event()
    gateway, api = simple(service={"protocol": "https", "timeouts": {"connect": 0.5}, "retries": {"attempts": 0}})
    assert gateway.get().code == "upstream_unreachable"

    def wait(accepted, number):
        with accepted:
            free.wait(20)

    api._serve = wait
    assert gateway.get().code == "upstream_unreachable"
    free.set()
