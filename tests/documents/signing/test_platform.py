"""Signing by the settings of a platform."""

from pathlib import Path
from typing import Any

import pytest

from brickwork import Platform
from brickwork.documents.signing import CertificateError, SigningKeyError, add_fields, signature_fields
from brickwork.errors import NotFoundError, SettingsError, ValidationError
from brickwork.testing.pki import Authority, Identity


@pytest.fixture
def settings(tmp_path: Path, authority: Authority, ada: Identity) -> dict[str, Any]:
    (tmp_path / "roots.pem").write_bytes(authority.pem)
    (tmp_path / "seal.p12").write_bytes(ada.pkcs12("secret"))
    return {
        "trust_roots": [str(tmp_path / "roots.pem")],
        "allowed_networks": ["127.0.0.0/8"],
        "timestamp_url": f"{authority.url}/tsa",
        "level": "B-LTA",
        "signers": {"default": {"backend": "file", "pkcs12": str(tmp_path / "seal.p12"), "passphrase": "secret"}},
    }


def made(settings: dict[str, Any]) -> Platform:
    return Platform(settings={"database": {"url": "sqlite://"}, "documents": {"signing": settings}})


def test_signing_and_verifying(settings: dict[str, Any], contract: bytes) -> None:
    with made(settings) as platform:
        report = platform.documents.verify(platform.documents.sign(contract, reason="I agree"))
        assert (report.ok, report.signatures[0].level, report.signatures[0].reason) == (True, "B-LTA", "I agree")
        plain = platform.documents.sign(contract, level="B-B")
        assert platform.documents.verify(plain).signatures[0].level == "B-B"
        assert platform.documents.verify(platform.documents.signing.extend(plain)).signatures[0].level == "B-LTA"


def test_a_signer_of_the_caller(settings: dict[str, Any], contract: bytes, ben: Identity, authority: Authority) -> None:
    with made(settings) as platform:
        signed = platform.documents.sign(contract, ben.signer())
        assert platform.documents.verify(signed).signatures[0].signer == "Ben Okafor"
        revoked = authority.issue()
        authority.revoke(revoked)
        with pytest.raises(CertificateError):
            platform.documents.sign(contract, revoked.signer())


def test_without_settings_nobody_signs_or_is_trusted(contract: bytes, ada: Identity) -> None:
    with Platform(settings={"database": {"url": "sqlite://"}}) as platform:
        with pytest.raises(NotFoundError, match="there are none"):
            platform.documents.sign(contract)
        assert platform.documents.verify(platform.documents.sign(contract, ada.signer())).signatures[0].has("unknown_issuer")
        with pytest.raises(ValidationError, match="timestamp_url"):
            platform.documents.signing.extend(contract)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"backend": "none"}, "installed are file, pkcs11, remote"),
        ({"colour": "red"}, "colour"),
        ({"pkcs12": "nowhere.p12"}, "can't be read"),
        ({"passphrase": "wrong"}, "passphrase"),
    ],
)
def test_wrong_signers(settings: dict[str, Any], contract: bytes, change: dict[str, str], told: str) -> None:
    settings["signers"]["default"] |= change
    with made(settings) as platform, pytest.raises((SettingsError, SigningKeyError), match=told) as caught:
        platform.documents.sign(contract)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"level": "B-X"}, {"timestamp_url": "ftp://x"}, {"timestamp_url": None}, {"signers": {"a": {}}}]
)
def test_wrong_settings_stop_the_start(settings: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        made(settings | change)


def test_roots_that_are_missing(settings: dict[str, Any], contract: bytes) -> None:
    with made(settings | {"trust_roots": ["nowhere.pem"]}) as platform, pytest.raises(SettingsError, match="trust_roots"):
        platform.documents.verify(contract)


def test_fields_of_a_template_are_signed(settings: dict[str, Any]) -> None:
    with made(settings) as platform:
        markup = '<document><p>Lease</p><field type="signature" name="tenant"/><field type="text" name="note"/></document>'
        pdf = platform.documents.render(markup).content
        assert [(one.name, one.signed, one.visible) for one in signature_fields(pdf)] == [("tenant", False, True)]
        signed = platform.documents.sign(pdf)
        assert [(one.name, one.signed) for one in signature_fields(signed)] == [("tenant", True)]
        assert platform.documents.verify(signed).ok
        assert add_fields(pdf, []) == pdf


async def _signed(platform: Platform, contract: bytes) -> bytes:
    return platform.documents.sign(contract)


def test_where_a_loop_runs(settings: dict[str, Any], contract: bytes) -> None:
    import asyncio

    with made(settings) as platform:
        assert platform.documents.verify(asyncio.run(_signed(platform, contract))).ok
