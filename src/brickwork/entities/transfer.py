"""`platform.entities.transfer`: import and export of files, as streams in bounded memory."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import attrs
import orjson
from sqlalchemy import insert, select, update

from brickwork.data.transaction import Transaction
from brickwork.entities import documents
from brickwork.entities.bulk import CHUNK, chunks
from brickwork.entities.chunk import Chunk, RowError
from brickwork.entities.compiled import CompiledType
from brickwork.entities.events import EntitiesImported
from brickwork.entities.files import RejectsWriter, Row, RowProblem, open_rows, open_writer
from brickwork.entities.links import kind_of
from brickwork.entities.mapping import Lookup, Mapped, Plan
from brickwork.entities.models import EntityImportRow
from brickwork.errors import BrickworkError, Problem, ValidationError
from brickwork.kernel.ids import uuid7

if TYPE_CHECKING:
    from brickwork.entities.service import Entities

#: Hears rows done, bytes read, bytes of the file (0 where unknown).
Progress = Callable[[int, int, int], None]

_import: Any = EntityImportRow.__table__


@attrs.define
class ImportReport:
    """What an import did. With `dry_run` nothing was written, and the figures say what would have been."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    resumed_at: int = 0
    dry_run: bool = False
    rejects: Path | None = None
    seconds: float = 0.0


@attrs.frozen
class ExportReport:
    """What an export wrote."""

    rows: int
    path: Path
    seconds: float


class _DryRunError(Exception):
    """Rolls a dry run back."""


class Transfer:
    """Files in and out; see `docs/how-to/import-export.md`."""

    def __init__(self, entities: "Entities") -> None:
        self._entities = entities
        self._database = entities._database

    def import_file(
        self,
        type: str,
        path: Path | str,
        *,
        key: str | None = None,
        mapping: Mapped | None = None,
        on_error: Literal["reject", "stop"] = "reject",
        rejects: Path | str | None = None,
        dry_run: bool = False,
        again: bool = False,
        format: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Import a CSV, JSON Lines or XLSX file, a chunk of 1,000 rows a transaction.

        With `key` (a unique field, or a `unique_together` group as "a+b") a row changes the record that has its key, or
        makes it; importing the same file again then changes nothing. Rows that are wrong go to the file `rejects` with the
        reasons, or with `on_error="stop"` end the import at the chunk before (`ValidationError`). An import that was
        interrupted goes on where it stopped, if the same file is imported with the same options. Without `key`, a file that
        was imported to the end is refused, unless `again`.
        """
        self._entities._guard.everywhere(type, "create", *(("read", "update") if key is not None else ()))
        options = {"type": type, "key": key, "mapping": _plain(mapping), "format": format, "encoding": encoding, "sheet": sheet}
        begin, source = time.perf_counter(), Path(path)
        with open_rows(source, format=format, encoding=encoding, delimiter=delimiter, sheet=sheet) as rows:
            with self._database.transaction(readonly=True) as transaction:
                compiled = self._entities.types.for_reading(transaction, type)
            plan = Plan.make(compiled, rows.columns, mapping, guarded=rows.guarded)
            if key is not None and key not in compiled.slots.unique:
                known = ", ".join(compiled.slots.unique) or "none"
                raise ValidationError(f"key: {key!r} is no unique field or group of {type}; there are {known}", field="key")
            if key is None:
                plan.require(compiled, rows.columns)
            run = _Run(self._entities, type, plan, key, on_error, ImportReport(dry_run=dry_run))
            if dry_run:
                run.dry(rows, progress)
            else:
                fingerprint = _fingerprint(source, options)
                run.resume(fingerprint, again or key is not None)
                run.go(rows, Path(rejects) if rejects else None, progress)
        run.report.seconds = time.perf_counter() - begin
        return run.report

    def export_file(
        self,
        type: str,
        path: Path | str,
        *,
        where: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
        include_sensitive: bool = False,
        format: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> ExportReport:
        """Write the records that `where` admits to a CSV, JSON Lines or XLSX file, in order of their making.

        The file appears when it is complete. An import reads it back. Sensitive fields are left out unless asked for; the
        export is noted in the audit trail.
        """
        begin, target, count = time.perf_counter(), Path(path), 0
        compiled = self._compiled(type)
        names = list(fields) if fields is not None else [n for n in compiled.definition.fields if n not in compiled.sensitive]
        if fields is None and include_sensitive:
            names = list(compiled.definition.fields)
        unknown = [name for name in names if name not in compiled.definition.fields]
        if unknown:
            raise ValidationError(f"fields: {', '.join(unknown)} are no fields of {type}", field="fields")
        secret = [name for name in names if name in compiled.sensitive]
        if secret and not include_sensitive:
            raise ValidationError(f"fields: {', '.join(secret)} are sensitive; say include_sensitive", field="fields")
        with open_writer(target, columns=names, format=format) as writer:
            for record in self._entities.each(type, where):
                writer.write(record.data)
                count += 1
                if progress is not None and count % CHUNK == 0:
                    progress(count)
        detail = {"rows": count, "file": target.name, "fields": names}
        self._database.audit.note("export", "entity_type", type, detail=detail)
        return ExportReport(count, target, time.perf_counter() - begin)

    def _compiled(self, type: str) -> CompiledType:
        with self._database.transaction(readonly=True) as transaction:
            return self._entities.types.for_reading(transaction, type)


class _Run:
    """One import under way."""

    def __init__(self, entities: "Entities", type: str, plan: Plan, key: str | None, on_error: str, report: ImportReport) -> None:
        self._entities = entities
        self._database = entities._database
        self._type = type
        self._plan = plan
        self._key = key
        self._stop = on_error == "stop"
        self._checkpoint: UUID | None = None
        self.report = report

    def resume(self, fingerprint: str, repeatable: bool) -> None:
        """Find or make the checkpoint of this file and these options."""
        with self._database.transaction() as transaction:
            mine = (_import.c.tenant_id == transaction.tenant, _import.c.fingerprint == fingerprint)
            row = transaction.execute(select(_import).where(*mine).with_for_update()).one_or_none()
            if row is not None and row.status == "done" and not repeatable:
                raise ValidationError("this file was imported before; give a key, or say again=True to import it once more")
            if row is None or row.status == "done":
                zero = dict.fromkeys(("rows_done", "created", "updated", "unchanged", "rejected"), 0)
                values = {**zero, "status": "running", "updated_at": self._database.clock.now()}
                self._checkpoint = row.id if row is not None else uuid7()
                if row is not None:
                    transaction.execute(update(_import).where(*mine).values(**values))
                else:
                    key = {"tenant_id": transaction.tenant, "id": self._checkpoint, "fingerprint": fingerprint}
                    transaction.execute(insert(_import), {**key, "type": self._type, **values})
                return
            self._checkpoint = row.id
            report = self.report
            report.rows = report.resumed_at = row.rows_done
            report.created, report.updated, report.unchanged, report.rejected = (
                row.created,
                row.updated,
                row.unchanged,
                row.rejected,
            )

    def go(self, rows: Any, rejects: Path | None, progress: Progress | None) -> None:
        """Import every row that is not done yet."""
        with ExitStack() as stack:
            file = stack.enter_context(RejectsWriter(rejects, append=self.report.resumed_at > 0)) if rejects else None
            todo = (item for item in rows if item.number > self.report.resumed_at)
            for part in chunks(todo, CHUNK):
                with self._database.transaction() as transaction:
                    faults = self._write(transaction, part)
                    if faults and self._stop:
                        raise _stopped(part, faults)
                    self._save(transaction, "running")
                if file is not None:
                    for fault in faults:
                        item = part[fault.row]
                        file.write(item.number, item.line, [p.message for p in _told(fault)], _raw(item))
                    file.flush()
                if progress is not None:
                    progress(self.report.rows, rows.position, rows.size)
            with self._database.transaction() as transaction:
                self._save(transaction, "done")
            self.report.rejects = rejects if file is not None and (file.count or self.report.rejected) else None

    def dry(self, rows: Any, progress: Progress | None) -> None:
        """Do it all in one transaction and take it back."""
        try:
            with self._database.transaction() as transaction:
                for part in chunks(rows, CHUNK):
                    faults = self._write(transaction, part)
                    if faults and self._stop:
                        raise _stopped(part, faults)
                    if progress is not None:
                        progress(self.report.rows, rows.position, rows.size)
                raise _DryRunError
        except _DryRunError:
            return

    # -- a chunk -----------------------------------------------------------------------------------------------------

    def _write(self, transaction: Transaction, part: Sequence[Row | RowProblem]) -> list[RowError]:
        chunk = Chunk(self._entities, transaction, self._type)
        items = self._collect(transaction, chunk, part)
        if self._key is None:
            for row, values in items:
                chunk.create(row, values)
        else:
            blind = self._entities._records.blinder(transaction.tenant, chunk.compiled)
            key_of = chunk.compiled.unique_key_of(self._key, blind)
            chunk.upsert(chunk.compiled.slots.unique[self._key], key_of, items)
        links = self._relations(transaction, chunk, part)
        faults = _by_row(chunk.write())
        written = chunk.written()
        if links:
            chunk.add_links(self._missing_links(transaction, links, written))
        report = self.report
        report.rows += len(part)
        report.created += len(chunk.created)
        report.updated += len(chunk.updated)
        report.rejected += len(faults)
        report.unchanged += len(part) - len(faults) - len(chunk.created) - len(chunk.updated)
        if chunk.created or chunk.updated:
            transaction.publish(EntitiesImported(type=self._type, created=len(chunk.created), updated=len(chunk.updated)))
        return faults

    def _collect(
        self, transaction: Transaction, chunk: Chunk, part: Sequence[Row | RowProblem]
    ) -> list[tuple[int, dict[str, Any]]]:
        """The values of each row that can be read, references found by their natural keys."""
        items: list[tuple[int, dict[str, Any]]] = []
        for n, item in enumerate(part):
            if isinstance(item, RowProblem):
                chunk.reject(n, Problem(item.reason, None, "row_unreadable"))
            else:
                items.append((n, self._plan.values(item.values)))
        lookup = Lookup(chunk, transaction, self._entities.types, self._entities._dialect)
        for name, column in self._plan.references.items():
            cells = {n: str(part[n].values[name]) for n, _ in items if part[n].values.get(name) not in ("", None)}  # type: ignore[union-attr]
            found = lookup.find(column, cells.values()) if cells else {}
            kept = []
            for n, values in items:
                target = found[cells[n]] if n in cells else None
                if isinstance(target, Problem):
                    chunk.reject(n, target)
                else:
                    kept.append((n, {**values, column.to: target}))
            items = kept
        return items

    def _relations(
        self, transaction: Transaction, chunk: Chunk, part: Sequence[Row | RowProblem]
    ) -> list[tuple[int, str, UUID, bool]]:
        """The links that relation columns ask for: row, kind, target, and whether a source has one only."""
        wanted: list[tuple[int, str, UUID, bool]] = []
        lookup = Lookup(chunk, transaction, self._entities.types, self._entities._dialect)
        for name, column in self._plan.relations.items():
            kind = kind_of(chunk.compiled, column.to)
            assert kind is not None
            if kind.one_source:
                raise ValidationError(
                    f"mapping: {kind.kind} gives each {kind.target} one {kind.type}; import it from the other side",
                    field="mapping",
                )
            cells: dict[int, list[str]] = {}
            for n, item in enumerate(part):
                text = item.values.get(name) if isinstance(item, Row) else None
                if text not in ("", None):
                    cells[n] = [p.strip() for p in str(text).split(column.separator) if p.strip()]
            found = lookup.find(column, {t for texts in cells.values() for t in texts}) if cells else {}
            for n, texts in cells.items():
                for text in texts:
                    target = found[text]
                    if isinstance(target, Problem):
                        chunk.reject(n, target)
                    else:
                        wanted.append((n, kind.kind, target, kind.one_target))
        return wanted

    def _missing_links(
        self, transaction: Transaction, links: Sequence[tuple[int, str, UUID, bool]], written: Mapping[int, UUID]
    ) -> list[tuple[str, UUID, UUID, bool]]:
        wanted = {(kind, written[n], target): single for n, kind, target, single in links if n in written}
        kinds, sources = {kind for kind, _, _ in wanted}, {source for _, source, _ in wanted}
        there = documents.links_from(transaction, self._entities._dialect, sources, kinds) if wanted else []
        known = {(row.kind, row.source_id, row.target_id) for row in there}
        return [(*key, single) for key, single in wanted.items() if key not in known]

    def _save(self, transaction: Transaction, status: str) -> None:
        """The checkpoint commits with the rows before it."""
        report = self.report
        statement = update(_import).where(_import.c.tenant_id == transaction.tenant, _import.c.id == self._checkpoint)
        transaction.execute(
            statement.values(
                rows_done=report.rows,
                created=report.created,
                updated=report.updated,
                unchanged=report.unchanged,
                rejected=report.rejected,
                status=status,
                updated_at=self._database.clock.now(),
            )
        )


def _fingerprint(path: Path, options: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(orjson.dumps(options, option=orjson.OPT_SORT_KEYS))
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _plain(mapping: Mapped | None) -> Any:
    return {n: attrs.asdict(to) if to is not None and not isinstance(to, str) else to for n, to in (mapping or {}).items()}


def _by_row(errors: Iterable[RowError]) -> list[RowError]:
    """One error a row, with all of its problems."""
    rows: dict[int, RowError] = {}
    for error in errors:
        known = rows.get(error.row)
        rows[error.row] = error if known is None else RowError(error.row, (*known.problems, *error.problems))
    return list(rows.values())


def _told(fault: RowError) -> list[Problem]:
    return [Problem(f"{p.field}: {p.message}" if p.field else p.message, p.field, p.code) for p in fault.problems]


def _raw(item: Row | RowProblem) -> Any:
    return item.values if isinstance(item, Row) else item.raw


def _stopped(part: Sequence[Row | RowProblem], faults: Sequence[RowError]) -> BrickworkError:
    problems = [Problem(p.message, f"line {part[f.row].line}", p.code) for f in faults[:100] for p in _told(f)]
    told = "; ".join(f"{p.field}: {p.message}" for p in problems[:5])
    return ValidationError(f"the import stopped at {len(faults)} wrong rows: {told}", problems=problems)
