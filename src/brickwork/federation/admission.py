"""Whose account an identity leads to, and who gets a new one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.auth import User
from brickwork.auth.users import normal
from brickwork.errors import BrickworkError, DuplicateError, NotFoundError, UnauthenticatedError, ValidationError
from brickwork.federation.attempts import Attempt
from brickwork.federation.errors import AccountExistsError, AccountNeededError
from brickwork.federation.identities import Identities
from brickwork.federation.provider import Provider

if TYPE_CHECKING:
    from brickwork.auth import Auth


@attrs.frozen
class Told:
    """What a provider tells of a person. `email` is there where it is an address at all, `verified` where it is the person's."""

    issuer: str
    subject: str
    email: str | None
    verified: bool
    name: str
    claims: Mapping[str, Any]


def told_by(provider: Provider, claims: Mapping[str, Any]) -> Told:
    """What the claims of an ID token come to."""
    try:
        email: str | None = normal(str(claims.get("email", "")))
    except ValidationError:
        email = None
    name = claims.get(provider.settings.name_claim)
    text = name.strip()[:200] if isinstance(name, str) else ""
    verified = email is not None and provider.has_verified(claims)
    return Told(claims["iss"], claims["sub"], email, verified, text or (email or "").partition("@")[0][:200], claims)


class Admission:
    """Decides, and makes the accounts."""

    def __init__(self, auth: "Auth", identities: Identities) -> None:
        self._auth = auth
        self._identities = identities

    def admit(self, provider: Provider, told: Told, attempt: Attempt) -> User:
        """The person; raises `AccountNeededError` and `AccountExistsError`."""
        if attempt.invitation is not None:
            return self._auth.members.accept_as(attempt.invitation, lambda email: self._invited(provider, told, email))
        row = self._identities.find(told.issuer, told.subject)
        if row is not None:
            return check_enabled(self._auth.users.get(row.user_id))
        known = self._by_address(provider, told)
        if known is None:
            return self._create(provider, told, attempt)
        check_enabled(known)
        self._identities.link(known.id, provider.name, told.issuer, told.subject, email=told.email)
        return known

    def _by_address(self, provider: Provider, told: Told) -> User | None:
        """The account that the provider's word on the address is enough for.

        An account whose address nobody has verified here may have been made by somebody who waits for its owner to come in by
        this door (Sudhodanan and Paverd, Pre-hijacked accounts, USENIX Security 2022); one with a second factor is not opened
        without it.
        """
        if told.email is None or not told.verified:
            return None
        known = self._auth.users.find(told.email)
        if known is None:
            return None
        if provider.settings.trust_email and known.verified and not known.second_factor:
            return known
        raise AccountExistsError("there is an account with this address; sign in to it, and link this identity there")

    def _create(self, provider: Provider, told: Told, attempt: Attempt) -> User:
        own = provider.settings
        if own.create != "verified-email-domain" or told.email is None or not told.verified:
            raise self._unknown(provider)
        if not provider.has_domain(told.claims, told.email):
            raise self._unknown(provider)
        joining = self._auth.platform.context(tenant=attempt.tenant, actor=f"federation:{provider.name}")
        with joining, self._auth.database.transaction():
            user = self._auth.users.create(told.email, told.name, verified=True)
            self._auth.members.add(user, roles=own.roles)
            self._identities.link(user.id, provider.name, told.issuer, told.subject, email=told.email)
        return user

    def _invited(self, provider: Provider, told: Told, email: str) -> User:
        """Who holds an invitation's token may come in with any identity; the address is the invitation's, whatever the provider
        says."""
        if not provider.is_open_to(self._auth.current.tenant):
            raise NotFoundError(f"there is no provider {provider.name!r} for the tenant of this invitation")
        row = self._identities.find(told.issuer, told.subject)
        if row is not None:
            user = check_enabled(self._auth.users.get(row.user_id))
            if user.email != email:
                raise AccountExistsError("the invitation is for another address than your account has")
            return user
        if provider.settings.create != "invited":
            raise self._unknown(provider)
        with self._auth.system():
            try:
                user = self._auth.users.create(email, told.name or email.partition("@")[0], verified=True)
            except DuplicateError:
                raise AccountExistsError("the invited address has an account; sign in to it, and link this there") from None
            self._identities.link(user.id, provider.name, told.issuer, told.subject, email=told.email)
        return user

    def _unknown(self, provider: Provider) -> BrickworkError:
        return AccountNeededError(
            f"nobody here has this identity of {provider.title}; sign in to your account and link it, or have yourself invited",
            permission="account",
        )


def check_enabled(user: User) -> User:
    """`user`; raises `UnauthenticatedError` where the account is disabled."""
    if user.disabled:
        raise UnauthenticatedError("this account is disabled")
    return user
