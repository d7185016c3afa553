"""The registration of the notify component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brickwork.kernel.component import Backend, Component, ComponentSettings
from brickwork.kernel.hookspecs import hookimpl
from brickwork.notify.settings import NotifySettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.notify.service import Notify


_FACTORIES = "brickwork.notify.backends.shipped"


def build(platform: "Platform", settings: NotifySettings) -> "Notify":
    from brickwork.notify.service import Notify

    return Notify(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="notify",
            summary="Messages by email, SMS, push, inbox and webhook, sent once and by the ways people want",
            build="brickwork.notify.component:build",
            requires=("messaging", "auth", "limits", "documents"),
            settings=NotifySettings,
            service="brickwork.notify.service:Notify",
            models="brickwork.notify.models",
            migrations="brickwork.notify.migrations",
            routes="brickwork.notify.api:endpoints",
            asgi="brickwork.notify.asgi:mounts",
        )
    ]


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    from brickwork.notify.channels import EmailSettings, HttpSmsSettings, PushSettings, TwilioSettings, WebhookSettings

    shipped: dict[str, tuple[type[ComponentSettings], str]] = {
        "smtp": (EmailSettings, "Email over SMTP"),
        "twilio": (TwilioSettings, "SMS by Twilio, or who has its interface"),
        "http_sms": (HttpSmsSettings, "SMS by a provider whose interface is described"),
        "webpush": (PushSettings, "Web Push to browsers"),
        "webhook": (WebhookSettings, "Signed JSON to others' endpoints"),
    }
    return [
        Backend(
            port="channel", name=name, factory=f"brickwork.notify.backends.shipped:{name}", summary=summary, settings=settings
        )
        for name, (settings, summary) in shipped.items()
    ]
