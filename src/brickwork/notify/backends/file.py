"""The embedded channel: each message becomes a file, and nothing leaves the machine."""

from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime
from pathlib import Path

import orjson

from brickwork.errors import ValidationError
from brickwork.kernel.clock import Clock
from brickwork.kernel.component import Health
from brickwork.notify.channels.port import Outgoing, Receipt, Taken, send_in_turn, untold


class FileChannel:
    """Writes messages of one kind into a folder, for development and tests: emails as .eml, others as .json."""

    def __init__(self, kind: str, folder: Path, clock: Clock) -> None:
        self.kind = kind
        self._folder = folder / kind
        self._clock = clock

    def check(self, address: str) -> str:
        """Any printable address will do; an email address has an @."""
        if not (0 < len(address) <= 2000 and address.isprintable()) or (self.kind == "email" and "@" not in address):
            raise ValidationError(f"{address[:100]!r} is no address for {self.kind}", field="address")
        return address

    def send(self, message: Outgoing) -> Receipt:
        """Write one message; a repeated attempt writes the same file."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content, ending = (self._eml(message), "eml") if self.kind == "email" else (_json(message), "json")
        path = self._folder / f"{message.id}.{ending}"
        draft = path.with_name(f".{path.name}")
        draft.write_bytes(content)
        draft.replace(path)
        return Receipt(detail=path.name)

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> Sequence[Receipt | Exception]:
        """Write each."""
        return send_in_turn(self.send, messages, taken)

    def health(self) -> Health:
        return Health(True, f"messages go into {self._folder.name}/, and to nobody")

    def close(self) -> None:
        """There is nothing to let go of."""

    def _eml(self, message: Outgoing) -> bytes:
        mail = EmailMessage(policy=SMTPUTF8)
        mail["To"], mail["Subject"] = message.address, message.subject
        mail["Date"] = format_datetime(self._clock.now())
        for name, value in message.headers.items():
            mail[name] = value
        mail.set_content(message.text)
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html")
        for file in message.attachments:
            main, _, sub = file.media_type.partition("/")
            mail.add_attachment(file.content, maintype=main, subtype=sub or "octet-stream", filename=file.name)
        return mail.as_bytes()


def _json(message: Outgoing) -> bytes:
    told = {"address": message.address, "subject": message.subject, "text": message.text, "data": dict(message.data)}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2)
