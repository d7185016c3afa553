"""Opening a file for reading: format and compression by name, progress in bytes, text with the place of a wrong byte."""

import codecs
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from brickwork.entities.files.errors import FileFormatError

FORMATS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".xlsx": "xlsx"}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Source:
    """A file being read: `size` in bytes, `position` of the bytes consumed so far (compressed, if it is)."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileFormatError(f"{path} is no file", field=str(path))
        self.path = path
        self.size = path.stat().st_size
        self._raw: BinaryIO = path.open("rb")
        compressed = path.suffix == ".gz"
        self.stream: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=self._raw)) if compressed else self._raw
        self.suffix = Path(path.stem).suffix.lower() if compressed else path.suffix.lower()

    @property
    def position(self) -> int:
        return self._raw.tell() if not self._raw.closed else self.size

    def close(self) -> None:
        self.stream.close()
        self._raw.close()


def format_of(source: Source, given: str | None) -> str:
    """The format that was asked for, or that the file's name says."""
    found = given or FORMATS.get(source.suffix)
    if found not in ("csv", "jsonl", "xlsx"):
        raise FileFormatError(
            f"{source.path.name}: the format can't be told from the name; name it: csv, jsonl or xlsx", field="format"
        )
    return found


def text_lines(source: Source, encoding: str | None, most: int) -> Iterator[str]:
    """The lines of the file as text, line ends kept.

    A line longer than `most` bytes is cut short to just over that, so that it is refused without being held in memory.
    A byte that is not of the encoding raises `FileFormatError` with its line and offset: no other encoding is guessed.
    """
    stream = source.stream
    head = cast(io.BufferedReader, stream).peek(4)[:4]
    chosen = encoding or next((name for bom, name in _BOMS if head.startswith(bom)), "utf-8")
    try:
        codecs.lookup(chosen)
    except LookupError:
        raise FileFormatError(f"encoding {chosen!r} is unknown", field="encoding") from None
    if chosen.replace("_", "-").startswith(("utf-16", "utf-32")):
        yield from _wide_lines(stream, chosen, most)
        return
    offset = 0
    decode = codecs.getdecoder("utf-8" if chosen == "utf-8-sig" else chosen)
    for number, raw in enumerate(_bounded(stream, most), 1):
        line = raw[3:] if number == 1 and raw.startswith(codecs.BOM_UTF8) else raw
        try:
            yield decode(line)[0]
        except UnicodeDecodeError as error:
            if len(raw) > most:
                yield line.decode(chosen, "replace")
            else:
                place = offset + error.start
                raise FileFormatError(
                    f"{source.path.name} is not {chosen}: byte 0x{line[error.start]:02x} at offset {place}, line {number}; "
                    "name the encoding it has, such as encoding='cp1252'",
                    field="encoding",
                ) from None
        offset += len(raw)


def _bounded(stream: BinaryIO, most: int) -> Iterator[bytes]:
    """Lines of at most `most` + 1 bytes; the rest of a longer one is read past."""
    readline = stream.readline
    while line := readline(most + 1):
        if len(line) > most and not line.endswith(b"\n"):
            while (rest := readline(1 << 20)) and not rest.endswith(b"\n"):
                pass
        yield line


def _wide_lines(stream: BinaryIO, encoding: str, most: int) -> Iterator[str]:
    """Lines of UTF-16 and UTF-32, whose line ends can't be found in bytes."""
    reader = io.TextIOWrapper(cast("io.BufferedReader", stream), encoding=encoding, newline="")
    try:
        while line := reader.readline(most + 1):
            yield line
    except UnicodeError as error:
        raise FileFormatError(f"the file is not {encoding}: {error}", field="encoding") from None
