"""What events exist and who handles them, with an AsyncAPI 3 document of it."""

from collections.abc import Iterable
from typing import Any

from brickwork import __version__
from brickwork.errors import NotFoundError, PluginError
from brickwork.messaging.event import Event
from brickwork.messaging.handler import Subscription


class Catalogue:
    """The events and subscriptions of one platform."""

    def __init__(self) -> None:
        self.events: dict[str, type[Event]] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self._wanting: dict[str, tuple[Subscription, ...]] = {}

    def add_event(self, event: type[Event]) -> None:
        """Make an event known by its name; two classes of one name are refused."""
        known = self.events.setdefault(event.event_name, event)
        if known is not event:
            raise PluginError(f"two events are named {event.event_name!r}: {known.__qualname__} and {event.__qualname__}")

    def add(self, subscriptions: Iterable[Subscription]) -> None:
        """Make subscriptions known, with their events; two of one name are refused."""
        for subscription in subscriptions:
            known = self.subscriptions.setdefault(subscription.name, subscription)
            if known is not subscription:
                raise PluginError(f"two handlers are named {subscription.name!r}; give one another name=")
            if subscription.event is not None:
                self.add_event(subscription.event)
        self._wanting.clear()

    def wanting(self, name: str) -> tuple[Subscription, ...]:
        """Who handles events of that name."""
        found = self._wanting.get(name)
        if found is None:
            found = self._wanting[name] = tuple(s for s in self.subscriptions.values() if s.wants(name))
        return found

    def event(self, name: str) -> type[Event]:
        """The class of that name; raises `NotFoundError`."""
        if name not in self.events:
            raise NotFoundError(f"there is no event {name!r}; known are {', '.join(sorted(self.events)) or 'none'}")
        return self.events[name]

    def asyncapi(self, title: str = "brickwork") -> dict[str, Any]:
        """An AsyncAPI 3.0 document: a channel for each event, a receiving operation for each handler."""
        channels: dict[str, Any] = {}
        schemas: dict[str, Any] = {}
        for name, event in sorted(self.events.items()):
            schema = event.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[name] = schema
            message = {
                "name": name,
                "summary": (event.__doc__ or "").strip().partition("\n")[0],
                "contentType": "application/cloudevents+json",
                "payload": {
                    "type": "object",
                    "required": ["specversion", "id", "source", "type", "tenant", "actor", "correlationid", "data"],
                    "properties": {
                        **{key: {"type": "string"} for key in ("specversion", "id", "source", "type", "time")},
                        **{key: {"type": "string"} for key in ("tenant", "actor", "correlationid", "causationid")},
                        "eventversion": {"type": "integer", "const": event.event_version},
                        "data": {"$ref": f"#/components/schemas/{name}"},
                    },
                },
            }
            channels[name] = {"address": name, "messages": {"event": message}}
        operations = {
            f"{subscription.name}/{name}": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": (subscription.function.__doc__ or "").strip().partition("\n")[0],
            }
            for subscription in self.subscriptions.values()
            for name in sorted(self.events)
            if subscription.wants(name)
        }
        return {
            "asyncapi": "3.0.0",
            "info": {"title": title, "version": __version__},
            "defaultContentType": "application/cloudevents+json",
            "channels": channels,
            "operations": operations,
            "components": {"schemas": schemas},
        }
