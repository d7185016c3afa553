"""Which endpoint answers what: the addresses that discovery tells of, their methods, and who may read the answers."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error
from starlette.types import Scope

from brickwork.auth import secret
from brickwork.errors import BrickworkError, UnauthenticatedError
from brickwork.limits.admission import network
from brickwork.limits.service import RateLimitedError
from brickwork.oauth import authorization, certificates, devices, jose, logout, pages, registration, signin
from brickwork.oauth.client import DEVICE
from brickwork.oauth.issuer import Issuer
from brickwork.oauth.models import PushedRow
from brickwork.oauth.request import Answer, Pairs, read_parameters
from brickwork.oauth.visit import Visit

if TYPE_CHECKING:
    from brickwork.oauth.service import OAuth

_DOCUMENTS = ("openid-configuration", "oauth-authorization-server")
#: Parameters that authenticate a client and are no part of a pushed request (RFC 9126, 2.1).
_PROOFS = ("client_secret", "client_assertion", "client_assertion_type")


@attrs.frozen
class Place:
    """A path: the tenant, the endpoint's name and what follows it."""

    tenant: str
    endpoint: str
    rest: str = ""


@attrs.frozen
class Route:
    """What serves an endpoint. An `open` one may be read by pages of other sites (CORS), since no cookie counts there; errors of
    a `seen` one are pages. One that is `cheap`, and may be cached, is not counted."""

    handler: Callable[[Visit], Answer]
    methods: tuple[str, ...] = ("POST",)
    open: bool = False
    seen: bool = False
    cheap: bool = False


def place_of(path: str) -> Place | None:
    """Where a path leads. The metadata of an issuer with a path stand at `/.well-known/NAME/PATH` (RFC 8414, 3.1) and, as OpenID
    Connect Discovery, 4, has it, at `PATH/.well-known/NAME`."""
    parts = path.strip("/").split("/")
    if parts[0] == ".well-known":
        if len(parts) == 4 and parts[1] in _DOCUMENTS and parts[2] == "oauth":
            return Place(parts[3], "metadata")
        return None
    if len(parts) == 4 and parts[2] == ".well-known" and parts[3] in _DOCUMENTS:
        return Place(parts[1], "metadata")
    if 3 <= len(parts) <= 4:
        return Place(parts[1], parts[2], parts[3] if len(parts) == 4 else "")
    return None


def answer(oauth: "OAuth", issuer: Issuer, place: Place, scope: Scope, headers: Mapping[str, str], body: bytes | None) -> Answer:
    """The answer of an issuer's endpoint."""
    route = ROUTES.get(place.endpoint)
    if route is None or (place.rest and place.endpoint != "register"):
        return missing()
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    shared = [("Access-Control-Allow-Origin", "*")] if route.open else []
    if method == "OPTIONS" and route.open:
        allowed = [("Access-Control-Allow-Methods", ", ".join(route.methods)), ("Access-Control-Max-Age", "3600"),
                   ("Access-Control-Allow-Headers", "Authorization, Content-Type")]  # fmt: skip
        return Answer(204, b"", [*shared, *allowed])
    if method not in route.methods:
        body_ = {"error": "invalid_request", "error_description": f"this endpoint takes {' and '.join(route.methods)}"}
        return Answer.of(405, body_, [("Allow", ", ".join(route.methods)), *shared])
    client = scope.get("client") or ("",)
    visit = Visit(oauth, issuer, method, place.endpoint, place.rest, (), body or b"", headers, client[0])
    try:
        visit.parameters = _parameters(scope, headers, method, body, form=place.endpoint != "register")
        if not route.cheap:
            oauth.count(f"address:{network(visit.address)}", oauth.settings.requests_per_address)
        found = route.handler(visit)
    except OAuth2Error as error:
        if route.seen:
            return pages.problem(visit, error.get_error_description())
        found = oauth.server.handle_error_response(None, error)
    except RateLimitedError as error:
        found = _too_many(visit, error, seen=route.seen)
    except BrickworkError as error:
        if not route.seen or error.status >= 500:
            raise
        return pages.problem(visit, _sentence(error.message), status=error.status)
    found.headers.extend(shared)
    return found


def _too_many(visit: Visit, error: RateLimitedError, *, seen: bool) -> Answer:
    """429, as RFC 9126, 2.3, has it; a device that asks hears `slow_down`, which it knows (RFC 8628, 3.5)."""
    headers = [("Retry-After", str(error.details["retry_after"]))]
    if seen:
        return pages.problem(visit, _sentence(error.message), status=429, headers=headers)
    asks = visit.endpoint == "token" and visit.data.get("grant_type") == DEVICE
    status, code = (400, "slow_down") if asks else (429, "temporarily_unavailable")
    return Answer.of(status, {"error": code, "error_description": error.message}, headers)


def missing() -> Answer:
    """There is nothing at this address."""
    return Answer.of(404, {"error": "not_found", "error_description": "there is no such issuer or endpoint"})


def _parameters(scope: Scope, headers: Mapping[str, str], method: str, body: bytes | None, *, form: bool) -> Pairs:
    if method != "POST":
        return read_parameters(scope["query_string"])
    if body is None:
        raise InvalidRequestError("The body is too large.")
    if not form:
        return ()
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/x-www-form-urlencoded":
        raise InvalidRequestError("The body takes application/x-www-form-urlencoded.")
    return read_parameters(body)


# -- the short endpoints -------------------------------------------------------------------------------------------------


def _metadata(visit: Visit) -> Answer:
    found = Answer.of(200, visit.issuer.metadata())
    found.headers[1] = ("Cache-Control", "public, max-age=300")
    return found


def _jwks(visit: Visit) -> Answer:
    found = Answer.of(200, {"keys": visit.oauth.keys.public(visit.issuer.tenant)})
    found.headers[1] = ("Cache-Control", "public, max-age=60")
    return found


def _token(visit: Visit) -> Answer:
    with visit.oauth.database.transaction():
        answered: Answer = visit.oauth.server.create_token_response(visit.request())
        return answered


def _endpoint(name: str) -> Callable[[Visit], Answer]:
    def run(visit: Visit) -> Answer:
        with visit.oauth.database.transaction():
            answered: Answer = visit.oauth.server.create_endpoint_response(name, visit.request())
            return answered

    return run


def _push(visit: Visit) -> Answer:
    """RFC 9126, 2: the request is checked as the authorization endpoint would, and kept."""
    server, oauth = visit.oauth.server, visit.oauth
    with oauth.database.transaction() as transaction:
        known = server.authentication.client_of(visit.request())
        if "request_uri" in visit.data:
            raise InvalidRequestError("A pushed request names no other one.")
        parameters = [pair for pair in visit.parameters if pair[0] not in _PROOFS]
        if "client_id" not in visit.data:
            parameters.append(("client_id", known.client.client_id))
        try:
            authorization.check(visit.request(parameters, "GET"), server, known)
        except OAuth2Error as error:
            error.redirect_uri = None  # here the client hears of everything directly
            raise
        made, seconds = secret.make("bwq"), int(oauth.settings.pushed_seconds)
        row = PushedRow(digest=secret.digest(made), client_id=known.client.client_id, parameters=dict(parameters),
                        expires_at=oauth.now() + timedelta(seconds=seconds))  # fmt: skip
        transaction.session.add(row)
        return Answer.of(201, {"request_uri": authorization.PUSHED + made, "expires_in": seconds})


def _userinfo(visit: Visit) -> Answer:
    """OpenID Connect Core, 5.3."""
    scheme, _, token = visit.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise UnauthenticatedError("show an access token as a bearer token")
        read = visit.oauth.tokens.read(token.strip(), visit.issuer.base)
        jose.check_audience(read.claims, visit.issuer.audience)
        certificates.check_binding(read.claims, visit.oauth.certificate(visit.headers))
        if read.issuer != visit.issuer or not visit.oauth.tokens.admitted(visit.issuer.tenant, read.subject):
            raise UnauthenticatedError("the token is another tenant's, or its subject is not let in any more")
    except UnauthenticatedError as error:
        told = {"error": "invalid_token", "error_description": error.message}
        return Answer.of(401, told, [("WWW-Authenticate", 'Bearer realm="userinfo", error="invalid_token"')])
    if "openid" not in read.scopes:
        told = {"error": "insufficient_scope", "error_description": "the scope openid is needed"}
        return Answer.of(403, told, [("WWW-Authenticate", 'Bearer realm="userinfo", error="insufficient_scope", scope="openid"')])
    return Answer.of(200, visit.oauth.tokens.about(read.subject, read.scopes))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


_BOTH = ("GET", "POST")
ROUTES: Mapping[str, Route] = {
    "metadata": Route(_metadata, ("GET",), open=True, cheap=True),
    "jwks": Route(_jwks, ("GET",), open=True, cheap=True),
    "token": Route(_token, open=True),
    "revoke": Route(_endpoint("revocation"), open=True),
    "introspect": Route(_endpoint("introspection")),
    "device_authorization": Route(_endpoint("device_authorization"), open=True),
    "par": Route(_push, open=True),
    "userinfo": Route(_userinfo, _BOTH, open=True),
    "register": Route(registration.answer, ("POST", "GET", "PUT", "DELETE")),
    "authorize": Route(authorization.answer, _BOTH, seen=True),
    "consent": Route(authorization.decide, seen=True),
    "sign-in": Route(signin.answer, seen=True),
    "device": Route(devices.answer, _BOTH, seen=True),
    "logout": Route(logout.answer, _BOTH, seen=True),
    "style.css": Route(lambda visit: pages.stylesheet(), ("GET",), cheap=True),
}
