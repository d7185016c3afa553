"""Which column of a file fills what: fields, links by natural key, dates in other formats."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs
import orjson

from brickwork.data.transaction import Transaction
from brickwork.entities import documents
from brickwork.entities.chunk import Chunk
from brickwork.entities.compiled import CompiledType
from brickwork.entities.definitions import EntityTypeDefinition
from brickwork.entities.files.writing import unguarded
from brickwork.entities.keys import unique_key
from brickwork.entities.links import kind_of
from brickwork.entities.values import key_function
from brickwork.errors import Problem, ValidationError


@attrs.frozen
class Column:
    """What a column of the file means.

    `to` is a field or a relation. For a reference field or a relation, `by` names a unique or indexed field of the target
    type by whose value the record is found. `date_format` is as for `datetime.strptime`. Several values in a cell are
    divided by `separator`.
    """

    to: str
    by: str | None = None
    date_format: str | None = None
    separator: str = ";"


Mapped = Mapping[str, str | Column | None]


@attrs.frozen
class Plan:
    """A checked mapping: columns of fields, of references by natural key, and of relations."""

    fields: dict[str, Column]
    references: dict[str, Column]
    relations: dict[str, Column]
    cells: dict[str, Callable[[Any], Any]]

    @classmethod
    def make(cls, compiled: CompiledType, columns: Sequence[str] | None, mapping: Mapped | None, *, guarded: bool) -> "Plan":
        """The plan for a file with these columns (None: any), or `ValidationError` saying what does not fit."""
        given = {name: Column(to) if isinstance(to, str) else to for name, to in (mapping or {}).items()}
        if columns is not None:
            missing = [name for name in given if name not in columns]
            if missing:
                raise ValidationError(
                    f"mapping: the file has no column {', '.join(missing)}; it has {', '.join(columns)}", field="mapping"
                )
        names = columns if columns is not None else [*given, *(n for n in compiled.definition.fields if n not in given)]
        chosen = {name: given[name] if name in given else Column(name) for name in names}
        wanted = {name: column for name, column in chosen.items() if column is not None}
        known = {*compiled.definition.fields, *compiled.definition.relations} - compiled.computed.keys()
        strange = [name for name, column in wanted.items() if column.to not in known and column.to not in compiled.computed]
        if strange:
            raise ValidationError(
                f"columns {', '.join(strange)} fit no field of {compiled.name}; map them, or map them to None to leave them out "
                f"(fields: {', '.join(sorted(known))})"[:800],
                field="mapping",
            )
        wanted = {name: column for name, column in wanted.items() if column.to in known}
        references = {n: c for n, c in wanted.items() if c.by is not None and c.to in compiled.references}
        relations = {n: c for n, c in wanted.items() if c.to in compiled.definition.relations}
        fields = {n: c for n, c in wanted.items() if n not in references and n not in relations}
        return cls(fields, references, relations, {n: _reader(compiled.definition, c, guarded) for n, c in fields.items()})

    def require(self, compiled: CompiledType, columns: Sequence[str] | None) -> None:
        """Raise `ValidationError` if a required field without default has no column."""
        if columns is None:
            return
        filled = {column.to for column in (*self.fields.values(), *self.references.values())}
        fields = compiled.definition.fields
        missing = [n for n, f in fields.items() if f.required and f.default is None and n not in filled]
        if missing:
            raise ValidationError(f"no column fills {', '.join(missing)}, which {compiled.name} requires", field="mapping")

    def values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a row, as the type checks them; empty cells are empty fields."""
        return {
            column.to: self.cells[name](row[name]) if row[name] not in ("", None) else None
            for name, column in self.fields.items()
            if name in row
        }


class Lookup:
    """Finds the records that cells name by natural key: one query a column and chunk."""

    def __init__(self, chunk: Chunk, transaction: Transaction, types: Any, dialect: str) -> None:
        self._chunk = chunk
        self._transaction = transaction
        self._types = types
        self._dialect = dialect

    def find(self, column: Column, texts: Iterable[str]) -> dict[str, UUID | Problem]:
        """The record that each text names, or why none."""
        kind = kind_of(self._chunk.compiled, column.to)
        assert kind is not None
        target = self._types.for_reading(self._transaction, kind.target)
        wanted = set(texts)
        if column.by is None:
            raise ValidationError(
                f"mapping of {column.to!r}: `by` names the field of {kind.target} to find records by", field="mapping"
            )
        field = target.definition.fields.get(column.by)
        unique, index = target.slots.unique.get(column.by), target.slots.index.get(column.by)
        slot = unique or index
        if field is None or slot is None or field.sensitive:
            raise ValidationError(
                f"mapping of {column.to!r}: {kind.target}.{column.by} is no unique or indexed field", field="mapping"
            )
        key = unique_key if unique else key_function(field)
        keys = {text: key(text) for text in wanted}
        found: dict[str, set[UUID]] = {}
        for row in documents.records_by_key(self._transaction, self._dialect, kind.target, slot, keys.values()):
            found.setdefault(row.slot_key, set()).add(row.id)
        return {text: _one(found.get(keys[text], set()), kind.target, column, text) for text in wanted}


def _one(ids: set[UUID], target: str, column: Column, text: str) -> UUID | Problem:
    if len(ids) == 1:
        return next(iter(ids))
    how = "there is no" if not ids else f"there are {len(ids)} records of type"
    return Problem(f"{how} {target} with {column.by} {text[:80]!r}", column.to, "broken_reference")


def _reader(definition: EntityTypeDefinition, column: Column, guarded: bool) -> Callable[[Any], Any]:
    """What turns a cell into what the field takes."""
    field: Any = definition.fields[column.to]
    if column.date_format is not None:
        return lambda cell: _parse_date(cell, str(column.date_format), field.type)
    if field.type == "multi_choice":
        return lambda cell: [part.strip() for part in cell.split(column.separator)] if isinstance(cell, str) else cell
    if field.type in ("json", "file"):
        return lambda cell: _parse_json(cell) if isinstance(cell, str) else cell
    if field.type in ("text", "choice"):
        return _unguarded_text if guarded else _text
    return _same


def _text(cell: Any) -> Any:
    """Sheets hold numbers where a text was meant."""
    return str(cell) if isinstance(cell, (int, float)) and not isinstance(cell, bool) else cell


def _unguarded_text(cell: Any) -> Any:
    return unguarded(cell) if isinstance(cell, str) else _text(cell)


def _same(cell: Any) -> Any:
    return cell


def _parse_json(cell: str) -> Any:
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError:
        return cell  # the field's own check tells what is wrong


def _parse_date(cell: Any, pattern: str, kind: str) -> Any:
    if not isinstance(cell, str):
        return cell
    try:
        moment = datetime.strptime(cell.strip(), pattern)
    except ValueError:
        return cell
    return moment.date() if kind == "date" else moment
