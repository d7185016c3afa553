"""SMS over Twilio's REST interface, or over one of the same shape.

Twilio itself can't be reached from the tests; they run against a small server that speaks this interface as its documentation
describes it, refusals included.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs
import orjson
from pydantic import Field, SecretStr, model_validator

from brickwork.kernel.clock import Clock, SystemClock
from brickwork.kernel.component import Health
from brickwork.notify.channels.errors import PermanentFailure, SendError, SignatureError, TemporaryFailure, Throttled
from brickwork.notify.channels.http import SecureUrl, call, caller, refusal, send_each
from brickwork.notify.channels.port import Outgoing, Receipt, Taken, untold
from brickwork.notify.channels.sms.number import SmsSettings, check_number, check_sms
from brickwork.notify.channels.sms.segments import segments

#: Codes after which nothing ever arrives at the number: it is none, takes no SMS, or its owner wrote STOP.
_SUPPRESS = frozenset({21211, 21217, 21610, 21614, 30004, 30005, 30006})
#: Codes that ask for fewer messages: of the account, of the sender, of the queue.
_THROTTLE = frozenset({14107, 20429, 21611, 30001, 30022})
#: Codes of what is set up wrongly, or out of order: it may be mended while the message waits.
_OURS = frozenset({20001, 20003, 20005, 20006, 20010, 20403, 20500, 20503, 30002})


class TwilioSettings(SmsSettings):
    """The account, and who messages are from: a number or name (`sender`), or a messaging service."""

    account: str = Field(pattern=r"^[A-Za-z0-9]{1,64}$")
    token: SecretStr = Field(min_length=1)
    #: SID of an API key; then `token` is its secret. None signs in as the account.
    api_key: str | None = None
    sender: str | None = None
    service: str | None = None
    #: Where the provider reports what became of each message; see `parse_status`.
    status_callback: str | None = None
    base_url: SecureUrl = "https://api.twilio.com"

    @model_validator(mode="after")
    def _one_sender(self) -> Self:
        if (self.sender is None) == (self.service is None):
            raise ValueError("it takes either a sender or a service")
        return self


class TwilioChannel:
    """Sends the text. The interface has no key for idempotency: where an answer is missing, the error is `uncertain`, and a
    second attempt can reach the phone twice."""

    kind = "sms"

    def __init__(self, settings: TwilioSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._caller = caller(settings)
        self._account = f"{settings.base_url.rstrip('/')}/2010-04-01/Accounts/{settings.account}"

    def check(self, address: str) -> str:
        return check_number(address, self._settings.region, self._settings.regions)

    def send(self, message: Outgoing) -> Receipt:
        from urllib.parse import urlencode

        body = urlencode(self._form(message, check_sms(message, self._settings))).encode("ascii")
        headers = {**self._headers(), "content-type": "application/x-www-form-urlencoded"}
        answer = call(self._caller, "POST", f"{self._account}/Messages.json", headers, body, "the SMS provider", provider=True)
        told = _object(answer.content)
        if not 200 <= answer.status < 300:
            raise _refused(told, refusal(answer, self._clock.now(), "the SMS provider"))
        if not isinstance(told.get("sid"), str):
            raise TemporaryFailure(
                "the SMS provider's answer is none of its interface", provider_code=str(answer.status), uncertain=True
            )
        count = str(told.get("num_segments"))
        parts = int(count) if count.isdecimal() and int(count[:6]) > 0 else segments(message.text).count
        return Receipt(provider_id=told["sid"], detail=str(told.get("status", "")), parts=parts)

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> list[Receipt | Exception]:
        return send_each(self.send, messages, self._settings.connections, taken)

    def health(self) -> Health:
        """Whether the provider answers and knows the account."""
        try:
            answer = call(self._caller, "GET", f"{self._account}.json", self._headers(), b"", "the SMS provider", provider=True)
        except SendError as error:
            return Health(False, error.message)
        return Health(answer.status == 200, f"the SMS provider answered {answer.status}")

    def close(self) -> None:
        self._caller.close()

    def _headers(self) -> dict[str, str]:
        user = self._settings.api_key or self._settings.account
        pair = f"{user}:{self._settings.token.get_secret_value()}"
        return {"authorization": f"Basic {b64encode(pair.encode()).decode('ascii')}", "accept": "application/json"}

    def _form(self, message: Outgoing, number: str) -> dict[str, str]:
        form = {"To": number, "Body": message.text}
        if message.sender or self._settings.sender:
            form["From"] = message.sender or self._settings.sender or ""
        else:
            form["MessagingServiceSid"] = self._settings.service or ""
        if self._settings.status_callback:
            form["StatusCallback"] = self._settings.status_callback
        if message.ttl is not None:
            form["ValidityPeriod"] = str(min(max(message.ttl, 1), 36_000))
        return form


@attrs.frozen(kw_only=True)
class SmsStatus:
    """What a provider reports of a message: its own id, and "queued", "sending", "sent", "delivered", "undelivered", "failed"
    or "read"; for the latter failures, a code."""

    provider_id: str
    state: str
    code: str = ""
    #: Whether the code says that the number will never take a message.
    suppress: bool = False


def parse_status(url: str, form: Mapping[str, str], signature: str, token: str) -> SmsStatus:
    """The report that was posted to `url` (whole, as the provider was told it, with its query), if `signature`, the header
    X-Twilio-Signature, is by the account's auth token. Raises `SignatureError`."""
    content = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    expected = b64encode(hmac.digest(token.encode(), content.encode(), hashlib.sha1))
    if not hmac.compare_digest(expected, signature.encode()):
        raise SignatureError("the report is not signed by the provider")
    code = form.get("ErrorCode", "")
    return SmsStatus(
        provider_id=form.get("MessageSid") or form.get("SmsSid", ""),
        state=form.get("MessageStatus") or form.get("SmsStatus", ""),
        code=code,
        suppress=code.isdecimal() and int(code[:9]) in _SUPPRESS,
    )


def _object(content: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _refused(told: Mapping[str, Any], plain: SendError) -> SendError:
    """The provider's code decides; without one, the status does."""
    code = told.get("code")
    if not isinstance(code, int):
        return TemporaryFailure(plain.message, provider_code=plain.provider_code) if plain.provider_code == "401" else plain
    message = f"the SMS provider refused: {code}"
    if code in _THROTTLE:
        return Throttled(message, retry_after=getattr(plain, "retry_after", None), provider_code=str(code))
    if code in _OURS or plain.retryable:
        return plain if isinstance(plain, Throttled) else TemporaryFailure(message, provider_code=str(code))
    return PermanentFailure(message, suppress=code in _SUPPRESS, provider_code=str(code))
