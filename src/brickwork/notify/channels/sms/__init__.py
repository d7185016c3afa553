"""SMS over HTTP: a provider of Twilio's shape, and any other that settings describe."""

from brickwork.notify.channels.sms.generic import HttpSmsChannel, HttpSmsSettings
from brickwork.notify.channels.sms.segments import Segments, segments
from brickwork.notify.channels.sms.twilio import SmsStatus, TwilioChannel, TwilioSettings, parse_status

__all__ = [
    "HttpSmsChannel",
    "HttpSmsSettings",
    "Segments",
    "SmsStatus",
    "TwilioChannel",
    "TwilioSettings",
    "parse_status",
    "segments",
]
