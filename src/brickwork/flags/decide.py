"""Deciding a flag, in memory: no query, no call, nothing that waits."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from itertools import accumulate
from typing import Any

import attrs

from brickwork.errors import ExpressionError
from brickwork.flags.flag import Flag, Rollout, Rule, in_force
from brickwork.kernel.context import Context
from brickwork.kernel.expressions import compile_expression

log = logging.getLogger("brickwork.flags")

#: Why a variant was served; the first five are OpenFeature's.
STATIC, DEFAULT, TARGETED, SPLIT, DISABLED, OVERRIDE = "STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "OVERRIDE"
#: Decides another flag for the same subject: the variant's name.
Other = Callable[[str], str | None]


@attrs.frozen
class Subject:
    """For whom a flag is decided."""

    context: Context
    attributes: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What rollouts hash."""
        return str(self.attributes.get("targeting_key") or self.context.actor)

    def lookup(self, name: str) -> Any:
        """The value that rules know as `name`, or None."""
        if name == "key":
            return self.key
        if name in self.attributes:
            return self.attributes[name]
        if name in ("tenant", "actor", "roles", "locale"):
            return getattr(self.context, name)
        return None


class Compiled:
    """A flag, ready to be decided."""

    def __init__(self, flag: Flag) -> None:
        self.flag = flag
        self._rules = [_CompiledRule(flag, rule) for rule in flag.rules]
        self._switched = not flag.enabled
        self._timed = flag.since is not None or flag.until is not None
        #: Whether `closed` has to be asked.
        self.guarded = self._switched or self._timed or bool(flag.prerequisites)

    def closed(self, now: Callable[[], datetime], other: Other) -> bool:
        """Whether `off` is served, whatever rules and overrides say."""
        flag = self.flag
        if self._switched or (self._timed and not in_force(flag.since, flag.until, now())):
            return True
        return any(other(key) != variant for key, variant in flag.prerequisites.items())

    def decide(self, subject: Subject, now: Callable[[], datetime]) -> tuple[str, str]:
        """The variant that rules choose, and why."""
        for rule in self._rules:
            if (variant := rule.serve(subject, now)) is not None:
                return variant, rule.reason
        return self.flag.default, DEFAULT if self._rules or self.guarded else STATIC


class _CompiledRule:
    def __init__(self, flag: Flag, rule: Rule) -> None:
        self._rule = rule
        self._where = f"flag {flag.key}"
        self._when = compile_expression(rule.when) if rule.when is not None else None
        self._timed = rule.since is not None or rule.until is not None
        self._share = _Share(rule.serve, flag.key) if isinstance(rule.serve, Rollout) else None
        self._told = False
        self.reason = TARGETED if self._share is None else SPLIT

    def serve(self, subject: Subject, now: Callable[[], datetime]) -> str | None:
        if self._timed and not in_force(self._rule.since, self._rule.until, now()):
            return None
        if self._when is not None and not self._fits(subject):
            return None
        return self._share.of(subject) if self._share is not None else str(self._rule.serve)

    def _fits(self, subject: Subject) -> bool:
        assert self._when is not None
        values = {name: value for name in self._when.names if (value := subject.lookup(name)) is not None}
        try:
            return self._when.evaluate(values) is True
        except ExpressionError as error:  # most often an attribute that this question came without
            if not self._told:
                self._told = True
                log.info("%s: a rule does not fit where it can't be evaluated: %s", self._where, error.message)
            return False


class _Share:
    """Which variant the hash of a key falls to. In the order of their names, as JSON objects need not keep theirs."""

    def __init__(self, rollout: Rollout, flag: str) -> None:
        self._by = rollout.by
        self._salt = (rollout.salt or flag).encode() + b"/"
        names = sorted(name for name, weight in rollout.weights.items() if weight)
        self._total = sum(rollout.weights.values())
        self._ends = list(zip(accumulate(rollout.weights[name] for name in names), names, strict=True))

    def of(self, subject: Subject) -> str | None:
        value = subject.lookup(self._by)
        if value is None:
            return None
        digest = blake2b(self._salt + str(value).encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "big") * self._total >> 64
        return next(name for end, name in self._ends if place < end)
