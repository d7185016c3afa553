"""What a provider signs: ID tokens (OpenID Connect Core 1.0, 3.1.3.7) and logout tokens (Back-Channel Logout 1.0, 2.6).

The header is used to choose among the provider's own keys and for nothing else: a key, or the address of one, that the token
itself brings is not looked at (RFC 8725, 3.10).
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from brickwork.federation.discovery import Key
from brickwork.federation.errors import FederationRefusedError
from brickwork.federation.provider import Provider

#: Seconds by which clocks may differ.
SKEW = 60
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
#: Characters of the least RSA modulus, 2048 bits (RFC 7518, 3.3).
_RSA_LENGTH = 342
#: Characters of a token that is looked at.
_LONGEST = 65_536
_KINDS = {"R": "RSA", "P": "RSA", "E": "EC"}
Claims = Mapping[str, Any]
Keys = Callable[[], Sequence[Key]]


def check_id_token(
    token: object, provider: Provider, keys: Keys, fresh: Keys, *, nonce: str, now: datetime, oldest: float, access_token: object
) -> Claims:  # fmt: skip
    """The claims of a good ID token; raises `FederationRefusedError`. `oldest` is the age in seconds beyond which it can't be
    the answer to this sign-in."""
    header, key, claims = _verified(token, provider, keys, fresh)
    _check_common(provider, key, claims, now, oldest)
    if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= 255:
        raise _wrong("sub is missing or too long")
    expected = claims.get("nonce")
    if not isinstance(expected, str) or not hmac.compare_digest(expected.encode(), nonce.encode()):
        raise _wrong("nonce is another sign-in's")
    if "at_hash" in claims and claims["at_hash"] != _left_half(header["alg"], access_token):
        raise _wrong("at_hash is another access token's")
    return claims


def check_logout_token(token: object, provider: Provider, keys: Keys, fresh: Keys, *, now: datetime) -> Claims:
    """The claims of a good logout token; raises `FederationRefusedError`."""
    header, key, claims = _verified(token, provider, keys, fresh)
    if str(header.get("typ", "logout+jwt")).lower() not in ("logout+jwt", "jwt"):
        raise _wrong("typ is not logout+jwt")
    _check_common(provider, key, claims, now, oldest=300)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT), dict):
        raise _wrong("events has no logout")
    if "nonce" in claims:  # so that no ID token passes for one
        raise _wrong("a logout token has no nonce")
    if not isinstance(claims.get("jti"), str):
        raise _wrong("jti is missing")
    if not any(isinstance(claims.get(name), str) for name in ("sid", "sub")):
        raise _wrong("neither sub nor sid is there")
    return claims


def _check_common(provider: Provider, key: Key, claims: Claims, now: datetime, oldest: float) -> None:
    if not provider.is_issuer(claims.get("iss"), claims):
        raise _wrong("iss is another issuer")
    if not provider.is_key_of(key, claims):
        raise _wrong("the key is another issuer's")
    client, audience = provider.settings.client_id, claims.get("aud")
    if audience not in (client, [client]):  # rule 3: other audiences are not trusted
        raise _wrong("aud is not this client alone")
    if claims.get("azp", client) != client:
        raise _wrong("azp is another client")
    at = now.timestamp()
    if _time(claims, "exp") + SKEW <= at:
        raise _wrong("it has expired")
    if _time(claims, "iat") - SKEW > at:
        raise _wrong("iat lies in the future")
    if _time(claims, "iat") + oldest + SKEW < at:
        raise _wrong("iat is too long ago")
    if "nbf" in claims and _time(claims, "nbf") - SKEW > at:
        raise _wrong("nbf lies in the future")


def _verified(token: object, provider: Provider, keys: Keys, fresh: Keys) -> tuple[dict[str, Any], Key, Claims]:
    from brickwork.errors import MissingDependencyError

    try:
        from joserfc import jwk, jws
        from joserfc.errors import JoseError
    except ImportError:
        raise MissingDependencyError("joserfc", "oauth") from None

    header = _header(token)
    algorithm = header.get("alg")
    if algorithm not in provider.settings.algorithms:
        raise _wrong("alg is not one of those that are accepted")
    if "crit" in header:
        raise _wrong("crit names what is not understood")
    found = _fitting(header, keys()) or _fitting(header, fresh())
    if found is None:
        raise _wrong("it is signed with no key of the provider's")
    if found["kty"] == "RSA" and len(str(found.get("n")).lstrip("A")) < _RSA_LENGTH:
        raise _wrong("the provider's key is shorter than 2048 bits")
    try:
        key = jwk.import_key(dict(found), found["kty"])
        payload = orjson.loads(jws.deserialize_compact(str(token), key, algorithms=[str(algorithm)]).payload or b"")
    except (JoseError, ValueError, KeyError, TypeError):
        raise _wrong("the signature is not the provider's") from None
    if not isinstance(payload, dict):
        raise _wrong("it has no claims")
    return header, found, payload


def _header(token: object) -> dict[str, Any]:
    if not isinstance(token, str) or len(token) > _LONGEST or token.count(".") != 2:
        raise _wrong("it is no signed token")
    head = token.partition(".")[0]
    try:
        header = orjson.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        raise _wrong("it is no signed token") from None
    if not isinstance(header, dict):
        raise _wrong("it is no signed token")
    return header


def _fitting(header: Mapping[str, Any], keys: Sequence[Key]) -> Key | None:
    """The key that the header means; without `kid` there must be one only that it can be (Core, 10.1)."""
    algorithm, kid = str(header["alg"]), header.get("kid")
    kind = _KINDS.get(algorithm[0], "OKP") if algorithm != "Ed25519" else "OKP"
    fitting = [
        key
        for key in keys
        if key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) in (algorithm, "EdDSA" if kind == "OKP" else algorithm)
        and (kid is None or key.get("kid") == kid)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _left_half(algorithm: str, access_token: object) -> str:
    """Core, 3.1.3.6: the left half of the hash that goes with the signature; Ed25519 hashes with SHA-512 (RFC 8032)."""
    size = algorithm[-3:] if algorithm != "Ed25519" else "512"
    digest = hashlib.new(f"sha{size}", str(access_token).encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _time(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(f"{name} is no time")
    return value


def _wrong(why: str) -> FederationRefusedError:
    return FederationRefusedError(f"the provider's token is refused: {why}")
