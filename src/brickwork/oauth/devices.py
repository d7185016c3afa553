"""The page at which a person enters the code that a device shows (RFC 8628, 3.3)."""

from typing import TYPE_CHECKING

from sqlalchemy import select

from brickwork.limits.service import RateLimitedError
from brickwork.oauth import pages, signin
from brickwork.oauth.authorization import describe
from brickwork.oauth.flows.device import user_digest
from brickwork.oauth.grants import SignedIn
from brickwork.oauth.models import DeviceRow
from brickwork.oauth.request import Answer
from brickwork.oauth.visit import Visit, encode

if TYPE_CHECKING:
    from brickwork.data import Transaction


def answer(visit: Visit) -> Answer:
    """Ask for the code, show what the device wants, take the decision."""
    person = visit.person()
    if person is None:
        return signin.ask(visit, "device", encode([pair for pair in visit.parameters if pair[0] == "user_code"]))
    code = visit.data.get("user_code", "")[:40]
    if visit.method == "GET":
        return _form(visit, person, code)
    if "decision" in visit.data:
        return _decide(visit, person, code)
    visit.check_csrf(person, "device")
    try:
        visit.oauth.auth.throttle.attempt(f"device:{person.subject}", visit.address)
    except RateLimitedError as error:
        return _form(visit, person, code, f"Too many attempts. Try again in {error.details.get('retry_after', 60)} seconds.", 429)
    with visit.oauth.database.transaction(readonly=True) as transaction:
        row = _waiting(visit, transaction, code)
        known = visit.oauth.clients.find(transaction, row.client_id) if row is not None else None
    if row is None or known is None:
        return _form(visit, person, code, "There is no such code, or its time is over.", 400)
    shown = visit.oauth.tokens.about(person.subject, ["profile", "email"])
    return pages.page(visit, "device_consent", client=known[0], person=shown, code=code, wanted=describe(row.scopes),
                      csrf=visit.csrf(person, f"device\n{user_digest(code)}"))  # fmt: skip


def _decide(visit: Visit, person: SignedIn, code: str) -> Answer:
    visit.check_csrf(person, f"device\n{user_digest(code)}")
    oauth = visit.oauth
    with oauth.database.transaction() as transaction:
        row = _waiting(visit, transaction, code)
        known = oauth.clients.find(transaction, row.client_id) if row is not None else None
        if row is None or known is None:
            return _form(visit, person, code, "There is no such code, or its time is over.", 400)
        allowed = visit.data["decision"] == "allow"
        if allowed:
            oauth.grants.consent(transaction, known[0], person, row.scopes)
            row.grant_id = oauth.grants.begin(transaction, known[0], person, row.scopes).id
        else:
            row.denied_at = oauth.now()
    return pages.page(visit, "done", title="You can go back to your device" if allowed else "Access was refused",
                      message=f"{known[0].client_name} will go on in a moment." if allowed
                      else f"{known[0].client_name} has been told that you don't want it.")  # fmt: skip


def _form(visit: Visit, person: SignedIn, code: str, message: str | None = None, status: int = 200) -> Answer:
    return pages.page(visit, "device", status=status, code=code, message=message, csrf=visit.csrf(person, "device"))


def _waiting(visit: Visit, transaction: "Transaction", code: str) -> DeviceRow | None:
    wanted = select(DeviceRow).where(
        DeviceRow.tenant_id == transaction.tenant, DeviceRow.user_digest == user_digest(code), DeviceRow.grant_id.is_(None),
        DeviceRow.denied_at.is_(None), DeviceRow.expires_at > visit.oauth.now(),
    )  # fmt: skip
    return transaction.session.scalars(wanted.limit(1)).one_or_none()
