"""How alike two values are, as a level: 0 missing, 1 the same, then ever less, the last one different.

Levels rather than raw similarities are what the Fellegi-Sunter model weighs (Winkler 1990). Names are measured by
Jaro-Winkler similarity, other text and dates by optimal string alignment (Damerau-Levenshtein without overlapping
edits), both from rapidfuzz and on distinct pairs of values only.
"""

from collections.abc import Callable, Sequence

import attrs
import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.process import cpdist

from brickwork.entities.dedupe.columns import Codes, Column, Floats, Levels, Table
from brickwork.entities.dedupe.rules import FieldRule

MISSING, SAME, SLIP, CLOSE = 0, 1, 2, 3
DATE_DIFFERENT = 4


@attrs.frozen
class LevelSpec:
    """One level: its name, and the default shares among matches (`m`) and among strangers (`u`).

    The defaults are what the model starts from and all that it has on a handful of records.
    """

    name: str
    m: float
    u: float


#: The levels of each comparison from 1 (the same) on, the last one being "different".
LEVELS: dict[str, tuple[LevelSpec, ...]] = {
    "exact": (LevelSpec("same", 0.92, 0.1), LevelSpec("different", 0.08, 0.9)),
    "fuzzy": (
        LevelSpec("same", 0.80, 0.01),
        LevelSpec("slip", 0.08, 0.003),
        LevelSpec("close", 0.04, 0.01),
        LevelSpec("alike", 0.03, 0.05),
        LevelSpec("different", 0.05, 0.927),
    ),
    "name": (
        LevelSpec("same", 0.82, 0.01),
        LevelSpec("slip", 0.08, 0.003),
        LevelSpec("close", 0.04, 0.01),
        LevelSpec("alike", 0.01, 0.05),
        LevelSpec("different", 0.05, 0.927),
    ),
    "phonetic": (LevelSpec("same", 0.85, 0.01), LevelSpec("sounds", 0.08, 0.01), LevelSpec("different", 0.07, 0.98)),
    "date": (
        LevelSpec("same", 0.90, 0.0005),
        LevelSpec("slip", 0.05, 0.001),
        LevelSpec("near", 0.02, 0.02),
        LevelSpec("different", 0.03, 0.9785),
    ),
    "number": (
        LevelSpec("same", 0.85, 0.02),
        LevelSpec("close", 0.07, 0.02),
        LevelSpec("near", 0.03, 0.06),
        LevelSpec("different", 0.05, 0.90),
    ),
}
#: Where two fields are exchanged, the first one has this level and the second counts as missing.
SWAPPED = LevelSpec("swapped", 0.02, 0.0002)

#: Jaro-Winkler similarities from which two names are a slip, close or alike.
NAME_STEPS = (0.92, 0.85, 0.75)
#: Shares of unchanged characters from which two texts are a slip, close or alike.
TEXT_STEPS = (0.9, 0.75, 0.55)
#: Numbers up to this many times the tolerance apart are near.
NEAR_TOLERANCES = 5
#: The tolerance where a rule gives none: this share of the larger number.
DEFAULT_TOLERANCE = 0.01


def levels_of(rule: FieldRule) -> tuple[LevelSpec, ...]:
    """The levels of a rule, from level 1 on."""
    own = LEVELS[rule.compare]
    return own if rule.swap_with is None else (*own, SWAPPED)


class Comparer:
    """Compares rows of a table field by field."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._measures = [_measure(column) for column in table.columns]
        at = {column.rule.field: index for index, column in enumerate(table.columns)}
        self._swaps = [(index, at[column.rule.swap_with]) for index, column in enumerate(table.columns) if column.rule.swap_with]

    @property
    def fields(self) -> int:
        return len(self._measures)

    def levels(self, left: Codes, right: Codes) -> Levels:
        """The level of each field (rows of the result) of each pair (columns)."""
        result = np.empty((len(self._measures), len(left)), dtype=np.uint8)
        for index, (column, measure) in enumerate(zip(self._table.columns, self._measures, strict=True)):
            result[index] = _levels(column, measure, column.codes[left], column.codes[right])
        for first, second in self._swaps:
            self._mark_swapped(first, second, left, right, result)
        return result

    def _mark_swapped(self, first: int, second: int, left: Codes, right: Codes, result: Levels) -> None:
        """Give the level "swapped" where the two fields read crosswise agree better than read straight."""
        one, two = self._table.columns[first], self._table.columns[second]
        spec = len(LEVELS[one.rule.compare])
        straight_fails = (result[first] >= spec - 1) & (result[second] >= spec - 1)
        maybe = np.flatnonzero(straight_fails)
        a, b = left[maybe], right[maybe]
        crossed = (one.codes[a] == two.codes[b]) | (two.codes[a] == one.codes[b])
        maybe, a, b = maybe[crossed], a[crossed], b[crossed]
        measure = self._measures[first]
        forth = _levels(one, measure, one.codes[a], two.codes[b])
        back = _levels(two, measure, two.codes[a], one.codes[b])
        swapped = maybe[(np.minimum(forth, back) == SAME) & (np.maximum(forth, back) <= SLIP)]
        result[first, swapped] = spec + 1
        result[second, swapped] = MISSING

    def similarity(self, index: int, left: int, right: int) -> float:
        """From 0 to 1, for one field of one pair whose values are both there."""
        column = self._table.columns[index]
        return self._measures[index].similarity(int(column.codes[left]), int(column.codes[right]))


@attrs.frozen
class _Measure:
    """`levels` of pairs of different codes (from 2 on), `similarity` of one pair of codes."""

    levels: Callable[[Codes, Codes], Levels]
    similarity: Callable[[int, int], float]


def _levels(column: Column, measure: _Measure, left: Codes, right: Codes) -> Levels:
    result = np.full(len(left), MISSING, dtype=np.uint8)
    result[(left == right) & (left >= 0)] = SAME
    differ = np.flatnonzero((left != right) & (left >= 0) & (right >= 0))
    if not len(differ):
        return result
    one, two = left[differ], right[differ]
    size = len(column.folded)
    key = np.minimum(one, two).astype(np.int64) * size + np.maximum(one, two)
    distinct, inverse = np.unique(key, return_inverse=True)
    low, high = np.divmod(distinct, size)
    result[differ] = measure.levels(low.astype(np.int32), high.astype(np.int32))[inverse]
    return result


def _measure(column: Column) -> _Measure:
    match column.rule.compare:
        case "exact":
            return _Measure(lambda left, right: np.full(len(left), 2, dtype=np.uint8), lambda a, b: float(a == b))
        case "name":
            return _name_measure(column)
        case "fuzzy":
            return _text_measure(column)
        case "phonetic":
            return _phonetic_measure(column)
        case "date":
            return _date_measure(column)
        case "number":
            return _number_measure(column)


def _texts(column: Column) -> npt.NDArray[np.object_]:
    texts = np.empty(len(column.folded), dtype=object)
    texts[:] = column.folded
    return texts


def _steps(similarity: Floats, steps: Sequence[float]) -> Levels:
    """2 for the first step reached, 3 for the second, ..."""
    return np.asarray(2 + sum((similarity < step).astype(np.uint8) for step in steps), dtype=np.uint8)


def _name_measure(column: Column) -> _Measure:
    texts = _texts(column)
    sounds = column.sounds
    initials = np.array([value[0] if len(value) == 1 else "" for value in texts], dtype="U1")
    firsts = np.array([value[:1] for value in texts], dtype="U1")

    def levels(left: Codes, right: Codes) -> Levels:
        result = _steps(cpdist(texts[left], texts[right], scorer=JaroWinkler.similarity, dtype=np.float64), NAME_STEPS)
        sounds_alike = (sounds[left] == sounds[right]) & (sounds[left] >= 0)
        initial = (initials[left] != "") & (initials[left] == firsts[right])
        initial |= (initials[right] != "") & (initials[right] == firsts[left])
        result[(sounds_alike | initial) & (result > CLOSE)] = CLOSE
        return result

    return _Measure(levels, lambda a, b: JaroWinkler.similarity(texts[a], texts[b]))


def _text_measure(column: Column) -> _Measure:
    texts = _texts(column)
    lengths = np.array([len(value) for value in texts], dtype=np.int32)

    def levels(left: Codes, right: Codes) -> Levels:
        edits = cpdist(texts[left], texts[right], scorer=OSA.distance, dtype=np.int32)
        longest = np.maximum(lengths[left], lengths[right])
        result = _steps(1.0 - edits / longest, TEXT_STEPS)
        result[(edits == 1) & (longest > 2)] = SLIP
        return result

    return _Measure(levels, lambda a, b: OSA.normalized_similarity(texts[a], texts[b]))


def _phonetic_measure(column: Column) -> _Measure:
    texts = _texts(column)
    sounds = column.sounds

    def levels(left: Codes, right: Codes) -> Levels:
        return np.where((sounds[left] == sounds[right]) & (sounds[left] >= 0), SLIP, CLOSE).astype(np.uint8)

    return _Measure(levels, lambda a, b: JaroWinkler.similarity(texts[a], texts[b]))


def _date_measure(column: Column) -> _Measure:
    texts = _texts(column)
    digits = np.array([int(value) for value in texts], dtype=np.int32)
    years, months, days = digits // 10000, digits // 100 % 100, digits % 100

    def levels(left: Codes, right: Codes) -> Levels:
        edits = cpdist(texts[left], texts[right], scorer=OSA.distance, dtype=np.int32)
        same_year, same_month, same_day = (part[left] == part[right] for part in (years, months, days))
        swapped = same_year & (months[left] == days[right]) & (days[left] == months[right])
        result = np.full(len(left), DATE_DIFFERENT, dtype=np.uint8)
        result[(edits == 2) | (same_year & same_month) | (same_year & same_day) | (same_month & same_day)] = CLOSE
        result[(edits == 1) | swapped] = SLIP
        return result

    return _Measure(levels, lambda a, b: OSA.normalized_similarity(texts[a], texts[b]))


def _number_measure(column: Column) -> _Measure:
    numbers = np.array(column.folded, dtype=np.float64)
    given = column.rule.tolerance

    def levels(left: Codes, right: Codes) -> Levels:
        one, two = numbers[left], numbers[right]
        apart = np.abs(one - two)
        tolerance = np.maximum(np.abs(one), np.abs(two)) * DEFAULT_TOLERANCE if given is None else given
        return np.where(apart <= tolerance, SLIP, np.where(apart <= NEAR_TOLERANCES * tolerance, CLOSE, 4)).astype(np.uint8)

    def similarity(a: int, b: int) -> float:
        one, two = float(numbers[a]), float(numbers[b])
        return 1.0 if one == two else 1.0 - abs(one - two) / max(abs(one), abs(two), abs(one - two))

    return _Measure(levels, similarity)
