"""Records as columns of small integers: each distinct value is folded once and compared once."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from brickwork.entities.dedupe import values
from brickwork.entities.dedupe.rules import BlockingKey, FieldRule

Codes: TypeAlias = npt.NDArray[np.int32]
Wide: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Levels: TypeAlias = npt.NDArray[np.uint8]
Flags: TypeAlias = npt.NDArray[np.bool_]


@attrs.frozen(eq=False)
class Column:
    """One field of all records. A code is an index into `folded`; -1 is a missing value."""

    rule: FieldRule
    codes: Codes
    folded: Sequence[str | float]
    #: What the record really held, for explanations: `raw[raw_codes[row]]`.
    raw: Sequence[object]
    raw_codes: Codes

    @cached_property
    def sounds(self) -> Codes:
        """The Soundex code of each distinct value as a number, -1 where it has none."""
        return part_codes(self, "soundex", 0)

    def text(self, code: int) -> str:
        return str(self.folded[code])

    def original(self, row: int) -> object:
        return self.raw[int(self.raw_codes[row])]


@attrs.frozen(eq=False)
class Table:
    """All records; in link mode the rows from `split` on belong to the other set (else `split` is None)."""

    ids: Sequence[Hashable]
    columns: Sequence[Column]
    split: int | None

    @property
    def rows(self) -> int:
        return len(self.ids)

    @property
    def possible_pairs(self) -> int:
        """How many pairs there are, were all compared."""
        return self.pairs_among(self.rows, self.split or 0)

    @cached_property
    def first_alike(self) -> Codes:
        """For each row the first row (of its set) with the same value in every column."""
        side = np.zeros(self.rows, dtype=np.int32) if self.split is None else np.arange(self.rows) >= self.split
        # rows are told apart by a hash of their codes; a collision among a million is one in ten millions, and would
        # only leave one record out of the statistics
        factors = np.random.default_rng(0).integers(1, 1 << 62, len(self.columns) + 1)
        mixed = side.astype(np.int64) * factors[-1]
        for column, factor in zip(self.columns, factors, strict=False):
            mixed += column.codes * factor
        _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
        return np.asarray(first[inverse], dtype=np.int32)

    @cached_property
    def distinct(self) -> tuple["Table", Codes]:
        """The table without the repetitions of a row, and where its rows stand in this one."""
        rows = np.flatnonzero(self.first_alike == np.arange(self.rows)).astype(np.int32)
        columns = [attrs.evolve(column, codes=column.codes[rows]) for column in self.columns]
        split = None if self.split is None else int((rows < self.split).sum())
        return Table([self.ids[row] for row in rows.tolist()], columns, split), rows

    def pairs_among(self, rows: int, left: int) -> int:
        """Pairs among `rows` records, of which in link mode `left` are of the first set."""
        return rows * (rows - 1) // 2 if self.split is None else left * (rows - left)

    def column(self, field: str) -> Column:
        return next(column for column in self.columns if column.rule.field == field)

    def equal_pairs(self, codes: Codes) -> int:
        """How many pairs have the same code, missing ones aside."""
        if self.split is None:
            counts = np.bincount(codes[codes >= 0]).astype(np.int64)
            return int((counts * (counts - 1) // 2).sum())
        left, right = codes[: self.split], codes[self.split :]
        size = int(codes.max(initial=-1)) + 1
        found = np.bincount(left[left >= 0], minlength=size).astype(np.int64)
        return int((found * np.bincount(right[right >= 0], minlength=size)).sum())

    def filled_pairs(self, codes: Codes) -> int:
        """How many pairs have a value on both sides."""
        filled = codes >= 0
        return self.pairs_among(int(filled.sum()), int(filled[: self.split].sum()))


def read(
    ids: Sequence[Hashable], records: Sequence[Mapping[str, object]], rules: Iterable[FieldRule], split: int | None
) -> Table:
    """Turn records into columns. Fields exchanged with each other share one vocabulary, so that codes compare across."""
    rules = list(rules)
    partner = {rule.swap_with: rule.field for rule in rules if rule.swap_with}
    vocabularies: dict[str, dict[str | float, int]] = {}
    columns = []
    for rule in rules:
        vocabulary = vocabularies.setdefault(partner.get(rule.field, rule.field), {})
        columns.append(_column(rule, records, vocabulary))
    # a shared vocabulary may have grown after the first of its columns was made
    final = {rule.field: list(vocabularies[partner.get(rule.field, rule.field)]) for rule in rules}
    return Table(ids, [attrs.evolve(column, folded=final[column.rule.field]) for column in columns], split)


def _column(rule: FieldRule, records: Sequence[Mapping[str, object]], vocabulary: dict[str | float, int]) -> Column:
    cells = [record.get(rule.field) for record in records]
    keys: Sequence[object] = cells
    try:
        raw = list(dict.fromkeys(cells))
    except TypeError:  # an unhashable value such as a list; tell such values apart by how they are written
        keys = [repr(cell) for cell in cells]
        raw = list(dict(zip(keys, cells, strict=True)).values())
    code_of = {key: code for code, key in enumerate(dict.fromkeys(keys))}
    of_rows = np.fromiter(map(code_of.__getitem__, keys), dtype=np.int32, count=len(keys))
    to_code = np.fromiter((_code(rule, value, vocabulary) for value in raw), dtype=np.int32, count=len(raw))
    return Column(rule, to_code[of_rows] if raw else of_rows, (), raw, of_rows)


def _code(rule: FieldRule, value: object, vocabulary: dict[str | float, int]) -> int:
    folded: str | float | None
    match rule.compare:
        case "date":
            folded = values.fold_date(value)
        case "number":
            folded = values.fold_number(value)
        case _:
            folded = values.fold_text(value)
    return -1 if folded is None else vocabulary.setdefault(folded, len(vocabulary))


def key_codes(table: Table, key: BlockingKey) -> Codes:
    """The codes of a blocking key: equal codes, equal key; -1 where the record lacks it."""
    column = table.column(key.field)
    if key.part is None:
        return column.codes
    if key.part == "pair":
        other = table.column(str(column.rule.swap_with)).codes
        low, high = np.minimum(column.codes, other), np.maximum(column.codes, other)
        return compact(np.where(low < 0, np.int64(-1), low.astype(np.int64) * (int(high.max(initial=0)) + 1) + high))
    parts = column.sounds if key.part == "soundex" else part_codes(column, key.part, key.length)
    return np.append(parts, np.int32(-1))[column.codes]  # code -1 finds the -1 at the end


def part_codes(column: Column, part: str, length: int) -> Codes:
    """The code of a part of each distinct value; -1 for values without it."""
    names: dict[str, int] = {}
    found = (values.part_of(str(value), part, length) for value in column.folded)
    return np.array([-1 if x is None else names.setdefault(x, len(names)) for x in found], dtype=np.int32)


def joined_codes(parts: Sequence[Codes]) -> Codes:
    """The codes of several keys that must all be equal."""
    if len(parts) == 1:
        return parts[0]
    codes = parts[0].astype(np.int64)
    missing = codes < 0
    for part in parts[1:]:
        codes = compact(codes).astype(np.int64) * (int(part.max(initial=0)) + 1) + part
        missing |= part < 0
    return compact(np.where(missing, np.int64(-1), codes))


def sorted_distinct(numbers: Wide) -> tuple[Wide, Wide]:
    """The distinct numbers in order and how often each occurs (by sorting: NumPy's own hash-based way is slower)."""
    ordered = np.sort(numbers)
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
    return ordered[starts], np.diff(np.append(starts, len(ordered)))


def compact(codes: Wide) -> Codes:
    """Renumber from 0 without gaps, keeping -1."""
    distinct, inverse = np.unique(codes, return_inverse=True)
    return np.asarray(inverse - int(bool(distinct.size) and distinct[0] < 0), dtype=np.int32)
