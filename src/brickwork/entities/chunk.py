"""Some hundreds of records on their way into the database: checked one by one, written together.

A chunk asks the database a fixed number of questions whatever its size: one for each unique column, one for the records
that references name, one for the records that are changed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
import orjson

from brickwork.data.transaction import Transaction
from brickwork.entities import documents
from brickwork.entities.compiled import CompiledType, Data
from brickwork.entities.links import link
from brickwork.entities.models import record
from brickwork.entities.repository import check_text, missing
from brickwork.errors import BrickworkError, DuplicateError, Problem
from brickwork.kernel.ids import uuid7

if TYPE_CHECKING:
    from brickwork.entities.service import Entities


@attrs.frozen
class RowError:
    """Why a row was not written; `row` counts from 0."""

    row: int
    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, row: int, error: BrickworkError) -> "RowError":
        """The error of a row, each of its problems told fully."""
        if len(error.problems) == 1:
            problem = error.problems[0]
            return cls(row, (Problem(error.message, problem.field, problem.code),))
        return cls(row, tuple(error.problems))

    @property
    def message(self) -> str:
        """All problems in a line."""
        return "; ".join(f"{p.field}: {p.message}" if p.field else p.message for p in self.problems)


@attrs.define
class Draft:
    """A record to be written: new, or the stored `before` with changes. `rows` are the rows that it came from."""

    id: UUID
    data: Data
    rows: list[int]
    version: int = 0
    before: Data | None = None
    columns: dict[str, str | None] = attrs.field(factory=dict)

    @property
    def is_new(self) -> bool:
        return self.before is None


class Chunk:
    """Collects drafts, then writes those without a fault; `write` returns the errors."""

    def __init__(self, entities: "Entities", transaction: Transaction, type: str) -> None:
        self._records = entities._records
        self._entities = entities
        self._transaction = transaction
        self._dialect = entities._dialect
        self.compiled: CompiledType = entities.types.for_writing(transaction, type)
        self._now = entities._database.clock.now()
        self._blind = self._records.blinder(transaction.tenant, self.compiled)
        self._drafts: list[Draft] = []
        self._errors: list[RowError] = []
        self.created: list[UUID] = []
        self.updated: list[UUID] = []
        self.unchanged = 0

    # -- collecting --------------------------------------------------------------------------------------------------

    def create(self, row: int, values: Mapping[str, Any]) -> None:
        """A new record."""
        self._try(row, lambda: self._drafts.append(Draft(uuid7(), self.compiled.check_new(values, self._now), [row])))

    def update(self, first: int, items: Sequence[tuple[UUID | str, Mapping[str, Any]]]) -> None:
        """Changes of records, by id."""
        ids: dict[int, UUID] = {}
        for row, (id, _) in enumerate(items, first):
            self._try(row, lambda row=row, id=id: ids.update({row: self._entities._id(self.compiled.name, id)}))  # type: ignore[misc]
        found = documents.records_by_id(self._transaction, self._dialect, ids.values(), lock=True)
        for row, (_, changes) in enumerate(items, first):
            if row in ids:
                self._try(row, lambda row=row, changes=changes: self._change(row, ids[row], found.get(ids[row]), changes))  # type: ignore[misc]

    def upsert(self, slot: str, key_of: Callable[[Data], str | None], items: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Rows that change the record with the same unique key, or make it; later rows see what earlier ones did."""
        keyed: list[tuple[int, Data, str | None]] = []
        for row, values in items:
            self._try(row, lambda row=row, values=values: self._key(keyed, row, values, key_of))  # type: ignore[misc]
        keys = {key for _, _, key in keyed if key is not None}
        rows = documents.records_by_key(self._transaction, self._dialect, self.compiled.name, slot, keys, lock=True)
        stored = {row.slot_key: row for row in rows}
        drafts: dict[str, Draft] = {}
        for row, changes, key in keyed:
            self._try(row, lambda row=row, changes=changes, key=key: self._merge(row, changes, key, stored, drafts))  # type: ignore[misc]

    def reject(self, row: int, problem: Problem) -> None:
        """A row that has no draft, for a reason found elsewhere."""
        self._errors.append(RowError(row, (problem,)))

    # -- writing -----------------------------------------------------------------------------------------------------

    def write(self) -> list[RowError]:
        """Write every draft that holds; returns the errors of all rows, in their order."""
        drafts = self._changed()
        drafts = self._check_references(drafts)
        for draft in drafts:
            draft.columns = self.compiled.columns(draft.data, self._blind)
        drafts = self._check_uniques(self._check_texts(drafts))
        try:
            with self._transaction.savepoint():
                self._store(drafts)
        except DuplicateError:  # another writer took a value since it was looked up
            drafts = self._store_singly(drafts)
        self.created = [draft.id for draft in drafts if draft.is_new]
        self.updated = [draft.id for draft in drafts if not draft.is_new]
        return sorted(self._errors, key=lambda error: error.row)

    def written(self) -> dict[int, UUID]:
        """The record of each row that stands, by row."""
        failed = {error.row for error in self._errors}
        return {row: draft.id for draft in self._drafts for row in draft.rows if row not in failed}

    def _changed(self) -> list[Draft]:
        changed = [draft for draft in self._drafts if draft.before is None or draft.before != draft.data]
        self.unchanged = sum(len(draft.rows) for draft in self._drafts) - sum(len(draft.rows) for draft in changed)
        return changed

    def _check_references(self, drafts: list[Draft]) -> list[Draft]:
        fields = self.compiled.references
        wanted = {UUID(draft.data[name]) for draft in drafts for name in fields if draft.data.get(name)}
        if not wanted:
            return drafts
        types = documents.types_of(self._transaction, self._dialect, wanted)

        def fault(draft: Draft) -> Problem | None:
            for name, field in fields.items():
                value = draft.data.get(name)
                if value and types.get(UUID(value)) != field.target:
                    return Problem(f"there is no {field.target} {value}", name, "broken_reference")
            return None

        return self._keep(drafts, fault)

    def _check_texts(self, drafts: list[Draft]) -> list[Draft]:
        """One look at the chunk; only where something is wrong a look at each record."""
        try:
            if b"\\u0000" not in orjson.dumps([draft.data for draft in drafts], default=str):
                return drafts
        except (TypeError, ValueError):
            pass

        def fault(draft: Draft) -> Problem | None:
            try:
                check_text(draft.data)
            except BrickworkError as error:
                return Problem(error.message)
            return None

        return self._keep(drafts, fault)

    def _check_uniques(self, drafts: list[Draft]) -> list[Draft]:
        for name, slot in self.compiled.slots.unique.items():
            keys = {draft.columns[slot]: None for draft in drafts if draft.columns[slot] is not None}
            holders = documents.owners(self._transaction, self._dialect, self.compiled.name, slot, filter(None, keys))
            leaving = {draft.id for draft in drafts}
            fields = name.split("+")
            told = f"another record has the same {' and '.join(fields)}, which must be unique"
            taken = {key: id for key, id in holders.items() if id not in leaving}

            def fault(
                draft: Draft, slot: str = slot, taken: dict[str, UUID] = taken, told: str = told, field: str = fields[0]
            ) -> Problem | None:
                key = draft.columns[slot]
                if key is not None and taken.setdefault(key, draft.id) != draft.id:
                    return Problem(told, field, "duplicate")
                return None

            drafts = self._keep(drafts, fault)
        return drafts

    def _keep(self, drafts: list[Draft], fault: Callable[[Draft], Problem | None]) -> list[Draft]:
        kept = []
        for draft in drafts:
            problem = fault(draft)
            if problem is None:
                kept.append(draft)
            else:
                self._errors += [RowError(row, (problem,)) for row in draft.rows]
        return kept

    def _store(self, drafts: Sequence[Draft]) -> None:
        self._insert([draft for draft in drafts if draft.is_new])
        self._update([draft for draft in drafts if not draft.is_new])
        self._link(drafts)

    def _insert(self, drafts: Sequence[Draft]) -> None:
        transaction, actor = self._transaction, self._transaction.context.actor
        rows = [{"id": draft.id.hex, **self._content(draft)} for draft in drafts]
        constants = {
            "tenant_id": transaction.tenant,
            "type": self.compiled.name,
            "version": 1,
            "definition_version": self.compiled.version,
            "created_at": self._now,
            "created_by": actor,
            "updated_at": self._now,
            "updated_by": actor,
        }
        documents.insert_rows(transaction, self._dialect, record, rows, constants)

    def _update(self, drafts: Sequence[Draft]) -> None:
        if not drafts:
            return
        rows = [{"id": draft.id.hex, "expected": draft.version, **self._content(draft)} for draft in drafts]
        constants = {
            "definition_version": self.compiled.version,
            "updated_at": self._now,
            "updated_by": self._transaction.context.actor,
        }
        documents.update_records(self._transaction, self._dialect, rows, constants)

    def _content(self, draft: Draft) -> dict[str, Any]:
        if not self.compiled.sensitive:
            return {"data": draft.data, **draft.columns}
        content = self._records.content(self._transaction, self.compiled, draft.id, draft.data)
        del content["definition_version"]
        return content

    def _link(self, drafts: Sequence[Draft]) -> None:
        """Make the links of reference fields fit."""
        fields = self.compiled.references
        if not fields:
            return
        kinds = {name: f"{self.compiled.name}.{name}" for name in fields}
        old = [draft.id for draft in drafts if not draft.is_new]
        if old:
            rows = documents.links_from(self._transaction, self._dialect, old, kinds.values())
            documents.remove_links(self._transaction, self._dialect, [row.id for row in rows])
        items = [(kinds[n], draft.id, UUID(draft.data[n])) for draft in drafts for n in fields if draft.data.get(n)]
        self.add_links([(kind, source, target, True) for kind, source, target in items])

    def add_links(self, items: Iterable[tuple[str, UUID, UUID, bool]]) -> None:
        """Store links: kind, source, target, and whether a source has one only."""
        rows = [
            {
                "id": uuid7().hex,
                "kind": kind,
                "source_id": source.hex,
                "target_id": target.hex,
                "source_one": source.hex if single else None,
            }
            for kind, source, target, single in items
        ]
        constants = {
            "tenant_id": self._transaction.tenant,
            "created_at": self._now,
            "created_by": self._transaction.context.actor,
        }
        documents.insert_rows(self._transaction, self._dialect, link, rows, constants)

    def _store_singly(self, drafts: Sequence[Draft]) -> list[Draft]:
        kept = []
        for draft in drafts:
            try:
                with self._transaction.savepoint():
                    self._store([draft])
                kept.append(draft)
            except DuplicateError as error:
                told = self._records.duplicate(self.compiled, error)
                self._errors += [RowError.of(row, told) for row in draft.rows]
        return kept

    # -- steps of collecting -----------------------------------------------------------------------------------------

    def _try(self, row: int, step: Callable[[], object]) -> None:
        try:
            step()
        except BrickworkError as error:
            self._errors.append(RowError.of(row, error))

    def _change(self, row: int, id: UUID, found: Any, changes: Mapping[str, Any]) -> None:
        if found is None or found.type != self.compiled.name or found.deleted_at is not None:
            raise missing(self.compiled.name, id, found if found is not None and found.type == self.compiled.name else None)
        before = self._records.data(self._transaction, self.compiled, found)
        data = self.compiled.check_changes(changes, before, self._now)
        self._drafts.append(Draft(id, data, [row], found.version, before))

    def _key(
        self, keyed: list[tuple[int, Data, str | None]], row: int, values: Mapping[str, Any], key_of: Callable[[Data], str | None]
    ) -> None:
        changes = self.compiled.check_partial(values)
        keyed.append((row, changes, key_of(changes)))

    def _merge(self, row: int, changes: Data, key: str | None, stored: Mapping[str, Any], drafts: dict[str, Draft]) -> None:
        known = drafts.get(key) if key is not None else None
        if known is not None:
            known.data = self.compiled.apply(changes, known.data, self._now)
            known.rows.append(row)
            return
        found = stored.get(key) if key is not None else None
        if found is None:
            draft = Draft(uuid7(), self.compiled.apply(changes, self.compiled.defaults, self._now), [row])
        else:
            before = self._records.data(self._transaction, self.compiled, found)
            draft = Draft(found.id, self.compiled.apply(changes, before, self._now), [row], found.version, before)
        self._drafts.append(draft)
        if key is not None:
            drafts[key] = draft
