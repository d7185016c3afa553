"""Encryption at rest: AES-256-GCM with a key per tenant, rotation, and blind indexes for equality search.

Master keys come from settings or, in development, from a file that is made on first use. Tenant keys are derived with
HKDF-SHA256 (RFC 5869), so one tenant's ciphertext or index says nothing about another's.
"""

import base64
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from brickwork.data.settings import KeyringSettings
from brickwork.errors import BrickworkError, SettingsError

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_NONCE = 12


class DecryptionError(BrickworkError):
    """A stored secret can't be read: its key is gone, or it was altered or moved to another row."""

    code = "decryption_failed"


class Keyring:
    """Encrypts and decrypts text for a tenant; `where` binds a secret to its place, so that it can't be moved."""

    def __init__(self, keys: dict[str, bytes], active: str) -> None:
        self._keys = keys
        self.active = active
        self._cipher = lru_cache(maxsize=4096)(self._derive_cipher)
        self._index_key = lru_cache(maxsize=4096)(self._derive_index_key)

    def encrypt(self, tenant: str, where: str, plain: str) -> str:
        """A token that `decrypt` reads with the same `tenant` and `where`."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher(self.active, tenant).encrypt(nonce, plain.encode(), where.encode())
        return f"{self.active}.{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, tenant: str, where: str, token: str) -> str:
        """The text in `token`; raises `DecryptionError`."""
        key, _, body = token.partition(".")
        if key not in self._keys:
            raise DecryptionError(f"the key {key!r} that encrypted {where} is not in keyring.keys")
        raw = base64.b64decode(body)
        try:
            return self._cipher(key, tenant).decrypt(raw[:_NONCE], raw[_NONCE:], where.encode()).decode()
        except InvalidTag:
            raise DecryptionError(f"{where} was altered, or encrypted with another key of the same id") from None

    def is_current(self, token: str) -> bool:
        """Whether `token` was made with the active key."""
        return token.partition(".")[0] == self.active

    def blind(self, tenant: str, where: str, plain: str) -> str:
        """A keyed digest (HMAC-SHA256, 128 bits) by which equal secrets of a tenant are found without reading them."""
        return self._digest(self.active, tenant, where, plain)

    def blinds(self, tenant: str, where: str, plain: str) -> list[str]:
        """The digests under every key, for a search while a rotation is under way."""
        return [self._digest(key, tenant, where, plain) for key in self._keys]

    def _digest(self, key: str, tenant: str, where: str, plain: str) -> str:
        return hmac.digest(self._index_key(key, tenant), f"{where}\0{plain}".encode(), "sha256").hex()[:32]

    def _derive_index_key(self, key: str, tenant: str) -> bytes:
        return self._derive(self._keys[key], tenant, b"index")

    def _derive_cipher(self, key: str, tenant: str) -> AESGCM:
        return AESGCM(self._derive(self._keys[key], tenant, b"encrypt"))

    @staticmethod
    def _derive(master: bytes, tenant: str, purpose: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"brickwork/" + purpose + b"/" + tenant.encode()).derive(
            master
        )


def generate_key() -> str:
    """A new master key, as settings take it."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def build(platform: "Platform", settings: KeyringSettings) -> Keyring:
    """The keyring of `settings`, or in development that of `keys.json` in the data folder, made if it's missing."""
    if settings.keys:
        keys = {name: _decode(name, key.get_secret_value()) for name, key in settings.keys.items()}
    elif platform.settings.platform.environment == "production":
        raise SettingsError("keyring.keys: missing; run `brickwork keys generate` and configure the key", field="keyring.keys")
    else:
        keys = _key_file(platform.settings.platform.data_dir / "keys.json")
    active = settings.active or list(keys)[-1]
    if active not in keys:
        raise SettingsError(f"keyring.active: {active!r} is not among keyring.keys ({', '.join(keys)})", field="keyring.active")
    return Keyring(keys, active)


def _decode(name: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise SettingsError(f"keyring.keys.{name}: takes 32 bytes in base64 (value hidden)", field=f"keyring.keys.{name}")
    return key


def _key_file(path: Path) -> dict[str, bytes]:
    """The keys in `path`, which is made readable for its owner only; two processes that race make one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    if not path.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps({"k1": generate_key()}))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return {name: _decode(name, text) for name, text in orjson.loads(path.read_bytes()).items()}
