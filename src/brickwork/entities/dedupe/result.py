"""What comes out of matching: scored pairs that can say why, and the groups they form."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from brickwork.entities.dedupe.engine import Scorer


@attrs.frozen
class FieldEvidence:
    """What one field says about a pair.

    `left` and `right` are the values as the records hold them. `similarity` is from 0 to 1, None where a value is
    missing. `weight` is in bits: log2 of how much more often duplicates look like this than strangers do, so +10 makes
    a match about a thousand times likelier, and a negative weight speaks against it. `note` is a phrase for people.
    """

    field: str
    left: object
    right: object
    similarity: float | None
    weight: float
    note: str


@attrs.frozen
class BlockReport:
    """What one blocking entry did: how many pairs it offered, its largest block, and how many blocks were oversize
    (in those each record met only its neighbours in sort order)."""

    name: str
    pairs: int
    largest: int
    oversize: int


@attrs.frozen
class ScoredPair:
    """Two records that may be the same. `weight` is the sum of the fields' weights in bits; together with the prior
    odds (`MatchResult.prior`) it gives `probability`."""

    left: Hashable
    right: Hashable
    probability: float
    weight: float
    #: Where the two records stood in the input (the records of `other` after all of `records`).
    rows: tuple[int, int] = attrs.field(repr=False)
    _scorer: "Scorer" = attrs.field(repr=False, eq=False)

    def explain(self) -> list[FieldEvidence]:
        """One entry a field, in the order of the rules; their weights add up to `weight`.

        Where it matters (0.05 bits or more), a last entry without a field takes off what different members of a
        household, or others of a kind, would have in common as well.
        """
        return self._scorer.explain(*self.rows)


@attrs.frozen
class Cluster:
    """Records that are one and the same. `weakest` is the lowest probability among the pairs that hold it together."""

    members: tuple[Hashable, ...]
    weakest: float

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)


@attrs.frozen
class MatchResult:
    """All pairs at or above the threshold, the most probable first.

    `prior` is the estimated probability that two records picked at random are the same, `compared` how many pairs were
    compared of `possible`, `blocks` what each blocking entry offered.
    """

    pairs: Sequence[ScoredPair]
    threshold: float
    prior: float
    compared: int
    possible: int
    blocks: Sequence[BlockReport]
    _cluster: Callable[[Sequence[ScoredPair], float], list[Cluster]] = attrs.field(repr=False, eq=False)
    _sure: float = attrs.field(repr=False)

    def sure(self) -> list[ScoredPair]:
        """The pairs that may be merged without asking."""
        return [pair for pair in self.pairs if pair.probability >= self._sure]

    def to_review(self) -> list[ScoredPair]:
        """The pairs about which a person should be asked."""
        return [pair for pair in self.pairs if pair.probability < self._sure]

    def clusters(self, threshold: float | None = None) -> list[Cluster]:
        """Group the pairs at or above `threshold` (default: the rules' `sure`) into clusters, in the order of the input.

        A chain of pairs is not enough: two groups join only if at least half of the pairs between them are
        themselves at or above the threshold, so that A-B, B-C, C-D does not make A and D the same.
        """
        return self._cluster(self.pairs, self._sure if threshold is None else threshold)
