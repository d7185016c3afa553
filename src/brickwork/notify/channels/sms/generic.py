"""SMS over any provider that takes one HTTP request a message, described by settings."""

import re
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any, Literal, Self
from urllib.parse import urlencode

import orjson
from pydantic import SecretStr, model_validator

from brickwork.kernel.clock import Clock, SystemClock
from brickwork.kernel.component import Health
from brickwork.notify.channels.errors import PermanentFailure, TemporaryFailure
from brickwork.notify.channels.headers import check_line
from brickwork.notify.channels.http import SecureUrl, call, caller, refusal, send_each
from brickwork.notify.channels.port import Outgoing, Receipt, Taken, untold
from brickwork.notify.channels.sms.number import SmsSettings, check_number, check_sms
from brickwork.notify.channels.sms.segments import segments

#: What fields may say of a message.
_NAMES = frozenset({"to", "digits", "text", "sender", "id", "ttl"})
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}\Z")


class HttpSmsSettings(SmsSettings):
    """One request a message.

    `fields` are the body's: texts with `$to` (E.164), `$digits` (the same without +), `$text`, `$sender`, `$id` and `$ttl`, in
    JSON nested as the provider wants them. `$$` is a dollar sign.
    """

    url: SecureUrl
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    #: Header fields, such as {"Authorization": "Bearer …"}.
    headers: dict[str, SecretStr] = {}
    body: Literal["json", "form"] = "json"
    fields: dict[str, Any]
    sender: str = ""
    #: Statuses that mean success.
    statuses: list[int] = [200, 201, 202]
    #: Where a provider says 200 to everything: the place in its JSON ("messages.0.status") that must hold one of `values`.
    place: str | None = None
    values: list[str] = []
    #: Values at `place` after which another attempt may succeed; all others are permanent.
    retryable_values: list[str] = []
    #: The place of the provider's id.
    id_place: str | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for text in _texts(self.fields):
            template = Template(text)
            unknown = set(template.get_identifiers()) - _NAMES if template.is_valid() else {text}
            if unknown:
                known = ", ".join(f"${name}" for name in sorted(_NAMES))
                raise ValueError(f"fields: {sorted(unknown)} is not known; there are {known}, and $$ for a dollar sign")
        if self.body == "form" and not all(isinstance(value, str) for value in self.fields.values()):
            raise ValueError("fields of a form are texts")
        if (self.place is None) != (not self.values):
            raise ValueError("place and values belong together")
        for name, value in self.headers.items():
            if not _HEADER.match(name) or not re.fullmatch(r"[\t -~]*", value.get_secret_value()):
                raise ValueError(f"headers: {name[:64]!a} or its value holds what HTTP doesn't take")
        return self


class HttpSmsChannel:
    """Sends the text as the settings say."""

    kind = "sms"

    def __init__(self, settings: HttpSmsSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._caller = caller(settings)
        kind = "application/json" if settings.body == "json" else "application/x-www-form-urlencoded"
        given = {name.lower(): value.get_secret_value() for name, value in settings.headers.items()}
        self._headers = {"content-type": kind, "accept": "application/json", **given}

    def check(self, address: str) -> str:
        return check_number(address, self._settings.region, self._settings.regions)

    def send(self, message: Outgoing) -> Receipt:
        body = self._body(message, check_sms(message, self._settings))
        answer = call(
            self._caller, self._settings.method, self._settings.url, dict(self._headers), body, "the SMS provider", provider=True
        )
        if answer.status not in self._settings.statuses:
            if answer.status == 401:  # a key that ran out is no message's fault
                raise TemporaryFailure("the SMS provider answered 401", provider_code="401")
            raise refusal(answer, self._clock.now(), "the SMS provider")
        told = _json(answer.content)
        if self._settings.place is not None:
            self._judge(_at(told, self._settings.place))
        found = _at(told, self._settings.id_place) if self._settings.id_place else None
        id = str(found) if isinstance(found, str | int) else None
        return Receipt(provider_id=id, detail=str(answer.status), parts=segments(message.text).count)

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> list[Receipt | Exception]:
        return send_each(self.send, messages, self._settings.connections, taken)

    def health(self) -> Health:
        return Health(True, "a provider of this kind can't be asked without sending")

    def close(self) -> None:
        self._caller.close()

    def _body(self, message: Outgoing, number: str) -> bytes:
        values = {
            "to": number,
            "digits": number.removeprefix("+"),
            "text": message.text,
            "sender": check_line(message.sender or self._settings.sender, "sender", 100),
            "id": message.id,
            "ttl": "" if message.ttl is None else str(message.ttl),
        }
        fields = _filled(self._settings.fields, values)
        return urlencode(fields).encode("ascii") if self._settings.body == "form" else orjson.dumps(fields)

    def _judge(self, value: object) -> None:
        if value is None:
            raise TemporaryFailure("the SMS provider's answer lacks its verdict", uncertain=True)
        verdict = str(value)
        if verdict in self._settings.values:
            return
        if verdict in self._settings.retryable_values:
            raise TemporaryFailure("the SMS provider refused for now", provider_code=verdict[:64])
        raise PermanentFailure("the SMS provider refused", provider_code=verdict[:64])


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for each in inner for text in _texts(each)]


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return Template(value).substitute(values)
    if isinstance(value, dict):
        return {name: _filled(each, values) for name, each in value.items()}
    return [_filled(each, values) for each in value] if isinstance(value, list) else value


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except ValueError:
        return None


def _at(value: Any, place: str) -> Any:
    """What is at "messages.0.status"; None where nothing is."""
    for step in place.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
