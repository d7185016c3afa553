"""`platform.federation`: signing in with an account that somebody has elsewhere."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import attrs
from sqlalchemy.exc import IntegrityError

from brickwork.auth import SignIn, secret
from brickwork.errors import ConflictError, NotFoundError, ValidationError
from brickwork.federation.admission import Admission, Told, told_by
from brickwork.federation.attempts import BROWSER, STATE, Attempt, Attempts, new_attempt
from brickwork.federation.discovery import Directory
from brickwork.federation.errors import FederationRefusedError
from brickwork.federation.exchange import Exchange
from brickwork.federation.identities import Identities, LinkedIdentity
from brickwork.federation.logout import ProvidersSessions
from brickwork.federation.provider import TEMPLATE, Provider, provider_of
from brickwork.federation.settings import FederationSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


@attrs.frozen
class Begun:
    """A sign-in that was begun: lead the browser to `url`, and let it keep `browser` in a cookie that scripts can't read."""

    url: str
    state: str
    browser: str


@attrs.frozen
class Completed:
    """How a sign-in came out: lead the browser to `next`. `signed_in` is the new session, or None where an identity was linked to
    a person who was signed in already."""

    next: str
    signed_in: SignIn | None


class Federation:
    """Begins and completes sign-ins at other providers, and keeps which identities people have there."""

    def __init__(self, platform: "Platform", settings: FederationSettings) -> None:
        self.platform = platform
        self.settings = settings
        self.auth = platform.auth
        self.base_url = (settings.base_url or "").rstrip("/")
        self._providers = {name: provider_of(name, one) for name, one in settings.providers.items()}
        self._attempts = Attempts(platform.auth, platform.get("keyring"), settings.attempt_minutes)
        self._identities = Identities(platform.auth)
        self._admission = Admission(platform.auth, self._identities)
        self._sessions = ProvidersSessions(platform.auth)
        self._exchanges = {
            name: Exchange(one, Directory(platform, settings, one), f"{self.base_url}/federation/{name}/callback")
            for name, one in self._providers.items()
        }

    # -- signing in ----------------------------------------------------------------------------------------------------

    def providers(self, tenant: str | None = None) -> Sequence[Provider]:
        """Those by which somebody may sign in to the tenant, or to any."""
        return [one for one in self._providers.values() if tenant is None or one.is_open_to(tenant)]

    def provider(self, name: str) -> Provider:
        """The provider; raises `NotFoundError`."""
        found = self._providers.get(name)
        if found is None:
            raise NotFoundError(f"there is no provider {name[:40]!r}")
        return found

    def begin(
        self, provider: str, *, tenant: str | None = None, next: str = "/", browser: str | None = None,
        user: UUID | None = None, invitation: str | None = None,
    ) -> Begun:  # fmt: skip
        """Begin a sign-in. `browser` is what the browser keeps from an earlier one; `user` makes it link the identity to that
        person, who is signed in; `invitation` is the token of one that is to be used.

        Raises `NotFoundError` for a provider that is not open to the tenant, `ValidationError` for a `next` that leads away, and
        `ProviderUnavailableError`.
        """
        one = self.provider(provider)
        attempt = new_attempt(next=next, tenant=self._tenant(one, tenant), user=user, invitation=invitation)
        kept = browser if browser is not None and secret.well_formed(browser) else secret.make(BROWSER)
        state = secret.make(STATE)
        url = self._exchanges[provider].authorization_url(state, attempt)
        self._attempts.keep(provider, state, attempt, kept)
        return Begun(url, state, kept)

    def complete(
        self, provider: str, parameters: Mapping[str, str], browser: str, *, user: UUID | None = None, address: str = "",
        agent: str = "",
    ) -> Completed:  # fmt: skip
        """Complete a sign-in with the parameters that came to the callback and what the browser kept. `user` is who is signed in
        to the browser.

        Raises `FederationRefusedError`, `AccountNeededError`, `AccountExistsError`, `ProviderUnavailableError`, `ConflictError`
        for an identity that is another's, `UnauthenticatedError` for a disabled account, and `PermissionDeniedError` where the
        person is no member of the tenant.
        """
        one = self.provider(provider)
        attempt = self._attempts.take(provider, parameters.get("state", ""), browser)
        if attempt.user is not None and attempt.user != user:
            raise FederationRefusedError("who began to link this identity is signed in no more; begin anew")
        claims = self._exchanges[provider].redeem(parameters, attempt, self.auth.now(), self._attempts.lifetime.total_seconds())
        told = told_by(one, claims)
        if attempt.user is not None:
            self._identities.link(attempt.user, provider, told.issuer, told.subject, email=told.email)
            return Completed(attempt.next, None)
        return Completed(attempt.next, self._sign_in(one, told, attempt, address, agent))

    # -- identities ----------------------------------------------------------------------------------------------------

    def identities(self, user: UUID) -> Sequence[LinkedIdentity]:
        """The identities of a person, at most 100."""
        return self._identities.list(user)

    def link(self, user: UUID, provider: str, subject: str, *, issuer: str | None = None) -> LinkedIdentity:
        """Let a person sign in with an identity that is known to be theirs, as when accounts are taken over from another system.
        Raises `ConflictError` where it is another person's."""
        known = issuer or self.provider(provider).issuer
        if TEMPLATE in known:
            raise ValidationError(f"{provider} has an issuer for each directory; say which", field="issuer")
        return self._identities.link(self.auth.users.get(user).id, provider, known, subject)

    def unlink(self, user: UUID, identity: UUID) -> None:
        """Let the person sign in with the identity no more; raises `NotFoundError`, and `LastWayError` where it is the only way.
        Sessions that were begun with it end."""
        with self.auth.system():
            gone = self._identities.unlink(user, identity)
            self._sessions.end(gone.issuer, gone.subject)

    # -- the provider's side -------------------------------------------------------------------------------------------

    def log_out(self, provider: str, token: str) -> int:
        """End the sessions that a logout token means (OpenID Connect Back-Channel Logout 1.0); returns how many there were.
        Raises `FederationRefusedError`."""
        self.provider(provider)
        return self._sessions.obey(self._exchanges[provider].read_logout(token, self.auth.now()))

    # -- inside --------------------------------------------------------------------------------------------------------

    def _tenant(self, provider: Provider, tenant: str | None) -> str | None:
        tenants = provider.settings.tenants
        if tenant is None and tenants is not None and len(tenants) == 1:
            return tenants[0]
        if tenant is None and tenants is not None:
            raise ValidationError(f"{provider.name} is for several tenants; say which", field="tenant")
        if not provider.is_open_to(tenant):
            raise NotFoundError(f"there is no provider {provider.name!r} for this tenant")
        return tenant

    def _sign_in(self, provider: Provider, told: Told, attempt: Attempt, address: str, agent: str) -> SignIn:
        try:
            user = self._admission.admit(provider, told, attempt)
        except (IntegrityError, ConflictError):
            if self._identities.find(told.issuer, told.subject) is None:
                raise
            user = self._admission.admit(provider, told, attempt)  # who came in elsewhere at the same moment is known now
        confined = provider.settings.tenants is not None
        with self.auth.system():
            signed = self.auth.sessions.begin(user, tenant=attempt.tenant, address=address, agent=agent, confined=confined)
            # the person can't be changed until the transaction ends, so what is linked now stays linked
            if self._identities.find(told.issuer, told.subject) is None:
                raise FederationRefusedError("this identity was unlinked meanwhile")
            self._sessions.note(signed, told)
        return signed
