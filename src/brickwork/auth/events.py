"""What auth publishes. Tokens travel sealed; `platform.auth.unseal` opens them for whoever sends the message."""

from typing import TYPE_CHECKING

from brickwork.messaging.event import Event
from brickwork.messaging.handler import handles

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


class UserInvited(Event, name="auth.user_invited", key="email"):
    """Somebody is asked to join the tenant; the sealed token is for the address."""

    email: str
    sealed: str


class PasswordResetAsked(Event, name="auth.password_reset_asked", key="email"):
    """Somebody wants a new password for an address, whether there is such an account or not. Nothing is to be sent yet."""

    email: str


class PasswordResetRequested(Event, name="auth.password_reset_requested", key="user"):
    """A person wants a new password; the sealed token is for the address."""

    user: str
    email: str
    sealed: str


class EmailVerificationRequested(Event, name="auth.email_verification_requested", key="user"):
    """An address is to be verified; the sealed token is for it."""

    user: str
    email: str
    sealed: str


class CredentialChanged(Event, name="auth.credential_changed", key="user"):
    """What the person signs in with was changed (SP 800-63B, 6.1.2 wants them told): "password", "password_removed", "totp",
    "recovery_codes", "passkey_added" or "passkey_removed"."""

    user: str
    email: str
    change: str


class PasskeySuspected(Event, name="auth.passkey_suspected", key="user"):
    """A passkey's counter went back, as that of a copy does; it was not let in."""

    user: str
    passkey: str
    name: str


class UserSignedIn(Event, name="auth.user_signed_in", key="user"):
    """Somebody has signed in."""

    user: str
    address: str


class UserImpersonated(Event, name="auth.user_impersonated", key="user"):
    """Somebody acts as another from now on."""

    user: str
    by: str
    reason: str


@handles(PasswordResetAsked, name="auth.answer_reset")
def answer_reset(platform: "Platform", event: PasswordResetAsked) -> None:
    platform.auth.users.answer_reset(event.email)
