"""How much each level of agreement says: the model of Fellegi and Sunter (JASA 64, 1969), estimated without labels.

Every pair belongs to one of three classes (Winkler 1993; Larsen and Rubin, JASA 96, 2001): matches, strangers, and
kin: different things that have much in common, such as the members of a household. For each field `m`, `k` and `u` are
the shares of its levels in these classes, and a level weighs log2(m / u) bits.

- `u` comes from pairs picked at random, each counted by how likely it is a pair of strangers. How often strangers have
  the same value is not sampled but counted over all pairs, matches and kin taken out.
- `m`, the kin's `k` for shared fields, and how frequent the classes are come from the compared pairs by
  expectation-maximisation (Dempster, Laird and Rubin, JRSS B 39, 1977; for linkage: Winkler 1988). Pairs that blocking
  left out count as strangers. In fields that are not shared kin look like strangers, save for the odd twin or namesake.
  If what EM takes for matches mostly differs in such a field, it has taken kin for matches; then the other fields that
  nobody called shared or not are held to be shared, and EM runs once more.
- All start from, and are shrunk towards, the defaults in `compare.LEVELS` (a Dirichlet prior worth a few pairs), so a
  handful of records is judged by the defaults and a large set by itself.
- Agreement on a rare value weighs more (Winkler 1989): `u` is then the value's own frequency among other records.
"""

import math
from collections.abc import Sequence

import attrs
import numpy as np

from brickwork.entities.dedupe.columns import Codes, Floats, Levels, Table, Wide, sorted_distinct
from brickwork.entities.dedupe.compare import LEVELS, MISSING, SAME, Comparer, levels_of

#: How many random pairs `u` is estimated from.
SAMPLE = 20_000
#: How many matches or kin (for `m` and `k`) and random pairs (for `u`) the defaults are worth.
M_STRENGTH, U_STRENGTH = 10.0, 50.0
#: Before it saw anything the model expects this many matches, this share of the records, and as many kin.
PRIOR_MATCHES, PRIOR_SHARE = 2.0, 0.1
START_PRIOR, MAX_PRIOR = 0.1, 0.4
#: How often kin agree like a match in a field that is not shared (twins have one birth date, namesakes one name).
KIN_COINCIDENCE = 0.005
#: If "matches" differ so often in a field that is not shared, EM has taken kin for matches.
MISTAKEN_DIFFERENCE = 0.3
#: Seeds the sample; a constant, so that equal input gives equal output.
SEED = 1969
MAX_ROUNDS = 100
#: EM stops when no parameter moves by more than this.
CONVERGED = 1e-4
#: A value's own frequency is shrunk towards the field's average as if by this many records.
FREQUENCY_STRENGTH = 20.0

_BITS = 3  # of a level in a pattern


@attrs.frozen(eq=False)
class Parameters:
    """What EM estimates: the level shares of each field and class, and the frequency of matches and kin."""

    m: Sequence[Floats]
    k: Sequence[Floats]
    u: Sequence[Floats]
    #: Per field: its levels from 1 to this one are ever less alike (an exchange of two fields has no place among them).
    ordered: Sequence[int]
    prior: float
    #: 0 where the model has no kin.
    kin_prior: float

    def bits(self, of_class: Sequence[Floats]) -> list[Floats]:
        """Per field and level: how much likelier in the class than among strangers, as log2; 0 where missing.

        A level never weighs more than one that is more alike, as it might by the chance of small numbers.
        """
        bits = [np.append(0.0, np.log2(c[1:] / u[1:])) for c, u in zip(of_class, self.u, strict=True)]
        for of_field, ordered in zip(bits, self.ordered, strict=True):
            of_field[SAME : ordered + 1] = np.minimum.accumulate(of_field[SAME : ordered + 1])
        return bits

    def moved(self, other: "Parameters") -> float:
        """The largest change of a parameter."""
        shares = max(float(np.abs(a - b).max()) for a, b in zip((*self.m, *self.k), (*other.m, *other.k), strict=True))
        return max(shares, abs(math.log(self.prior / other.prior)), abs(self.kin_prior - other.kin_prior) / self.prior)


@attrs.frozen(eq=False)
class Model:
    """Weighs pairs by estimated parameters. All weights are in bits."""

    parameters: Parameters
    #: Per field and level: the weight of a match against strangers, and of kin against strangers.
    match_bits: Sequence[Floats]
    kin_bits: Sequence[Floats]
    #: Per field and value code: what to add to these where both records have this very value.
    match_rarity: Sequence[Floats]
    kin_rarity: Sequence[Floats]

    @property
    def prior_bits(self) -> float:
        """The probability that a random pair is a match, as log2 odds."""
        return math.log2(self.parameters.prior / (1.0 - self.parameters.prior))

    def weigh(self, table: Table, levels: Levels, left: Codes) -> Floats:
        """The weight of pairs: match against no match. `left` are the rows of one side."""
        match = np.zeros(levels.shape[1])
        kin = np.zeros(levels.shape[1])
        for index, (level, column) in enumerate(zip(levels, table.columns, strict=True)):
            codes, same = column.codes[left], level == SAME  # a missing value's code finds what `same` discards
            match += self.match_bits[index][level] + np.where(same, self.match_rarity[index][codes], 0.0)
            if self.parameters.kin_prior:
                kin += self.kin_bits[index][level] + np.where(same, self.kin_rarity[index][codes], 0.0)
        prior, kin_prior = self.parameters.prior, self.parameters.kin_prior
        others = kin_prior * np.exp2(np.minimum(kin, 1000.0)) + (1.0 - prior - kin_prior)
        return match - np.log2(others / (1.0 - prior))

    def field_weight(self, table: Table, index: int, level: int, row: int) -> tuple[float, float]:
        """The weight of one field of one pair against strangers, and which part of it is the value's rarity."""
        rarity = float(self.match_rarity[index][table.columns[index].codes[row]]) if level == SAME else 0.0
        return float(self.match_bits[index][level]) + rarity, rarity

    def probability(self, weight: Floats) -> Floats:
        """The posterior probability of a match for a weight."""
        return np.asarray(1.0 / (1.0 + np.exp2(-np.clip(weight + self.prior_bits, -1000.0, 1000.0))))


def estimate(table: Table, comparer: Comparer, left: Codes, right: Codes, compared: Levels) -> Model:
    """Fit the model to the levels of the compared pairs `left`, `right`.

    Repetitions of a whole record (a file imported twice) would make every value look common, so frequencies are counted
    without them; such a pair only counts as a match seen.
    """
    distinct, rows = table.distinct
    first = table.first_alike
    is_first = first == np.arange(table.rows)
    of_distinct = is_first[left] & is_first[right]
    of_repeated = (first[left] == right) | (first[right] == left)
    pairs = _Pairs(
        seen=_Patterns.of(compared[:, of_distinct]),
        repeated=_Patterns.of(compared[:, of_repeated]),
        others=_Patterns.of(compared[:, ~(of_distinct | of_repeated)]),
        drawn=_Patterns.of(comparer.levels(*(rows[side] for side in _random_pairs(distinct)))),
        possible=table.possible_pairs,
    )
    shared = [column.rule.is_shared for column in table.columns]
    fitted = _fit(distinct, pairs, shared)
    if held_in_common := _held_in_common(table, fitted, shared):
        shared = [yes or f in held_in_common for f, yes in enumerate(shared)]
        fitted = _fit(distinct, pairs, shared)
    rarity = [_rarity(distinct, f, fitted, shared[f]) for f in range(len(shared))]
    match, kin = [of_match for of_match, _ in rarity], [of_kin for _, of_kin in rarity]
    return Model(fitted, fitted.bits(fitted.m), fitted.bits(fitted.k), match, kin)


def _held_in_common(table: Table, at: Parameters, shared: Sequence[bool]) -> set[int]:
    """The fields that nobody called shared but that kin turn out to share, if kin were taken for matches."""
    personal = [f for f, yes in enumerate(shared) if not yes]
    differing = {f for f in personal if at.m[f][at.ordered[f]] > MISTAKEN_DIFFERENCE}
    if not differing:
        return set()
    return {f for f in personal if f not in differing and table.columns[f].rule.shared is None}


def _fit(table: Table, pairs: "_Pairs", shared: Sequence[bool]) -> Parameters:
    """Expectation-maximisation from the defaults."""
    start = _start(table, shared, pairs.possible)
    equal = [table.equal_pairs(column.codes) for column in table.columns]
    filled = [table.filled_pairs(column.codes) for column in table.columns]
    possible = pairs.possible + PRIOR_MATCHES / start.prior
    now = start
    for _ in range(MAX_ROUNDS):
        matches, kin = pairs.seen.expected(now)
        repetitions, _ = pairs.repeated.expected(now)
        other_matches, other_kin = pairs.others.expected(now)
        match_draws, kin_draws = pairs.drawn.expected(now)
        strangers = pairs.drawn.counts - match_draws - kin_draws
        m, k, u = [], [], []
        for f, is_shared in enumerate(shared):
            size = len(start.m[f])
            of_matches, of_kin = pairs.seen.totals(f, matches, size), pairs.seen.totals(f, kin, size)
            same = max(equal[f] - of_matches[SAME] - of_kin[SAME], 0.0)
            same = (same + U_STRENGTH * start.u[f][SAME]) / (filled[f] + U_STRENGTH)
            rest = pairs.drawn.totals(f, strangers, size) + U_STRENGTH * start.u[f]
            rest[SAME] = 0.0
            u.append(rest * (1.0 - same) / rest.sum())
            u[f][SAME] = same
            of_matches += pairs.repeated.totals(f, repetitions, size)
            m.append((of_matches + M_STRENGTH * start.m[f]) / (of_matches.sum() + M_STRENGTH))
            if is_shared:
                k.append((of_kin + M_STRENGTH * start.k[f]) / (of_kin.sum() + M_STRENGTH))
            else:
                k.append((1.0 - KIN_COINCIDENCE) * u[f] + KIN_COINCIDENCE * m[f])
        prior = float(matches.sum() + repetitions.sum() + other_matches.sum() + PRIOR_MATCHES) / possible
        kin_prior = float(kin.sum() + other_kin.sum() + PRIOR_MATCHES) / possible if start.kin_prior else 0.0
        before, now = now, Parameters(m, k, u, start.ordered, min(prior, MAX_PRIOR), min(kin_prior, MAX_PRIOR))
        if now.moved(before) < CONVERGED:
            break
    return now


def _start(table: Table, shared: Sequence[bool], possible: int) -> Parameters:
    """The defaults. There are no kin unless some fields are shared and some are not."""
    specs = [levels_of(column.rule) for column in table.columns]
    m = [np.array([0.0, *(spec.m for spec in of_field)]) for of_field in specs]
    u = [np.array([0.0, *(spec.u for spec in of_field)]) for of_field in specs]
    m, u = [x / x.sum() for x in m], [x / x.sum() for x in u]
    chance = 1.0 - KIN_COINCIDENCE
    k = [a if yes else chance * b + KIN_COINCIDENCE * a for a, b, yes in zip(m, u, shared, strict=True)]
    prior = min(PRIOR_SHARE * max(table.rows, 1) / max(possible, 1), START_PRIOR)
    ordered = [len(LEVELS[column.rule.compare]) for column in table.columns]
    return Parameters(m, k, u, ordered, prior, prior if any(shared) and not all(shared) else 0.0)


@attrs.frozen(eq=False)
class _Patterns:
    """Pairs by pattern: `levels[f][p]` is the level of field f in pattern p, which `counts[p]` pairs show."""

    levels: Levels
    counts: Wide

    @classmethod
    def of(cls, levels: Levels) -> "_Patterns":
        packed = np.zeros(levels.shape[1], dtype=np.int64)
        for index, level in enumerate(levels):
            packed |= level.astype(np.int64) << (_BITS * index)
        distinct, counts = sorted_distinct(packed)
        mask = (1 << _BITS) - 1
        return cls(np.stack([distinct >> (_BITS * f) & mask for f in range(len(levels))]).astype(np.uint8), counts)

    def expected(self, at: Parameters) -> tuple[Floats, Floats]:
        """How many matches and how many kin are expected among the pairs of each pattern."""
        match = np.full(len(self.counts), math.log2(at.prior))
        kin = np.full(len(self.counts), math.log2(at.kin_prior) if at.kin_prior else -np.inf)
        for of_match, of_kin, level in zip(at.bits(at.m), at.bits(at.k), self.levels, strict=True):
            match += of_match[level]
            kin += of_kin[level]
        likely_match, likely_kin = (np.exp2(np.minimum(bits, 1000.0)) for bits in (match, kin))
        total = likely_match + likely_kin + (1.0 - at.prior - at.kin_prior)
        return self.counts * likely_match / total, self.counts * likely_kin / total

    def totals(self, field: int, share: Floats, size: int) -> Floats:
        """How many pairs of a class are at each level of a field, those with a missing value left out."""
        totals = np.bincount(self.levels[field], weights=share, minlength=size).astype(np.float64)
        totals[MISSING] = 0.0
        return totals


@attrs.frozen(eq=False)
class _Pairs:
    """What the model is fitted to: compared pairs of distinct records, of a record and its repetition, others with a
    repetition, pairs of distinct records picked at random, and how many pairs there are at all."""

    seen: _Patterns
    repeated: _Patterns
    others: _Patterns
    drawn: _Patterns
    possible: int


def _rarity(table: Table, field: int, at: Parameters, shared: bool) -> tuple[Floats, Floats]:
    """Per value: what agreeing on it says beyond agreeing on the average value, for matches and for kin."""
    column = table.columns[field]
    values = len(column.folded)
    if not column.rule.rare_values_count_more or not values:
        return np.zeros(max(values, 1)), np.zeros(max(values, 1))
    average = float(at.u[field][SAME])
    counts = np.bincount(column.codes[column.codes >= 0], minlength=values)
    records = max(int(counts.sum()), 1)
    # the two records of the pair say nothing on how common the value is among others
    others = np.maximum(counts - 2, 0)
    frequency = (others + FREQUENCY_STRENGTH * average) / (records + FREQUENCY_STRENGTH)
    frequency = np.maximum(frequency, min(average, 1.0 / records))
    match = np.log2(average / frequency)
    if shared:
        return match, match
    alike = KIN_COINCIDENCE * float(at.m[field][SAME])
    chance = 1.0 - KIN_COINCIDENCE
    return match, np.log2((chance + alike / frequency) / (chance + alike / average))


def _random_pairs(table: Table) -> tuple[Codes, Codes]:
    """Pairs picked at random, or all pairs where that is fewer."""
    if table.possible_pairs <= SAMPLE:
        if table.split is None:
            left, right = np.triu_indices(table.rows, 1)
        else:
            left, right = (x.ravel() for x in np.mgrid[: table.split, table.split : table.rows])
    else:
        generator = np.random.default_rng(SEED)
        bound = table.rows if table.split is None else table.split
        left = generator.integers(0, bound, SAMPLE)
        right = generator.integers(0 if table.split is None else table.split, table.rows, SAMPLE)
        left, right = left[left != right], right[left != right]
    return left.astype(np.int32), right.astype(np.int32)
