"""What packing could not keep, told to the caller."""

import attrs


@attrs.frozen
class Note:
    """One thing that is not as it was in a file: a stable `code`, the file, and a sentence."""

    code: str
    source: str
    message: str
