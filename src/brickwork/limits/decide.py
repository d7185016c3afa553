"""The decision that every store makes: all is taken, or nothing."""

from collections.abc import Sequence

from brickwork.limits.port import Count, Pace, Taken


def decide(paces: Sequence[Pace], counts: Sequence[Count], ahead: Sequence[float], used: Sequence[int | None]) -> Taken:
    """How it stands afterwards where the paces are ahead by `ahead` now and of the counts `used` is used, None where that is not
    known."""
    fits = all(a + pace.step <= pace.most for a, pace in zip(ahead, paces, strict=True)) and all(
        u is not None and u + count.cost <= count.most for u, count in zip(used, counts, strict=True)
    )
    if not fits:
        return Taken(False, ahead, used)
    further = [a + pace.step for a, pace in zip(ahead, paces, strict=True)]
    return Taken(True, further, [(u or 0) + count.cost for u, count in zip(used, counts, strict=True)])
