"""Signed links in messages: unsubscribe, opened, clicked. They work without signing in, for one delivery only."""

import base64
import hmac
import re
from html import escape, unescape
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID

import attrs

from brickwork.errors import NotFoundError
from brickwork.kernel.context import check_tenant

if TYPE_CHECKING:
    from brickwork.data.keyring import Keyring

_WHERE = "notify.link"
_HREF = re.compile(r"""(<a\b[^>]*?\bhref\s*=\s*)(["'])(https?://[^"']+)\2""", re.IGNORECASE)


@attrs.frozen
class Place:
    """What a link stands for."""

    tenant: str
    delivery: UUID


class Links:
    """Makes and reads links below `base`."""

    def __init__(self, base: str, keyring: "Keyring") -> None:
        self._base = f"{base}/notify"
        self._keyring = keyring

    def unsubscribe(self, place: Place) -> str:
        """Where a POST ends messages of the delivery's category (RFC 8058), and a GET asks whether to."""
        return f"{self._base}/unsubscribe/{self.token(place, 'unsubscribe')}"

    def track(self, place: Place, html: str) -> str:
        """`html` with its links led over this server, and an invisible image at its end."""

        def led(match: re.Match[str]) -> str:
            target = unescape(match[3])
            url = f"{self._base}/click/{self.token(place, 'click', target)}?to={quote(target, safe='')}"
            return f"{match[1]}{match[2]}{escape(url)}{match[2]}"

        pixel = f'<img src="{self._base}/open/{self.token(place, "open")}" width="1" height="1" alt="">'
        body, end, rest = _HREF.sub(led, html).rpartition("</body>")
        return f"{body}{pixel}{end}{rest}" if end else f"{rest}{pixel}"

    def token(self, place: Place, verb: str, target: str = "") -> str:
        """The signed part of a link."""
        digest = self._keyring.blind(place.tenant, _WHERE, f"{verb}\0{place.delivery}\0{target}")
        name = base64.urlsafe_b64encode(place.tenant.encode()).decode().rstrip("=")
        return f"{name}.{place.delivery.hex}.{digest}"

    def read(self, token: str, verb: str, target: str = "") -> Place:
        """What a token stands for; raises `NotFoundError` unless it was made here for this verb and target."""
        try:
            name, id, digest = token.split(".")
            tenant = check_tenant(base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode())
            place = Place(tenant, UUID(id))
        except Exception:  # whatever somebody made up
            raise _unknown() from None
        expected = self._keyring.blinds(tenant, _WHERE, f"{verb}\0{place.delivery}\0{target}")
        if not any(hmac.compare_digest(digest.encode(), one.encode()) for one in expected):
            raise _unknown()
        return place


def _unknown() -> NotFoundError:
    return NotFoundError("this link is not valid")
