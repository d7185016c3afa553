"""The transports of notifications. They need no platform and no database: a channel is a class built from its settings."""

from brickwork.notify.channels.email import DkimSettings, EmailChannel, EmailSettings, Report, parse_report
from brickwork.notify.channels.errors import (
    EndpointGone,
    PermanentFailure,
    SendError,
    SignatureError,
    TemporaryFailure,
    Throttled,
)
from brickwork.notify.channels.port import Attachment, Channel, Outgoing, Receipt
from brickwork.notify.channels.push import PushChannel, PushSettings
from brickwork.notify.channels.sms import HttpSmsChannel, HttpSmsSettings, TwilioChannel, TwilioSettings
from brickwork.notify.channels.webhook import WebhookChannel, WebhookSettings

__all__ = [
    "Attachment",
    "Channel",
    "DkimSettings",
    "EmailChannel",
    "EmailSettings",
    "EndpointGone",
    "HttpSmsChannel",
    "HttpSmsSettings",
    "Outgoing",
    "PermanentFailure",
    "PushChannel",
    "PushSettings",
    "Receipt",
    "Report",
    "SendError",
    "SignatureError",
    "TemporaryFailure",
    "Throttled",
    "TwilioChannel",
    "TwilioSettings",
    "WebhookChannel",
    "WebhookSettings",
    "parse_report",
]
