"""Files over HTTP: sent in as they are, listed, and fetched by links that end."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from brickwork import Platform
from brickwork.testing.auth import bearer
from brickwork.testing.clock import FrozenClock
from brickwork.web import create_app

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 2000


@pytest.fixture
def files(make_platform: Any, frozen_clock: FrozenClock) -> Platform:
    platform: Platform = make_platform(clock=frozen_clock, storage={"max_bytes": 1_000_000, "encrypt": True})
    return platform


@pytest.fixture
def api(files: Platform) -> TestClient:
    return TestClient(create_app(files), headers=bearer(files, "north", "ito"), raise_server_exceptions=False)


def put(api: TestClient, content: Any = PDF, name: str = "Befund ä.pdf", **more: Any) -> Any:
    return api.post("/storage", params={"name": name}, content=content, **more)


def test_a_file_is_sent_listed_linked_and_deleted(api: TestClient, files: Platform) -> None:
    answer = put(api)
    assert answer.status_code == 201, answer.text
    blob = answer.json()["data"]
    assert (blob["name"], blob["media_type"], blob["size"]) == ("Befund ä.pdf", "application/pdf", len(PDF))
    assert [one["id"] for one in api.get("/api/v1/blobs").json()["data"]] == [blob["id"]]
    url = api.post(f"/api/v1/blobs/{blob['id']}/link", json={}).json()["data"]["url"]
    got = TestClient(api.app).get(url)
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, PDF, "application/pdf")
    assert got.headers["content-disposition"] == "attachment; filename=\"Befund _.pdf\"; filename*=UTF-8''Befund%20%C3%A4.pdf"
    assert (got.headers["x-content-type-options"], "sandbox" in got.headers["content-security-policy"]) == ("nosniff", True)
    assert api.delete(f"/api/v1/blobs/{blob['id']}").status_code == 204
    assert api.get(url).status_code == 404
    assert api.post(f"/api/v1/blobs/{blob['id']}/restore").status_code == 200
    assert api.get(url).status_code == 200


def test_a_body_without_a_length_is_taken_piece_by_piece(api: TestClient) -> None:
    answer = put(api, iter([PDF[:1000], PDF[1000:300_000], PDF[300_000:]]))
    assert answer.json()["data"]["size"] == len(PDF)


@pytest.mark.parametrize(
    ("wanted", "status", "span"),
    [
        ("bytes=0-9", 206, (0, 10)),
        ("bytes=100000-", 206, (100_000, len(PDF))),
        ("bytes=-5", 206, (len(PDF) - 5, len(PDF))),
        ("bytes=0-99999999", 200, (0, len(PDF))),
        ("bytes=5-2", 416, None),
        (f"bytes={len(PDF)}-", 416, None),
        ("bytes=0-1,3-4", 200, (0, len(PDF))),
        ("bytes=x", 200, (0, len(PDF))),
        ("lines=1-2", 200, (0, len(PDF))),
    ],
)
def test_ranges(api: TestClient, wanted: str, status: int, span: tuple[int, int] | None) -> None:
    id = put(api).json()["data"]["id"]
    url = api.post(f"/api/v1/blobs/{id}/link", json={}).json()["data"]["url"]
    got = api.get(url, headers={"range": wanted})
    assert got.status_code == status
    if span is not None:
        assert got.content == PDF[span[0] : span[1]]
    if status == 206 and span is not None:
        assert got.headers["content-range"] == f"bytes {span[0]}-{span[1] - 1}/{len(PDF)}"


def test_what_a_client_has_is_not_sent_again(api: TestClient) -> None:
    id = put(api).json()["data"]["id"]
    url = api.post(f"/api/v1/blobs/{id}/link", json={}).json()["data"]["url"]
    etag = api.get(url).headers["etag"]
    assert api.get(url, headers={"if-none-match": etag}).status_code == 304
    assert api.get(url, headers={"range": "bytes=0-1", "if-range": '"other"'}).status_code == 200
    head = api.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PDF)))


def test_links_end_and_can_not_be_changed(api: TestClient, files: Platform, frozen_clock: FrozenClock) -> None:
    first, second = (UUID(put(api, PDF + bytes([n]), name=f"{n}.pdf").json()["data"]["id"]) for n in range(2))
    with files.context(tenant="north", actor="user:ito"):
        url = files.storage.url(first, expires_in=timedelta(minutes=5))
    tenant, blob, until, shown, digest = url.removeprefix("/storage/").split(".")
    later = f"{int(until, 16) + 3600:x}"
    for wrong in (
        f"{tenant}.{second.hex}.{until}.{shown}.{digest}",
        f"{tenant}.{blob}.{later}.{shown}.{digest}",
        f"{tenant}.{blob}.{until}.i.{digest}",
        f"c291dGg.{blob}.{until}.{shown}.{digest}",
        f"{tenant}.{blob}.{until}.{shown}.{'0' * 32}",
        "x",
        "../../etc/passwd",
        f"{tenant}.{blob}.{until}.{shown}.ä",
        "",
    ):
        assert api.get(f"/storage/{wrong}").status_code == 404, wrong
    assert api.get(url).status_code == 200
    frozen_clock.advance(minutes=6)
    assert api.get(url).status_code == 404


def test_only_what_is_harmless_is_shown_in_place(api: TestClient, files: Platform) -> None:
    page = put(api, b"<!doctype html><script>alert(1)</script>", name="a.html").json()["data"]["id"]
    shown = put(api).json()["data"]["id"]
    with files.context(tenant="north", actor="user:ito"):
        urls = [files.storage.url(UUID(id), inline=True) for id in (page, shown)]
    kinds = [re.match(r"\w+", api.get(url).headers["content-disposition"]) for url in urls]
    assert [kind[0] for kind in kinds if kind] == ["attachment", "inline"]


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        (PDF, "", 422, "invalid"),
        (PDF, "../a.pdf", 422, "invalid"),
        (b"<html>", "a.png", 422, "blob_refused"),
        (b"x" * 1_000_001, "a.txt", 413, "too_large"),
    ],
)
def test_what_is_not_taken_says_why(api: TestClient, files: Platform, content: bytes, name: str, status: int, code: str) -> None:
    answer = put(api, content, name=name)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)
    assert list(files.storage.store.list("")) == []


def test_nobody_stores_without_permission(files: Platform) -> None:
    app = create_app(files)
    assert put(TestClient(app)).status_code == 401
    assert put(TestClient(app, headers=bearer(files, "north", "mia", roles=[]))).status_code == 403
    assert put(TestClient(app, headers={"authorization": "Bearer nonsense"})).status_code == 401
    assert list(files.storage.store.list("")) == []
