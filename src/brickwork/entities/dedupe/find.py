"""`find_duplicates`, the one function of the matching engine: checks its input, then loads the engine and runs it."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from importlib import import_module
from typing import TypeAlias

from brickwork.entities.dedupe.result import MatchResult
from brickwork.entities.dedupe.rules import DedupeRules
from brickwork.errors import MissingDependencyError, ValidationError

#: An id that is unique among all records, and the record's values by field.
Record: TypeAlias = tuple[Hashable, Mapping[str, object]]
#: Called with the step ("read", "block", "compare"), how much of it is done, and how much there is to do.
Progress: TypeAlias = Callable[[str, int, int], None]


def find_duplicates(
    records: Iterable[Record],
    rules: DedupeRules,
    *,
    other: Iterable[Record] | None = None,
    threshold: float | None = None,
    progress: Progress | None = None,
) -> MatchResult:
    """Find the pairs of records that are probably the same.

    With `other` the two sets are linked: only pairs of one record of `records` (left) and one of `other` (right) count.
    `threshold` is the lowest probability that is reported (default: the rules' `review`). No labelled examples are
    needed: how much each field says is estimated from the records themselves (see `model`). Equal input gives equal
    output. Memory and time grow with the number of records, not with its square.

    Raises `brickwork.errors.ValidationError` for an id that occurs twice or a threshold that is no probability, and
    `brickwork.errors.MissingDependencyError` without numpy or rapidfuzz (`pip install 'brickwork[dedupe]'`).
    """
    _require_dependencies()
    from brickwork.entities.dedupe import engine  # loads numpy and rapidfuzz, which importing brickwork must not

    report = progress or _silent
    at = rules.review if threshold is None else threshold
    if not 0.0 <= at <= 1.0:
        raise ValidationError(f"threshold {at} is no probability; give a number from 0 to 1", field="threshold")
    ids: list[Hashable] = []
    rows: list[Mapping[str, object]] = []
    report("read", 0, 1)
    for id_, row in records:
        ids.append(id_)
        rows.append(row)
    split = None if other is None else len(ids)
    for id_, row in other or ():
        ids.append(id_)
        rows.append(row)
    if len(set(ids)) != len(ids):
        twice, _ = Counter(ids).most_common(1)[0]
        raise ValidationError(f"record id {twice!r} occurs twice; ids must be unique, also across two sets that are linked")
    report("read", 1, 1)
    return engine.match(ids, rows, split, rules, at, report)


def _silent(_step: str, _done: int, _total: int) -> None: ...


def _require_dependencies() -> None:
    for package in ("numpy", "rapidfuzz"):
        try:
            import_module(package)
        except ImportError as error:
            raise MissingDependencyError(package, "dedupe") from error
