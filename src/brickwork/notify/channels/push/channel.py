"""Web Push: encrypted messages to browsers, over the push service that each browser has chosen."""

import hashlib
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import orjson
from pydantic import ConfigDict, Field, SecretStr, field_validator

from brickwork.errors import TooLargeError, ValidationError
from brickwork.kernel.clock import Clock, SystemClock
from brickwork.kernel.component import Health
from brickwork.notify.channels.errors import EndpointGone
from brickwork.notify.channels.headers import check_headers
from brickwork.notify.channels.http import EndpointSettings, call, caller, check_url, refusal, send_each
from brickwork.notify.channels.port import Outgoing, Receipt, Taken, untold
from brickwork.notify.channels.push.encryption import MOST, encrypt
from brickwork.notify.channels.push.vapid import Vapid, decoded, encoded, load

_URGENCIES = ("very-low", "low", "normal", "high")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")


class PushSettings(EndpointSettings):
    """How Web Push is sent."""

    model_config = ConfigDict(hide_input_in_errors=True)

    #: The VAPID key: PEM, or base64url of its 32 bytes, as `new_private_key` gives it. A subscription is bound to it.
    private_key: SecretStr
    #: Whom a push service may turn to: "mailto:…" or an https URL (RFC 8292, section 2.1).
    subject: str = Field(pattern=r"^(mailto:[!-~]+@[!-~]+|https://[!-~]+)$")
    #: Seconds that a push service keeps a message for a browser that is away, where the message doesn't say.
    ttl: int = Field(default=86_400, ge=0, le=2_419_200)

    @field_validator("private_key")
    @classmethod
    def _is_key(cls, value: SecretStr) -> SecretStr:
        load(value.get_secret_value())
        return value


class PushChannel:
    """Sends `{"id", "title", "body", …data}` as JSON. The address is the subscription that a browser gave (`toJSON()`).

    404 and 410 are `EndpointGone`: the subscription ended. A header "Topic" lets a message replace an earlier one that still
    waits at the push service; without one the delivery's id is the topic, so that a second attempt replaces the first. `id` in
    the payload is for the `tag` of the browser's notification, which does the same on the screen.
    """

    kind = "push"

    def __init__(self, settings: PushSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._vapid = Vapid(settings.private_key.get_secret_value(), settings.subject)
        self._caller = caller(settings)

    @property
    def public_key(self) -> str:
        """What a page gives to `pushManager.subscribe` as `applicationServerKey`."""
        return self._vapid.public_key

    def check(self, address: str) -> str:
        """The subscription as compact JSON: endpoint, and the two keys as base64url without padding."""
        endpoint, receiver, auth = self._subscription(address)
        keys = {"auth": encoded(auth), "p256dh": encoded(receiver)}
        return orjson.dumps({"endpoint": endpoint, "keys": keys}).decode()

    def send(self, message: Outgoing) -> Receipt:
        endpoint, receiver, auth = self._subscription(message.address)
        headers = self._headers(message)
        body = encrypt(_payload(message), receiver, auth)
        parts = urlsplit(endpoint)
        now = self._clock.now()
        headers["authorization"] = self._vapid.authorization(f"{parts.scheme}://{parts.netloc}", now)
        answer = call(self._caller, "POST", endpoint, headers, body, "the push service")
        if 200 <= answer.status < 300:
            return Receipt(provider_id=answer.headers.get("location"), detail=str(answer.status))
        if answer.status in (404, 410):
            raise EndpointGone(
                f"the push service answered {answer.status}: the subscription ended", provider_code=str(answer.status)
            )
        raise refusal(answer, now, "the push service")

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> list[Receipt | Exception]:
        return send_each(self.send, messages, self._settings.connections, taken)

    def health(self) -> Health:
        return Health(True, "each subscription has its own push service")

    def close(self) -> None:
        self._caller.close()

    def _subscription(self, address: str) -> tuple[str, bytes, bytes]:
        from cryptography.hazmat.primitives.asymmetric import ec

        try:
            if not address.isprintable():
                raise ValueError
            given = orjson.loads(address)
            endpoint, keys = given["endpoint"], given["keys"]
            receiver, auth = decoded(keys["p256dh"]), decoded(keys["auth"])
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), receiver)
            if len(receiver) != 65 or len(auth) != 16 or not isinstance(endpoint, str):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            wanted = '{"endpoint": URL, "keys": {"p256dh": base64url of 65 bytes, "auth": base64url of 16}}'
            raise ValidationError(f"takes a push subscription as JSON: {wanted}", field="address") from None
        return check_url(endpoint, self._settings, field="address.endpoint"), receiver, auth

    def _headers(self, message: Outgoing) -> dict[str, str]:
        extra = check_headers(message.headers, lambda name: name != "topic")
        topic = extra.get("topic") or hashlib.sha256(message.id.encode()).hexdigest()[:32]
        if not _TOPIC.match(topic):
            raise ValidationError("a topic takes 1 to 32 of A-Z a-z 0-9 _ -", field="headers.topic")
        if message.urgency not in _URGENCIES:
            raise ValidationError(f"urgency takes one of {', '.join(_URGENCIES)}", field="urgency")
        return {
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(self._settings.ttl if message.ttl is None else max(message.ttl, 0)),
            "urgency": message.urgency,
            "topic": topic,
        }


def _payload(message: Outgoing) -> bytes:
    try:
        payload = orjson.dumps({"id": message.id, "title": message.subject, "body": message.text, **message.data})
    except TypeError as error:
        raise ValidationError(f"data is no JSON: {error}", field="data") from None
    if len(payload) > MOST:
        raise TooLargeError(f"the push message has {len(payload)} bytes as JSON; at most {MOST} fit", field="text")
    return payload
