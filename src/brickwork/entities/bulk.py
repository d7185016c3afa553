"""`platform.entities.bulk`: many records at once, a chunk a statement, with the errors of each row."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import attrs

from brickwork.data.transaction import Transaction
from brickwork.entities.chunk import Chunk, RowError
from brickwork.entities.events import EntitiesImported
from brickwork.errors import BrickworkError, NotFoundError, Problem, ValidationError

if TYPE_CHECKING:
    from brickwork.entities.service import Entities

T = TypeVar("T")
Progress = Callable[[int], None]
CHUNK = 1_000
#: Errors that are kept and told; more are counted only.
MAX_ERRORS = 1_000


@attrs.define
class BulkResult:
    """What was done. `ids` are the records written, in the order of the rows; `errors` the rows that were not."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    failed: int = 0
    ids: list[UUID] = attrs.field(factory=list)
    errors: list[RowError] = attrs.field(factory=list)

    def fail(self, errors: Iterable[RowError]) -> None:
        """Take in rows that failed."""
        for error in errors:
            self.failed += 1
            if len(self.errors) < MAX_ERRORS:
                self.errors.append(error)


class Bulk:
    """Each method takes any iterable and works through it in chunks of 1,000.

    With `all_or_nothing` one transaction holds it all, and if any row is wrong nothing is written: `ValidationError` names
    the rows (`problems`, with fields like "rows[7].mrn"). Otherwise each chunk is a transaction, the good rows of which are
    written, and the result tells the others. `progress` hears how many rows were looked at.
    """

    def __init__(self, entities: "Entities") -> None:
        self._entities = entities
        self._database = entities._database

    def create_many(
        self, type: str, rows: Iterable[Mapping[str, Any]], *, all_or_nothing: bool = True, progress: Progress | None = None
    ) -> BulkResult:
        """Create a record for each row."""
        self._entities._guard.everywhere(type, "create")

        def write(transaction: Transaction, first: int, items: Sequence[Mapping[str, Any]], result: BulkResult) -> None:
            chunk = Chunk(self._entities, transaction, type)
            for number, values in enumerate(items, first):
                chunk.create(number, values)
            result.fail(chunk.write())
            result.created += len(chunk.created)
            result.ids += chunk.created
            if chunk.created:
                transaction.publish(EntitiesImported(type=type, created=len(chunk.created), updated=0))

        return self._run(rows, write, all_or_nothing, progress)

    def update_many(
        self,
        type: str,
        changes: Iterable[tuple[UUID | str, Mapping[str, Any]]],
        *,
        all_or_nothing: bool = True,
        progress: Progress | None = None,
    ) -> BulkResult:
        """Change records, each named by its id; a record may come once in a chunk of 1,000."""
        self._entities._guard.everywhere(type, "read", "update")

        def write(
            transaction: Transaction, first: int, items: Sequence[tuple[UUID | str, Mapping[str, Any]]], result: BulkResult
        ) -> None:
            chunk = Chunk(self._entities, transaction, type)
            chunk.update(first, items)
            result.fail(chunk.write())
            result.updated += len(chunk.updated)
            result.unchanged += chunk.unchanged
            result.ids += chunk.updated
            if chunk.updated:
                transaction.publish(EntitiesImported(type=type, created=0, updated=len(chunk.updated)))

        return self._run(changes, write, all_or_nothing, progress)

    def delete_many(
        self, type: str, ids: Iterable[UUID | str], *, all_or_nothing: bool = True, progress: Progress | None = None
    ) -> BulkResult:
        """Delete records, following the rules of their links."""

        def write(transaction: Transaction, first: int, items: Sequence[UUID | str], result: BulkResult) -> None:
            for number, id in enumerate(items, first):
                try:
                    with transaction.savepoint():
                        self._entities.delete(type, id)
                    result.deleted += 1
                except BrickworkError as error:
                    gone = isinstance(error, NotFoundError) and id in seen
                    if not gone:  # a cascade of an earlier row took it along
                        result.fail([RowError.of(number, error)])
                seen.add(id)

        seen: set[UUID | str] = set()
        return self._run(ids, write, all_or_nothing, progress)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _run(
        self,
        items: Iterable[T],
        write: Callable[[Transaction, int, Sequence[T], BulkResult], None],
        all_or_nothing: bool,
        progress: Progress | None,
    ) -> BulkResult:
        result, done = BulkResult(), 0
        whole: Any = self._database.transaction() if all_or_nothing else nullcontext()
        with whole:
            for part in chunks(items):
                with self._database.transaction() as transaction:
                    write(transaction, done, part, result)
                done += len(part)
                if progress is not None:
                    progress(done)
            if all_or_nothing and result.failed:
                raise _refusal(result)
        return result


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The items, `size` at a time."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def _refusal(result: BulkResult) -> ValidationError:
    problems = [
        Problem(problem.message, f"rows[{error.row}]" + (f".{problem.field}" if problem.field else ""), problem.code)
        for error in result.errors
        for problem in error.problems
    ]
    told = "; ".join(f"{p.field}: {p.message}" for p in problems[:5])
    return ValidationError(f"{result.failed} rows are wrong, so none was written: {told}", problems=problems)
