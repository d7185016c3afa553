"""Sign-ins under way. State, nonce and PKCE verifier stay here, are good once and for some minutes, and belong to one browser,
so that nobody can be made to complete a sign-in that somebody else began (RFC 6819, 4.4.1.8; RFC 9700, 4.7)."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import attrs
import orjson
from sqlalchemy import delete

from brickwork.auth import secret
from brickwork.errors import ValidationError
from brickwork.federation.errors import FederationRefusedError
from brickwork.federation.models import AttemptRow, FederatedSessionRow
from brickwork.kernel.context import SYSTEM_TENANT

if TYPE_CHECKING:
    from brickwork.auth import Auth
    from brickwork.data.keyring import Keyring

#: Prefixes of the state, and of what a browser keeps.
STATE, BROWSER = "bwf", "bwb"
_WHERE = "federation_attempt"


@attrs.frozen
class Attempt:
    """A sign-in under way. `user` is set where it is to link an identity to a person who is signed in, `invitation` where it is
    to make use of one."""

    nonce: str
    verifier: str
    next: str
    tenant: str | None
    user: UUID | None
    invitation: str | None

    def pack(self) -> str:
        return orjson.dumps(attrs.asdict(self)).decode()

    @classmethod
    def unpack(cls, text: str) -> "Attempt":
        values: Mapping[str, str | None] = orjson.loads(text)
        user = values["user"]
        return cls(**{**values, "user": UUID(user) if user is not None else None})  # type: ignore[arg-type]


def new_attempt(*, next: str, tenant: str | None, user: UUID | None, invitation: str | None) -> Attempt:
    """An attempt with secrets of its own (256 bits each; RFC 7636, 7.1)."""
    return Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), check_next(next), tenant, user, invitation)


def check_next(path: str) -> str:
    """`path`, if it leads to a page of this site; raises `ValidationError`. Browsers take "//" and "/\\" for another host, and
    leave out tabs and line ends."""
    if not path.startswith("/") or path[1:2] in ("/", "\\") or "\\" in path or not path.isprintable() or len(path) > 2000:
        raise ValidationError("next is not a path of this site, such as /patients", field="next")
    return path


class Attempts:
    """Keeps attempts until they are completed or too old."""

    def __init__(self, auth: "Auth", keyring: "Keyring", minutes: float) -> None:
        self._auth = auth
        self._keyring = keyring
        self.lifetime = timedelta(minutes=minutes)

    def keep(self, provider: str, state: str, attempt: Attempt, browser: str) -> None:
        """Keep an attempt."""
        now = self._auth.now()
        with self._auth.system() as transaction:
            self._sweep(now)
            sealed = self._keyring.encrypt(SYSTEM_TENANT, _WHERE, attempt.pack())
            transaction.session.add(
                AttemptRow(tenant_id=SYSTEM_TENANT, digest=secret.digest(state), browser=secret.digest(browser),
                           provider=provider, sealed=sealed, expires_at=now + self.lifetime)
            )  # fmt: skip

    def take(self, provider: str, state: str, browser: str) -> Attempt:
        """The attempt with this state, which was begun with the provider in the browser. It is used up; of two that bring it at
        once, one is let through. Raises `FederationRefusedError`."""
        with self._auth.system() as transaction:
            found = transaction.execute(
                delete(AttemptRow)
                .where(
                    AttemptRow.tenant_id == SYSTEM_TENANT,
                    AttemptRow.digest == secret.digest(state),
                    AttemptRow.browser == secret.digest(browser),
                    AttemptRow.provider == provider,
                )
                .returning(AttemptRow.sealed, AttemptRow.expires_at)
            ).one_or_none()
        if found is None or found.expires_at <= self._auth.now():
            raise FederationRefusedError("this sign-in was not begun in this browser, was completed, or is too old; begin anew")
        return Attempt.unpack(self._keyring.decrypt(SYSTEM_TENANT, _WHERE, found.sealed))

    def _sweep(self, now: datetime) -> None:
        """Forget what is over, since nobody else comes by."""
        with self._auth.system() as transaction:
            for table in (AttemptRow, FederatedSessionRow):
                transaction.execute(delete(table).where(table.tenant_id == SYSTEM_TENANT, table.expires_at < now))
