"""The pages that people see: rendered here, without scripts and without anything from elsewhere."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from brickwork.oauth.request import Answer

if TYPE_CHECKING:
    from brickwork.oauth.visit import Visit

#: What keeps a page from being framed, scripted or watched (OWASP, HTTP Security Response Headers). `{form}` are the addresses at
#: which a form may end. The referrer goes to our own pages only: forms need an origin there, and others have no use for it.
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'{form}; frame-ancestors 'none'; base-uri 'none'"
_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]


def page(
    visit: "Visit", name: str, *, status: int = 200, form: str = "", headers: Sequence[tuple[str, str]] = (), **values: Any
) -> Answer:
    """The page `name` with these values; `form` is where its form may lead besides our own pages."""
    text = _environment().get_template(f"{name}.html").render(issuer=visit.issuer, **values)
    policy = _POLICY.format(form=f" {form}" if form else "")
    return Answer(status, text.encode(), [*_HEADERS, ("Content-Security-Policy", policy), *headers])


def problem(visit: "Visit", message: str, *, status: int = 400, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """The page that says what is wrong, for what must not be sent to a client."""
    return page(visit, "problem", status=status, message=message, headers=headers)


def stylesheet() -> Answer:
    """The one stylesheet."""
    return Answer(200, _style(), [("Content-Type", "text/css; charset=utf-8"), ("Cache-Control", "public, max-age=3600"),
                                  ("X-Content-Type-Options", "nosniff")])  # fmt: skip


def redirect(address: str, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """Send the browser to an address, with GET whatever it sent before (RFC 9700, 4.12)."""
    return Answer(303, b"", [("Location", address), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"), *headers])


@lru_cache(maxsize=1)
def _environment() -> Environment:
    loader = PackageLoader("brickwork.oauth", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@lru_cache(maxsize=1)
def _style() -> bytes:
    return (files("brickwork.oauth") / "templates" / "style.css").read_bytes()
