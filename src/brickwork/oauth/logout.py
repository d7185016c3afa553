"""Signing out at a client's wish (OpenID Connect RP-Initiated Logout 1.0)."""

from authlib.common.urls import add_params_to_uri

from brickwork.errors import UnauthenticatedError
from brickwork.oauth import pages
from brickwork.oauth.grants import SignedIn
from brickwork.oauth.request import Answer, read_parameters
from brickwork.oauth.visit import Visit, encode


def answer(visit: Visit) -> Answer:
    """End the person's session, at once where the client proves for whom it asks, else after a question (section 2)."""
    if visit.method == "POST" and "decision" in visit.data:
        return _confirmed(visit)
    person = visit.person()
    if person is None or _hinted(visit, visit.data) == person.subject:
        return _out(visit, person, visit.data)
    text = encode(visit.parameters)
    shown = visit.oauth.tokens.about(person.subject, ["profile", "email"])
    return pages.page(visit, "sign_out", person=shown, request=text, csrf=visit.csrf(person, f"logout\n{text}"))


def _confirmed(visit: Visit) -> Answer:
    text, person = visit.data.get("request", ""), visit.person()
    if person is not None:
        visit.check_csrf(person, f"logout\n{text}")
    return _out(visit, person, dict(read_parameters(text.encode("ascii", "replace"))))


def _out(visit: Visit, person: SignedIn | None, data: dict[str, str]) -> Answer:
    while person is not None:  # the pages' session, and the application's beside it
        visit.oauth.auth.sessions.end(person.token)
        person = visit.person()
    gone = [visit.cookie("", 0)]
    wanted, client_id = data.get("post_logout_redirect_uri"), _client(visit, data)
    if wanted is not None and client_id is not None:
        with visit.oauth.database.transaction(readonly=True) as transaction:
            known = visit.oauth.clients.find(transaction, client_id)
        if known is not None and wanted in known[0].post_logout_redirect_uris:
            state = [("state", data["state"])] if "state" in data else []
            return pages.redirect(add_params_to_uri(wanted, state), gone)
    return pages.page(visit, "done", title="You are signed out", message="You can close this page.", headers=gone)


def _hinted(visit: Visit, data: dict[str, str]) -> str | None:
    """For whom the client has an ID token of ours."""
    claims = _hint(visit, data)
    return None if claims is None else str(claims.get("sub"))


def _client(visit: Visit, data: dict[str, str]) -> str | None:
    """The client that asks; an ID token and a client id must name the same (section 2)."""
    claims, named = _hint(visit, data), data.get("client_id")
    if claims is None:
        return named
    audience = str(claims.get("aud"))
    return audience if named in (None, audience) else None


def _hint(visit: Visit, data: dict[str, str]) -> dict[str, object] | None:
    shown = data.get("id_token_hint")
    if shown is None:
        return None
    try:
        return dict(visit.oauth.tokens.hint(shown, visit.issuer))
    except UnauthenticatedError:
        return None
