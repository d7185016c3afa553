"""Writing tables: complete files only, since a draft takes the target's name when all is written."""

import csv
import gzip
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import orjson

from brickwork.entities.files.errors import FileFormatError
from brickwork.entities.files.source import FORMATS
from brickwork.errors import MissingDependencyError

#: First characters by which spreadsheet programs take a cell for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class TableWriter(Protocol):
    """Takes one row after the other."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row; columns that it lacks stay empty."""
        ...


@contextmanager
def open_writer(
    path: Path | str, *, columns: Sequence[str], format: str | None = None, escape_formulas: bool = True
) -> Iterator[TableWriter]:
    """A writer for CSV, JSON Lines or XLSX (by the name's suffix, `.gz` allowed for the first two).

    With `escape_formulas` a text cell that a spreadsheet would run as a formula gets an apostrophe in front; numbers and
    phone numbers ("+49…") keep theirs off. If the block raises, no file is left.
    """
    target = Path(path)
    suffix = Path(target.stem).suffix.lower() if target.suffix == ".gz" else target.suffix.lower()
    kind = format or FORMATS.get(suffix)
    if kind not in ("csv", "jsonl", "xlsx"):
        raise FileFormatError(
            f"{target.name}: the format can't be told from the name; name it: csv, jsonl or xlsx", field="format"
        )
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _writer(draft, kind, target.suffix == ".gz", list(columns), escape_formulas) as writer:
            yield writer
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _writer(draft: Path, kind: str, packed: bool, columns: list[str], escape: bool) -> Iterator[TableWriter]:
    if kind == "xlsx":
        sheet = _Sheet(columns)
        yield sheet
        sheet.save(draft)
        return
    with draft.open("wb") as raw:
        stream = cast("io.BufferedWriter", gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) if packed else raw)
        if kind == "jsonl":
            yield _Lines(stream, columns)
        else:
            text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
            yield _Csv(text, columns, escape)
            text.flush()
            text.detach()
        if packed:
            stream.close()


class _Lines:
    def __init__(self, stream: io.BufferedWriter, columns: list[str]) -> None:
        self._stream = stream
        self._columns = columns

    def write(self, row: Mapping[str, Any]) -> None:
        kept = {name: row[name] for name in self._columns if row.get(name) is not None}
        self._stream.write(orjson.dumps(kept, default=str, option=orjson.OPT_APPEND_NEWLINE))


class _Csv:
    def __init__(self, stream: io.TextIOWrapper, columns: list[str], escape: bool) -> None:
        self._columns = columns
        self._writer = csv.writer(stream)
        self._escape = escape
        self._writer.writerow(columns)

    def write(self, row: Mapping[str, Any]) -> None:
        cells = [cell_text(row.get(name)) for name in self._columns]
        if self._escape:
            cells = [_guarded(cell) for cell in cells]
        self._writer.writerow(cells)


class _Sheet:
    def __init__(self, columns: list[str]) -> None:
        try:
            from openpyxl import Workbook
        except ImportError:
            raise MissingDependencyError("openpyxl", "xlsx") from None
        self._columns = columns
        self._book = Workbook(write_only=True)
        self._page = self._book.create_sheet("records")
        self._page.append(columns)

    def write(self, row: Mapping[str, Any]) -> None:
        self._page.append([_sheet_cell(self._page, row.get(name)) for name in self._columns])

    def save(self, path: Path) -> None:
        self._book.save(path)


def cell_text(value: Any) -> str:
    """A value as a CSV cell that an import reads back: money "12.50 EUR", several choices "a;b", other JSON as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        return f"{value['amount']} {value['currency']}"
    if isinstance(value, list) and all(isinstance(item, str) and ";" not in item for item in value):
        return ";".join(value)
    if isinstance(value, (dict, list)):
        return orjson.dumps(value, default=str).decode()
    return str(value)


def _sheet_cell(page: Any, value: Any) -> Any:
    """XLSX has numbers and truth values of its own; a text is never a formula there."""
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    text = cell_text(value)
    if text.startswith("="):
        from openpyxl.cell import WriteOnlyCell

        cell = WriteOnlyCell(page, value=text)
        cell.data_type = "s"
        return cell
    return text


def _guarded(cell: str) -> str:
    if not cell.startswith(_FORMULA) or _is_number(cell):
        return "'" + cell if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
    return "'" + cell


def unguarded(cell: str) -> str:
    """The cell without the apostrophe that `open_writer` put in front of a would-be formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip("'").startswith(_FORMULA) else cell


def _is_number(cell: str) -> bool:
    """Numbers, amounts like "-5.00 EUR" and phone numbers like "+49301234" are no formulas."""
    head, _, tail = cell.partition(" ")
    try:
        float(head)
    except ValueError:
        return False
    return not tail or (len(tail) == 3 and tail.isalpha())
