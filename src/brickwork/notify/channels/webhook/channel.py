"""Webhooks: signed JSON to an endpoint that somebody else chose."""

from collections.abc import Sequence

import orjson
from pydantic import Field

from brickwork.errors import TooLargeError, ValidationError
from brickwork.kernel.clock import Clock, SystemClock
from brickwork.kernel.component import Health
from brickwork.notify.channels.errors import EndpointGone, TemporaryFailure, Throttled
from brickwork.notify.channels.headers import check_headers
from brickwork.notify.channels.http import EndpointSettings, call, caller, check_url, refusal, send_each
from brickwork.notify.channels.port import Outgoing, Receipt, Taken, untold
from brickwork.notify.channels.webhook.signature import sign

#: Headers that are the channel's own, and those that would change what HTTP makes of the request.
_OWN = frozenset({"connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"})


class WebhookSettings(EndpointSettings):
    """How webhooks are sent."""

    #: Most bytes of a body.
    max_bytes: int = Field(default=1_000_000, ge=1024)
    user_agent: str = Field(default="brickwork", pattern=r"^[ -~]{1,100}$")


class WebhookChannel:
    """Sends `data` as JSON. The address is the endpoint's URL, `secrets` sign (Standard Webhooks).

    Any 2xx is success; 410 is `EndpointGone`; 429, and 503 with Retry-After, are `Throttled`. All else is a `TemporaryFailure`:
    an endpoint that is away, answers 404 or redirects may be put right. Redirects are not followed. The name is resolved once,
    and the connection goes to the addresses that were checked; see `brickwork.kernel.addresses`.
    `webhook-id` is the same over all attempts, which is how a receiver takes a webhook once that it was sent twice.
    """

    kind = "webhook"

    def __init__(self, settings: WebhookSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._caller = caller(settings)

    def check(self, address: str) -> str:
        return check_url(address, self._settings)

    def send(self, message: Outgoing) -> Receipt:
        url = self.check(message.address)
        body = self._body(message)
        now = self._clock.now()
        sent = int(now.timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": self._settings.user_agent,
            **check_headers(message.headers, lambda name: name in _OWN or name.startswith("webhook-")),
            "webhook-id": message.id,
            "webhook-timestamp": str(sent),
            "webhook-signature": sign(message.id, sent, body, message.secrets),
        }
        answer = call(self._caller, "POST", url, headers, body, "the endpoint")
        if 200 <= answer.status < 300:
            return Receipt(detail=str(answer.status))
        if answer.status == 410:
            raise EndpointGone("the endpoint answered 410: it is gone", provider_code="410")
        error = refusal(answer, now, "the endpoint")
        if isinstance(error, Throttled):
            raise error
        raise TemporaryFailure(error.message, provider_code=error.provider_code)

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> list[Receipt | Exception]:
        return send_each(self.send, messages, self._settings.connections, taken)

    def health(self) -> Health:
        return Health(True, "each endpoint has its own health")

    def close(self) -> None:
        self._caller.close()

    def _body(self, message: Outgoing) -> bytes:
        try:
            body = orjson.dumps(dict(message.data))
        except TypeError as error:
            raise ValidationError(f"data is no JSON: {error}", field="data") from None
        if len(body) > self._settings.max_bytes:
            raise TooLargeError(f"the webhook has {len(body)} bytes; at most {self._settings.max_bytes} are sent", field="data")
        return body
