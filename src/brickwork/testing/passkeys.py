"""A device with passkeys, in software, for tests that run without a browser (WebAuthn level 3, sections 6 and 7).

What it is asked and what it answers are the JSON forms that pages exchange with the server.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from secrets import token_bytes
from typing import Any

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

#: Bits of the authenticator data (6.1): the user was there, was verified; the key may be copied, a new key follows.
_PRESENT, _VERIFIED, _COPYABLE, _KEY_FOLLOWS = 0x01, 0x04, 0x08, 0x40


@attrs.define
class Device:
    """Makes passkeys and signs with them. What a test sets makes it lie, or be another's.

    `origin` is that of the page that asks; `domain` is taken from what is asked where it is None; `counts` false is a device
    that doesn't count, as those that copy their passkeys.
    """

    origin: str = "http://localhost:8000"
    domain: str | None = None
    verifies: bool = True
    counts: bool = True
    copies: bool = False
    cross_origin: bool = False
    keys: dict[str, tuple[ec.EllipticCurvePrivateKey, bytes]] = attrs.field(factory=dict)
    count: int = 0

    def create(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """As `navigator.credentials.create()`, with its `toJSON()`."""
        import cbor2

        key, id = ec.generate_private_key(ec.SECP256R1()), token_bytes(16)
        self.keys[text(id)] = key, raw(asked["user"]["id"])
        point = key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        made = bytes(16) + len(id).to_bytes(2, "big") + id + cbor2.dumps(cose)
        data = self._data(self.domain or asked["rp"]["id"], _KEY_FOLLOWS) + made
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        told = {
            "clientDataJSON": text(self._told("webauthn.create", asked)),
            "attestationObject": text(attestation),
            "transports": ["internal"],
        }
        return {"id": text(id), "rawId": text(id), "type": "public-key", "response": told, "clientExtensionResults": {}}

    def get(self, asked: Mapping[str, Any], *, id: str | None = None) -> dict[str, Any]:
        """As `navigator.credentials.get()`, with its `toJSON()`; `id` is the passkey, else the one made last."""
        chosen = id if id is not None else list(self.keys)[-1]
        key, handle = self.keys[chosen]
        told, data = self._told("webauthn.get", asked), self._data(self.domain or asked["rpId"], 0)
        signature = key.sign(data + sha256(told).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": text(told),
            "authenticatorData": text(data),
            "signature": text(signature),
            "userHandle": text(handle),
        }
        return {"id": chosen, "rawId": chosen, "type": "public-key", "response": response, "clientExtensionResults": {}}

    def _told(self, type: str, asked: Mapping[str, Any]) -> bytes:
        told = {"type": type, "challenge": asked["challenge"], "origin": self.origin, "crossOrigin": self.cross_origin}
        return json.dumps(told).encode()

    def _data(self, domain: str, flags: int) -> bytes:
        self.count += self.counts
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0) | (_COPYABLE if self.copies else 0)
        return sha256(domain.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")


def text(value: bytes) -> str:
    """Base64url, as WebAuthn's JSON has it."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def raw(value: str) -> bytes:
    """What base64url stands for."""
    return urlsafe_b64decode(value + "==")
