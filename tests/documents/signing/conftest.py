"""An authority with its services, who signs, and documents to sign."""

import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brickwork.documents.signing import Trust
from brickwork.documents.signing.authority import TimestampAuthority
from brickwork.testing.pki import Authority, Identity


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    found = Authority()
    with found.serving():
        yield found


@pytest.fixture(autouse=True)
def _plain_answers(authority: Authority) -> Iterator[None]:
    yield
    authority.instead.clear()
    authority.moment = None


@pytest.fixture(scope="session")
def ada(authority: Authority) -> Identity:
    return authority.issue("Ada Ito")


@pytest.fixture(scope="session")
def ben(authority: Authority) -> Identity:
    return authority.issue("Ben Okafor", kind="rsa")


@pytest.fixture
def trust(authority: Authority) -> Trust:
    return Trust(roots=authority.pem, allowed_networks=["127.0.0.0/8"])


@pytest.fixture
def clock(authority: Authority) -> TimestampAuthority:
    return TimestampAuthority(f"{authority.url}/tsa", timeout=5)


@pytest.fixture(scope="session")
def contract() -> bytes:
    """Two pages, with a field of the form on the first."""
    from reportlab.pdfgen import canvas

    buffer = io.BytesIO()
    page = canvas.Canvas(buffer, pagesize=(595, 842), invariant=1)
    page.drawString(72, 770, "Lease: the rent is 900")
    page.acroForm.textfield(name="note", x=72, y=600, width=200, height=20)
    page.showPage()
    page.drawString(72, 770, "Signatures")
    page.showPage()
    page.save()
    return buffer.getvalue()


@pytest.fixture
def check(tmp_path: Path) -> Callable[[bytes], None]:
    """`qpdf --check` finds nothing."""

    def checked(pdf: bytes) -> None:
        (tmp_path / "checked.pdf").write_bytes(pdf)
        done = subprocess.run(["qpdf", "--check", tmp_path / "checked.pdf"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    return checked
