"""Where links in messages lead: `/notify/unsubscribe/…`, `/notify/open/…` and `/notify/click/…`, without signing in.

Mail scanners follow every link, so nothing changes on a GET but what tracking notes: who unsubscribes sends a POST, by the button
on the page or by the mail program itself (RFC 8058).
"""

import base64
import logging
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import attrs
from starlette.types import ASGIApp, Receive, Scope, Send

from brickwork.errors import BrickworkError, NotFoundError
from brickwork.kernel.context import Context
from brickwork.notify.links import Place

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.notify")
#: Bytes of a body; what it says doesn't matter.
MOST = 65_536
_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_SAFE = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"),
]
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 15vh auto; padding: 0 1rem;
color: #222 }} button {{ font: inherit; padding: .5rem 1.2rem; border: 0; border-radius: .4rem; background: #7a3b12; color: #fff;
cursor: pointer }}</style></head><body><h1>{title}</h1><p>{text}</p>{form}</body></html>
"""
_FORM = '<form method="post"><button name="List-Unsubscribe" value="One-Click">Unsubscribe</button></form>'


@attrs.frozen
class Answer:
    """What is sent back."""

    status: int
    body: bytes
    kind: str
    location: str | None = None


def mounts(platform: "Platform") -> dict[str, ASGIApp]:
    """The application, by the first part of its paths."""
    return {"notify": Door(platform)}


class Door:
    """Reads a request and has it answered in one of the platform's threads."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        await _drained(receive)
        answer: Answer = await self._platform.aio(self._answer, scope)
        headers = [(b"content-type", answer.kind.encode()), (b"content-length", str(len(answer.body)).encode()), *_SAFE]
        if answer.location is not None:
            headers.append((b"location", answer.location.encode("ascii", "ignore")))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    def _answer(self, scope: Scope) -> Answer:
        try:
            _, verb, token = scope["path"].strip("/").split("/")
        except ValueError:
            verb = token = ""
        do = {"unsubscribe": self._unsubscribe, "open": self._open, "click": self._click}.get(verb)
        try:
            if do is None or self._platform.notify.links is None:
                raise NotFoundError("there is nothing here")
            return do(token, scope)
        except BrickworkError as error:
            return _page(error.status, "This link is not valid", "It may be too old, or not complete.")
        except Exception:
            log.exception("a request to /notify/%s failed", verb)
            return _page(500, "Something went wrong", "Please try again later.")

    def _unsubscribe(self, token: str, scope: Scope) -> Answer:
        place = self._place(token, "unsubscribe")
        tracking = self._platform.notify.tracking
        with self._in(place):
            if scope["method"] == "POST":
                category = tracking.unsubscribed(place.delivery)
                return _page(200, "You are unsubscribed", f"You get no more messages about “{escape(category)}” at this address.")
            category = tracking.about(place.delivery)
        return _page(200, "Unsubscribe?", f"Messages about “{escape(category)}” to this address will end.", _FORM)

    def _open(self, token: str, scope: Scope) -> Answer:
        place = self._place(token, "open")
        with self._in(place):
            self._platform.notify.tracking.seen(place.delivery)
        return Answer(200, _PIXEL, "image/gif")

    def _click(self, token: str, scope: Scope) -> Answer:
        (target,) = parse_qs(scope["query_string"].decode("latin-1")).get("to", [""])[:1]
        place = self._place(token, "click", target)
        with self._in(place):
            self._platform.notify.tracking.clicked(place.delivery, target)
        return Answer(302, b"", "text/plain; charset=utf-8", location=target)

    def _place(self, token: str, verb: str, target: str = "") -> Place:
        links = self._platform.notify.links
        assert links is not None
        return links.read(token, verb, target)

    def _in(self, place: Place) -> Any:
        return self._platform.contexts.use(Context(tenant=place.tenant, actor="notify"))


async def _drained(receive: Receive) -> None:
    """Read the body, up to a bound, so that the connection can be used again."""
    size = 0
    while size <= MOST:
        message: Any = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            return


def _page(status: int, title: str, text: str, form: str = "") -> Answer:
    return Answer(status, _PAGE.format(title=title, text=text, form=form).encode(), "text/html; charset=utf-8")
