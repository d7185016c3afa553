"""What the tests of notify share: a clinic with notifications, and providers that do what a test says.

Scripted providers stand for those that fail in ways that real servers can't be made to at the right moment; the real channels are
tested against real servers in tests/notify/channels.
"""

from typing import Any

import pytest

from brickwork import Platform, hookimpl
from brickwork.testing.clock import FrozenClock
from brickwork.testing.notifications import ScriptedProviders


class Product(ScriptedProviders):
    """A clinic's notifications."""

    @hookimpl
    def brickwork_notifications(self) -> list[dict[str, Any]]:
        push_then_email = {"channel": "push", "after": "PT10M", "otherwise": {"channel": "email"}}
        return [
            {"key": "visit.reminder", "category": "visits", "routes": [push_then_email]},
            {"key": "visit.moved", "category": "visits", "routes": ["email", "inbox"]},
            {"key": "security.alert", "category": "security", "required": True, "urgent": True},
            {"key": "lab.result", "category": "lab", "digest": {"window": "PT1H"}},
            {"key": "lab.daily", "category": "lab", "digest": {"at": "08:00"}},
            {"key": "offer", "category": "marketing", "throttle": "2/day", "expires": "P1D"},
            {"key": "vip", "routes": [{"channel": "sms", "when": "data.amount > 100", "otherwise": {"channel": "email"}}]},
        ]

    @hookimpl
    def brickwork_entity_types(self) -> list[dict[str, Any]]:
        fields = {"name": {"type": "text"}, "mail": {"type": "email"}, "mobile": {"type": "phone"}, "locale": {"type": "text"}}
        return [{"name": "patient", "title": "{name}", "fields": fields}]


@pytest.fixture
def product() -> Product:
    return Product()


@pytest.fixture
def clinic(make_platform: Any, product: Product, frozen_clock: FrozenClock) -> Platform:
    """A platform whose channels email, sms and push are scripted; the scripts are named as they are."""
    names = ("email", "sms", "push", "webhook")
    providers = {name: {"backend": "scripted", "kind": name, "script": name} for name in names}
    providers["spare"] = {"backend": "scripted", "kind": "email", "script": "spare"}
    channels = {"email": ["email", "spare"], "sms": ["sms"], "push": ["push"], "webhook": ["webhook"]}
    notify = {"providers": providers, "channels": channels, "attempts": 3, "public_url": "https://clinic.example", "rest": 0}
    platform: Platform = make_platform(plugins=[product], clock=frozen_clock, notify=notify)
    return platform
