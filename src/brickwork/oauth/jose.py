"""JSON Web Signatures: made and checked with an algorithm that our own tables name, never the token's header (RFC 8725, 3.1)."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from brickwork.errors import MissingDependencyError, UnauthenticatedError

try:
    from joserfc import jwk, jwt
    from joserfc.errors import JoseError
except ModuleNotFoundError:
    raise MissingDependencyError("joserfc", "oauth") from None

#: What a key of each algorithm is made of.
ALGORITHMS: Mapping[str, tuple[str, str | int]] = {
    "ES256": ("EC", "P-256"),
    "RS256": ("RSA", 2048),
    "Ed25519": ("OKP", "Ed25519"),
}
#: Algorithms in which a client's key of a kind may sign. A shared secret is not among them, so that a public key can't be taken
#: for one (RFC 8725, 2.1).
_BY_KIND = {("EC", "P-256"): "ES256", ("EC", "P-384"): "ES384", ("OKP", "Ed25519"): "Ed25519"}
#: Characters of a token, and seconds by which clocks may differ.
LONGEST, LEEWAY = 8192, 30


class TokenError(UnauthenticatedError):
    """A signed token is malformed, not signed by whom it says, for somebody else, or over."""

    code = "token_invalid"


@attrs.frozen
class Unverified:
    """What a token says of itself. It decides only where to look."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A claim that must be text."""
        value = self.claims.get(name)
        if not isinstance(value, str):
            raise TokenError(f"the token has no {name}")
        return value


def make_key(alg: str) -> dict[str, Any]:
    """A new private key, as a JWK."""
    kind, size = ALGORITHMS[alg]
    key = jwk.generate_key(kind, size, {"alg": alg, "use": "sig"}, private=True)  # type: ignore[call-overload]
    made: dict[str, Any] = key.as_dict(private=True)
    return {**made, "kid": key.thumbprint()}


def public_part(private: Mapping[str, Any]) -> dict[str, Any]:
    """What of a key may be shown."""
    shown: dict[str, Any] = load(private).as_dict(private=False)
    return shown


def load(key: Mapping[str, Any]) -> Any:
    """A JWK made ready; raises `TokenError`."""
    try:
        return jwk.import_key(dict(key))
    except (JoseError, ValueError, TypeError) as error:
        raise TokenError(f"the key can't be read: {error}") from None


def sign(claims: Mapping[str, Any], key: Any, *, alg: str, kid: str, typ: str) -> str:
    """A compact JWS with these claims."""
    return jwt.encode({"alg": alg, "kid": kid, "typ": typ}, dict(claims), key, [alg])


def look(token: str) -> Unverified:
    """The header and claims of a token, of which nothing is proven yet; raises `TokenError`."""
    parts = token.split(".")
    if len(token) > LONGEST or len(parts) != 3:
        raise TokenError("the token is no JWS in compact form")
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (ValueError, RecursionError):
        raise TokenError("the token can't be read") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenError("the token can't be read")
    return Unverified(header, claims)


def verify(token: str, key: Any, *, alg: str) -> dict[str, Any]:
    """The claims of a token that `key` has signed in `alg`; raises `TokenError`."""
    try:
        claims: dict[str, Any] = jwt.decode(token, key, [alg]).claims
    except (JoseError, ValueError, TypeError):
        raise TokenError("the token's signature is not good") from None
    return claims


def check_type(found: Unverified, *allowed: str) -> None:
    """Raise `TokenError` unless the header's `typ` is one of those (RFC 8725, 3.11); "application/" may stand before it."""
    typ = found.header.get("typ")
    name = typ.lower().removeprefix("application/") if isinstance(typ, str) else ""
    if name not in allowed:
        raise TokenError(f"the token is of another type than {' or '.join(filter(None, allowed))}")


def check_times(claims: Mapping[str, Any], now: datetime, *, longest: float | None = None) -> float:
    """When the token is over, in seconds since the epoch. Raises `TokenError` unless it is good now, and where `longest` is given
    for no more than so many seconds."""
    moment, exp = now.timestamp(), _number(claims, "exp")
    if exp is None:
        raise TokenError("the token has no exp")
    if exp + LEEWAY <= moment:
        raise TokenError("the token is over")
    for name in ("nbf", "iat"):
        begin = _number(claims, name)
        if begin is not None and begin - LEEWAY > moment:
            raise TokenError(f"the token's {name} is in the future")
    if longest is not None and exp > moment + longest + LEEWAY:
        raise TokenError(f"the token is good for more than {longest:.0f} seconds")
    return exp


def check_audience(claims: Mapping[str, Any], *ours: str) -> None:
    """Raise `TokenError` unless the token is meant for us and for nobody besides."""
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or len(named) != 1 or named[0] not in ours:
        raise TokenError("the token is meant for another audience")


def key_of(found: Unverified, keys: Mapping[str, Any]) -> tuple[Any, str]:
    """The key of a client's JWK set that must have signed a token, and the algorithm in which such a key signs. The token's `kid`
    is looked up among them; it may be missing where there is one key. Raises `TokenError`."""
    listed = [key for key in keys.get("keys", []) if key.get("use", "sig") == "sig"]
    kid = found.header.get("kid")
    fitting = [key for key in listed if key.get("kid") == kid] if kid is not None else listed
    if len(fitting) != 1:
        raise TokenError("none of the client's keys is the token's")
    return load(fitting[0]), algorithm_of(fitting[0])


def algorithm_of(key: Mapping[str, Any]) -> str:
    """The algorithm in which a client's key signs; raises `TokenError` for what is no such key."""
    kind = key.get("kty")
    if kind == "RSA":
        alg = key.get("alg", "RS256")
        if alg in ("RS256", "PS256"):
            return str(alg)
    known = _BY_KIND.get((str(kind), str(key.get("crv"))))
    if known is None or key.get("alg", known) != known:
        raise TokenError("a client's key is for RS256, PS256, ES256, ES384 or Ed25519")
    return known


def half_hash(text: str, alg: str) -> str:
    """The left half of a token's hash (OpenID Connect Core, 3.1.3.6), with the hash function that the algorithm uses."""
    digest = hashlib.sha512 if alg == "Ed25519" else hashlib.sha256
    whole = digest(text.encode()).digest()
    return base64.urlsafe_b64encode(whole[: len(whole) // 2]).decode().rstrip("=")


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e12:
        raise TokenError(f"the token's {name} is no number of seconds")
    return float(value)
