"""Choosing among the instances of a service. For one event loop: nothing here locks.

Round robin is nginx's smooth weighted one (its commit "Upstream: smooth weighted round-robin balancing" of 2012 describes it):
at each choice every instance gains its weight, and the one that is ahead is chosen and loses the sum of all. So a, a, a, b with
weights 3 and 1 come as a, a, b, a and not in a burst. Least connections takes the instance with the fewest requests for its
weight, and among equals goes round.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

import attrs

from brickwork.gateway.discovery.port import Instance


@attrs.define(eq=False)
class Place:
    """An instance among others. `ahead` is its lead, in weights; `active` counts its requests."""

    instance: Instance
    ahead: int = 0
    active: int = 0


class Balancer(ABC):
    """Holds the places of one service's instances. Those of a larger `priority` are chosen only where no other may be."""

    def __init__(self) -> None:
        self._ranks: list[list[Place]] = []
        self.places: dict[Instance, Place] = {}

    def update(self, instances: Sequence[Instance]) -> None:
        """These are the instances now. What stays keeps its lead and its count."""
        self.places = {instance: self.places.get(instance) or Place(instance) for instance in instances}
        by_priority: dict[int, list[Place]] = {}
        for instance, place in self.places.items():
            if instance.weight:
                by_priority.setdefault(instance.priority, []).append(place)
        self._ranks = [by_priority[priority] for priority in sorted(by_priority)]

    def take(self, usable: Callable[[Instance], bool]) -> Place | None:
        """The place for one more request among the usable instances; to be given back when the request is over."""
        for rank in self._ranks:
            candidates = [place for place in rank if usable(place.instance)]
            if candidates:
                chosen = self._chosen(candidates)
                chosen.active += 1
                return chosen
        return None

    def give_back(self, place: Place) -> None:
        """Its request is over."""
        place.active -= 1

    @abstractmethod
    def _chosen(self, candidates: list[Place]) -> Place: ...


class RoundRobin(Balancer):
    """Smooth weighted round robin."""

    def _chosen(self, candidates: list[Place]) -> Place:
        return _round(candidates)


class LeastConnections(Balancer):
    """The fewest requests for its weight."""

    def _chosen(self, candidates: list[Place]) -> Place:
        fewest = min(place.active / place.instance.weight for place in candidates)
        return _round([place for place in candidates if place.active / place.instance.weight == fewest])


def balancer(kind: Literal["round_robin", "least_connections"]) -> Balancer:
    """A balancer of the kind that a definition names."""
    return RoundRobin() if kind == "round_robin" else LeastConnections()


def _round(candidates: list[Place]) -> Place:
    total, best = 0, candidates[0]
    for place in candidates:
        weight = place.instance.weight
        total += weight
        place.ahead += weight
        if place.ahead > best.ahead:
            best = place
    best.ahead -= total
    return best
