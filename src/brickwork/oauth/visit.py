"""A request by HTTP to an issuer, and the person at the browser that sent it."""

from collections.abc import Mapping
from datetime import timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import attrs

from brickwork.auth import secret
from brickwork.auth.credentials import PREFIX, check_origin, cookie_name, read_cookie, set_cookie
from brickwork.errors import PermissionDeniedError, UnauthenticatedError
from brickwork.oauth.grants import SignedIn
from brickwork.oauth.issuer import Issuer
from brickwork.oauth.models import SignInRow
from brickwork.oauth.request import Pairs, Request

if TYPE_CHECKING:
    from brickwork.oauth.service import OAuth

#: Time in which a browser comes back from the sign-in page.
JUST_NOW = timedelta(minutes=5)
_CSRF, _MARK = "oauth-csrf", "oauth-signed-in"


@attrs.define
class Visit:
    """A request. `parameters` come from its query, or from the form of a POST; `rest` is what follows the endpoint's name."""

    oauth: "OAuth"
    issuer: Issuer
    method: str
    endpoint: str
    rest: str
    parameters: Pairs
    body: bytes
    headers: Mapping[str, str]
    address: str

    @property
    def data(self) -> dict[str, str]:
        return dict(self.parameters)

    def request(self, parameters: Pairs | None = None, method: str | None = None) -> Request:
        """As Authlib's grants take it."""
        return Request(
            self.issuer, self.endpoint, method or self.method, self.parameters if parameters is None else parameters,
            headers=self.headers, certificate=self.oauth.certificate(self.headers), address=self.address,
        )  # fmt: skip

    # -- the person ----------------------------------------------------------------------------------------------------

    def person(self) -> SignedIn | None:
        """Who has signed in at this browser and works in this tenant. Whoever acts as somebody else can't allow anything in their
        name."""
        for token in self.tokens():
            try:
                kept = self.oauth.auth.sessions.find(token)
                if kept.tenant != self.issuer.tenant or kept.impersonator is not None:
                    continue
                self.oauth.auth.policies.access(self.issuer.tenant, kept.actor)
            except UnauthenticatedError:
                continue
            with self.oauth.database.transaction(readonly=True) as transaction:
                row = transaction.session.get(SignInRow, (self.issuer.tenant, kept.id))
            if row is None:
                return SignedIn(kept.actor, kept.created_at, (), token)
            return SignedIn(kept.actor, row.at, tuple(row.methods), token)
        return None

    def tokens(self) -> list[str]:
        """The sessions that the browser shows, the pages' own first."""
        names = (self._own_cookie, cookie_name(self.oauth.auth.settings, self.headers))
        return [value for name in names if (value := read_cookie(self.headers, name))]

    def cookie(self, token: str, seconds: int) -> tuple[str, str]:
        """The header that keeps a session in the browser, for this tenant's pages."""
        return "Set-Cookie", set_cookie(self._own_cookie, token, seconds)

    @property
    def _own_cookie(self) -> str:
        return f"{PREFIX if self.issuer.base.startswith('https:') else ''}brickwork_oauth_{self.issuer.tenant}"

    # -- forms ---------------------------------------------------------------------------------------------------------

    def csrf(self, person: SignedIn, about: str) -> str:
        """What a form must bring to be this person's decision about just this."""
        return self.oauth.keyring.blind(self.issuer.tenant, _CSRF, f"{secret.digest(person.token)}\n{about}")

    def check_csrf(self, person: SignedIn, about: str) -> None:
        """Raise `PermissionDeniedError` unless the form comes from our page, shown to this person, about just this."""
        self.check_origin()
        shown = self.data.get("csrf", "").encode()
        text = f"{secret.digest(person.token)}\n{about}"
        good = self.oauth.keyring.blinds(self.issuer.tenant, _CSRF, text)
        if not any(compare_digest(one.encode(), shown) for one in good):
            raise PermissionDeniedError("the form is not the one that was shown to you; go back and try again", permission="csrf")

    def check_origin(self) -> None:
        """Raise `PermissionDeniedError` for a form that another site's page has sent."""
        parts = urlsplit(self.issuer.base)
        check_origin(self.headers, [f"{parts.scheme}://{parts.netloc}"])

    def mark(self, token: str) -> str:
        """What tells that a browser comes straight from signing in, with this session."""
        return self.oauth.keyring.blind(self.issuer.tenant, _MARK, token)

    def is_fresh(self, person: SignedIn, mark: str | None) -> bool:
        """Whether the person has just signed in for this request."""
        return mark == self.mark(person.token) and self.oauth.now() < person.at + JUST_NOW


def encode(parameters: Pairs) -> str:
    """Parameters as a query."""
    return urlencode(list(parameters))
