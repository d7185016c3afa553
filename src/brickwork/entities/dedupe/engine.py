"""Runs the steps: read, block, compare, estimate, score. Needs numpy and rapidfuzz; `find` loads it on first use."""

from collections.abc import Callable, Hashable, Mapping, Sequence

import attrs
import numpy as np

from brickwork.entities.dedupe import blocking, columns, model, notes
from brickwork.entities.dedupe.clustering import cluster
from brickwork.entities.dedupe.columns import Codes, Floats, Levels, Table
from brickwork.entities.dedupe.compare import Comparer
from brickwork.entities.dedupe.result import FieldEvidence, MatchResult, ScoredPair
from brickwork.entities.dedupe.rules import DedupeRules

#: How many pairs are compared at a time.
CHUNK = 1 << 20


@attrs.frozen(eq=False)
class Scorer:
    """Scores and explains any pair of rows, whether blocking offered it or not."""

    table: Table
    comparer: Comparer
    model: model.Model

    def weigh(self, left: Codes, right: Codes) -> Floats:
        return self.model.weigh(self.table, self.comparer.levels(left, right), left)

    def probability(self, left: Codes, right: Codes) -> Floats:
        return self.model.probability(self.weigh(left, right))

    def explain(self, left: int, right: int) -> list[FieldEvidence]:
        one, two = np.array([left], dtype=np.int32), np.array([right], dtype=np.int32)
        levels = self.comparer.levels(one, two)
        found = []
        for index, column in enumerate(self.table.columns):
            level = int(levels[index, 0])
            weight, rarity = self.model.field_weight(self.table, index, level, left)
            both = min(int(column.codes[left]), int(column.codes[right])) >= 0
            found.append(
                FieldEvidence(
                    field=column.rule.field,
                    left=column.original(left),
                    right=column.original(right),
                    similarity=self.comparer.similarity(index, left, right) if both else None,
                    weight=weight,
                    note=notes.note(self.table, index, (left, right), level, rarity),
                )
            )
        in_common = float(self.weigh(one, two)[0]) - sum(evidence.weight for evidence in found)
        if abs(in_common) >= notes.WORTH_SAYING:
            found.append(FieldEvidence("", None, None, None, in_common, notes.KIN))
        return found


def match(
    ids: Sequence[Hashable],
    records: Sequence[Mapping[str, object]],
    split: int | None,
    rules: DedupeRules,
    threshold: float,
    progress: Callable[[str, int, int], None],
) -> MatchResult:
    """Find the pairs at or above `threshold`; in link mode rows from `split` on are the other set."""
    table = columns.read(ids, records, rules.fields, split)
    offered = blocking.candidates(table, rules, lambda done, total: progress("block", done, total))
    comparer = Comparer(table)
    levels = _compare(comparer, offered, lambda done, total: progress("compare", done, total))
    fitted = model.estimate(table, comparer, offered.left, offered.right, levels)
    scorer = Scorer(table, comparer, fitted)
    weight = fitted.weigh(table, levels, offered.left)
    probability = fitted.probability(weight)
    kept = np.flatnonzero(probability >= threshold)
    kept = kept[np.lexsort((offered.right[kept], offered.left[kept], -weight[kept]))]
    pairs = [
        ScoredPair(ids[a], ids[b], p, w, (a, b), scorer)
        for a, b, p, w in zip(
            offered.left[kept].tolist(),
            offered.right[kept].tolist(),
            probability[kept].tolist(),
            weight[kept].tolist(),
            strict=True,
        )
    ]
    return MatchResult(
        pairs=pairs,
        threshold=threshold,
        prior=fitted.parameters.prior,
        compared=len(offered.left),
        possible=table.possible_pairs,
        blocks=offered.blocks,
        cluster=lambda some, at: cluster(some, at, scorer),
        sure=rules.sure,
    )


def _compare(comparer: Comparer, offered: blocking.Candidates, progress: Callable[[int, int], None]) -> Levels:
    """The levels of all candidates, some at a time so that the distinct values in hand stay few."""
    total = len(offered.left)
    levels = np.empty((comparer.fields, total), dtype=np.uint8)
    for start in range(0, total, CHUNK):
        progress(start, total)
        part = slice(start, start + CHUNK)
        levels[:, part] = comparer.levels(offered.left[part], offered.right[part])
    progress(total, total)
    return levels
