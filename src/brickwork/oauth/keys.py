"""`platform.oauth.keys`: the key pairs with which a tenant's tokens are signed, and what the world sees of them."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs
import orjson
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from brickwork.kernel.context import Context
from brickwork.oauth.events import KeysRotated
from brickwork.oauth.models import SigningKeyRow

if TYPE_CHECKING:
    from brickwork.cache import Region
    from brickwork.data import Transaction
    from brickwork.oauth.service import OAuth

_WHERE = "oauth_signing_key"
_TAG = "oauth_keys"


class KeptKey(BaseModel):
    """What is cached of a key. The private part stays encrypted."""

    model_config = ConfigDict(frozen=True)

    kid: str
    alg: str
    public: dict[str, Any]
    private: str | None
    expires_at: datetime | None


class KeptKeys(BaseModel):
    """A tenant's keys, the latest first."""

    model_config = ConfigDict(frozen=True)

    keys: tuple[KeptKey, ...]


@attrs.frozen
class Signer:
    """The key that signs now."""

    kid: str
    alg: str
    key: Any


class SigningKeys:
    """Makes, rotates and finds keys. A tenant has its first when its first client is registered."""

    def __init__(self, oauth: "OAuth", region: "Region[KeptKeys]") -> None:
        self._oauth = oauth
        self._region = region
        self._opened = lru_cache(maxsize=1024)(self._open)
        self._loaded = lru_cache(maxsize=4096)(_load_public)

    def rotate(self) -> Sequence[str]:
        """Sign with new keys from now on, one for each algorithm in use; returns their ids. The old ones stay visible until the
        last token that they signed is over. Takes `oauth.keys.write`."""
        self._oauth.require("oauth.keys.write")
        with self._oauth.database.transaction() as transaction:
            old = [row for row in self._rows(transaction) if row.private is not None]
            over = self._oauth.now() + self._oauth.longest
            for row in old:
                row.private, row.expires_at = None, over
            made = [self._add(transaction, alg) for alg in dict.fromkeys(row.alg for row in old)]
            for row in made:
                transaction.publish(KeysRotated(kid=row.kid, alg=row.alg))
            return [row.kid for row in made]

    def ensure(self, transaction: "Transaction", *algorithms: str) -> None:
        """Make what is missing for these algorithms."""
        have = {row.alg for row in self._rows(transaction) if row.private is not None}
        for alg in dict.fromkeys(algorithms):
            if alg not in have:
                self._add(transaction, alg)

    def signer(self, alg: str) -> Signer:
        """The tenant's key for an algorithm."""
        tenant = self._oauth.current.require_tenant()
        for key in self._kept(tenant):
            if key.alg == alg and key.private is not None:
                return Signer(key.kid, alg, self._opened(tenant, key.private))
        raise LookupError(f"tenant {tenant} has no key for {alg}")  # `ensure` made one with the client that needs it

    def verifier(self, tenant: str, kid: object) -> tuple[Any, str] | None:
        """The public key of a tenant with this id, and its algorithm. The id comes from outside; it is compared, nothing else."""
        now = self._oauth.now()
        for key in self._kept(tenant):
            if key.kid == kid and (key.expires_at is None or key.expires_at > now):
                return self._loaded(orjson.dumps(key.public)), key.alg
        return None

    def public(self, tenant: str) -> list[dict[str, Any]]:
        """The keys as a JWK set lists them (RFC 7517, 5)."""
        now = self._oauth.now()
        return [
            {**key.public, "kid": key.kid, "alg": key.alg, "use": "sig"}
            for key in self._kept(tenant)
            if key.expires_at is None or key.expires_at > now
        ]

    def exist(self, tenant: str) -> bool:
        """Whether the tenant has any, which is to say that it is an issuer."""
        return bool(self._kept(tenant))

    # -- inside --------------------------------------------------------------------------------------------------------

    def _kept(self, tenant: str) -> tuple[KeptKey, ...]:
        with self._oauth.contexts.use(Context(tenant=tenant)):
            kept = self._region.get_or_load("oauth_keys", lambda: self._load(tenant), tags=(_TAG,))
        return kept.keys if kept is not None else ()

    def _load(self, tenant: str) -> KeptKeys | None:
        """None for a tenant that is no issuer; whatever name a stranger makes up, nothing is kept of it."""
        with self._oauth.database.begin(Context(tenant=tenant), readonly=True) as transaction:
            rows = self._rows(transaction)
            return KeptKeys(keys=tuple(KeptKey.model_validate(row, from_attributes=True) for row in rows)) if rows else None

    def _rows(self, transaction: "Transaction") -> Sequence[SigningKeyRow]:
        wanted = select(SigningKeyRow).where(SigningKeyRow.tenant_id == transaction.tenant)
        return transaction.session.scalars(wanted.order_by(SigningKeyRow.created_at.desc()).limit(100)).all()

    def _add(self, transaction: "Transaction", alg: str) -> SigningKeyRow:
        from brickwork.oauth import jose

        made = jose.make_key(alg)
        sealed = self._oauth.keyring.encrypt(transaction.tenant, _WHERE, orjson.dumps(made).decode())
        row = SigningKeyRow(kid=made["kid"], alg=alg, public=jose.public_part(made), private=sealed,
                            created_at=self._oauth.now())  # fmt: skip
        transaction.session.add(row)
        transaction.flush()
        self._oauth.auth.forget([_TAG])
        return row

    def _open(self, tenant: str, sealed: str) -> Any:
        from brickwork.oauth import jose

        return jose.load(orjson.loads(self._oauth.keyring.decrypt(tenant, _WHERE, sealed)))


def _load_public(text: bytes) -> Any:
    from brickwork.oauth import jose

    return jose.load(orjson.loads(text))
