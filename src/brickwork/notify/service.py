"""Notifications as a product sees them: `platform.notify`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import ValidationError as PydanticError

from brickwork.errors import NotFoundError, ValidationError
from brickwork.kernel.component import Health
from brickwork.messaging.handler import Retry, Subscription
from brickwork.notify.channels.errors import SendError
from brickwork.notify.content import Contents, Letter
from brickwork.notify.definition import DIRECT, Content, Notification
from brickwork.notify.delivery import Delivering
from brickwork.notify.endpoints import WEBHOOK, Endpoints
from brickwork.notify.events import AddressSuppressed, Deliver, EndpointDisabled, Follow, NotificationFailed
from brickwork.notify.following import FOLLOW, Following
from brickwork.notify.history import History
from brickwork.notify.inbox import Inbox, InboxChannel
from brickwork.notify.journal import Journal
from brickwork.notify.links import Links
from brickwork.notify.preferences import Preferences
from brickwork.notify.providers import Provider, Providers, make_providers
from brickwork.notify.recipients import Recipients, Who
from brickwork.notify.sending import Order, Sending, Sent, expiry
from brickwork.notify.settings import NotifySettings
from brickwork.notify.suppressions import Suppressions
from brickwork.notify.tracking import Tracking

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: Seconds that a handler of a batch may take.
TIMEOUT = 60.0


class Notify:
    """Tells people, by the ways they want, once."""

    def __init__(self, platform: "Platform", settings: NotifySettings) -> None:
        self.settings = settings
        self.platform = platform
        self.recipients = Recipients(platform, settings)
        self.preferences = Preferences(platform)
        self.suppressions = Suppressions(platform)
        self.inbox = Inbox(platform)
        self.sending = Sending(self)
        self.following = Following(self)
        self.tracking = Tracking(self)
        self.endpoints = Endpoints(self)
        self.history = History(platform, settings.history_days)
        self.contents = Contents(platform, self.links)
        self._delivering = Delivering(self, Journal(platform.settings.platform.data_dir / "notify" / "journal"))
        self._definitions = {notification.key: notification for notification in (DIRECT, WEBHOOK, *self._declared())}
        inbox = Provider("inbox", lambda: InboxChannel(self.inbox))
        self.providers = {"inbox": Providers("inbox", [inbox], 0), **make_providers(platform, settings)}
        for event in (NotificationFailed, AddressSuppressed, EndpointDisabled):
            platform.messaging.catalogue.add_event(event)
        platform.messaging.catalogue.add(self._subscriptions())

    # -- sending -------------------------------------------------------------------------------------------------------

    def send(
        self,
        notification: str,
        to: Who,
        data: Mapping[str, Any] | None = None,
        *,
        content: Content | None = None,
        key: str | None = None,
        at: datetime | None = None,
    ) -> Sent:
        """Tell `to` (a reference such as "user:ID", "group:nurses", "patient:ID" or "ann@example.org", a `Recipient`, or any
        number of them), filling the notification's template with `data`, or with the caller's own `content`.

        It commits with the caller's transaction; who handles events sends it then. A recipient gets one message a `key`, however
        often it is asked for. `at` is when, now if left out. Raises `NotFoundError` and `ValidationError`."""
        self.platform.require("notify.send")
        definition, now = self.definition(notification), self.platform.clock.now()
        if at is not None and at.tzinfo is None:
            raise ValidationError("at is a time with its zone", field="at")
        if key is not None and not (0 < len(key) <= 200 and key.isprintable()):
            raise ValidationError("a key takes 1 to 200 printable characters", field="key")
        if content is None and definition is DIRECT:
            raise ValidationError("a direct message needs content", field="content")
        when = max(at or now, now)
        order = Order(notification=definition, data=dict(data or {}), content=content, key=key, at=when,
                      expires_at=expiry(definition, when))  # fmt: skip
        return self.sending.send(order, to)

    def cancel(self, message: UUID) -> bool:
        """Don't send what of a message was not sent yet; whether there was something. Raises `NotFoundError`."""
        self.platform.require("notify.send")
        return self.history.cancel(message)

    def preview(self, notification: str, data: Mapping[str, Any], *, locale: str | None = None) -> dict[str, str]:
        """The parts that the notification's template gives for `data`, by name."""
        self.platform.require("notify.send")
        return self.contents.parts(self.definition(notification), data, locale or self.settings.locale)

    def test(
        self, notification: str, channel: str, address: str, data: Mapping[str, Any] | None = None, *,
        content: Content | None = None, locale: str | None = None,
    ) -> str:  # fmt: skip
        """Send one message to an address here and now, past preferences and quiet hours and without a record. Returns what the
        provider said. Raises `SendError`."""
        self.platform.require("notify.send")
        from brickwork.kernel.ids import uuid7

        address = self.check_address(channel, address)
        letter = Letter(uuid7(), self.definition(notification), dict(data or {}), locale or self.settings.locale, content, None)
        message = self.contents.outgoing(letter, uuid7(), channel, address)
        (outcome,) = self.providers[channel].send_many([message])
        if outcome.receipt is None:
            raise outcome.error or SendError("it was not sent")
        return outcome.receipt.detail or outcome.receipt.provider_id or "taken"

    # -- what there is ---------------------------------------------------------------------------------------------------

    def define(self, *notifications: Notification | Mapping[str, Any]) -> None:
        """Add notifications, in place of those of the same key. Those of plugins are there already. Raises `ValidationError`."""
        for notification in notifications:
            made = _notification(notification)
            self._definitions[made.key] = made

    def definition(self, key: str) -> Notification:
        """A notification; raises `NotFoundError`."""
        found = self._definitions.get(key)
        if found is None:
            raise NotFoundError(f"there is no notification {key!r}; known are {', '.join(sorted(self._definitions))}")
        return found

    def definitions(self) -> list[Notification]:
        """Every notification, by its key."""
        return [notification for _, notification in sorted(self._definitions.items())]

    @property
    def served(self) -> frozenset[str]:
        """The channels that this platform has providers for."""
        return frozenset(self.providers)

    @cached_property
    def links(self) -> Links | None:
        """Makes links back to this server, where settings say how it is reached."""
        return Links(self.settings.public_url, self.platform.get("keyring")) if self.settings.public_url else None

    def check_address(self, channel: str, address: str) -> str:
        """The normal form of an address; raises `ValidationError`, also for a channel that isn't served."""
        if channel not in self.providers:
            known = ", ".join(sorted(self.providers))
            raise ValidationError(f"no provider serves the channel {channel[:40]!r}; there are {known}", field="channel")
        return self.providers[channel].check(address)

    def subscription(self, channel: str, *, urgent: bool) -> str:
        """The handler of a channel's batches."""
        return f"notify:{channel}{':urgent' if urgent else ''}"

    # -- life ----------------------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """Whether every channel has a provider that can be used."""
        states = {channel: providers.health() for channel, providers in self.providers.items()}
        bad = [f"{channel}: {state.detail}" for channel, state in states.items() if not state.ok]
        return Health(not bad, "; ".join(bad))

    def close(self) -> None:
        for providers in self.providers.values():
            providers.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _declared(self) -> Sequence[Notification]:
        return [_notification(one) for group in self.platform.plugins.hook.brickwork_notifications() for one in group]

    def _subscriptions(self) -> list[Subscription]:
        """A handler for each channel, so that a slow one holds up nobody else's, and another for what is urgent."""
        made = [
            Subscription(
                name=self.subscription(channel, urgent=urgent),
                pattern=f"(notify {channel}{' urgent' if urgent else ''})",
                function=partial(self._deliver, urgent=urgent),
                event=Deliver,
                queue="notify-urgent" if urgent else "notify",
                retry=Retry(attempts=20, first=5.0, most=300.0),
                timeout=TIMEOUT,
                transactional=False,
            )
            for channel in self.providers
            for urgent in (False, True)
        ]
        events = [
            Subscription(
                name=f"notify:events:{pattern}".replace("*", "all"), pattern=pattern, function=self._tell, queue="notify"
            )
            for pattern in self.settings.webhook_events
        ]
        return [
            *made,
            *events,
            Subscription(name=FOLLOW, pattern="(notify follow)", function=self._follow, event=Follow, queue="notify"),
        ]

    def _deliver(self, platform: "Platform", event: Deliver, *, urgent: bool) -> None:
        self._delivering.handle(event, urgent=urgent)

    def _tell(self, platform: "Platform", event: Any) -> None:
        """Tell endpoints of an event of the product's."""
        cause = platform.messaging.cause
        if cause is not None and not platform.current.system:
            self.endpoints.publish(cause.type, cause.data, key=str(cause.id))

    def _follow(self, platform: "Platform", event: Follow) -> None:
        self.following.handle(event)


def _notification(given: Notification | Mapping[str, Any]) -> Notification:
    if isinstance(given, Notification):
        return given
    try:
        return Notification.model_validate(dict(given))
    except PydanticError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "notification"
        raise ValidationError(f"not a notification: {where}: {first['msg'].removeprefix('Value error, ')}", field=where) from None
