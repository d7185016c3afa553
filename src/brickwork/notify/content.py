"""From a message to what a channel sends: the template's parts, or the caller's own text, with the links that belong in it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from brickwork.errors import NotFoundError
from brickwork.notify.channels.port import Outgoing
from brickwork.notify.definition import Content, Notification
from brickwork.notify.links import Links, Place

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: Parts of a template that a channel takes its text from, the first that is there.
_TEXTS = {"sms": ("sms", "text"), "push": ("push", "text"), "inbox": ("inbox", "text")}
Parts = Mapping[str, str]


@attrs.frozen
class Letter:
    """A message with what its deliveries have in common."""

    id: UUID
    notification: Notification
    data: Mapping[str, Any]
    locale: str
    content: Content | None
    #: Seconds for which it is worth delivering.
    ttl: int | None


class Contents:
    """Makes what channels send."""

    def __init__(self, platform: "Platform", links: Links | None) -> None:
        self._platform = platform
        self._links = links

    def parts(self, notification: Notification, data: Mapping[str, Any], locale: str) -> dict[str, str]:
        """The parts of the notification's template, filled with `data`. Raises what templates raise."""
        if notification.template == "":
            return {}
        if "documents" not in self._platform.components:
            raise NotFoundError(f"notification {notification.key!r} has a template, and the component documents isn't there")
        key = notification.template or notification.key
        return dict(self._platform.documents.templates.render(key, data, locale=locale).parts)

    def outgoing(self, letter: Letter, delivery: UUID, channel: str, address: str, *, sender: str | None = None) -> Outgoing:
        """What `channel` sends. Raises what templates raise."""
        parts = _own(letter.content) if letter.content else self.parts(letter.notification, letter.data, letter.locale)
        subject = " ".join(parts.get("subject", "").split())
        text = next((parts[name] for name in _TEXTS.get(channel, ("text",)) if name in parts), "")
        message = Outgoing(id=str(delivery), address=address, subject=subject, text=text, sender=sender, ttl=letter.ttl,
                           urgency="high" if letter.notification.urgent else "normal")  # fmt: skip
        make = {"email": self._email, "push": _push, "inbox": _inbox}.get(channel, _plain)
        return make(message, letter, parts)

    def _email(self, message: Outgoing, letter: Letter, parts: Parts) -> Outgoing:
        html, headers = parts.get("html"), dict[str, str]()
        if self._links is not None:
            place = Place(self._platform.current.require_tenant(), UUID(message.id))
            if not letter.notification.required:
                headers["List-Unsubscribe"] = f"<{self._links.unsubscribe(place)}>"
                headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            if html is not None and letter.notification.track:
                html = self._links.track(place, html)
        return attrs.evolve(message, html=html, headers=headers)


def _plain(message: Outgoing, letter: Letter, parts: Parts) -> Outgoing:
    return attrs.evolve(message, data=dict(letter.data))


def _push(message: Outgoing, letter: Letter, parts: Parts) -> Outgoing:
    told = {"id": message.id, "title": message.subject, "body": message.text, "link": parts.get("link")}
    return attrs.evolve(message, data={name: value for name, value in told.items() if value})


def _inbox(message: Outgoing, letter: Letter, parts: Parts) -> Outgoing:
    data = dict(letter.data) | ({"link": parts["link"]} if parts.get("link") else {})
    return attrs.evolve(message, data={"message": str(letter.id), "category": letter.notification.category, "data": data})


def _own(content: Content) -> dict[str, str]:
    return {name: value for name, value in content.model_dump().items() if value}
