"""Signing in at the issuer's page: password, and a code where there is a second factor."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from brickwork.auth.sessions import CodeRequiredError, SignIn
from brickwork.data.keyring import DecryptionError
from brickwork.errors import BrickworkError, PermissionDeniedError, UnauthenticatedError
from brickwork.limits.service import RateLimitedError
from brickwork.oauth import pages
from brickwork.oauth.models import SignInRow
from brickwork.oauth.redirects import is_target
from brickwork.oauth.request import Answer, read_parameters
from brickwork.oauth.visit import Visit, encode

if TYPE_CHECKING:
    from brickwork.auth.users import User

#: Pages to which a browser comes back.
_BACK = ("authorize", "device", "logout")
#: Minutes between the password and the code.
_STEP = 5
_WHERE = "oauth_second_step"


def ask(visit: Visit, back: str, query: str, *, target: str = "", **shown: Any) -> Answer:
    """The sign-in page; afterwards the browser goes to the page `back` with `query`. `target` is where a form may end."""
    values = {"email": "", "step": None, "message": None, "status": 200, "headers": (), **shown}
    return pages.page(visit, "sign_in", form=target, back=back, query=query, target=target, **values)


def answer(visit: Visit) -> Answer:
    """What becomes of the form. It must not be in a transaction: wrong passwords are counted whatever comes."""
    visit.check_origin()
    data = visit.data
    back, query, email = data.get("back", ""), data.get("query", ""), data.get("email", "")[:320]
    if back not in _BACK:
        return pages.problem(visit, "The form does not say where to go on. Begin again at the application.")
    query = encode(read_parameters(query.encode("ascii", "replace")))
    target = data.get("target", "") if is_target(data.get("target", "")) else ""
    again: dict[str, Any] = {"email": email, "target": target}
    try:
        signed, methods = _second(visit) if "step" in data else _first(visit, email)
    except CodeRequiredError:
        return ask(visit, back, query, **again, step=_sealed(visit, email))
    except RateLimitedError as error:
        wait = str(error.details.get("retry_after", 60))
        return ask(visit, back, query, **again, message=f"Too many attempts. Try again in {wait} seconds.", status=429,
                   headers=[("Retry-After", wait)])  # fmt: skip
    except PermissionDeniedError:
        return ask(visit, back, query, **again, message="This account does not belong to this organisation.", status=403)
    except UnauthenticatedError as error:
        step = data["step"] if "step" in data and error.code != "step_over" else None
        return ask(visit, back, query, **again, step=step, message=_sentence(error), status=401)
    _note(visit, signed, methods)
    seconds = int((signed.expires_at - visit.oauth.now()).total_seconds())
    came = f"signed_in={visit.mark(signed.token)}"
    address = f"{visit.issuer.address(back)}?{query}&{came}" if query else f"{visit.issuer.address(back)}?{came}"
    return pages.redirect(address, [visit.cookie(signed.token, seconds)])


class StepOverError(UnauthenticatedError):
    """Too much time has passed since the password."""

    code = "step_over"


def _first(visit: Visit, email: str) -> tuple[SignIn, list[str]]:
    signed = visit.oauth.auth.sessions.sign_in(
        email, visit.data.get("password", "")[:256], tenant=visit.issuer.tenant, address=visit.address,
        agent=visit.headers.get("user-agent", ""),
    )  # fmt: skip
    return signed, ["pwd"]


def _second(visit: Visit) -> tuple[SignIn, list[str]]:
    user = _opened(visit, visit.data["step"])
    auth = visit.oauth.auth
    auth.throttle.attempt(f"code:{user.id}", visit.address)
    if not auth.users.use_code(user.id, visit.data.get("code", "")[:40]):
        raise UnauthenticatedError("The code is wrong or was used.")
    auth.throttle.forgive(f"code:{user.id}")
    agent = visit.headers.get("user-agent", "")
    signed = auth.sessions.begin(user, tenant=visit.issuer.tenant, address=visit.address, agent=agent)
    return signed, ["pwd", "otp", "mfa"]


def _sealed(visit: Visit, email: str) -> str:
    """Says, to ourselves, that this person's password was right just now."""
    user = visit.oauth.auth.users.find(email)
    assert user is not None
    until = (visit.oauth.now() + timedelta(minutes=_STEP)).timestamp()
    return visit.oauth.keyring.encrypt(visit.issuer.tenant, _WHERE, orjson.dumps([str(user.id), until]).decode())


def _opened(visit: Visit, sealed: str) -> "User":
    try:
        id, until = orjson.loads(visit.oauth.keyring.decrypt(visit.issuer.tenant, _WHERE, sealed))
    except (DecryptionError, ValueError):
        raise StepOverError("Sign in again.") from None
    user = visit.oauth.auth.users.get(id)
    if until < visit.oauth.now().timestamp() or user.disabled:
        raise StepOverError("That took too long. Sign in again.")
    return user


def _note(visit: Visit, signed: SignIn, methods: list[str]) -> None:
    session = visit.oauth.auth.sessions.find(signed.token)
    with visit.oauth.database.transaction() as transaction:
        row = SignInRow(session_id=session.id, methods=methods, at=visit.oauth.now(), expires_at=session.expires_at)
        transaction.session.add(row)


def _sentence(error: BrickworkError) -> str:
    text = error.message
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")
