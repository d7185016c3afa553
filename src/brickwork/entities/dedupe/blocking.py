"""Which pairs are worth comparing at all.

Records meet if they share a blocking key (Jaro 1989). A block too large for that is sorted by what else its records
hold and each record meets its neighbours only (the sorted neighbourhood of Hernandez and Stolfo, SIGMOD 1995), so
the number of pairs grows with the number of records, never with its square. Derived blocking then drops the pairs
whose shared values say too little (in the spirit of meta-blocking: Papadakis and others, IEEE TKDE 26(8), 2014).
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from brickwork.entities.dedupe.columns import Codes, Flags, Table, Wide, joined_codes, key_codes, sorted_distinct
from brickwork.entities.dedupe.result import BlockReport
from brickwork.entities.dedupe.rules import BlockingKey, DedupeRules

#: A block with more records than this is oversize.
MAX_BLOCK = 400
#: How many of the records that follow it in the sorted block a record of an oversize block meets, in each sort order.
WINDOW = 10
#: An oversize block is sorted this many times, each time by another field first.
SORT_ORDERS = 2
#: A derived key may give at most this many pairs a record; one that gives more is joined with another.
PAIRS_PER_RECORD = 20
#: Derived blocking keeps pairs that share so much that a record would do so by chance with about as many others as
#: make this many comparisons of two values.
CHANCE_COMPARISONS_PER_RECORD = 16
#: Derived blocking joins at most this many pairs of keys.
MAX_JOINED = 12
#: If there are no more pairs than this, all are compared.
SMALL = 2_000

_CHUNK = 1 << 20


@attrs.frozen(eq=False)
class Block:
    """One blocking entry: its name, the key of each record, and what it costs."""

    name: str
    codes: Codes
    pairs: int
    oversize: int
    rows_in_oversize: int
    largest: int

    @property
    def report(self) -> BlockReport:
        return BlockReport(self.name, self.pairs, self.largest, self.oversize)


@attrs.frozen(eq=False)
class Candidates:
    """The pairs to compare: row numbers, `left` below `right`, each pair once and in order."""

    left: Codes
    right: Codes
    blocks: Sequence[BlockReport]


def candidates(table: Table, rules: DedupeRules, progress: Callable[[int, int], None]) -> Candidates:
    """The union of all blocks."""
    entries = rules.keys()
    informative: Callable[[Codes, Codes], Flags] | None = None
    if entries is not None:
        blocks = [
            _block(table, " + ".join(map(str, keys)), joined_codes([key_codes(table, key) for key in keys])) for keys in entries
        ]
    elif table.possible_pairs <= SMALL:
        blocks = [_block(table, "all pairs", np.zeros(table.rows, dtype=np.int32))]
    else:
        evidence = _key_evidence(table, rules)
        blocks = _derived_blocks(table, evidence)
        informative = _informative(table, evidence)
    found = np.empty(0, dtype=np.int64)
    for done, block in enumerate(blocks):
        progress(done, len(blocks))
        new = [found]
        for left, right in _pairs(table, block):
            if informative is not None:
                kept = informative(left, right)
                left, right = left[kept], right[kept]
            new.append(np.minimum(left, right).astype(np.int64) * table.rows + np.maximum(left, right))
        found, _ = sorted_distinct(np.concatenate(new))
    progress(len(blocks), len(blocks))
    left_rows, right_rows = np.divmod(found, max(table.rows, 1))
    return Candidates(left_rows.astype(np.int32), right_rows.astype(np.int32), [block.report for block in blocks])


# -- derived blocking ---------------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class _KeyEvidence:
    """A key that derived blocking may use, and how many bits agreeing on it is worth."""

    key: BlockingKey
    codes: Codes
    bits: float

    def implies(self, other: "_KeyEvidence") -> bool:
        """Whether records that share this key share the other one too."""
        if self.key == other.key:
            return True
        return self.key.field == other.key.field and self.key.part is None and other.key.part != "pair"


def _key_evidence(table: Table, rules: DedupeRules) -> list[_KeyEvidence]:
    found = []
    for rule in rules.fields:
        parts = {"name": ("soundex",), "phonetic": ("soundex",), "date": ("year", "monthday")}.get(rule.compare, ())
        of_parts = [_evidence(table, BlockingKey(field=rule.field, part=part)) for part in parts]
        whole = _evidence(table, BlockingKey(field=rule.field))
        # agreeing on the whole value implies agreeing on its parts: count each bit once
        found.append(attrs.evolve(whole, bits=whole.bits - sum(part.bits for part in of_parts)))
        found += of_parts
        if rule.swap_with is not None:
            found.append(_evidence(table, BlockingKey(field=rule.field, part="pair")))
    return found


def _evidence(table: Table, key: BlockingKey) -> _KeyEvidence:
    codes = key_codes(table, key)
    equal, filled = table.equal_pairs(codes), table.filled_pairs(codes)
    return _KeyEvidence(key, codes, -math.log2(max(equal, 0.5) / filled) if filled else 0.0)


def _derived_blocks(table: Table, evidence: Sequence[_KeyEvidence]) -> list[Block]:
    """Every key that is selective enough, the widest of a field; those that are not are joined in twos."""
    blocks: list[Block] = []
    taken: list[tuple[_KeyEvidence, ...]] = []

    def take(entry: tuple[_KeyEvidence, ...]) -> bool:
        block = _block(table, " + ".join(str(item.key) for item in entry), joined_codes([item.codes for item in entry]))
        if not 0 < block.pairs <= PAIRS_PER_RECORD * table.rows or block.rows_in_oversize * 2 > table.rows:
            return False
        blocks.append(block)
        taken.append(entry)
        return True

    def is_implied(entry: tuple[_KeyEvidence, ...]) -> bool:
        return any(all(any(one.implies(key) for one in entry) for key in wider) for wider in taken)

    wide_first = sorted(evidence, key=lambda item: item.key.part is None)
    loose = [item for item in wide_first if not is_implied((item,)) and not take((item,))]
    joined = 0
    for entry in itertools.combinations(loose, 2):
        if joined < MAX_JOINED and entry[0].key.field != entry[1].key.field and not is_implied(entry):
            joined += take(entry)
    if not blocks:  # nothing tells the records apart: sort them all and look at neighbours
        blocks.append(_block(table, "sorted neighbourhood", np.zeros(table.rows, dtype=np.int32)))
    return blocks


def _informative(table: Table, evidence: Sequence[_KeyEvidence]) -> Callable[[Codes, Codes], Flags]:
    """A filter on pairs: do the values they share say enough?"""
    by_chance = table.rows * CHANCE_COMPARISONS_PER_RECORD / len(table.columns)
    needed = math.log2(max(table.possible_pairs / by_chance, 1))
    matrix = np.stack([item.codes for item in evidence], axis=1)
    missing_left = np.where(matrix < 0, np.int32(-2), matrix)  # a missing value equals nothing
    bits = np.array([item.bits for item in evidence], dtype=np.float32)

    first_alike = table.first_alike

    def keep(left: Codes, right: Codes) -> Flags:
        shared = np.take(missing_left, left, axis=0) == np.take(matrix, right, axis=0)
        repeated = first_alike[left] == first_alike[right]  # always worth a look
        return np.asarray((shared.astype(np.float32) @ bits >= needed) | repeated, dtype=np.bool_)

    return keep


# -- from keys to pairs -------------------------------------------------------------------------------------------


def _block(table: Table, name: str, codes: Codes) -> Block:
    counts = np.bincount(codes[codes >= 0]).astype(np.int64)
    if table.split is None:
        pairs = counts * (counts - 1) // 2
    else:
        left = codes[: table.split]
        found = np.bincount(left[left >= 0], minlength=len(counts))
        pairs = found * (counts - found)
    over = counts > MAX_BLOCK
    in_oversize = int(counts[over].sum())
    cost = int(pairs[~over].sum()) + in_oversize * WINDOW * SORT_ORDERS
    return Block(name, codes, cost, int(over.sum()), in_oversize, int(counts.max(initial=0)))


def _pairs(table: Table, block: Block) -> Iterator[tuple[Codes, Codes]]:
    """The pairs of a block, in pieces of bounded size."""
    counts = np.bincount(block.codes[block.codes >= 0], minlength=1)
    over = (counts > MAX_BLOCK)[block.codes] & (block.codes >= 0)
    rows = np.flatnonzero((block.codes >= 0) & ~over)
    rows = rows[np.argsort(block.codes[rows], kind="stable")]
    starts, ends = _group_bounds(block.codes[rows])
    if table.split is None:
        first = np.arange(1, len(rows) + 1)
    else:  # within a group the rows of the first set come first; they meet the rest of the group
        of_left = np.concatenate([[0], np.cumsum(rows < table.split)])
        first = np.where(rows < table.split, starts + of_left[ends] - of_left[starts], ends)
    for left, right in _ranges(first, ends):
        yield rows[left].astype(np.int32), rows[right].astype(np.int32)
    if not block.oversize:
        return
    large = np.flatnonzero(over)
    ranks = _sort_ranks(table, large)
    for turn in range(min(SORT_ORDERS, max(len(ranks), 1))):
        by = [block.codes[large].astype(np.int64), *ranks[turn:], *ranks[:turn]]
        order = np.lexsort(by[::-1])  # which sorts by its last key first
        rows = large[order]
        _, ends = _group_bounds(block.codes[rows])
        first = np.arange(1, len(rows) + 1)
        for left, right in _ranges(first, np.minimum(ends, first + WINDOW)):
            one, two = rows[left].astype(np.int32), rows[right].astype(np.int32)
            if table.split is not None:
                across = (one < table.split) != (two < table.split)
                one, two = one[across], two[across]
            yield one, two


def _sort_ranks(table: Table, rows: npt.NDArray[np.intp]) -> list[Wide]:
    """For each field that tells these rows apart, the most telling first, their places in its alphabetical order."""
    ranked: list[tuple[int, Wide]] = []
    for column in table.columns:
        distinct, inverse = np.unique(column.codes[rows], return_inverse=True)
        if len(distinct) > 1:
            texts = ["" if code < 0 else column.text(code) for code in distinct.tolist()]
            place = np.empty(len(distinct), dtype=np.int64)
            place[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
            ranked.append((len(distinct), place[inverse]))
    return [place for _, place in sorted(ranked, key=lambda item: -item[0])]


def _group_bounds(codes: Codes) -> tuple[Wide, Wide]:
    """For each place in a sorted array, where its run of equal codes starts and ends."""
    if not len(codes):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    edges = np.flatnonzero(np.diff(codes)) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(codes)]])
    lengths = ends - starts
    return np.repeat(starts, lengths), np.repeat(ends, lengths)


def _ranges(first: Wide, end: Wide) -> Iterator[tuple[Wide, Wide]]:
    """Each place p with each of `first[p]` to `end[p] - 1`, about `_CHUNK` pairs at a time."""
    counts = np.maximum(end - first, 0)
    total = np.cumsum(counts)
    cut = 0
    while cut < len(counts):
        done = int(total[cut - 1]) if cut else 0
        until = max(int(np.searchsorted(total, done + _CHUNK, side="right")), cut + 1)
        some = counts[cut:until]
        left = np.repeat(np.arange(cut, until), some)
        begins = np.cumsum(some) - some
        right = np.arange(len(left)) - np.repeat(begins, some) + np.repeat(first[cut:until], some)
        if len(left):
            yield left, right
        cut = until
