"""The authorization endpoint (RFC 6749, 3.1; OpenID Connect Core, 3.1.2): who is asked what, and what the client hears of it."""

from typing import TYPE_CHECKING, Any

import attrs
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error, UnauthorizedClientError
from authlib.oidc.core.errors import ConsentRequiredError, LoginRequiredError
from sqlalchemy import delete

from brickwork.auth import secret
from brickwork.auth.permissions import PERMISSIONS
from brickwork.oauth import pages, signin
from brickwork.oauth.authentication import KnownClient
from brickwork.oauth.flows.code import CodeGrant
from brickwork.oauth.grants import SignedIn
from brickwork.oauth.models import PushedRow
from brickwork.oauth.redirects import form_target, is_claimed
from brickwork.oauth.request import Answer, Pairs, Request, read_parameters
from brickwork.oauth.scopes import IDENTITY, split
from brickwork.oauth.visit import Visit, encode

if TYPE_CHECKING:
    from brickwork.data import Transaction

PUSHED = "urn:ietf:params:oauth:request_uri:"
_TITLES = {permission.name: permission.title for permission in PERMISSIONS}
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})


class UnsupportedParameterError(OAuth2Error):
    """A kind of request that is not taken here (OpenID Connect Core, 3.1.2.6)."""

    error = "request_not_supported"
    description = "Requests as signed objects are not taken; push the request instead (RFC 9126)."


@attrs.frozen
class Asked:
    """An authorization request that is in order: its client, where the answer goes, and what is wanted."""

    request: Request
    grant: CodeGrant
    known: KnownClient
    redirect_uri: str
    pushed: str | None

    @property
    def scopes(self) -> list[str]:
        return split(self.request.scope)

    @property
    def prompts(self) -> set[str]:
        return set(split(self.request.payload.data.get("prompt")))

    @property
    def most_age(self) -> int | None:
        """Seconds since signing in that the client puts up with."""
        text = self.request.payload.data.get("max_age")
        return int(text) if text is not None else None


class RefusedError(Exception):
    """The request is not in order; `answer` tells the person, or the client where that is safe."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("refused")
        self.answer = answer


def answer(visit: Visit) -> Answer:
    """A browser comes with a request."""
    parameters = [pair for pair in visit.parameters if pair[0] != "signed_in"]
    person, state = visit.person(), dict(parameters).get("state")
    with visit.oauth.database.transaction(readonly=person is None) as transaction:
        try:
            asked = examine(visit, transaction, parameters)
            state = asked.request.payload.state  # that of a pushed request stands in it
            must = person is None or _too_old(visit, asked, person)
            if must and "none" in asked.prompts:
                raise LoginRequiredError(redirect_uri=asked.redirect_uri)
            if person is None or must:
                return signin.ask(visit, "authorize", encode(parameters), target=form_target(asked.redirect_uri),
                                  client=asked.known.client)  # fmt: skip
            if not _needs_consent(visit, transaction, asked, person):
                return _allow(visit, transaction, asked, person)
            if "none" in asked.prompts:
                raise ConsentRequiredError(redirect_uri=asked.redirect_uri)
            return _consent_page(visit, asked, person, encode(parameters))
        except RefusedError as refused:
            return refused.answer
        except OAuth2Error as error:
            return _told(visit, error, state)


def decide(visit: Visit) -> Answer:
    """A person has answered the consent page."""
    text = visit.data.get("request", "")
    person = visit.person()
    if person is None:
        return pages.problem(visit, "Your session is over. Begin again at the application.", status=401)
    visit.check_csrf(person, text)
    parameters = read_parameters(text.encode("ascii", "replace"))
    with visit.oauth.database.transaction() as transaction:
        try:
            asked = examine(visit, transaction, parameters)
        except RefusedError as refused:
            return refused.answer
        if visit.data.get("decision") != "allow":
            _use_up(visit, transaction, asked)
            answer = visit.oauth.server.create_authorization_response(asked.request, grant_user=None, grant=asked.grant)
            return _sent(visit, answer)
        visit.oauth.grants.consent(transaction, asked.known.client, person, asked.scopes)
        return _allow(visit, transaction, asked, person)


def examine(visit: Visit, transaction: "Transaction", parameters: Pairs) -> Asked:
    """The request, if it is in order. Raises `RefusedError`."""
    server, pushed = visit.oauth.server, None
    data = dict(parameters)
    state = data.get("state")
    try:
        known = server.authentication.find(transaction, data.get("client_id", ""))
        if known is None:
            raise InvalidRequestError("The application is not known here.")
        if data.get("request_uri", "").startswith(PUSHED):
            pushed = secret.digest(data["request_uri"].removeprefix(PUSHED))
            parameters = _pushed(visit, transaction, pushed, known)
            state = dict(parameters).get("state")
        elif known.client.require_pushed_authorization_requests:
            raise InvalidRequestError("The application must push its requests (RFC 9126).")
        return check(visit.request(parameters, "GET"), server, known, pushed)
    except OAuth2Error as error:
        raise RefusedError(_told(visit, error, state)) from None


def check(request: Request, server: Any, known: KnownClient, pushed: str | None = None) -> Asked:
    """The request, if it is in order. Raises Authlib's errors; those that the client may hear of have its redirect URI."""
    redirect_uri = CodeGrant.validate_authorization_redirect_uri(request, known)
    data = request.payload.data
    try:
        if "request" in data or "request_uri" in data:
            raise UnsupportedParameterError
        if not data.get("response_type"):
            raise InvalidRequestError("Missing 'response_type' in request.")
        if data["response_type"] != "code" or data.get("response_mode", "query") != "query":
            raise OAuth2Error("The response is a code in the query, nothing else.", error="unsupported_response_type")
        prompts = set(split(data.get("prompt")))
        if not prompts <= _PROMPTS or ("none" in prompts and len(prompts) > 1):
            raise InvalidRequestError("prompt takes none alone, or login, consent and select_account.")
        age = data.get("max_age", "0")
        if not (age.isascii() and age.isdigit() and len(age) < 10):
            raise InvalidRequestError("max_age takes a number of seconds.")
        if len(data.get("nonce", "")) > 500 or len(data.get("state", "")) > 2000:
            raise InvalidRequestError("nonce takes 500 characters at most, and state 2000.")
        if not known.check_grant_type("authorization_code"):
            raise UnauthorizedClientError("The client may not use the authorization code grant.")
        grant = server.get_authorization_grant(request)
        grant.validate_consent_request()
    except OAuth2Error as error:
        error.redirect_uri = redirect_uri
        raise
    return Asked(request, grant, known, redirect_uri, pushed)


# -- inside --------------------------------------------------------------------------------------------------------------


def _pushed(visit: Visit, transaction: "Transaction", digest: str, known: KnownClient) -> Pairs:
    row = transaction.session.get(PushedRow, (transaction.tenant, digest))
    if row is None or row.client_id != known.client.client_id or row.expires_at <= visit.oauth.now():
        raise InvalidRequestError("The request was not pushed by this application, was used, or is too old. Begin again there.")
    return list(row.parameters.items())


def _too_old(visit: Visit, asked: Asked, person: SignedIn) -> bool:
    """Whether the person has to sign in again (OpenID Connect Core, 3.1.2.1: prompt and max_age)."""
    if visit.is_fresh(person, visit.data.get("signed_in")):
        return False
    if asked.prompts & {"login", "select_account"}:
        return True
    return asked.most_age is not None and (visit.oauth.now() - person.at).total_seconds() >= asked.most_age


def _needs_consent(visit: Visit, transaction: "Transaction", asked: Asked, person: SignedIn) -> bool:
    """Whether the person is asked. An earlier consent counts where the answer can reach the client only: on a loopback port or a
    scheme anybody's app may listen (RFC 8252, 8.6)."""
    client = asked.known.client
    if "consent" in asked.prompts:
        return True
    known = is_claimed(asked.redirect_uri) and visit.oauth.grants.consented(transaction, client, person.subject, asked.scopes)
    return not client.trusted and not known


def _allow(visit: Visit, transaction: "Transaction", asked: Asked, person: SignedIn) -> Answer:
    if not _use_up(visit, transaction, asked):
        return pages.problem(visit, "This request was answered already. Begin again at the application.")
    return _sent(visit, visit.oauth.server.create_authorization_response(asked.request, grant_user=person, grant=asked.grant))


def _use_up(visit: Visit, transaction: "Transaction", asked: Asked) -> bool:
    """A pushed request is good for one answer (RFC 9126, 4)."""
    if asked.pushed is None:
        return True
    mine = delete(PushedRow).where(PushedRow.tenant_id == transaction.tenant, PushedRow.digest == asked.pushed)
    return bool(transaction.execute(mine).rowcount)


def _consent_page(visit: Visit, asked: Asked, person: SignedIn, text: str) -> Answer:
    user = visit.oauth.tokens.about(person.subject, ["profile", "email"])
    return pages.page(
        visit, "consent", form=form_target(asked.redirect_uri), client=asked.known.client, person=user, request=text,
        csrf=visit.csrf(person, text), wanted=describe(asked.scopes), destination=form_target(asked.redirect_uri),
    )  # fmt: skip


def describe(wanted: list[str]) -> list[tuple[str, str | None]]:
    """Scopes as people read them; a permission with its name, since that says it exactly."""
    return [(IDENTITY[one], None) if one in IDENTITY else (_TITLES.get(one) or _sentence(one), one) for one in wanted]


def _sentence(pattern: str) -> str:
    """What a permission pattern stands for, if nobody has given it a title."""
    if pattern == "*":
        return "Do everything that you may do"
    first, *between, deed = pattern.split(".")
    words = ["all" if part == "*" else part.replace("_", " ") for part in between]
    place = " ".join([*words, "records"] if first == "entities" else [first.replace("_", " "), *words])
    return f"Do everything with {place}" if deed == "*" else f"{deed.replace('_', ' ').capitalize()} {place}"


def _told(visit: Visit, error: OAuth2Error, state: str | None) -> Answer:
    """An error as the client hears it, or as a page where it is not sure that it would be the client (RFC 6749, 4.1.2.1)."""
    if error.redirect_uri is None:
        return pages.problem(visit, error.get_error_description() or "The application's request is not in order.")
    parameters = [("error", error.error), ("error_description", error.get_error_description() or "")]
    if state is not None:
        parameters.append(("state", state))
    return _with_issuer(visit, add_params_to_uri(error.redirect_uri, [pair for pair in parameters if pair[1]]))


def _sent(visit: Visit, answer: Answer) -> Answer:
    assert answer.location is not None
    return _with_issuer(visit, answer.location)


def _with_issuer(visit: Visit, address: str) -> Answer:
    """Every answer names its issuer, so that a client of several can't be led to mix them up (RFC 9207, 2)."""
    return pages.redirect(add_params_to_uri(address, [("iss", visit.issuer.id)]))
