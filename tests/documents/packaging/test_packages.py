"""ZIP packages, portfolios and attachments: what goes in comes out, the same bytes each time, nothing leads out of a folder."""

import io
import json
import zipfile
from typing import Any

import pytest

from brickwork.documents.packaging import (
    PackageFile,
    Pdf,
    merge,
    read_attachments,
    read_portfolio,
    read_zip_package,
    zip_package,
)
from brickwork.documents.packaging.names import tamed_name
from brickwork.errors import DocumentUnreadableError, ManifestError, TooLargeError, ValidationError

FILES = {"claim.pdf": b"%PDF-1.7 claim", "exhibits/A ü.txt": b"a" * 5000, "empty.bin": b""}


def test_a_zip_package_has_a_manifest_and_the_same_bytes_each_time() -> None:
    data = zip_package(FILES, {"case": "12/345"})
    assert data == zip_package(FILES, {"case": "12/345"})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", *FILES]
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["properties"] == {"case": "12/345"}
    assert [(f["name"], f["size"], f["media_type"]) for f in manifest["files"]] == [
        ("claim.pdf", 14, "application/pdf"),
        ("exhibits/A ü.txt", 5000, "text/plain"),
        ("empty.bin", 0, "application/octet-stream"),
    ]
    package = read_zip_package(data)
    assert package.files == FILES
    assert package.manifest.properties == {"case": "12/345"}


def test_more_about_a_file() -> None:
    package = read_zip_package(zip_package([PackageFile(name="x", data=b"1", media_type="text/csv", description="figures")]))
    assert (package.manifest.files[0].media_type, package.manifest.files[0].description) == ("text/csv", "figures")


UNSAFE = [
    "../evil",
    "/etc/passwd",
    "a/../../b",
    "a//b",
    "./a",
    "a/.",
    "C:/windows",
    "a\\..\\b",
    "nul",
    "COM1.txt",
    "a\x00b",
    "a\nb",
    "",
    " a",
    "a ",
    "a.",
    "a\u202egpj.exe",
    "x" * 300,
]


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_names_are_refused(papers: Any, name: str) -> None:
    with pytest.raises(ValidationError, match="file name"):
        zip_package({name: b""})
    with pytest.raises(ValidationError, match="file name"):
        Pdf(papers.make()).attach(name, b"")
    with pytest.raises(ValidationError, match="file name"):
        Pdf(papers.make()).portfolio({name: b""}).save()
    tamed = tamed_name(name)
    assert zip_package({tamed: b""})


def test_names_that_are_taken() -> None:
    with pytest.raises(ValidationError, match="taken"):
        zip_package({"a.txt": b"", "A.TXT": b""})
    with pytest.raises(ValidationError, match="taken"):
        zip_package({"Manifest.json": b""})
    with pytest.raises(ValidationError, match="at least one"):
        zip_package({})
    with pytest.raises(ValidationError, match="no media type"):
        zip_package([PackageFile(name="a", data=b"", media_type="text")])


def tampered(change: Any) -> bytes:
    """A package whose entries were changed: a list of (name, data)."""
    with zipfile.ZipFile(io.BytesIO(zip_package(FILES))) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    change(entries)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda e: e.__setitem__(1, ("claim.pdf", b"%PDF-1.7 clam!")), "'claim.pdf' is not the file"),
        (lambda e: e.pop(1), "lacks 'claim.pdf'"),
        (lambda e: e.append(("extra.txt", b"")), "holds 'extra.txt'"),
        (lambda e: e.append(("../../evil", b"")), "not safe to unpack"),
        (lambda e: e.pop(0), "no manifest.json"),
        (lambda e: e.__setitem__(0, ("manifest.json", b"{}")), "not a manifest"),
        (lambda e: e.__setitem__(0, ("manifest.json", b"[")), "not a manifest"),
        (lambda e: e.__setitem__(0, ("manifest.json", e[0][1].replace(b'"version": 1', b'"version": 2'))), "not a manifest"),
    ],
)
def test_a_package_that_is_not_what_its_manifest_says(change: Any, told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        read_zip_package(tampered(change))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_a_zip() -> None:
    with pytest.raises(ManifestError, match="twice"):
        read_zip_package(tampered(lambda e: e.append(e[1])))


def test_archives_that_are_none_or_too_large() -> None:
    for broken in (b"", b"no zip", zip_package(FILES)[:-30], zip_package(FILES)[:60]):
        with pytest.raises(DocumentUnreadableError):
            read_zip_package(broken)
    bomb = zip_package({"zeros": bytes(50 << 20)})
    assert len(bomb) < 100_000
    with pytest.raises(TooLargeError, match="'zeros'"):
        read_zip_package(bomb, max_bytes=1 << 20)
    with pytest.raises(TooLargeError, match="4 files"):
        read_zip_package(zip_package(FILES), max_files=3)


def test_a_portfolio_has_its_files_and_a_manifest(papers: Any) -> None:
    files = {"claim.pdf": papers.make(["claim"]), "figures ü.csv": b"1;2"}
    portfolio = merge([papers.make(["Open this in a viewer that shows attachments."])]).portfolio(files, {"case": "12"})
    data = portfolio.save()
    assert data == portfolio.save()
    pdf = papers.check(data)
    assert str(pdf.Root.Collection.D) == "claim.pdf"
    package = read_portfolio(data)
    assert package.files == files
    assert package.manifest.properties == {"case": "12"}
    assert read_portfolio(portfolio.encrypt(owner_password="o", user_password="u").save(), password="u").files == files


def test_a_portfolio_that_was_changed(papers: Any) -> None:
    data = Pdf(papers.make()).portfolio({"a.txt": b"one"}).save()

    def change(pdf: Any) -> None:
        pdf.attachments["a.txt"] = b"two"

    with pytest.raises(ManifestError, match=r"'a\.txt'"):
        read_portfolio(papers.changed(data, change))
    with pytest.raises(ManifestError, match="no attachment"):
        read_portfolio(papers.make())


def test_attachments(papers: Any) -> None:
    data = Pdf(papers.make()).attach("invoice.xml", b"<x/>", "text/xml", relationship="Data", description="the figures").save()
    pdf = papers.check(data)
    attached = pdf.attachments["invoice.xml"]
    assert str(attached.relationship) == "/Data"
    assert attached.description == "the figures"
    assert attached.get_file().mime_type == "text/xml"
    assert read_attachments(data) == {"invoice.xml": b"<x/>"}
    with pytest.raises(ValidationError, match="attached already"):
        Pdf(data).attach("invoice.xml", b"").save()


def test_a_relationship_that_the_standard_does_not_know(papers: Any) -> None:
    with pytest.raises(ValidationError, match="relationship 'Friend'"):
        Pdf(papers.make()).attach("a", b"", relationship="Friend")  # type: ignore[arg-type]


def test_attachments_of_strangers_have_names_that_stay_in_a_folder(papers: Any) -> None:
    def attack(pdf: Any) -> None:
        import pikepdf

        for name in ("../../etc/passwd", "C:\\windows\\system.ini", "passwd"):
            pdf.attachments[name] = pikepdf.AttachedFileSpec(pdf, name.encode(), filename=name)

    names = set(read_attachments(papers.changed(papers.make(), attack)))
    assert names == {"passwd", "passwd (2)", "system.ini"}
    bomb = Pdf(papers.make()).attach("zeros", bytes(30 << 20)).save()
    with pytest.raises(TooLargeError):
        read_attachments(bomb, max_bytes=1 << 20)
