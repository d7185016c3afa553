"""`platform.auth.users`: people, their passwords and second factors. They are the system's, so that one person can be a member
of several tenants."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import attrs
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import delete, func, select, update

from brickwork.auth import passwords, secret, totp
from brickwork.auth.events import (
    CredentialChanged,
    EmailVerificationRequested,
    PasswordResetAsked,
    PasswordResetRequested,
)
from brickwork.auth.models import PasskeyRow, TokenRow, UserRow
from brickwork.errors import ConflictError, DuplicateError, NotFoundError, UnauthenticatedError, ValidationError
from brickwork.kernel.context import SYSTEM_TENANT
from brickwork.kernel.ids import parse_id

if TYPE_CHECKING:
    from brickwork.auth.service import Auth
    from brickwork.data import Transaction


class LastWayError(ConflictError):
    """It is the only way in which the person can sign in."""

    code = "last_way_to_sign_in"


@attrs.frozen
class User:
    """A person."""

    id: UUID
    email: str
    name: str
    verified: bool
    disabled: bool
    #: Whether a code is asked for besides the password.
    second_factor: bool
    created_at: datetime

    @property
    def actor(self) -> str:
        """How contexts and the audit trail name the person."""
        return f"user:{self.id}"


@attrs.frozen
class Enrolment:
    """What an authenticator app takes: the secret, and the link that a QR code shows."""

    secret: str
    link: str


class Users:
    """Creates, finds and changes people."""

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth
        self._settings = auth.settings

    # -- people --------------------------------------------------------------------------------------------------------

    def create(self, email: str, name: str, *, password: str | None = None, verified: bool = False) -> User:
        """A new person; raises `ValidationError` and `DuplicateError`."""
        address = normal(email)
        if not 0 < len(name.strip()) <= 200:
            raise ValidationError("a name takes 1 to 200 characters", field="name")
        hashed = passwords.hash_password(self._checked(password, address, name)) if password is not None else None
        now = self._auth.now()
        with self._auth.system(f"create user {address}") as transaction:
            row = UserRow(tenant_id=SYSTEM_TENANT, email=address, name=name.strip(), password=hashed, totp_step=0,
                          totp_confirmed=False, verified_at=now if verified else None)  # fmt: skip
            if self._find(transaction, address) is not None:
                raise DuplicateError("there is a user with this address", field="email")
            transaction.session.add(row)
            transaction.flush()
            return present(row)

    def get(self, id: UUID | str) -> User:
        """The person; raises `NotFoundError`."""
        with self._auth.system(readonly=True) as transaction:
            return present(self._row(transaction, id))

    def find(self, email: str) -> User | None:
        """The person with this address."""
        with self._auth.system(readonly=True) as transaction:
            row = self._find(transaction, normal(email))
            return present(row) if row is not None else None

    def disable(self, id: UUID | str) -> None:
        """Let the person in no more, anywhere, and end all sessions and what clients were allowed; keys of theirs work no more
        either."""
        self._set_disabled(id, self._auth.now())

    def enable(self, id: UUID | str) -> None:
        """Undo `disable`; sessions don't come back."""
        self._set_disabled(id, None)

    # -- passwords -----------------------------------------------------------------------------------------------------

    def set_password(self, id: UUID | str, password: str) -> None:
        """Give the person a password, as an operator does. Ends all sessions, and what OAuth clients were allowed."""
        with self._auth.system(f"set the password of user {id}") as transaction:
            row = self._row(transaction, id, lock=True)
            self._replace(transaction, row, password)

    def change_password(self, id: UUID | str, old: str, new: str) -> None:
        """As the person does it, who knows the old one; raises `UnauthenticatedError`. Ends as `set_password`."""
        with self._auth.system(readonly=True) as transaction:
            row = self._row(transaction, id)
            user, hashed = row.id, row.password
        self._auth.throttle.attempt(f"user:{user}")
        if not passwords.verify(hashed, old):
            raise UnauthenticatedError("the present password is another")
        with self._auth.system(f"change the password of user {user}") as transaction:
            row = self._row(transaction, user, lock=True)
            if row.password != hashed:
                raise UnauthenticatedError("the present password is another")
            self._replace(transaction, row, new)

    def remove_password(self, id: UUID | str, *, session: UUID | None = None) -> None:
        """Let the person in by other means only, and end all sessions but `session`. Raises `NotFoundError` where there is no
        password, and `LastWayError` where there is nothing else."""
        with self._auth.system(f"remove the password of user {id}") as transaction:
            row = self._row(transaction, id, lock=True)
            if row.password is None:
                raise NotFoundError("there is no password")
            self.check_not_last(transaction, row.id)
            row.password = None
            self._auth.sessions.end_all(transaction, row.id, but=session)
            self.changed(transaction, row, "password_removed")

    def request_reset(self, email: str, *, address: str = "") -> None:
        """Publish `PasswordResetAsked`. It does the same whether there is such a person, and so tells nobody; who handles events
        finds out, and publishes `PasswordResetRequested` if there is."""
        wanted = normal(email)
        self._auth.throttle.attempt(f"reset:{wanted}", address)
        with self._auth.system() as transaction:
            transaction.publish(PasswordResetAsked(email=wanted))

    def answer_reset(self, email: str) -> None:
        """Publish `PasswordResetRequested` with a new token if there is such a person, and nothing otherwise."""
        with self._auth.system() as transaction:
            row = self._find(transaction, email)
            if row is not None and row.disabled_at is None:
                token = self._token(transaction, row.id, "reset", timedelta(minutes=self._settings.reset_minutes))
                transaction.publish(PasswordResetRequested(user=str(row.id), email=row.email, sealed=self._auth.seal(token)))

    def reset_password(self, token: str, password: str) -> User:
        """Set a new password with a token that was sent; raises `UnauthenticatedError`. Ends as `set_password`."""
        with self._auth.system() as transaction:
            row = self._redeem(transaction, token, "reset")
            self._replace(transaction, row, password)
            row.verified_at = row.verified_at or self._auth.now()  # who reads the mail owns the address
            return present(row)

    def request_verification(self, id: UUID | str) -> None:
        """Publish `EmailVerificationRequested`."""
        with self._auth.system() as transaction:
            row = self._row(transaction, id)
            token = self._token(transaction, row.id, "verify", timedelta(days=2))
            transaction.publish(EmailVerificationRequested(user=str(row.id), email=row.email, sealed=self._auth.seal(token)))

    def verify_email(self, token: str) -> User:
        """The address is the person's; raises `UnauthenticatedError`."""
        with self._auth.system() as transaction:
            row = self._redeem(transaction, token, "verify")
            row.verified_at = row.verified_at or self._auth.now()
            return present(row)

    # -- second factor -------------------------------------------------------------------------------------------------

    def enrol_totp(self, id: UUID | str) -> Enrolment:
        """Begin with an authenticator app; `confirm_totp` makes it count. Raises `ValidationError` if there is one already."""
        with self._auth.system() as transaction:
            row = self._row(transaction, id, lock=True)
            if row.totp_confirmed:
                raise ValidationError("there is a second factor; remove it first", field="totp")
            made = totp.new_secret()
            row.totp, row.totp_step = self._auth.seal(made), 0
            return Enrolment(made, totp.link(made, row.email, self._settings.issuer))

    def confirm_totp(self, id: UUID | str, code: str, *, session: UUID | None = None) -> list[str]:
        """The app shows the right codes: ask for them from now on. Returns recovery codes, shown this once. Ends all sessions,
        which were begun without a code, but `session`."""
        codes = totp.recovery_codes()
        self._auth.throttle.attempt(f"code:{id}")
        with self._auth.system() as transaction:
            row = self._row(transaction, id, lock=True)
            if row.totp_confirmed or not self._matches(row, code):
                raise UnauthenticatedError("the code is not the app's")
            row.totp_confirmed = True
            row.recovery = [totp.recovery_digest(one) for one in codes]
            self._auth.sessions.end_all(transaction, row.id, but=session)
            self.changed(transaction, row, "totp")
        return codes

    def new_recovery_codes(self, id: UUID | str) -> list[str]:
        """Other recovery codes in place of those that are left. Raises `ValidationError` where no code is asked for."""
        codes = totp.recovery_codes()
        with self._auth.system(f"replace the recovery codes of user {id}") as transaction:
            row = self._row(transaction, id, lock=True)
            if not row.totp_confirmed:
                raise ValidationError("there is no second factor that they could stand for", field="totp")
            row.recovery = [totp.recovery_digest(one) for one in codes]
            self.changed(transaction, row, "recovery_codes")
        return codes

    def remove_totp(self, id: UUID | str, *, session: UUID | None = None) -> None:
        """Ask for no code any more. Ends all sessions but `session`."""
        with self._auth.system(f"remove the second factor of user {id}") as transaction:
            row = self._row(transaction, id, lock=True)
            row.totp, row.totp_confirmed, row.recovery = None, False, None
            self._auth.sessions.end_all(transaction, row.id, but=session)
            self.changed(transaction, row, "totp")

    # -- for the neighbours in this room -------------------------------------------------------------------------------

    def check_password(self, email: str, password: str) -> UserRow | None:
        """The person, if the password is theirs. It takes as long where there is no such person."""
        with self._auth.system(readonly=True) as transaction:
            row = self._find(transaction, email)
        right = passwords.verify(row.password if row is not None else None, password)
        if row is None or not right or row.disabled_at is not None:
            return None
        if row.password is not None and passwords.outdated(row.password):
            self._rehash(row, password)
        return row

    def check_not_last(self, transaction: "Transaction", id: UUID) -> None:
        """Raise `LastWayError` where the person has one way to sign in and no more: a password, a passkey, or what others have
        (`brickwork_ways_to_sign_in`). The person's row is locked until the transaction ends, so that two callers can't take the
        last two ways away at once."""
        row = transaction.session.get(UserRow, (SYSTEM_TENANT, id), with_for_update=True)
        passkeys = select(func.count()).where(PasskeyRow.tenant_id == SYSTEM_TENANT, PasskeyRow.user_id == id)
        own = transaction.execute(passkeys).scalar_one() + (row is not None and row.password is not None)
        platform = self._auth.platform
        others = platform.plugins.hook.brickwork_ways_to_sign_in(platform=platform, transaction=transaction, user=id)
        if own + sum(others) <= 1:
            raise LastWayError("this is the only way to sign in to this account; add another one first, such as a password")

    def use_code(self, id: UUID, code: str) -> bool:
        """Whether a code of the app, or a recovery code, is good. It is used up."""
        with self._auth.system() as transaction:
            row = transaction.session.get(UserRow, (SYSTEM_TENANT, id), with_for_update=True)
            assert row is not None
            if self._matches(row, code):
                return True
            digest = totp.recovery_digest(code)
            if digest not in (row.recovery or []):
                return False
            row.recovery = [one for one in row.recovery or [] if one != digest]
            return True

    def changed(self, transaction: "Transaction", row: UserRow, change: str) -> None:
        """Publish that what the person signs in with was changed."""
        transaction.publish(CredentialChanged(user=str(row.id), email=row.email, change=change))

    def _rehash(self, row: UserRow, password: str) -> None:
        """Keep the password with the present parameters, unless it was changed since `row` was read."""
        made = passwords.hash_password(password)
        same = (UserRow.tenant_id == SYSTEM_TENANT, UserRow.id == row.id, UserRow.password == row.password)
        with self._auth.system() as transaction:
            if transaction.execute(update(UserRow).where(*same).values(password=made)).rowcount:
                row.password = made

    def _matches(self, row: UserRow, code: str) -> bool:
        if row.totp is None:
            return False
        step = totp.match(self._auth.unseal(row.totp), code, self._auth.now().timestamp(), row.totp_step)
        if step is not None:
            row.totp_step = step
        return step is not None

    def _replace(self, transaction: "Transaction", row: UserRow, password: str) -> None:
        row.password = passwords.hash_password(self._checked(password, row.email, row.name))
        self._end_all(transaction, row, "password changed")
        transaction.execute(delete(TokenRow).where(TokenRow.tenant_id == SYSTEM_TENANT, TokenRow.user_id == row.id,
                                                   TokenRow.purpose == "reset"))  # fmt: skip
        self.changed(transaction, row, "password")

    def _end_all(self, transaction: "Transaction", row: UserRow, reason: str) -> None:
        self._auth.sessions.end_all(transaction, row.id)
        platform = self._auth.platform
        platform.plugins.hook.brickwork_access_ended(platform=platform, transaction=transaction, user=row.id, reason=reason)

    def _checked(self, password: str, *about: str) -> str:
        return passwords.check(password, least=self._settings.password_length, about=(*about, self._settings.issuer))

    def _set_disabled(self, id: UUID | str, at: datetime | None) -> None:
        with self._auth.system(f"{'enable' if at is None else 'disable'} user {id}") as transaction:
            row = self._row(transaction, id, lock=True)
            row.disabled_at = at
            self._end_all(transaction, row, "person disabled")
            self._auth.policy_changed(transaction)

    def _token(self, transaction: "Transaction", user: UUID, purpose: str, lifetime: timedelta) -> str:
        token = secret.make("bwt")
        transaction.session.add(TokenRow(tenant_id=SYSTEM_TENANT, digest=secret.digest(token), purpose=purpose, user_id=user,
                                         expires_at=self._auth.now() + lifetime))  # fmt: skip
        return token

    def _redeem(self, transaction: "Transaction", token: str, purpose: str) -> UserRow:
        """The person that a token was sent to. It is used up; of two that show it at once, one is let through."""
        if not secret.well_formed(token):
            raise UnauthenticatedError("the token is unknown, used or too old")
        found = transaction.execute(
            delete(TokenRow)
            .where(TokenRow.tenant_id == SYSTEM_TENANT, TokenRow.digest == secret.digest(token), TokenRow.purpose == purpose)
            .returning(TokenRow.user_id, TokenRow.expires_at)
        ).one_or_none()
        row = None if found is None else transaction.session.get(UserRow, (SYSTEM_TENANT, found.user_id), with_for_update=True)
        if found is None or row is None or found.expires_at < self._auth.now() or row.disabled_at is not None:
            raise UnauthenticatedError("the token is unknown, used or too old")
        return row

    def _row(self, transaction: "Transaction", id: UUID | str, *, lock: bool = False) -> UserRow:
        key = id if isinstance(id, UUID) else parse_id(id.removeprefix("user:"))
        row = transaction.session.get(UserRow, (SYSTEM_TENANT, key), with_for_update=lock) if key is not None else None
        if row is None:
            raise NotFoundError(f"there is no user {str(id)[:80]!r}")
        return row

    def _find(self, transaction: "Transaction", address: str) -> UserRow | None:
        wanted = select(UserRow).where(UserRow.tenant_id == SYSTEM_TENANT, UserRow.email == address)
        return transaction.session.scalars(wanted).one_or_none()


def normal(email: str) -> str:
    """An address as it is kept and compared; raises `ValidationError`."""
    try:
        return validate_email(email, check_deliverability=False).normalized.casefold()
    except EmailNotValidError as error:
        raise ValidationError(f"{email[:100]!r} is no e-mail address: {error}", field="email") from None


def present(row: UserRow) -> User:
    return User(row.id, row.email, row.name, row.verified_at is not None, row.disabled_at is not None, row.totp_confirmed,
                row.created_at)  # fmt: skip
