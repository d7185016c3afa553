"""Choosing the service of a route: by version, by shares that keep a caller where it was, by a flag."""

import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from hashlib import blake2b

import attrs

from brickwork.gateway.arrival import Arrival
from brickwork.gateway.definition import Route, Version, Versions
from brickwork.gateway.errors import NoRouteError, VersionGoneError, VersionUnknownError
from brickwork.gateway.routing import Match

#: The value of a sticky key ("address", "user", "header:NAME" …) for a request, or None.
Keys = Callable[[str], str | None]


@attrs.frozen
class Choice:
    """Which service answers; `version` where the route has versions."""

    service: str
    version: Version | None = None


class Selector:
    """Chooses for one route."""

    def __init__(self, route: Route, flag: Callable[[str, str], bool]) -> None:
        self._route = route
        self._flag = flag
        self._salt = route.name.encode() + b"/"
        #: The choice, where there is no other.
        self.only = Choice(route.service) if route.service is not None and route.canary is None else None

    def choose(self, match: Match, arrival: Arrival, keys: Keys, today: Callable[[], date]) -> Choice:
        """The choice for a request; raises `VersionUnknownError`, `VersionGoneError`, or `NoRouteError` for a path whose version
        there is not."""
        route = self._route
        if route.versions is not None:
            return _version(route.versions, match, arrival, today)
        key = self._key(keys)
        if route.canary is not None:
            assert route.service is not None
            canary = route.canary
            chosen = self._flag(canary.flag, key) if canary.flag is not None else self._place(key, 100.0) < (canary.weight or 0)
            return Choice(canary.service if chosen else route.service)
        place = self._place(key, sum(share.weight for share in route.split))
        for share in route.split:
            if place < share.weight:
                return Choice(share.service)
            place -= share.weight
        raise AssertionError("shares add up")

    def _key(self, keys: Keys) -> str:
        sticky = self._route.sticky
        if sticky == "random":
            return f"{random.random()}"
        return keys(sticky) or keys("address") or ""

    def _place(self, key: str, total: float) -> float:
        """From 0 up to `total`, evenly over keys and the same for the same key in every process."""
        digest = blake2b(self._salt + key.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) * total / (1 << 53)


def _version(versions: Versions, match: Match, arrival: Arrival, today: Callable[[], date]) -> Choice:
    name = _named(versions, match, arrival)
    if versions.by == "path" and name not in versions.versions:
        name = None  # the segment is part of the path, and no version
    name = name if name is not None else versions.default
    there_are = ", ".join(versions.versions)
    if name is None and versions.by == "path":
        raise NoRouteError(f"there is no such version of the API; there are {there_are}")
    if name is None:
        raise VersionUnknownError(f"name a version of the API: {there_are}", field=versions.by)
    version = versions.versions.get(name)
    if version is None:
        raise VersionUnknownError(f"there is no version {name[:50]!r} of the API; there are {there_are}", field=versions.by)
    if versions.after_sunset == "refuse" and version.sunset is not None and version.sunset <= today():
        raise VersionGoneError(f"version {name} of the API ended on {version.sunset}", link=version.link)
    return Choice(version.service, version)


def _named(versions: Versions, match: Match, arrival: Arrival) -> str | None:
    """The version that the request names, if any."""
    if versions.by == "header":
        return arrival.header(versions.header)
    if versions.by == "path":
        steps = arrival.path.split("/")[1 + match.segments :]
        return steps[0] if steps else None
    accepted = arrival.header("accept") or ""
    found = re.search(rf"{re.escape(versions.media_type or '')}\.([A-Za-z0-9._-]+?)(?=\+|[\s,;]|$)", accepted)
    return found[1] if found else None


def version_headers(version: Version) -> list[tuple[bytes, bytes]]:
    """Deprecation as a date (RFC 9745, 2.1), Sunset as an HTTP date (RFC 8594, 3), and the links that go with them."""
    headers: list[tuple[bytes, bytes]] = []
    for relation, day in (("deprecation", version.deprecated), ("sunset", version.sunset)):
        if day is None:
            continue
        moment = datetime.combine(day, time(), UTC)
        value = f"@{int(moment.timestamp())}" if relation == "deprecation" else format_datetime(moment, usegmt=True)
        headers.append((relation.encode(), value.encode()))
        if version.link is not None:
            headers.append((b"link", f'<{version.link}>; rel="{relation}"; type="text/html"'.encode()))
    return headers
