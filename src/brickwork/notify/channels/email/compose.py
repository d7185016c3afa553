"""A message as the letter that is handed to a mail server: header, body, signatures, envelope."""

from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime

from brickwork.errors import TooLargeError, ValidationError
from brickwork.notify.channels.email.address import check_email, parse_mailbox, wire
from brickwork.notify.channels.email.connection import Letter
from brickwork.notify.channels.email.dkim import Signer
from brickwork.notify.channels.email.mime import content, field, mailbox_field, text_field
from brickwork.notify.channels.email.settings import EmailSettings
from brickwork.notify.channels.headers import check_headers, check_line
from brickwork.notify.channels.port import Outgoing

#: Fields that a message can't bring, besides those that begin with one of `_OWN_FAMILIES`.
_OWN = frozenset(
    {"from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "mime-version", "return-path", "received"}
)
_OWN_FAMILIES = ("content-", "resent-", "arc-", "dkim-", "authentication-", "received-")
#: The longest subject.
_SUBJECT = 2000
_UNSUBSCRIBE, _ONE_CLICK = "list-unsubscribe", "List-Unsubscribe=One-Click"


def compose(message: Outgoing, settings: EmailSettings, signers: Sequence[Signer], now: datetime) -> Letter:
    """The letter. Raises `ValidationError` for what no email can hold, such as a line break in a header."""
    recipient = wire(check_email(message.address))
    sender = parse_mailbox(message.sender or settings.sender, "sender")
    extra = _extra(message)
    lines = [
        mailbox_field("From", sender),
        f"To: {recipient}\r\n".encode(),
        text_field("Subject", check_line(message.subject, "subject", _SUBJECT)),
        field("Date", format_datetime(now)),
        field("Message-ID", f"<{message.id}@{settings.message_id_domain or sender.domain}>", fold=False),
    ]
    if "auto-submitted" not in extra:
        lines.append(b"Auto-Submitted: auto-generated\r\n")  # so that nobody's holiday answers it (RFC 3834)
    # RFC 8058 wants its fields where they can't be misread; on one line they can't
    lines += [field(name.title(), value, fold=not name.startswith(_UNSUBSCRIBE)) for name, value in extra.items()]
    rest = content(message)
    head, _, body = rest.partition(b"\r\n\r\n")
    header = b"".join(lines) + head + b"\r\n"
    signatures = b"".join(signer.sign(header, body, now) for signer in signers if signer.signs(sender.domain))
    data = signatures + header + b"\r\n" + body
    if len(data) > settings.max_bytes:
        raise TooLargeError(f"the message has {len(data)} bytes; at most {settings.max_bytes} are sent", field="attachments")
    envelope = settings.bounces.replace("{id}", message.id) if settings.bounces else sender.address
    envelope = wire(check_email(envelope, "bounces"))
    utf8 = not (envelope + recipient + wire(sender.address)).isascii()
    return Letter(message.id, envelope, recipient, data, utf8)


def _extra(message: Outgoing) -> dict[str, str]:
    extra = check_headers(message.headers, lambda name: name in _OWN or name.startswith(_OWN_FAMILIES))
    post = extra.get(f"{_UNSUBSCRIBE}-post")
    if post is not None and (post != _ONE_CLICK or "<https://" not in extra.get(_UNSUBSCRIBE, "")):
        raise ValidationError(
            f"List-Unsubscribe-Post is {_ONE_CLICK} beside a List-Unsubscribe with <https://…> (RFC 8058)",
            field="headers.List-Unsubscribe-Post",
        )
    return extra
