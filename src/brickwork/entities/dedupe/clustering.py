"""From pairs to groups of records that are one and the same, without letting a chain of pairs run away."""

from collections.abc import Sequence
from typing import Protocol

import attrs
import numpy as np

from brickwork.entities.dedupe.columns import Codes, Floats
from brickwork.entities.dedupe.result import Cluster, ScoredPair

#: Of the pairs between two groups at most this many are looked at.
WITNESSES = 16
#: The share of them that must be matches for the groups to join.
MAJORITY = 0.5


class PairScorer(Protocol):
    """Gives the probability of any pair of rows."""

    def probability(self, left: Codes, right: Codes) -> Floats: ...


@attrs.define(eq=False)
class _Group:
    rows: list[int]
    weakest: float = 1.0


def cluster(pairs: Sequence[ScoredPair], threshold: float, scorer: PairScorer) -> list[Cluster]:
    """Join records along the pairs at or above `threshold`, the surest first (see `MatchResult.clusters`)."""
    linked = [pair for pair in pairs if pair.probability >= threshold]
    known = {pair.rows for pair in linked}
    ids = {row: id_ for pair in linked for row, id_ in zip(pair.rows, (pair.left, pair.right), strict=True)}
    groups = {row: _Group([row]) for row in ids}
    for pair in linked:
        one, two = (groups[row] for row in pair.rows)
        if one is two or not _agree(one.rows, two.rows, known, threshold, scorer):
            continue
        large, small = (one, two) if len(one.rows) >= len(two.rows) else (two, one)
        large.rows += small.rows
        large.weakest = min(one.weakest, two.weakest, pair.probability)
        for row in small.rows:
            groups[row] = large
    found = {id(group): group for _, group in sorted(groups.items()) if len(group.rows) > 1}
    return [Cluster(tuple(ids[row] for row in sorted(group.rows)), group.weakest) for group in found.values()]


def _agree(one: list[int], two: list[int], known: set[tuple[int, int]], threshold: float, scorer: PairScorer) -> bool:
    """Are at least half of the pairs between two groups matches?"""
    if len(one) == len(two) == 1:
        return True
    between = [(min(a, b), max(a, b)) for a in _spread(one, two) for b in _spread(two, one)]
    unknown = [pair for pair in between if pair not in known]
    matches = len(between) - len(unknown)
    if matches < MAJORITY * len(between):
        rows = np.array(unknown, dtype=np.int32)
        matches += int((scorer.probability(rows[:, 0], rows[:, 1]) >= threshold).sum())
    return matches >= MAJORITY * len(between)


def _spread(rows: list[int], others: list[int]) -> list[int]:
    """Evenly spaced members, so few that pairing them with the other group's stays within `WITNESSES`."""
    wanted = max(int(WITNESSES**0.5), WITNESSES // len(others))
    if len(rows) <= wanted:
        return rows
    return [rows[at * len(rows) // wanted] for at in range(wanted)]
