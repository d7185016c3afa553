"""Web Push (RFC 8030, 8291, 8292)."""

from brickwork.notify.channels.push.channel import PushChannel, PushSettings
from brickwork.notify.channels.push.vapid import new_private_key

__all__ = ["PushChannel", "PushSettings", "new_private_key"]
