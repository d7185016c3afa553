"""The renderers, each against the contract."""

import io
import re
from datetime import datetime
from html import unescape

import pytest
from pypdf import PdfReader

from brickwork.documents.backends.html import HtmlRenderer
from brickwork.documents.backends.reportlab import ReportlabRenderer
from brickwork.documents.backends.text import TextRenderer
from brickwork.documents.port import Renderer
from brickwork.testing.contracts.renderer import RendererContract


class PdfContract(RendererContract):
    def text_of(self, content: bytes) -> str:
        return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)

    def moment_of(self, content: bytes) -> datetime | None:
        metadata = PdfReader(io.BytesIO(content)).metadata
        return metadata.creation_date if metadata is not None else None


class TestReportlab(PdfContract):
    @pytest.fixture
    def renderer(self) -> Renderer:
        return ReportlabRenderer()


class TestHtml(RendererContract):
    @pytest.fixture
    def renderer(self) -> Renderer:
        return HtmlRenderer()

    def text_of(self, content: bytes) -> str:
        page = content.decode()
        assert not re.search(r"<script|<[^>]* on\w+=", page)
        body = page[page.index("<body>") :]
        return unescape(re.sub(r"<[^>]*>", " ", re.sub(r"</?(?:b|i|u|s|code|a|span|small)\b[^>]*>", "", body)))


class TestText(RendererContract):
    @pytest.fixture
    def renderer(self) -> Renderer:
        return TextRenderer()

    def text_of(self, content: bytes) -> str:
        return content.decode()
