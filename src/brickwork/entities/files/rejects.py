"""The file of rejected rows: made when the first comes, one JSON object a row, with the reasons."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson


class RejectsWriter:
    """Writes rejected rows to `path` (JSON Lines: number, line, reasons, row); with `append` an earlier file goes on."""

    def __init__(self, path: Path, *, append: bool = False) -> None:
        self.path = path
        self._append = append
        self._file: IO[bytes] | None = None
        self.count = 0

    def write(self, number: int, line: int, reasons: Sequence[str], row: Any) -> None:
        """Add a row."""
        if self._file is None:
            self._file = self.path.open("ab" if self._append else "wb")
        entry = {"number": number, "line": line, "reasons": list(reasons), "row": row}
        self._file.write(orjson.dumps(entry, default=str, option=orjson.OPT_APPEND_NEWLINE))
        self.count += 1

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        if self._file is not None:
            self._file.flush()

    def __enter__(self) -> "RejectsWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
