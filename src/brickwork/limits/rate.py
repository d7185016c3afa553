"""What a limit allows: so many in so much time, and how many of them at once."""

import re
from functools import lru_cache
from typing import Any

import attrs

from brickwork.errors import ValidationError

_TEXT = re.compile(r"(\d+)/(\d+)?(s|second|minute|hour|day)\Z")
_SECONDS = {"s": 1, "second": 1, "minute": 60, "hour": 3600, "day": 86_400}


def _positive(instance: object, attribute: "attrs.Attribute[Any]", value: float | None) -> None:
    if value is not None and value <= 0:
        raise ValidationError(f"a rate's {attribute.name} is positive, not {value:g}", field=attribute.name)


@attrs.frozen
class Rate:
    """`count` in `per` seconds, evenly, with up to `burst` at once (by default `count`)."""

    count: int = attrs.field(validator=_positive)
    per: float = attrs.field(validator=_positive)
    burst: int | None = attrs.field(default=None, validator=_positive)

    @classmethod
    def parse(cls, text: "str | Rate") -> "Rate":
        """The rate that "5/minute", "100/hour" or "10/30s" spells; raises `ValidationError`."""
        return text if isinstance(text, Rate) else _parse(text)

    @property
    def interval(self) -> float:
        """Seconds between two where they come evenly."""
        return self.per / self.count

    @property
    def capacity(self) -> float:
        """Seconds by which a caller may be ahead of an even pace: a millisecond or a hundredth of an interval more than the burst
        takes, since a store's rounding adds up over a burst."""
        return self.interval * (self.burst or self.count) + min(self.interval / 100, 0.001)


@lru_cache(maxsize=1024)
def _parse(text: str) -> Rate:
    match = _TEXT.match(text)
    if match is None:
        raise ValidationError(f"{text[:50]!r} is no rate; it looks like 5/minute, 100/hour or 10/30s", field="rate")
    count, number, unit = match.groups()
    return Rate(int(count), float(number or 1) * _SECONDS[unit])
