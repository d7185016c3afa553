"""Notifications: one call tells people by the ways they want, at a time that suits them, once."""

from brickwork.notify.definition import Content, Digest, Notification, Route
from brickwork.notify.history import Delivery, Message, Step
from brickwork.notify.inbox import Counts, InboxMessage
from brickwork.notify.preferences import Preference
from brickwork.notify.quiet import QuietHours
from brickwork.notify.recipients import Recipient
from brickwork.notify.sending import Sent
from brickwork.notify.service import Notify

__all__ = [
    "Content",
    "Counts",
    "Delivery",
    "Digest",
    "InboxMessage",
    "Message",
    "Notification",
    "Notify",
    "Preference",
    "QuietHours",
    "Recipient",
    "Route",
    "Sent",
    "Step",
]
