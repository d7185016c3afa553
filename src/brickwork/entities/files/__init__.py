"""Tables in files, as streams: reading and writing CSV, JSON Lines and XLSX in bounded memory."""

from brickwork.entities.files.errors import FileFormatError
from brickwork.entities.files.reading import Row, RowProblem, open_rows
from brickwork.entities.files.rejects import RejectsWriter
from brickwork.entities.files.writing import open_writer

__all__ = ["FileFormatError", "RejectsWriter", "Row", "RowProblem", "open_rows", "open_writer"]
