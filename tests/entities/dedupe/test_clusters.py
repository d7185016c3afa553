"""Clusters: what belongs together comes together, and a chain does not run away."""

import numpy as np
import pytest

from brickwork.entities.dedupe import find_duplicates
from brickwork.entities.dedupe.clustering import cluster
from brickwork.entities.dedupe.result import ScoredPair


class Known:
    """A scorer that knows the probabilities of some pairs and holds all others for strangers."""

    def __init__(self, pairs: dict[tuple[int, int], float]) -> None:
        self.pairs = pairs
        self.asked = 0

    def probability(self, left, right):
        self.asked += len(left)
        return np.array([self.pairs.get((a, b), 0.0) for a, b in zip(left.tolist(), right.tolist(), strict=True)])


def scored(pairs: dict[tuple[int, int], float]) -> list[ScoredPair]:
    ordered = sorted(pairs.items(), key=lambda item: -item[1])
    return [ScoredPair(f"r{a}", f"r{b}", p, 0.0, (a, b), None) for (a, b), p in ordered]  # type: ignore[arg-type]


def test_a_chain_of_four_is_cut_in_the_middle():
    pairs = {(0, 1): 0.999, (2, 3): 0.998, (1, 2): 0.99}
    found = cluster(scored(pairs), 0.9, Known(pairs))
    assert [group.members for group in found] == [("r0", "r1"), ("r2", "r3")]


def test_a_long_chain_does_not_become_one_cluster():
    pairs = {(n, n + 1): 0.999 for n in range(40)}
    found = cluster(scored(pairs), 0.9, Known(pairs))
    assert max(len(group) for group in found) <= 3


def test_one_missing_link_does_not_part_a_cluster():
    pairs = {(0, 1): 0.999, (1, 2): 0.998, (0, 3): 0.997, (1, 3): 0.996, (2, 3): 0.995}  # 0-2 is missing
    (group,) = cluster(scored(pairs), 0.9, Known(pairs))
    assert group.members == ("r0", "r1", "r2", "r3")
    assert group.weakest == pytest.approx(0.997)


def test_pairs_that_blocking_left_out_are_asked_for():
    everyone = {(a, b): 0.999 for a in range(6) for b in range(a + 1, 6)}
    ring = {pair: p for pair, p in everyone.items() if pair[1] - pair[0] == 1}
    scorer = Known(everyone)
    assert [len(group) for group in cluster(scored(ring), 0.9, scorer)] == [6]
    assert scorer.asked > 0


def test_only_pairs_at_or_above_the_threshold_link():
    pairs = {(0, 1): 0.95, (2, 3): 0.8}
    assert [group.members for group in cluster(scored(pairs), 0.9, Known(pairs))] == [("r0", "r1")]


def test_a_lower_threshold_takes_in_more(people, person_rules):
    records, _ = people(1_500, twice=0.4, household=3)
    result = find_duplicates(records, person_rules, threshold=0.01)
    sure, likely = result.clusters(), result.clusters(threshold=0.5)
    assert len(likely) > len(sure) > 0
    assert all(group.weakest >= 0.99 for group in sure)


def test_every_record_is_in_at_most_one_cluster(people, person_rules):
    records, _ = people(1_500, twice=0.4, household=3)
    members = [id_ for group in find_duplicates(records, person_rules, threshold=0.1).clusters(0.1) for id_ in group]
    assert len(members) == len(set(members)) > 0


def test_three_records_of_one_person_come_together(people, person_rules):
    records, _ = people(600, twice=0.0)
    extra = [(f"{id_}-{n}", dict(person)) for id_, person in records[:20] for n in range(2)]
    result = find_duplicates([*records, *extra], person_rules)
    assert {group.members for group in result.clusters()} >= {(n, f"{n}-0", f"{n}-1") for n in range(20)}
