"""The PDF library, loaded on first use and with limits against files that unpack to more than a machine has."""

from functools import cache
from typing import Any

from brickwork.errors import MissingDependencyError

#: Bytes that one compressed stream may unpack to.
UNPACKED = 512 << 20


@cache
def library() -> Any:
    """pikepdf; raises `MissingDependencyError`. Its limit of unpacked bytes a stream is set for the whole process."""
    try:
        import pikepdf
    except ImportError:
        raise MissingDependencyError("pikepdf", "pdf") from None
    pikepdf.settings.set_qpdf_limits(flate_max_memory=UNPACKED, run_length_max_memory=UNPACKED, png_max_memory=UNPACKED)
    return pikepdf
