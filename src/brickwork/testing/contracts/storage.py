"""The contract of the store of blobs. A backend's tests subclass `BlobStoreContract` and give the fixture `store`."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from brickwork.errors import NotFoundError
from brickwork.storage.port import BlobStore


class BlobStoreContract:
    """What every store must do."""

    @pytest.fixture
    def store(self) -> BlobStore:
        """The store, empty; given by the backend's tests."""
        raise pytest.UsageError("a subclass gives the fixture `store`")

    def test_what_was_written_is_read(self, store: BlobStore) -> None:
        assert store.write("north/ab/one", [b"abc", b"", b"def"]) == 6
        with store.open("north/ab/one") as stream:
            assert stream.read() == b"abcdef"
        assert store.size("north/ab/one") == 6

    def test_reading_begins_anywhere(self, store: BlobStore) -> None:
        content = os.urandom(300_000)
        store.write("a/one", [content])
        for start in (0, 1, 65_536, 299_999, 300_000):
            with store.open("a/one", start) as stream:
                same = stream.read() == content[start:]
            assert same, start  # not the comparison itself: in CI pytest works for minutes on the difference of so many bytes
        with store.open("a/one", 10) as stream:
            assert (stream.read(5), stream.read(5)) == (content[10:15], content[15:20])

    def test_nothing_can_be_written(self, store: BlobStore) -> None:
        assert store.write("a/empty", []) == 0
        assert store.size("a/empty") == 0
        with store.open("a/empty") as stream:
            assert stream.read() == b""

    def test_large_contents_pass_piece_by_piece(self, store: BlobStore) -> None:
        piece = os.urandom(1 << 20)
        assert store.write("a/large", (piece for _ in range(20))) == 20 << 20
        with store.open("a/large", 19 << 20) as stream:
            assert stream.read() == piece

    def test_a_key_is_replaced(self, store: BlobStore) -> None:
        store.write("a/one", [b"old and longer"])
        store.write("a/one", [b"new"])
        with store.open("a/one") as stream:
            assert stream.read() == b"new"

    def test_what_fails_midway_leaves_nothing(self, store: BlobStore) -> None:
        def failing(size: int) -> Iterator[bytes]:
            yield b"x" * size
            raise RuntimeError("the client went away")

        for size in (10, 12 << 20):
            with pytest.raises(RuntimeError):
                store.write("a/one", failing(size))
            assert store.size("a/one") is None
            assert list(store.list("")) == []

    def test_what_fails_midway_leaves_the_old(self, store: BlobStore) -> None:
        def failing() -> Iterator[bytes]:
            yield b"new"
            raise RuntimeError("the client went away")

        store.write("a/one", [b"old"])
        with pytest.raises(RuntimeError):
            store.write("a/one", failing())
        with store.open("a/one") as stream:
            assert stream.read() == b"old"

    def test_keys_are_listed_by_what_they_begin_with(self, store: BlobStore) -> None:
        for key in ("north/aa/1", "north/bb/2", "south/aa/3", "northern/4"):
            store.write(key, [b"x"])
        assert sorted(store.list("north/")) == ["north/aa/1", "north/bb/2"]
        assert sorted(store.list("")) == ["north/aa/1", "north/bb/2", "northern/4", "south/aa/3"]
        assert list(store.list("nobody/")) == []

    def test_what_was_deleted_is_gone(self, store: BlobStore) -> None:
        store.write("a/one", [b"x"])
        store.delete("a/one")
        store.delete("a/one")
        assert store.size("a/one") is None
        assert list(store.list("")) == []

    def test_what_is_missing_is_not_found(self, store: BlobStore) -> None:
        with pytest.raises(NotFoundError):
            store.open("a/none").read()
        assert store.size("a/none") is None

    def test_many_write_at_once(self, store: BlobStore) -> None:
        contents = {f"a/{n}": os.urandom(10_000) for n in range(16)}
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda item: store.write(item[0], [item[1]]), contents.items()))
        for key, content in contents.items():
            with store.open(key) as stream:
                assert stream.read() == content

    def test_it_is_well_and_can_be_closed_twice(self, store: BlobStore) -> None:
        assert store.health().ok
        store.close()
        store.close()
