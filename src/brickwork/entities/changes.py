"""Changing a type that has records: what a change would harm, and rewriting the records to it."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
from pydantic import ValidationError as PydanticError

from brickwork.data.transaction import Transaction
from brickwork.entities.compiled import CompiledType, Data
from brickwork.entities.definitions import ComputedField
from brickwork.errors import DefinitionChangeError, DuplicateError, ValidationError

if TYPE_CHECKING:
    from brickwork.entities.repository import Records

#: Parts of a field's definition that don't touch stored values.
_COSMETIC = frozenset({"label", "description", "renamed_from"})


@attrs.frozen
class ChangePlan:
    """What a new definition means for the stored records.

    `harmed` counts, by field, the records whose value would be lost or is missing; `reasons` says why. `can_be_forced` is
    false where a required value is missing, which no dropping of values can mend.
    """

    type: str
    version: int
    changes: tuple[str, ...]
    records: int
    rewrites: bool
    harmed: dict[str, int]
    reasons: dict[str, str]
    can_be_forced: bool

    @property
    def safe(self) -> bool:
        return not self.harmed

    def describe(self) -> str:
        """One sentence on the change."""
        if self.safe:
            return f"{self.type}: {'; '.join(self.changes) or 'no change'}"
        told = "; ".join(
            f"{name}: {self.reasons[name]} ({count} of {self.records} records)" for name, count in self.harmed.items()
        )
        way = (
            "use allow_loss to drop those values" if self.can_be_forced else "give the field a default, or mend the records first"
        )
        return f"the change of {self.type!r} would harm stored data: {told}; {way}"


class Migration:
    """Brings records from the definition `old` to `new` within a transaction."""

    def __init__(self, records: "Records", transaction: Transaction, old: CompiledType | None, new: CompiledType) -> None:
        self._records = records
        self._transaction = transaction
        self._old = old
        self._new = new
        self._renamed = self._renames()
        self._touched = self._touched_fields()

    def plan(self) -> ChangePlan:
        """Look at every record if any field's values are touched."""
        harmed, reasons, count = Counter[str](), dict[str, str](), 0
        rewrites = self._rewrites()
        if rewrites and self._old is not None:
            seen: dict[str, set[int]] = {name: set() for name in self._new_uniques()}
            for rows in self._records.scan(self._transaction, self._old):
                for row in rows:
                    count += 1
                    self._inspect(row, harmed, reasons, seen)
        fatal = any(reason.startswith("required") or "not unique" in reason for reason in reasons.values())
        return ChangePlan(
            self._new.name,
            self._new.version,
            tuple(self._told()),
            count,
            rewrites,
            dict(harmed),
            reasons,
            bool(harmed) and not fatal,
        )

    def run(self, progress: Callable[[int], None] | None = None) -> None:
        """Rewrite the records where stored values or index columns change; raises `DefinitionChangeError` on duplicates."""
        if self._old is None or not self._rewrites():
            return
        from brickwork.entities.repository import empty_slots, release

        done = 0
        for rows in self._records.scan(self._transaction, self._old):
            changes = []
            for row in rows:
                data, _ = self._convert(row)
                content = self._records.content(self._transaction, self._new, row.id, data)
                gone = release() if row.deleted_at is not None else {}
                changes.append({"key": row.id, "expected": row.version, **empty_slots(), **content, **gone})
            try:
                self._records.write(self._transaction, self._new, changes)
            except DuplicateError as error:
                raise DefinitionChangeError(error.message, field=error.field) from None
            done += len(rows)
            if progress is not None:
                progress(done)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _inspect(self, row: Any, harmed: Counter[str], reasons: dict[str, str], seen: dict[str, set[int]]) -> None:
        data, lost = self._convert(row)
        for name, reason in lost.items():
            harmed[name] += 1
            reasons.setdefault(name, reason)
        if row.deleted_at is not None:
            return
        columns = self._new.columns(data, self._records.blinder(self._transaction.tenant, self._new))
        for name, values in seen.items():
            key = columns[self._new.slots.unique[name]]
            if key is not None and hash(key) in values:
                harmed[name] += 1
                reasons.setdefault(name, "its values are not unique")
            values.add(hash(key))

    def _convert(self, row: Any) -> tuple[Data, dict[str, str]]:
        """The record's data under the new definition, and what is lost on the way, by field."""
        assert self._old is not None
        before = self._records.data(self._transaction, self._old, row)
        lost: dict[str, str] = {}
        data: Data = {}
        for name, value in before.items():
            target = self._renamed.get(name, name)
            field = self._new.definition.fields.get(target)
            if field is None:
                if not isinstance(self._old.definition.fields.get(name), ComputedField):
                    lost[name] = "the field is removed and has values"
            elif not isinstance(field, ComputedField):
                data[target] = value
        data = {**{n: v for n, v in self._new.defaults.items() if n not in self._old.definition.fields}, **data}
        data = self._checked(data, lost)
        for name, field in self._new.definition.fields.items():
            if field.required and data.get(name) is None:
                lost[name] = "required, but empty"
        try:
            return self._new_computed(data), lost
        except ValidationError as error:
            lost[error.field or "computed"] = error.message
            return data, lost

    def _checked(self, data: Data, lost: dict[str, str]) -> Data:
        """`data` in the new canonical form, without values that the new definition refuses."""
        for _ in range(2):
            try:
                return self._new._patch.validate_python(data)
            except PydanticError as error:
                for problem in error.errors(include_url=False, include_input=False):
                    name = str(problem["loc"][0])
                    lost[name] = f"a value is no longer valid ({problem['msg'].removeprefix('Value error, ')})"
                    data.pop(name, None)
        return data

    def _new_computed(self, data: Data) -> Data:
        data = {name: value for name, value in data.items() if value is not None}
        if self._new.computed:
            self._new._compute(data)
        return data

    def _renames(self) -> dict[str, str]:
        """New names by old ones."""
        if self._old is None:
            return {}
        before = self._old.definition.fields
        after = self._new.definition.fields
        return {f.renamed_from: n for n, f in after.items() if n not in before and f.renamed_from in before}

    def _rewrites(self) -> bool:
        return self._old is not None and bool(self._touched or self._old.slots != self._new.slots)

    def _touched_fields(self) -> set[str]:
        if self._old is None:
            return set()
        before, after = self._old.definition.fields, self._new.definition.fields
        touched = {name for name in before if name not in after}
        for name, field in after.items():
            if name not in before:
                if (
                    field.required
                    or field.default is not None
                    or isinstance(field, ComputedField)
                    or name in self._renamed.values()
                ):
                    touched.add(name)
            elif _essence(field) != _essence(before[name]):
                touched.add(name)
        return touched

    def _new_uniques(self) -> list[str]:
        assert self._old is not None
        return [
            name for name in self._new.slots.unique if name not in self._old.slots.unique or set(name.split("+")) & self._touched
        ]

    def _told(self) -> list[str]:
        if self._old is None:
            return ["new type"]
        before, after = self._old.definition.fields, self._new.definition.fields
        told = [f"field {old} renamed to {new}" for old, new in self._renamed.items()]
        told += [f"field {name} added" for name in after if name not in before and name not in self._renamed.values()]
        told += [f"field {name} removed" for name in before if name not in after and name not in self._renamed]
        told += [f"field {name} changed" for name in after if name in before and after[name] != before[name]]
        parts = ("relations", "rules", "unique_together", "title", "duplicates", "label", "plural", "description")
        return told + [
            f"{part} changed" for part in parts if getattr(self._old.definition, part) != getattr(self._new.definition, part)
        ]


def _essence(field: Any) -> dict[str, Any]:
    """What of a field's definition matters for stored values."""
    return {name: value for name, value in field.model_dump().items() if name not in _COSMETIC}
