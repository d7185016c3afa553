"""The channels of `brickwork.notify.channels` as backends that settings name."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.notify.channels import Channel


def smtp(platform: "Platform", settings: Any) -> "Channel":
    """Email over SMTP."""
    from brickwork.notify.channels import EmailChannel

    return EmailChannel(settings, platform.clock)


def twilio(platform: "Platform", settings: Any) -> "Channel":
    """SMS by Twilio, or who has its interface."""
    from brickwork.notify.channels import TwilioChannel

    return TwilioChannel(settings, platform.clock)


def http_sms(platform: "Platform", settings: Any) -> "Channel":
    """SMS by a provider whose interface settings describe."""
    from brickwork.notify.channels import HttpSmsChannel

    return HttpSmsChannel(settings, platform.clock)


def webpush(platform: "Platform", settings: Any) -> "Channel":
    """Web Push."""
    from brickwork.notify.channels import PushChannel

    return PushChannel(settings, platform.clock)


def webhook(platform: "Platform", settings: Any) -> "Channel":
    """Webhooks."""
    from brickwork.notify.channels import WebhookChannel

    return WebhookChannel(settings, platform.clock)
