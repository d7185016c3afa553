"""Links to files that are signed and end."""

import base64
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import attrs

from brickwork.errors import NotFoundError
from brickwork.kernel.context import check_tenant

if TYPE_CHECKING:
    from brickwork.data.keyring import Keyring

_WHERE = "storage.link"


@attrs.frozen
class Place:
    """What a link stands for."""

    tenant: str
    blob: UUID
    inline: bool


class Links:
    """Makes and reads links below `base`."""

    def __init__(self, base: str, keyring: "Callable[[], Keyring]") -> None:
        self._base = base.rstrip("/")
        self._keyring = keyring

    def make(self, tenant: str, blob: UUID, until: datetime, *, inline: bool) -> str:
        """A link that is good until a time."""
        body = f"{blob.hex}.{int(until.timestamp()):x}.{'i' if inline else 'a'}"
        name = base64.urlsafe_b64encode(tenant.encode()).decode().rstrip("=")
        return f"{self._base}/storage/{name}.{body}.{self._keyring().blind(tenant, _WHERE, body)}"

    def read(self, token: str, now: datetime) -> Place:
        """What a link stands for; raises `NotFoundError` unless it was made here and is good."""
        try:
            name, blob, until, shown, digest = token.split(".")
            tenant = check_tenant(base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode())
            place, ends = Place(tenant, UUID(blob), shown == "i"), datetime.fromtimestamp(int(until, 16), UTC)
        except Exception:  # whatever somebody made up
            raise _unknown() from None
        expected = self._keyring().blinds(tenant, _WHERE, f"{blob}.{until}.{shown}")
        if not any(hmac.compare_digest(digest.encode(), one.encode()) for one in expected) or now >= ends:
            raise _unknown()
        return place


def _unknown() -> NotFoundError:
    return NotFoundError("this link is not valid, or no longer")
