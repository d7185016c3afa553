"""The device grant (RFC 8628): a device without a browser shows a code that a person enters elsewhere."""

from datetime import timedelta
from typing import Any

import attrs
from authlib.oauth2.rfc6749 import Endpoint
from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc8628 import DeviceCodeGrant, DeviceCredentialMixin
from authlib.oauth2.rfc8628.endpoint import create_string_user_code
from sqlalchemy import delete

from brickwork.auth import secret
from brickwork.oauth import scopes
from brickwork.oauth.client import DEVICE
from brickwork.oauth.flows.issuing import PUBLIC_TOO, Issuing
from brickwork.oauth.models import DeviceRow
from brickwork.oauth.request import Request

#: Seconds that a device waits between two questions, and that are added when it asks sooner (RFC 8628, 3.5).
INTERVAL = 5


@attrs.frozen
class Waiting(DeviceCredentialMixin):
    """A device as Authlib asks about it."""

    row: DeviceRow
    over: bool

    def get_client_id(self) -> str:
        return self.row.client_id

    def get_scope(self) -> str:
        return " ".join(self.row.scopes)

    def get_user_code(self) -> str:
        return self.row.user_digest

    def is_expired(self) -> bool:
        return self.over


class DeviceAuthorization(Endpoint):
    """Gives a device its two codes (RFC 8628, 3.2)."""

    ENDPOINT_NAME = "device_authorization"

    def create_endpoint_response(self, request: Request) -> tuple[int, dict[str, Any], list[Any]]:
        oauth, transaction = self.server.oauth, self.server.transaction
        known = self.server.authentication.client_of(request)
        if not known.check_grant_type(DEVICE):
            raise UnauthorizedClientError("The client may not use the device grant.")
        wanted = known.get_allowed_scope(request.payload.scope)
        if wanted is None:
            raise InvalidScopeError
        device_code, user_code = secret.make("bwd"), create_string_user_code()
        seconds = int(oauth.settings.device_minutes * 60)
        row = DeviceRow(digest=secret.digest(device_code), user_digest=user_digest(user_code), client_id=known.client.client_id,
                        scopes=scopes.split(wanted), interval=INTERVAL,
                        expires_at=oauth.now() + timedelta(seconds=seconds))  # fmt: skip
        transaction.session.add(row)
        page = request.issuer.address("device")
        answer = {
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={user_code}",
            "expires_in": seconds,
            "interval": INTERVAL,
        }
        return 200, answer, []


class DeviceGrant(Issuing, DeviceCodeGrant):
    """Answers a device that asks whether its code was entered."""

    TOKEN_ENDPOINT_AUTH_METHODS = PUBLIC_TOO

    def query_device_credential(self, device_code: str) -> Waiting:
        transaction, now = self.server.transaction, self.server.oauth.now()
        key = (transaction.tenant, secret.digest(device_code))
        row = transaction.session.get(DeviceRow, key, with_for_update=True) if secret.well_formed(device_code) else None
        if row is None:
            raise InvalidGrantError("The device_code is unknown or was used.")
        return Waiting(row, row.expires_at <= now)

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        """The person who entered the code, and whether they allowed it."""
        oauth, transaction = self.server.oauth, self.server.transaction
        key = (transaction.tenant, secret.digest(self.request.form["device_code"]))
        row = transaction.session.get(DeviceRow, key)
        if row is None or row.denied_at is not None:
            return "", False
        if row.grant_id is None:
            return None
        grant = oauth.grants.live(transaction, row.grant_id)
        transaction.execute(delete(DeviceRow).where(DeviceRow.tenant_id == key[0], DeviceRow.digest == key[1]))
        if grant is None or not oauth.tokens.admitted(transaction.tenant, grant.subject):
            return "", False
        self.request.grant = grant
        return grant.subject, True

    def should_slow_down(self, credential: Waiting) -> bool:
        row, now = credential.row, self.server.oauth.now()
        hasty = row.asked_at is not None and now < row.asked_at + timedelta(seconds=row.interval)
        row.interval += INTERVAL if hasty else 0
        row.asked_at = now
        return hasty


def user_digest(shown: str) -> str:
    """What is kept of a code that people type; case, hyphens and spaces don't matter (RFC 8628, 6.1)."""
    return secret.digest("".join(c for c in shown.upper() if c.isalnum()))
