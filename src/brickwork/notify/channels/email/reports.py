"""What comes back: reports of mail servers on deliveries (RFC 3464, in the multipart/report of RFC 6522) and of providers on
complaints (RFC 5965).

Anybody can send such a report. What it says counts only where `original_id` is a delivery of ours to `recipient`.
"""

import re
from base64 import decodebytes
from collections.abc import Iterator
from email import policy
from email.message import Message
from email.parser import BytesParser
from quopri import decodestring
from typing import Literal

import attrs

from brickwork.errors import TooLargeError, ValidationError

#: Most bytes of a report. Servers return the message's header, or the message as we sent it.
_MOST = 30_000_000
#: Most parts that are looked at.
_PARTS = 200
_ACTIONS = {"failed": "failed", "delayed": "delayed", "delivered": "delivered", "relayed": "delivered", "expanded": "delivered"}
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_ID = re.compile(r"<([A-Za-z0-9_-]{1,128})@[^<>@\s]+>")
_ADDRESS = re.compile(r"[^\s<>;,@]+@[^\s<>;,@]+")
_DECODERS = {"base64": decodebytes, "quoted-printable": decodestring}
_SAFE = re.compile(r"[^ -~\u00a0-\ufffd]+")


@attrs.frozen(kw_only=True)
class Report:
    """What became of a message. `kind` "complaint": its reader calls it unwanted; nothing more should be sent there."""

    kind: Literal["failed", "delayed", "delivered", "complaint"]
    #: The address, as the reporter names it; None where it doesn't.
    recipient: str | None
    #: The id of our delivery: what we gave as envelope id, or the part of our Message-ID before the @.
    original_id: str | None
    #: Enhanced status code (RFC 3463) such as "5.1.1", or the type of a complaint, such as "abuse"; "" where there is none.
    status: str
    #: What the other server said.
    detail: str

    @property
    def permanent(self) -> bool:
        """Whether the failure is for good."""
        return self.kind == "failed" and not self.status.startswith("4")


def parse_report(raw: bytes) -> Report:
    """What a received message reports; of a report on several recipients, the worst. Raises `ValidationError` where it is
    no report, as the words of a person or of an answering machine aren't."""
    if len(raw) > _MOST:
        raise TooLargeError(f"a report has at most {_MOST} bytes")
    try:
        parts = list(_parts(BytesParser(policy=policy.compat32).parsebytes(raw)))
        found = _complaint(parts) or _delivery(parts)
    except (RecursionError, LookupError, ValueError, AttributeError, TypeError):  # what the parser stumbles over
        found = None
    if found is None:
        raise ValidationError("is no report on a delivery or a complaint (multipart/report)")
    return found


def _parts(message: Message) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number == _PARTS:
            return
        yield part


def _complaint(parts: list[Message]) -> Report | None:
    fields = next((block for part in parts if _is(part, "message/feedback-report") for block in _blocks(part)), None)
    if fields is None or not fields.get("Feedback-Type"):
        return None
    told = _text(fields, "Original-Rcpt-To") or _text(fields, "Removal-Recipient") or _returned(parts, "To")
    return Report(
        kind="complaint",
        recipient=_address(told),
        original_id=_text(fields, "Original-Envelope-Id") or _original(parts),
        status=_text(fields, "Feedback-Type").lower(),
        detail=_text(fields, "User-Agent")[:300],
    )


def _delivery(parts: list[Message]) -> Report | None:
    blocks = [block for part in parts if _is(part, "message/delivery-status") for block in _blocks(part)]
    told = [block for block in blocks if _text(block, "Action").lower() in _ACTIONS]
    if not told:
        return None
    order = ("failed", "delayed", "delivered")
    worst = min(told, key=lambda block: order.index(_ACTIONS[_text(block, "Action").lower()]))
    envelope = next((_text(block, "Original-Envelope-Id") for block in blocks if block.get("Original-Envelope-Id")), "")
    status = _STATUS.search(_text(worst, "Status"))
    return Report(
        kind=_ACTIONS[_text(worst, "Action").lower()],  # type: ignore[arg-type]
        recipient=_address(_text(worst, "Original-Recipient")) or _address(_text(worst, "Final-Recipient")),
        original_id=envelope or _original(parts),
        status=status.group(0) if status else "",
        detail=_text(worst, "Diagnostic-Code").partition(";")[2].strip()[:300],
    )


def _blocks(part: Message) -> list[Message]:
    """The groups of fields of a machine-readable part, which the parser gives as messages in it, whatever their encoding."""
    inner = part.get_payload()
    groups = [message for message in inner if isinstance(message, Message)] if isinstance(inner, list) else []
    decode = _DECODERS.get(str(part.get("Content-Transfer-Encoding", "")).strip().lower())
    if decode is None:
        return groups
    text = decode("\n\n".join(map(str, groups)).encode("utf-8", "replace")).decode("utf-8", "replace")
    return [_fields(group) for group in re.split(r"\r?\n\s*\r?\n", text) if group.strip()]


def _fields(text: str) -> Message:
    return BytesParser(policy=policy.compat32).parsebytes(text.encode("utf-8", "replace"), headersonly=True)


def _original(parts: list[Message]) -> str | None:
    found = _ID.search(_returned(parts, "Message-ID"))
    return found[1] if found else None


def _returned(parts: list[Message], name: str) -> str:
    """A field of the message that came back, whole or its header only; "" where there is none."""
    for part in parts:
        if _is(part, "text/rfc822-headers"):
            data = part.get_payload(decode=True)
            value = _text(_fields(data.decode("utf-8", "replace")), name) if isinstance(data, bytes) else ""
        elif _is(part, "message/rfc822"):
            inner = part.get_payload()
            value = _text(inner[0], name) if isinstance(inner, list) and isinstance(inner[0], Message) else ""
        else:
            continue
        if value:
            return value
    return ""


def _is(part: Message, kind: str) -> bool:
    return part.get_content_type() == kind


def _text(fields: Message, name: str) -> str:
    return " ".join(_SAFE.sub(" ", str(fields.get(name, ""))).split())


def _address(value: str) -> str | None:
    """The address in "rfc822; kim@example.org" or "<kim@example.org>"."""
    found = _ADDRESS.search(value.rpartition(";")[2])
    return found[0] if found else None
