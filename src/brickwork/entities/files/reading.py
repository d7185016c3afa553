"""Reading tables: rows with their numbers, and problems in the place of rows that can't be parsed."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import attrs
import orjson

from brickwork.entities.files.errors import FileFormatError
from brickwork.entities.files.source import Source, format_of, text_lines
from brickwork.errors import MissingDependencyError

#: The longest row that is read, in bytes; a longer one is a `RowProblem`.
MAX_ROW = 1 << 20


@attrs.frozen
class Row:
    """A row: `number` counts data rows from 1, `line` is the physical line (sheet row) on which it begins."""

    number: int
    line: int
    values: dict[str, Any]


@attrs.frozen
class RowProblem:
    """A row that can't be parsed, and why; `raw` is its beginning."""

    number: int
    line: int
    reason: str
    raw: str


class Rows:
    """An open table. Iterate it once; `columns` is None where each row names its own (JSON Lines)."""

    def __init__(self, source: Source, columns: list[str] | None, items: Iterator[Row | RowProblem], guarded: bool) -> None:
        #: Whether texts may carry the apostrophe with which `open_writer` guards would-be formulas.
        self.guarded = guarded
        self._source = source
        self._items = items
        self.columns = columns

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._source.size

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._source.position

    def __iter__(self) -> Iterator[Row | RowProblem]:
        return self._items


@contextmanager
def open_rows(
    path: Path | str,
    *,
    format: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    max_row: int = MAX_ROW,
) -> Iterator[Rows]:
    """The rows of a CSV (RFC 4180), JSON Lines or XLSX file, `.gz` too; raises `FileFormatError`.

    CSV is UTF-8 unless it begins with another byte order mark or `encoding` says otherwise; the delimiter (comma,
    semicolon, tab, pipe) is told from the header. A cell written by `open_writer` with a guarding apostrophe is read
    without it.
    """
    source = Source(Path(path))
    try:
        kind = format_of(source, format)
        if kind == "csv":
            columns, items = _csv(source, encoding, delimiter, max_row)
        elif kind == "jsonl":
            columns, items = None, _jsonl(source, encoding, max_row)
        else:
            columns, items = _xlsx(source, sheet)
        yield Rows(source, columns, items, kind == "csv")
    finally:
        source.close()


# -- CSV -----------------------------------------------------------------------------------------------------------


def _csv(source: Source, encoding: str | None, delimiter: str | None, most: int) -> tuple[list[str], Iterator[Row | RowProblem]]:
    lines = text_lines(source, encoding, most)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise FileFormatError(f"{source.path.name} is empty: the first row names the columns", field="columns")
    comma = delimiter or _delimiter(first)
    feed = _Feed(lines, most)
    header = next(csv.reader(feed.starting(first), delimiter=comma, strict=True))
    columns = _checked_header(source, [cell.strip() for cell in header])
    return columns, _csv_rows(feed, columns, comma)


def _delimiter(line: str) -> str:
    """The one of the usual delimiters that the header has most of."""
    outside = "".join(part for n, part in enumerate(line.split('"')) if n % 2 == 0)
    return max(",;\t|", key=lambda mark: (outside.count(mark), mark == ","))


def _checked_header(source: Source, columns: list[str]) -> list[str]:
    if "" in columns:
        raise FileFormatError(f"{source.path.name}: column {columns.index('') + 1} has no name", field="columns")
    double = {name for name in columns if columns.count(name) > 1}
    if double:
        raise FileFormatError(f"{source.path.name}: columns named twice: {', '.join(sorted(double))}", field="columns")
    return columns


class _LongRowError(Exception):
    """A row passed the bound; the reader begins again behind it."""


class _Feed:
    """Gives lines to the csv module, counts them, and stops a row that runs on (an unclosed quote) at `most` bytes."""

    def __init__(self, lines: Iterator[str], most: int) -> None:
        self._lines = lines
        self._most = most
        self._first: str | None = None
        self.line = 0
        self.taken = 0
        self.head = ""

    def starting(self, first: str) -> "_Feed":
        self._first = first
        return self

    def begin(self) -> None:
        """A new row begins."""
        self.taken = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line, self._first = (self._first, None) if self._first is not None else (next(self._lines), None)
        self.line += 1
        if self.taken == 0:
            self.head = line[:200]
        self.taken += len(line)
        if self.taken > self._most:
            raise _LongRowError
        return line


def _csv_rows(feed: _Feed, columns: list[str], comma: str) -> Iterator[Row | RowProblem]:
    width, number = len(columns), 0
    reader = csv.reader(feed, delimiter=comma, strict=True)
    while True:
        feed.begin()
        line = feed.line + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (_LongRowError, csv.Error) as error:
            number += 1
            yield RowProblem(number, line, _told(error, feed), feed.head.rstrip("\r\n"))
            reader = csv.reader(feed, delimiter=comma, strict=True)
            continue
        if not cells:
            continue
        number += 1
        if len(cells) != width:
            yield RowProblem(number, line, f"has {len(cells)} cells; the header names {width}", feed.head.rstrip("\r\n"))
            continue
        yield Row(number, line, dict(zip(columns, cells, strict=True)))


def _told(error: Exception, feed: _Feed) -> str:
    if isinstance(error, _LongRowError):
        return f"is longer than {feed._most} bytes; is a quote not closed?"
    return f"can't be parsed: {error}"


# -- JSON Lines -----------------------------------------------------------------------------------------------------


def _jsonl(source: Source, encoding: str | None, most: int) -> Iterator[Row | RowProblem]:
    number = 0
    for line, text in enumerate(text_lines(source, encoding, most), 1):
        if not text.strip():
            continue
        number += 1
        if len(text) > most:
            yield RowProblem(number, line, f"is longer than {most} bytes", text[:200])
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            yield RowProblem(number, line, f"is no JSON: {error}", text[:200].rstrip())
            continue
        if isinstance(value, dict):
            yield Row(number, line, value)
        else:
            yield RowProblem(number, line, f"is a JSON {type(value).__name__}, not an object", text[:200].rstrip())


# -- XLSX -----------------------------------------------------------------------------------------------------------


def _xlsx(source: Source, sheet: str | None) -> tuple[list[str], Iterator[Row | RowProblem]]:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise MissingDependencyError("openpyxl", "xlsx") from None
    _refuse_bomb(source)
    try:
        book = load_workbook(source.path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises whatever its parsers do
        raise FileFormatError(f"{source.path.name} is no XLSX workbook: {error}", field="format") from None
    if sheet is not None and sheet not in book.sheetnames:
        raise FileFormatError(f"{source.path.name} has no sheet {sheet!r}; it has {', '.join(book.sheetnames)}", field="sheet")
    page = book[sheet] if sheet is not None else book.worksheets[0]
    page.reset_dimensions()
    rows = page.iter_rows(values_only=True)
    header = next(rows, None)
    if not header:
        raise FileFormatError(f"{source.path.name} is empty: the first row names the columns", field="columns")
    columns = _checked_header(source, [str(cell).strip() if cell is not None else "" for cell in _trimmed(header)])
    return columns, _xlsx_rows(rows, columns)


def _refuse_bomb(source: Source) -> None:
    """An XLSX is a ZIP; refuse one that unpacks to more than 4 GB or that is no ZIP at all."""
    import zipfile

    try:
        with zipfile.ZipFile(source.path) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except zipfile.BadZipFile:
        raise FileFormatError(f"{source.path.name} is no XLSX workbook", field="format") from None
    if size > 1 << 32:
        raise FileFormatError(f"{source.path.name} unpacks to {size} bytes; at most 4 GB are read", field="format")


def _trimmed(cells: tuple[Any, ...]) -> list[Any]:
    """The cells without the empty ones at the end."""
    width = len(cells)
    while width and cells[width - 1] is None:
        width -= 1
    return list(cells[:width])


def _xlsx_rows(rows: Iterator[tuple[Any, ...]], columns: list[str]) -> Iterator[Row | RowProblem]:
    width, number = len(columns), 0
    for line, cells in enumerate(rows, 2):
        given = _trimmed(cells)
        if not given:
            continue
        number += 1
        if len(given) > width:
            yield RowProblem(number, line, f"has {len(given)} cells; the header names {width}", repr(given)[:200])
            continue
        padded = given + [None] * (width - len(given))
        yield Row(number, line, {name: _cell(value) for name, value in zip(columns, padded, strict=True)})


def _cell(value: Any) -> Any:
    """Excel keeps days as moments at midnight; numbers that are whole are given as such."""
    if isinstance(value, datetime):
        return value.date().isoformat() if (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0) else value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
