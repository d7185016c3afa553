"""Names of files in packages: relative, without ways out of a folder, the same on every system."""

import re
import unicodedata
from collections.abc import Container
from pathlib import PurePosixPath

from brickwork.errors import ValidationError

#: Bytes of a name and of its parts that common file systems take.
_LONGEST, _LONGEST_PART = 1000, 255
#: What Windows refuses, and what no name needs.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
#: Devices of Windows, which are opened whatever the folder.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def checked_name(name: str, *, folders: bool = True) -> str:
    """The name in NFC, with `/` between folders. Raises `ValidationError` for one that is absolute, leads out of its folder
    ("zip slip"), or can't be a file's name everywhere."""
    told = f"file name {name!r}"
    normal = unicodedata.normalize("NFC", name)
    parts = normal.split("/")
    if not normal or len(normal.encode("utf-8", "replace")) > _LONGEST:
        raise ValidationError(f"{told}: has 1 to {_LONGEST} bytes", field="name")
    if found := _FORBIDDEN.search(normal):
        raise ValidationError(f"{told}: the character {found[0]!r} can't be in it", field="name")
    if any(unicodedata.category(c) in {"Cf", "Cs", "Co"} for c in normal):
        raise ValidationError(f"{told}: has invisible or private characters", field="name")
    if len(parts) > 1 and not folders:
        raise ValidationError(f"{told}: is a name without folders", field="name")
    for part in parts:
        if part in {"", ".", ".."} or part != part.strip() or part.endswith(".") or _DEVICES.fullmatch(part):
            raise ValidationError(f"{told}: {part!r} is no name of a file or folder; give a relative path", field="name")
        if len(part.encode()) > _LONGEST_PART:
            raise ValidationError(f"{told}: {part[:20]!r}… is longer than {_LONGEST_PART} bytes", field="name")
    return normal


def tamed_name(name: str, instead: str = "file") -> str:
    """A name that a stranger gave, made into one that `checked_name` takes: the last part, without what is refused."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    clean = "".join(c for c in _FORBIDDEN.sub("_", last) if unicodedata.category(c) not in {"Cf", "Cs", "Co"})
    clean = clean.encode("utf-8", "ignore")[:200].decode("utf-8", "ignore").strip().rstrip(".")
    return instead if not clean or _DEVICES.fullmatch(clean) else clean


def unused_name(name: str, taken: Container[str]) -> str:
    """`name`, or the first of `name (2).pdf`, `name (3).pdf`, … that is not taken."""
    if name not in taken:
        return name
    path, number = PurePosixPath(name), 2
    while (new := str(path.with_name(f"{path.stem} ({number}){path.suffix}"))) in taken:
        number += 1
    return new
