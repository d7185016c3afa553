"""Signatures of webhooks by the Standard Webhooks specification: HMAC-SHA256 ("v1") and Ed25519 ("v1a"), for senders and for
receivers."""

import hashlib
import hmac
import secrets as random
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from brickwork.errors import ValidationError
from brickwork.notify.channels.errors import SignatureError

#: Prefixes of an HMAC secret, an Ed25519 private key and an Ed25519 public key.
SYMMETRIC, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
#: Seconds by which a webhook's time may differ from the receiver's.
TOLERANCE = 300
#: Signatures that are looked at. A sender that rotates has two.
_MOST_SIGNATURES = 10


def new_secret() -> str:
    """An HMAC secret of 32 random bytes, such as "whsec_…"."""
    return SYMMETRIC + b64encode(random.token_bytes(32)).decode("ascii")


def new_key_pair() -> tuple[str, str]:
    """An Ed25519 key pair: the sender's "whsk_…" and the receiver's "whpk_…"."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = b64encode(key.private_bytes_raw()), b64encode(key.public_key().public_bytes_raw())
    return PRIVATE + private.decode("ascii"), PUBLIC + public.decode("ascii")


def sign(id: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> str:
    """The value of `webhook-signature`: one signature for each secret, so that an endpoint that has the new or the old one
    during a rotation finds its own. `timestamp` is in seconds since 1970. Raises `ValidationError` where a secret is none."""
    if not secrets:
        raise ValidationError("a webhook needs a signing secret", field="secrets")
    content = _content(id, timestamp, body)
    return " ".join(_sign(content, secret) for secret in secrets)


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    now: datetime,
    *,
    tolerance: float = TOLERANCE,
    replayed: Callable[[str, datetime], bool] | None = None,
) -> str:
    """For receivers: the id of a webhook that one of `secrets` ("whsec_…" or "whpk_…") has signed.

    `body` are the bytes as they came. `replayed` is asked last, with the id and the moment until which the id must be
    remembered, and says whether it was seen before; whoever keeps ids for that long takes each webhook once. Raises
    `SignatureError` where anything is wrong, `ValidationError` where a secret of ours is none.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        id, sent, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise SignatureError(f"the header {error.args[0]} is missing") from None
    if not (sent.isascii() and sent.isdecimal() and len(sent) < 16):
        raise SignatureError("webhook-timestamp is no number of seconds")
    if abs(int(sent) - now.timestamp()) > tolerance:
        raise SignatureError("the webhook is too old, or the clocks differ")
    content = _content(id, int(sent), body)
    offered = [signature.partition(",") for signature in signatures.split()[:_MOST_SIGNATURES]]
    found = [_matches(content, secret, version, value) for secret in secrets for version, _, value in offered]
    if not any(found):
        raise SignatureError("no signature matches")
    until = datetime.fromtimestamp(int(sent) + tolerance, tz=now.tzinfo)
    if replayed is not None and replayed(id, until):
        raise SignatureError("the webhook came before")
    return id


def _content(id: str, timestamp: int, body: bytes) -> bytes:
    return b"%s.%d.%s" % (id.encode(), timestamp, body)


def _sign(content: bytes, secret: str) -> str:
    if secret.startswith(PRIVATE):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        # some keep the public half behind the seed, as NaCl does
        key = Ed25519PrivateKey.from_private_bytes(_key(secret, PRIVATE, 32, 64)[:32])
        return f"v1a,{b64encode(key.sign(content)).decode('ascii')}"
    return f"v1,{b64encode(_hmac(content, secret)).decode('ascii')}"


def _matches(content: bytes, secret: str, version: str, value: str) -> bool:
    try:
        signature = b64decode(value, validate=True)
    except ValueError:
        return False
    if secret.startswith(PUBLIC):
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(_key(secret, PUBLIC, 32, 32)).verify(signature, content)
        except InvalidSignature:
            return False
        return version == "v1a"
    return version == "v1" and hmac.compare_digest(signature, _hmac(content, secret))


def _hmac(content: bytes, secret: str) -> bytes:
    return hmac.digest(_key(secret, SYMMETRIC, 16, 128), content, hashlib.sha256)


def _key(secret: str, prefix: str, least: int, most: int) -> bytes:
    """The bytes of a secret. The message of the error doesn't quote it."""
    try:
        key = b64decode(secret.removeprefix(prefix), validate=True)
    except ValueError:
        key = b""
    if not (secret.startswith(prefix) and least <= len(key) <= most):
        raise ValidationError(
            f"a signing secret is {SYMMETRIC} or {PRIVATE} (for a receiver {PUBLIC}) and the base64 of the key", field="secrets"
        )
    return key
