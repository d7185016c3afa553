"""The embedded store: files in a folder."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pydantic import Field

from brickwork.errors import NotFoundError, StorageFullError, UnavailableError
from brickwork.kernel.component import ComponentSettings, Health
from brickwork.kernel.ids import uuid7

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: Where files are written before they have their name.
_DRAFTS = ".drafts"


class LocalSettings(ComponentSettings):
    #: The folder; None is "blobs" in the data folder.
    folder: Path | None = None
    #: Whether files are forced to the disk before they count as written.
    sync: bool = Field(default=True)


class LocalStore:
    """A file for each key, written beside its place and moved there."""

    def __init__(self, platform: "Platform", settings: LocalSettings) -> None:
        self._root = (settings.folder or platform.settings.platform.data_dir / "blobs").absolute()
        self._sync = settings.sync

    def write(self, key: str, chunks: Iterable[bytes]) -> int:
        drafts = self._root / _DRAFTS
        drafts.mkdir(parents=True, exist_ok=True)
        draft, size = drafts / uuid7().hex, 0
        try:
            with draft.open("xb", buffering=0) as file:
                for chunk in chunks:  # what these raise is the caller's, even where it is an OSError
                    with _translating():
                        file.write(chunk)
                    size += len(chunk)
                if self._sync:
                    with _translating():
                        os.fsync(file.fileno())
            with _translating():
                path = self._path(key)
                path.parent.mkdir(parents=True, exist_ok=True)
                draft.replace(path)
                self._settle(path.parent)
        finally:
            draft.unlink(missing_ok=True)
        return size

    def open(self, key: str, start: int = 0) -> BinaryIO:
        try:
            file = self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"there is nothing under {key}") from None
        except OSError as error:
            raise _translated(error) from None
        file.seek(start)
        return file

    def size(self, key: str) -> int | None:
        try:
            return self._path(key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError, NotADirectoryError):
            self._path(key).unlink()

    def list(self, prefix: str) -> Iterator[str]:
        for folder, _, names in os.walk(self._path(prefix) if prefix else self._root):
            for name in names:
                key = (Path(folder) / name).relative_to(self._root).as_posix()
                if not key.startswith(f"{_DRAFTS}/"):
                    yield key

    def health(self) -> Health:
        self._root.mkdir(parents=True, exist_ok=True)
        return Health(os.access(self._root, os.W_OK), "files in the data folder")

    def close(self) -> None:
        """There is nothing to let go of."""

    def _path(self, key: str) -> Path:
        return self._root / key

    def _settle(self, folder: Path) -> None:
        """Force the new name to the disk."""
        if self._sync:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _translated(error) from None


def _translated(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError("the disk is full")
    return UnavailableError(f"files can't be written: {error.strerror}")
