"""Stores that fsspec knows: S3 and what speaks like it, other clouds, and memory."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from pydantic import SecretStr

from brickwork.errors import BrickworkError, MissingDependencyError, NotFoundError, UnavailableError
from brickwork.kernel.component import ComponentSettings, Health, OpenSettings
from brickwork.kernel.ids import uuid7

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

T = TypeVar("T")
#: Protocols whose objects appear when they are whole. Elsewhere a file is written beside its place and moved there.
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az"})
#: Bytes that are written at once: the least part of S3's uploads in parts is 5 MiB.
_PART = 8 << 20


class RemoteSettings(ComponentSettings):
    #: Where, as fsspec writes it: "s3://bucket/folder", "gs://bucket", "memory://".
    url: str = "memory://brickwork"
    #: The server, where it is another than the cloud's own, such as "http://127.0.0.1:9000".
    endpoint: str | None = None
    key: str | None = None
    secret: SecretStr | None = None
    #: Further settings of fsspec's file system.
    options: OpenSettings = {}


class RemoteStore:
    """A file system of fsspec's as a store."""

    def __init__(self, platform: "Platform", settings: RemoteSettings) -> None:
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError:
            raise MissingDependencyError("fsspec", "storage") from None
        options = dict(settings.options)
        if settings.endpoint is not None:
            options["client_kwargs"] = {**options.get("client_kwargs", {}), "endpoint_url": settings.endpoint}
        if settings.key is not None and settings.secret is not None:
            options |= {"key": settings.key, "secret": settings.secret.get_secret_value()}
        try:
            self._fs, root = url_to_fs(settings.url, **options)
        except ImportError:
            protocol = settings.url.partition(":")[0]
            raise MissingDependencyError(f"fsspec's package for {protocol}", "s3" if protocol == "s3" else "storage") from None
        self._root = str(root).rstrip("/")
        protocols = {self._fs.protocol} if isinstance(self._fs.protocol, str) else set(self._fs.protocol)
        self._whole = bool(protocols & _WHOLE)

    def write(self, key: str, chunks: Iterable[bytes]) -> int:
        target = self._path(key)
        draft = target if self._whole else f"{self._root}/.drafts/{uuid7().hex}"
        file = self._calling(lambda: self._opened(draft))
        size = 0
        try:
            for chunk in chunks:
                self._calling(lambda chunk=chunk: file.write(chunk))  # type: ignore[misc]
                size += len(chunk)
            self._calling(file.close)
            if draft != target:
                self._calling(lambda: self._moved(draft, target))
        except BaseException:
            self._abandon(file, draft)
            raise
        return size

    def open(self, key: str, start: int = 0) -> BinaryIO:
        path = self._path(key)
        try:
            file = self._fs.open(path, "rb", **({"cache_type": "readahead"} if self._whole else {}))
        except FileNotFoundError:
            raise NotFoundError(f"there is nothing under {key}") from None
        except Exception as error:
            raise _translated(error) from None
        file.seek(start)
        return cast(BinaryIO, file)

    def size(self, key: str) -> int | None:
        self._fs.invalidate_cache()
        try:
            return int(self._fs.size(self._path(key)))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise _translated(error) from None

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self._calling(lambda: self._fs.rm_file(self._path(key)))

    def list(self, prefix: str) -> Iterator[str]:
        self._fs.invalidate_cache()
        try:
            found = self._fs.find(self._path(prefix).rstrip("/"))
        except FileNotFoundError:
            return
        except Exception as error:
            raise _translated(error) from None
        for path in found:
            key = str(path).removeprefix(f"{self._root}/")
            if not key.startswith(".drafts/"):
                yield key

    def health(self) -> Health:
        try:
            self._fs.invalidate_cache()
            self._fs.exists(f"{self._root}/.health")
        except Exception as error:
            return Health(False, type(error).__name__)
        return Health(True, self._fs.protocol if isinstance(self._fs.protocol, str) else self._fs.protocol[0])

    def close(self) -> None:
        """fsspec keeps its connections for the process."""

    def _opened(self, path: str) -> Any:
        if not self._whole:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        return self._fs.open(path, "wb", block_size=_PART)

    def _moved(self, draft: str, target: str) -> None:
        self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._fs.mv(draft, target)

    def _abandon(self, file: Any, draft: str) -> None:
        """Leave nothing of a file that was begun."""
        with suppress(Exception):
            if hasattr(file, "discard"):
                file.discard()
            file.closed = True
        if not self._whole:
            with suppress(Exception):
                self._fs.rm_file(draft)

    def _calling(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (FileNotFoundError, BrickworkError):
            raise
        except Exception as error:
            raise _translated(error) from None

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"


def _translated(error: Exception) -> Exception:
    return UnavailableError(f"the store can't be used: {type(error).__name__}")
