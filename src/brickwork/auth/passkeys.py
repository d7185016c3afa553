"""`platform.auth.passkeys`: signing in with a key that lives in a person's device (W3C Web Authentication, level 3).

A passkey is discoverable, so that nobody names an account to sign in, and its device checks its user (a finger, a face, a PIN),
so that it is two factors in one: no code is asked for besides it.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import attrs
from sqlalchemy import delete, select

from brickwork.auth import secret
from brickwork.auth.events import PasskeySuspected
from brickwork.auth.models import PasskeyRow, TokenRow
from brickwork.auth.sessions import SignIn
from brickwork.errors import MissingDependencyError, NotFoundError, RestrictedError, UnauthenticatedError, ValidationError
from brickwork.kernel.context import SYSTEM_TENANT
from brickwork.kernel.ids import parse_id

if TYPE_CHECKING:
    from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
    from webauthn.registration.verify_registration_response import VerifiedRegistration

    from brickwork.auth.service import Auth
    from brickwork.data import Transaction

T = TypeVar("T")
#: Passkeys of one person.
MOST = 20
_ADD, _USE = "passkey-add", "passkey-use"
#: Whose challenges those of signing in are: it isn't known yet.
_ANYBODY = UUID(int=0)


@attrs.frozen
class Passkey:
    """A passkey as its owner sees it. A `synced` one may be on several of the person's devices."""

    id: UUID
    name: str
    synced: bool
    transports: tuple[str, ...]
    created_at: datetime
    used_at: datetime | None


class Passkeys:
    """Adds, lists, renames and removes people's passkeys, and lets people in who show one.

    Needs `brickwork[passkeys]`. Passkeys are bound to `auth.passkey_domain` (WebAuthn's RP ID), and count on the pages of
    `auth.passkey_origins` only.
    """

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth
        self._settings = auth.settings

    # -- adding --------------------------------------------------------------------------------------------------------

    def begin_registration(self, user: UUID | str) -> dict[str, Any]:
        """What the person's browser passes to `navigator.credentials.create()`, as JSON. It is good once, for
        `auth.passkey_minutes`. Raises `RestrictedError` where the person has too many."""
        webauthn = _library()
        from webauthn.helpers import structs

        person = self._auth.users.get(user)
        known = self._rows(person.id)
        if len(known) >= MOST:
            raise RestrictedError(f"a person has at most {MOST} passkeys; remove one first")
        options = webauthn.generate_registration_options(
            rp_id=self._settings.passkey_domain,
            rp_name=self._settings.issuer,
            user_id=person.id.bytes,
            user_name=person.email,
            user_display_name=person.name,
            challenge=self._challenge(_ADD, person.id),
            timeout=self._milliseconds,
            exclude_credentials=[
                structs.PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(row.credential)) for row in known
            ],
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
        )
        return _as_json(options)

    def finish_registration(self, user: UUID | str, response: Mapping[str, Any], *, name: str) -> Passkey:
        """Keep the passkey that the browser made (`PublicKeyCredential.toJSON()`). Raises `UnauthenticatedError` for an answer
        that is not to a challenge of this person's or not from a page of the product's, and `DuplicateError`."""
        person = self._auth.users.get(user)
        name = _named(name)
        challenge = self._redeem(response, _ADD, person.id)
        made = self._verified(lambda: self._registered(response, challenge))
        row = PasskeyRow(tenant_id=SYSTEM_TENANT, user_id=person.id, name=name, credential=_text(made.credential_id),
                         public_key=made.credential_public_key, sign_count=made.sign_count,
                         transports=_transports(response), synced=made.credential_device_type == "multi_device",
                         created_at=self._auth.now())  # fmt: skip
        with self._auth.system(f"add a passkey to user {person.id}") as transaction:
            self._auth.users.changed(transaction, self._auth.users._row(transaction, person.id), "passkey_added")
            transaction.session.add(row)
            transaction.flush()
            return _present(row)

    # -- signing in ----------------------------------------------------------------------------------------------------

    def begin_sign_in(self, *, address: str = "") -> dict[str, Any]:
        """What any browser passes to `navigator.credentials.get()`, as JSON. It is good once, and names no account."""
        webauthn = _library()
        from webauthn.helpers import structs

        self._auth.throttle.from_address(address)
        options = webauthn.generate_authentication_options(
            rp_id=self._settings.passkey_domain,
            challenge=self._challenge(_USE, _ANYBODY),
            timeout=self._milliseconds,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return _as_json(options)

    def finish_sign_in(
        self, response: Mapping[str, Any], *, tenant: str | None = None, address: str = "", agent: str = ""
    ) -> SignIn:
        """A session for whose passkey answered. Raises `UnauthenticatedError`, and publishes `PasskeySuspected` where the
        passkey's counter goes back, as that of a copy does (level 3, 6.1.1)."""
        self._auth.throttle.from_address(address)
        challenge = self._redeem(response, _USE, _ANYBODY)
        with self._auth.system() as transaction:
            row = self._shown(transaction, response)
            used = self._verified(lambda: self._used(response, challenge, row))
            if used.new_sign_count > row.sign_count or used.new_sign_count == row.sign_count == 0:
                row.sign_count, row.used_at = used.new_sign_count, self._auth.now()
                owner = self._auth.users.get(row.user_id)
                return self._auth.sessions.begin(owner, tenant=tenant, address=address, agent=agent)
            suspected = PasskeySuspected(user=str(row.user_id), passkey=str(row.id), name=row.name)
        with self._auth.system() as transaction:
            transaction.publish(suspected)
        raise UnauthenticatedError("this passkey's counter went back, as that of a copy does; use another, and remove this one")

    # -- what there is -------------------------------------------------------------------------------------------------

    def list(self, user: UUID | str) -> Sequence[Passkey]:
        """A person's passkeys, the oldest first."""
        return [_present(row) for row in self._rows(self._auth.users.get(user).id)]

    def rename(self, user: UUID | str, passkey: UUID | str, name: str) -> None:
        """Give it another name; raises `NotFoundError`."""
        with self._auth.system() as transaction:
            self._row(transaction, user, passkey).name = _named(name)

    def remove(self, user: UUID | str, passkey: UUID | str, *, session: UUID | None = None) -> None:
        """Let nobody in with it any more, and end the person's sessions but `session`, which may have been begun with it.
        Raises `NotFoundError`, and `LastWayError` where there is no other way to sign in."""
        with self._auth.system(f"remove a passkey of user {user}") as transaction:
            row = self._row(transaction, user, passkey)
            self._auth.users.check_not_last(transaction, row.user_id)
            transaction.session.delete(row)
            self._auth.sessions.end_all(transaction, row.user_id, but=session)
            self._auth.users.changed(transaction, self._auth.users._row(transaction, row.user_id), "passkey_removed")

    # -- inside --------------------------------------------------------------------------------------------------------

    @property
    def _milliseconds(self) -> int:
        return int(self._settings.passkey_minutes * 60_000)

    def _challenge(self, purpose: str, user: UUID) -> bytes:
        """A new challenge. Only its digest is kept; the answer repeats it, and so finds it."""
        challenge = token_bytes(32)
        expires = self._auth.now() + timedelta(minutes=self._settings.passkey_minutes)
        with self._auth.system() as transaction:
            transaction.session.add(TokenRow(tenant_id=SYSTEM_TENANT, digest=secret.digest(_text(challenge)), purpose=purpose,
                                             user_id=user, expires_at=expires))  # fmt: skip
        return challenge

    def _redeem(self, response: Mapping[str, Any], purpose: str, user: UUID) -> bytes:
        """The challenge that the browser says it answers, used up whatever comes of it."""
        challenge = self._verified(lambda: _answered(response))
        with self._auth.system() as transaction:
            expires = transaction.execute(
                delete(TokenRow)
                .where(TokenRow.tenant_id == SYSTEM_TENANT, TokenRow.digest == secret.digest(_text(challenge)))
                .where(TokenRow.purpose == purpose, TokenRow.user_id == user)
                .returning(TokenRow.expires_at)
            ).scalar_one_or_none()
        if expires is None or expires < self._auth.now():
            raise UnauthenticatedError("the challenge is unknown, used or too old; begin again")
        return challenge

    def _registered(self, response: Mapping[str, Any], challenge: bytes) -> "VerifiedRegistration":
        return _library().verify_registration_response(  # type: ignore[no-any-return]
            credential=dict(response),
            expected_challenge=challenge,
            expected_rp_id=self._settings.passkey_domain,
            expected_origin=self._settings.passkey_origins,
            require_user_verification=True,
        )

    def _used(self, response: Mapping[str, Any], challenge: bytes, row: PasskeyRow) -> "VerifiedAuthentication":
        used: VerifiedAuthentication = _library().verify_authentication_response(
            credential=dict(response),
            expected_challenge=challenge,
            expected_rp_id=self._settings.passkey_domain,
            expected_origin=self._settings.passkey_origins,
            credential_public_key=row.public_key,
            credential_current_sign_count=0,  # held against ours once the signature is known to be good
            require_user_verification=True,
        )
        if (used.credential_device_type == "multi_device") != row.synced:
            raise ValueError("a passkey that can't be copied must not become one that can (level 3, 7.2, step 19)")
        return used

    def _shown(self, transaction: "Transaction", response: Mapping[str, Any]) -> PasskeyRow:
        """The passkey that the answer names, if it says that it is its owner's."""
        wanted = select(PasskeyRow).where(PasskeyRow.tenant_id == SYSTEM_TENANT, PasskeyRow.credential == str(response["id"]))
        row = transaction.session.scalars(wanted.with_for_update()).one_or_none()
        handle = response["response"].get("userHandle") if isinstance(response.get("response"), Mapping) else None
        if row is None or handle != _text(row.user_id.bytes):
            raise _refused()
        return row

    def _verified(self, check: Callable[[], T]) -> T:
        """What `check` gives. What browsers send comes from outside, and is refused in one way whatever is wrong with it."""
        _library()
        from webauthn.helpers.exceptions import WebAuthnException

        try:
            return check()
        except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
            raise _refused() from error

    def _rows(self, user: UUID) -> Sequence[PasskeyRow]:
        wanted = select(PasskeyRow).where(PasskeyRow.tenant_id == SYSTEM_TENANT, PasskeyRow.user_id == user)
        with self._auth.system(readonly=True) as transaction:
            return transaction.session.scalars(wanted.order_by(PasskeyRow.id).limit(MOST)).all()

    def _row(self, transaction: "Transaction", user: UUID | str, passkey: UUID | str) -> PasskeyRow:
        owner = user if isinstance(user, UUID) else parse_id(user.removeprefix("user:"))
        key = passkey if isinstance(passkey, UUID) else parse_id(passkey)
        row = transaction.session.get(PasskeyRow, (SYSTEM_TENANT, key)) if key is not None else None
        if row is None or row.user_id != owner:
            raise NotFoundError(f"there is no passkey {str(passkey)[:80]!r}")
        return row


def _library() -> Any:
    try:
        import webauthn
    except ImportError:
        raise MissingDependencyError("webauthn", "passkeys") from None
    return webauthn


def _as_json(options: Any) -> dict[str, Any]:
    from webauthn.helpers import options_to_json_dict

    return options_to_json_dict(options)


def _answered(response: Mapping[str, Any]) -> bytes:
    """The challenge in what the browser signed; whether that is so is found out later."""
    from webauthn.helpers import base64url_to_bytes, parse_client_data_json

    told = parse_client_data_json(base64url_to_bytes(response["response"]["clientDataJSON"]))
    if told.cross_origin:
        raise ValueError("a page within another site's page has no business with passkeys (level 3, 7.2, step 10)")
    return bytes(told.challenge)


def _transports(response: Mapping[str, Any]) -> list[str]:
    """Hints; what isn't known here may be known to browsers."""
    told = response["response"].get("transports")
    return [one for one in told if isinstance(one, str) and len(one) <= 20][:10] if isinstance(told, list) else []


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _named(name: str) -> str:
    if not 0 < len(name.strip()) <= 100:
        raise ValidationError("a passkey's name takes 1 to 100 characters; it tells which device has it", field="name")
    return name.strip()


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("this passkey is not known here, or its answer is not good")


def _present(row: PasskeyRow) -> Passkey:
    return Passkey(row.id, row.name, row.synced, tuple(row.transports), row.created_at, row.used_at)
