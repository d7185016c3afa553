"""Files of a tenant: checked by what they hold, kept once, counted, encrypted, and gone when they are erased."""

import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brickwork import Platform, hookimpl
from brickwork.errors import (
    NotFoundError,
    PermissionDeniedError,
    StorageFullError,
    TooLargeError,
    UnavailableError,
    ValidationError,
)
from brickwork.storage import BlobDamagedError, BlobRefusedError, QuotaError
from brickwork.storage.sealing import ContentKey, OpenedStream, place_of
from brickwork.testing.clock import FrozenClock

PDF = b"%PDF-1.7\n..."
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture(params=[False, True], ids=["plain", "encrypted"])
def files(make_platform: Any, request: pytest.FixtureRequest) -> Platform:
    platform: Platform = make_platform(storage={"encrypt": request.param, "max_bytes": 3_000_000})
    platform.enter(tenant="north", actor="user:ito")
    return platform


def stored(platform: Platform) -> list[str]:
    return list(platform.storage.store.list(""))


class TestFiles:
    def test_a_file_comes_back_as_it_was(self, files: Platform) -> None:
        content = os.urandom(200_000)
        blob = files.storage.put(io.BytesIO(content), name="scan.bin")
        assert (blob.size, blob.sha256, blob.media_type) == (
            200_000,
            hashlib.sha256(content).hexdigest(),
            "application/octet-stream",
        )
        assert files.storage.read(blob.id) == content
        with files.storage.open(blob.id, start=70_000) as stream:
            assert stream.read(1000) == content[70_000:71_000]
        assert [one.id for one in files.storage.list()] == [blob.id]

    def test_an_empty_file_is_a_file(self, files: Platform) -> None:
        blob = files.storage.put(b"", name="empty.txt")
        assert (blob.size, files.storage.read(blob.id)) == (0, b"")

    def test_the_same_content_is_kept_once_and_until_the_last_file_goes(self, files: Platform) -> None:
        one, two = (files.storage.put(PDF, name=f"{n}.pdf") for n in range(2))
        assert (len(stored(files)), files.storage.usage()) == (1, (len(PDF), 2))
        files.storage.erase(one.id)
        assert files.storage.read(two.id) == PDF
        files.storage.erase(two.id)
        assert (stored(files), files.storage.usage()) == ([], (0, 0))

    def test_many_store_the_same_at_once(self, files: Platform) -> None:
        def put(n: int) -> Any:
            with files.context(tenant="north", actor="user:ito"):
                return files.storage.put(PDF, name=f"{n}.pdf").id

        with ThreadPoolExecutor(6) as threads:
            ids = list(threads.map(put, range(12)))
        assert (len(stored(files)), files.storage.usage()) == (1, (len(PDF), 12))
        for id in ids:
            files.storage.erase(id)
        assert stored(files) == []

    def test_what_was_deleted_can_be_restored_and_erased(self, files: Platform) -> None:
        blob = files.storage.put(PDF, name="a.pdf")
        files.storage.delete(blob.id)
        for call in (files.storage.get, files.storage.read, files.storage.open, files.storage.delete):
            with pytest.raises(NotFoundError):
                call(blob.id)
        assert files.storage.restore(blob.id).id == blob.id
        assert files.storage.read(blob.id) == PDF
        files.storage.delete(blob.id)
        files.storage.erase(blob.id)
        with pytest.raises(NotFoundError):
            files.storage.restore(blob.id)

    def test_other_tenants_see_nothing_and_share_nothing(self, files: Platform) -> None:
        blob = files.storage.put(PDF, name="a.pdf")
        with files.context(tenant="south", actor="user:eve"):
            for call in (files.storage.get, files.storage.read, files.storage.erase, files.storage.url):
                with pytest.raises(NotFoundError):
                    call(blob.id)
            files.storage.put(PDF, name="a.pdf")
        assert len(stored(files)) == 2

    def test_what_is_rolled_back_leaves_bytes_that_a_sweep_finds(self, make_platform: Any, frozen_clock: FrozenClock) -> None:
        platform: Platform = make_platform(clock=frozen_clock)
        platform.enter(tenant="north", actor="user:ito")
        kept = platform.storage.put(PNG, name="kept.png")
        with pytest.raises(RuntimeError), platform.transaction():
            platform.storage.put(PDF, name="a.pdf")
            raise RuntimeError
        assert (len(stored(platform)), platform.storage.sweep()) == (2, 0)
        frozen_clock.advance(days=3650)  # ids are made by the system's clock
        assert platform.storage.sweep() == 1
        assert platform.storage.read(kept.id) == PNG

    def test_permissions_are_asked_for(self, files: Platform) -> None:
        blob = files.storage.put(PDF, name="a.pdf")
        mia = files.auth.users.create("mia@example.org", "Mia")
        files.auth.members.add(mia)
        with files.auth.acting_as(mia.actor):
            for call in (lambda: files.storage.put(PDF, name="b.pdf"), lambda: files.storage.read(blob.id), files.storage.list):
                with pytest.raises(PermissionDeniedError):
                    call()


class TestWhatIsRefused:
    @pytest.mark.parametrize("name", ["", " ", "x" * 256, "a\nb", "a\0b", "../x", "a/b", "a\\b", "..", "fdp.\u202eexe"])
    def test_names_that_are_none(self, files: Platform, name: str) -> None:
        with pytest.raises(ValidationError):
            files.storage.put(PDF, name=name)
        assert stored(files) == []

    @pytest.mark.parametrize(
        ("name", "declared", "content"),
        [
            ("a.png", None, b"<!doctype html><script>alert(1)</script>"),
            ("a.png", None, b"  <svg onload=alert(1)>"),
            ("a.txt", None, b"<html><body>"),
            ("a.pdf", None, PNG),
            ("a.png", "application/pdf", PNG),
            ("a", "image/png", PDF),
            ("a.pdf", None, b"MZ\x90\0"),
            ("a.docx", None, PDF),
            ("a.csv", None, b"a;b\0c"),
            ("a.exe", None, b"MZ\x90\0"),
        ],
    )
    def test_content_that_is_not_what_it_says(self, files: Platform, name: str, declared: str | None, content: bytes) -> None:
        with pytest.raises(BlobRefusedError):
            files.storage.put(content, name=name, media_type=declared)
        assert (stored(files), files.storage.usage()) == ([], (0, 0))

    @pytest.mark.parametrize(
        ("name", "declared", "content", "kind"),
        [
            ("a.pdf", None, PDF, "application/pdf"),
            ("a", None, PDF, "application/pdf"),
            ("a.docx", None, b"PK\x03\x04...", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ("a.csv", None, "ä;b\n".encode(), "text/csv"),
            ("a.xml", None, b"<?xml version='1.0'?><r/>", "application/xml"),
            ("a.html", None, b"<!DOCTYPE html><p>", "text/html"),
            ("a.dat", None, b"\xff\xfe\x00", "application/octet-stream"),
            ("a.json", "application/json; charset=utf-8", b"{}", "application/json"),
            ("a.xml", "application/fhir+xml", b"<Patient/>", "application/fhir+xml"),
        ],
    )
    def test_and_content_that_is(self, files: Platform, name: str, declared: str | None, content: bytes, kind: str) -> None:
        assert files.storage.put(content, name=name, media_type=declared).media_type == kind

    def test_more_than_is_allowed(self, files: Platform) -> None:
        def endless() -> Iterator[bytes]:
            while True:
                yield b"x" * 65_536

        with pytest.raises(TooLargeError, match="3,000,000 bytes"):
            files.storage.put(endless(), name="a.txt")
        assert stored(files) == []

    def test_a_stream_that_fails(self, files: Platform) -> None:
        def failing() -> Iterator[bytes]:
            yield b"x" * 100_000
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            files.storage.put(failing(), name="a.txt")
        assert (stored(files), files.storage.usage()) == ([], (0, 0))

    def test_kinds_that_settings_do_not_allow(self, make_platform: Any) -> None:
        platform = make_platform(storage={"allowed": ["application/pdf", "image/*"]})
        platform.enter(tenant="north", actor="user:ito")
        platform.storage.put(PDF, name="a.pdf")
        platform.storage.put(PNG, name="a.png")
        with pytest.raises(BlobRefusedError, match="application/pdf, image/\\* are taken"):
            platform.storage.put(b"text", name="a.txt")

    def test_what_a_scanner_refuses(self, make_platform: Any) -> None:
        class Scanner:
            @hookimpl
            def brickwork_scan_blob(self, name: str, open: Any) -> None:
                with open() as stream:
                    if b"EICAR" in stream.read():
                        raise BlobRefusedError(f"{name} holds a virus")

        platform = make_platform(plugins=[Scanner()], storage={"encrypt": True})
        platform.enter(tenant="north", actor="user:ito")
        platform.storage.put(b"harmless", name="a.txt")
        with pytest.raises(BlobRefusedError, match="a virus"):
            platform.storage.put(b"x EICAR x", name="b.txt")
        assert len(stored(platform)) == 1


class TestQuotas:
    def test_bytes_and_files_are_bounded_also_for_many_at_once(self, make_platform: Any) -> None:
        platform: Platform = make_platform(storage={"quota_bytes": 5_000, "quota_files": 100})

        def put(n: int) -> bool:
            with platform.context(tenant="north", actor="user:ito"):
                try:
                    platform.storage.put(os.urandom(1_000), name=f"{n}.bin")
                except QuotaError:
                    return False
                return True

        with ThreadPoolExecutor(6) as threads:
            assert sum(threads.map(put, range(12))) == 5
        assert len(stored(platform)) == 5
        with platform.context(tenant="north", actor="user:ito"):
            platform.storage.erase(platform.storage.list().items[0].id)
        assert put(13)

    def test_a_bound_on_files(self, make_platform: Any) -> None:
        platform: Platform = make_platform(storage={"quota_files": 1})
        platform.enter(tenant="north", actor="user:ito")
        platform.storage.put(PDF, name="a.pdf")
        with pytest.raises(QuotaError, match="1 files are allowed"):
            platform.storage.put(PDF, name="b.pdf")
        assert platform.storage.usage() == (len(PDF), 1)


class TestEncryption:
    def test_what_is_stored_shows_nothing_and_can_not_be_changed(self, make_platform: Any) -> None:
        platform: Platform = make_platform(storage={"encrypt": True})
        platform.enter(tenant="north", actor="user:ito")
        content = b"secret words " * 20_000
        blob = platform.storage.put(content, name="a.txt")
        (key,) = stored(platform)
        with platform.storage.store.open(key) as stream:
            raw = stream.read()
        assert b"secret" not in raw
        for changed in (raw[:-1], raw[:65_552], raw[65_552:], raw + raw[-20:], raw[:100] + b"!" + raw[101:], b""):
            platform.storage.store.write(key, [changed])
            with pytest.raises(BlobDamagedError):
                if platform.storage.read(blob.id) == content and len(changed) > len(raw):
                    raise BlobDamagedError("what was added is never read")
        platform.storage.store.write(key, [raw])
        assert platform.storage.read(blob.id) == content

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 200_000), st.integers(0, 200_000), st.integers(1, 70_000))
    def test_any_range_is_read(self, size: int, start: int, step: int) -> None:
        start = min(start, size)
        content, key = os.urandom(size), ContentKey.new()
        pieces = (content[at : at + step] for at in range(0, size, step))
        sealed = b"".join(key.seal(pieces))
        source = io.BytesIO(sealed)
        source.seek(place_of(start, size))
        assert io.BufferedReader(OpenedStream(source, ContentKey.parse(str(key)), size, start)).read() == content[start:]


class TestStoresThatDie:
    def test_nothing_half_done_remains(self, files: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(key: str, chunks: Any) -> int:
            next(iter(chunks))
            raise StorageFullError("the disk is full")

        monkeypatch.setattr(files.storage.store, "write", full)
        with pytest.raises(StorageFullError):
            files.storage.put(PDF, name="a.pdf")
        assert (files.storage.list().items, files.storage.usage()) == ([], (0, 0))

    def test_a_store_that_is_away_when_a_file_is_erased_is_swept_later(
        self, make_platform: Any, frozen_clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        platform: Platform = make_platform(clock=frozen_clock)
        platform.enter(tenant="north", actor="user:ito")
        blob = platform.storage.put(PDF, name="a.pdf")
        with monkeypatch.context() as patched:

            def away(key: str) -> None:
                raise UnavailableError("the store is away")

            patched.setattr(platform.storage.store, "delete", away)
            platform.storage.erase(blob.id)
        assert len(stored(platform)) == 1
        frozen_clock.advance(days=3650)
        assert platform.storage.sweep() == 1

    def test_ids_that_are_none_are_not_found(self, files: Platform) -> None:
        with pytest.raises(NotFoundError):
            files.storage.get(uuid4())
        blob = files.storage.put(PDF, name="a.pdf")
        for start in (-1, len(PDF) + 1):
            with pytest.raises(ValidationError, match="start is"):
                files.storage.open(blob.id, start=start)
