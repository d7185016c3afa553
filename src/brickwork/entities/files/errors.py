"""What may be wrong with a file as a whole."""

from brickwork.errors import ValidationError


class FileFormatError(ValidationError):
    """The file can't be read as a table: unknown format, wrong encoding, no or double headers."""

    code = "file_unreadable"
