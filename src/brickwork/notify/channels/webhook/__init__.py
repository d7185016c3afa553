"""Webhooks by the Standard Webhooks specification."""

from brickwork.notify.channels.webhook.channel import WebhookChannel, WebhookSettings
from brickwork.notify.channels.webhook.signature import new_key_pair, new_secret, sign, verify

__all__ = ["WebhookChannel", "WebhookSettings", "new_key_pair", "new_secret", "sign", "verify"]
