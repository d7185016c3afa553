"""The one policy for all channels: which of a notification's routes a recipient is told by, and when. Pure functions."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from brickwork.kernel.expressions import compile_expression
from brickwork.notify.definition import Notification, Route
from brickwork.notify.preferences import Choices
from brickwork.notify.quiet import QuietHours, after_quiet, zone_of
from brickwork.notify.recipients import Recipient

#: Channels that disturb nobody, so that they don't wait for quiet hours to end.
SILENT = frozenset({"inbox", "webhook"})
#: Channels on which every address is told, since a person uses several devices at once; elsewhere it is the first.
EVERYWHERE = frozenset({"push"})


@attrs.frozen
class Asked:
    """What routes are chosen by."""

    notification: Notification
    recipient: Recipient
    data: Mapping[str, Any]
    choices: Choices
    #: Channels that this platform serves.
    served: frozenset[str]


def choose(asked: Asked, route: Route | None) -> tuple[Route, Sequence[str]] | None:
    """The first link of a route that can be used, with its addresses; None if there is none."""
    while route is not None:
        addresses = _addresses(asked, route)
        if addresses:
            return route, addresses
        route = route.otherwise
    return None


def choose_all(asked: Asked) -> Iterator[tuple[Route, Sequence[str]]]:
    """What each of the notification's routes comes to; none is taken twice."""
    taken = set[tuple[str, str]]()
    for route in asked.notification.routes:
        chosen = choose(asked, route)
        if chosen is not None:
            new = [address for address in chosen[1] if (chosen[0].channel, address) not in taken]
            taken.update((chosen[0].channel, address) for address in new)
            if new:
                yield chosen[0], new


def why_not(asked: Asked) -> str:
    """Why no route could be used: "unwanted" where the recipient has switched off all there are, else "unreachable"."""
    channels = [link.channel for route in asked.notification.routes for link in route.chain()]
    reachable = [channel for channel in channels if channel in asked.served and _known(asked.recipient, channel)]
    return "unwanted" if reachable and not any(_wanted(asked, channel) for channel in reachable) else "unreachable"


def due(asked_for: datetime, channel: str, quiet: QuietHours | None, zone: str, *, urgent: bool) -> datetime:
    """When a message may go out that was asked for at a time."""
    return asked_for if urgent or channel in SILENT else after_quiet(asked_for, quiet, zone_of(zone))


def _addresses(asked: Asked, route: Route) -> Sequence[str]:
    channel = route.channel
    if channel not in asked.served or not _wanted(asked, channel) or not _holds(asked, route):
        return ()
    known = _known(asked.recipient, channel)
    return known if channel in EVERYWHERE else known[:1]


def _known(recipient: Recipient, channel: str) -> Sequence[str]:
    return (recipient.ref,) if channel == "inbox" else recipient.addresses.get(channel, ())


def _wanted(asked: Asked, channel: str) -> bool:
    notification = asked.notification
    return notification.required or asked.choices.wants(asked.recipient.ref, notification.category, channel)


def _holds(asked: Asked, route: Route) -> bool:
    if route.when is None:
        return True
    recipient = asked.recipient
    facts = {
        "data": asked.data,
        "recipient": {"ref": recipient.ref, "name": recipient.name, "locale": recipient.locale, "zone": recipient.zone},
        "notification": {"key": asked.notification.key, "category": asked.notification.category},
    }
    return compile_expression(route.when).evaluate(facts) is True
