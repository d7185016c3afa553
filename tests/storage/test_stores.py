"""The stores of blobs, each against the contract: files, memory, and S3 as moto's server speaks it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from brickwork.errors import MissingDependencyError, UnavailableError
from brickwork.storage.backends.local import LocalSettings, LocalStore
from brickwork.storage.backends.remote import RemoteSettings, RemoteStore
from brickwork.storage.port import BlobStore
from brickwork.testing.contracts.storage import BlobStoreContract

PLATFORM: Any = SimpleNamespace()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def s3_settings(url: str, bucket: str) -> RemoteSettings:
    return RemoteSettings.model_validate({"url": f"s3://{bucket}/blobs", "endpoint": url, "key": "k", "secret": "s"})


class TestLocal(BlobStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> BlobStore:
        return LocalStore(PLATFORM, LocalSettings(folder=tmp_path / "blobs"))

    def test_files_are_not_seen_while_they_are_written(self, store: BlobStore) -> None:
        def watching() -> Iterator[bytes]:
            yield b"half"
            assert store.size("a/one") is None
            assert list(store.list("")) == []
            yield b"whole"

        assert store.write("a/one", watching()) == 9


class TestMemory(BlobStoreContract):
    @pytest.fixture
    def store(self) -> BlobStore:
        return RemoteStore(PLATFORM, RemoteSettings(url=f"memory://{uuid4().hex}"))


class TestS3(BlobStoreContract):
    @pytest.fixture
    def store(self, s3: str) -> BlobStore:
        made = RemoteStore(PLATFORM, s3_settings(s3, f"b-{uuid4().hex[:12]}"))
        made._fs.mkdir(made._root.partition("/")[0])
        return made


def test_a_server_that_is_away_is_said_to_be() -> None:
    store = RemoteStore(PLATFORM, RemoteSettings.model_validate({
        "url": "s3://bucket/x", "endpoint": "http://127.0.0.1:1", "key": "k", "secret": "hidden-secret",
        "options": {"config_kwargs": {"retries": {"max_attempts": 1}, "connect_timeout": 1}},
    }))  # fmt: skip
    with pytest.raises(UnavailableError) as caught:
        store.write("a", [b"x"])
    assert "hidden-secret" not in str(caught.value)
    assert not store.health().ok


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(MissingDependencyError, match="pip install"):
        RemoteStore(PLATFORM, RemoteSettings(url="gs://bucket"))


class Broken:
    """A store that is good but for one fault."""

    def __init__(self, good: BlobStore, fault: str) -> None:
        self._good, self._fault = good, fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._good, name)

    def write(self, key: str, chunks: Iterable[bytes]) -> int:
        if self._fault == "keeps halves":
            held: list[bytes] = []
            try:
                for chunk in chunks:
                    held.append(chunk)
            except RuntimeError:
                self._good.write(key, held)
                raise
            return self._good.write(key, held)
        if self._fault == "appends" and (self._good.size(key) or 0) > 0:
            with self._good.open(key) as stream:
                return self._good.write(key, [stream.read(), *chunks])
        return self._good.write(key, chunks)

    def open(self, key: str, start: int = 0) -> Any:
        return self._good.open(key, 0 if self._fault == "begins at the beginning" else start)

    def list(self, prefix: str) -> Iterator[str]:
        yield from self._good.list("" if self._fault == "lists all" else prefix)

    def delete(self, key: str) -> None:
        if self._fault != "keeps":
            self._good.delete(key)


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("keeps halves", "test_what_fails_midway_leaves_nothing"),
        ("keeps halves", "test_what_fails_midway_leaves_the_old"),
        ("appends", "test_a_key_is_replaced"),
        ("begins at the beginning", "test_reading_begins_anywhere"),
        ("lists all", "test_keys_are_listed_by_what_they_begin_with"),
        ("keeps", "test_what_was_deleted_is_gone"),
    ],
)
def test_the_contract_finds_a_store_that_is_broken(tmp_path: Path, fault: str, test: str) -> None:
    store: Any = Broken(LocalStore(PLATFORM, LocalSettings(folder=tmp_path / "b")), fault)
    with pytest.raises(AssertionError):
        getattr(BlobStoreContract(), test)(store)
