"""Documents as a product sees them: `platform.documents`."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.documents.port import Order, Renderer
from brickwork.documents.settings import DocumentsSettings
from brickwork.documents.theme import Theme
from brickwork.errors import MissingDependencyError, NotFoundError

if TYPE_CHECKING:
    from brickwork.documents.markup import Element
    from brickwork.documents.signing import Appearance, Level, Lock, Permission, Place, Report, Signer
    from brickwork.documents.signing.service import Signing
    from brickwork.documents.templates import Templates
    from brickwork.kernel.platform import Platform


@attrs.frozen
class Generated:
    """A file that was made: its bytes, its kind, and the template's version that it was made of."""

    content: bytes = attrs.field(repr=False)
    media_type: str
    template: str | None = None
    version: int | None = None


class Documents:
    """Templates, and the files that are made of them."""

    def __init__(self, platform: "Platform", settings: DocumentsSettings) -> None:
        self._platform = platform
        self._settings = settings

    @cached_property
    def templates(self) -> "Templates":
        """The tenant's templates and the shipped ones. Raises `MissingDependencyError`."""
        try:
            from brickwork.documents.templates import Templates
        except ModuleNotFoundError as error:
            raise MissingDependencyError(str(error.name), "documents") from None
        return Templates(self._platform, self._settings)

    @cached_property
    def signing(self) -> "Signing":
        """Signatures by the settings. Raises `MissingDependencyError`."""
        from brickwork.documents.signing.running import library

        library()
        from brickwork.documents.signing.service import Signing
        from brickwork.documents.signing.settings import SigningSettings

        return Signing(self._platform, self._settings.signing or SigningSettings())

    def sign(
        self, pdf: bytes, signer: "Signer | str | None" = None, *, field: str | None = None, place: "Place | None" = None,
        appearance: "Appearance | None" = None, level: "Level | None" = None, certify: "Permission | None" = None,
        lock: "Lock | None" = None, reason: str | None = None, location: str | None = None, name: str | None = None,
        contact: str | None = None, moment: datetime | None = None,
    ) -> bytes:  # fmt: skip
        """The PDF with a signature more (see docs/how-to/signatures.md). Raises `SigningError`, `SignerError`, `TimestampError`,
        `DocumentUnreadableError`, `DocumentPasswordError`, `TooLargeError`, `NotFoundError`."""
        return self.signing.sign(
            pdf, signer, field=field, place=place, appearance=appearance, level=level, certify=certify, lock=lock, reason=reason,
            location=location, name=name, contact=contact, moment=moment,
        )  # fmt: skip

    def verify(self, pdf: bytes) -> "Report":
        """What there is to say of the signatures in a PDF. Raises `DocumentUnreadableError`, `DocumentPasswordError`,
        `TooLargeError`."""
        return self.signing.verify(pdf)

    def generate(
        self, template: str, data: Mapping[str, Any], *, format: str = "pdf", locale: str | None = None, theme: str = "default",
        assets: Mapping[str, bytes] | None = None, moment: datetime | None = None, archive: bool = False,
    ) -> Generated:  # fmt: skip
        """Fill the part `body` of a template and make a file of it. Raises `NotFoundError`, `ValidationError`, `RenderError`."""
        filled = self.templates.render(template, data, locale=locale, parts=["body"])
        made = self.render(
            filled.parts.get("body", ""), format=format, theme=theme, assets=assets, moment=moment, archive=archive
        )
        return attrs.evolve(made, template=template, version=filled.version)

    def render(
        self, markup: "str | Element", *, format: str = "pdf", theme: str = "default", assets: Mapping[str, bytes] | None = None,
        moment: datetime | None = None, archive: bool = False,
    ) -> Generated:  # fmt: skip
        """Make a file of markup (see docs/reference/markup.md). Raises `MarkupError`, `RenderError`, `NotFoundError`."""
        from brickwork.documents.markup import parse

        document = parse(markup) if isinstance(markup, str) else markup
        renderer = self._renderer(format)
        order = Order(theme=self._theme(theme), assets=dict(assets or {}), moment=moment, archive=archive)
        return Generated(renderer.render(document, order), renderer.media_type)

    def close(self) -> None:
        if "templates" in self.__dict__:
            self.templates.close()
        if "signing" in self.__dict__:
            self.signing.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _renderer(self, format: str) -> Renderer:
        if ("documents", format) not in self._platform.plugins.backends:
            known = ", ".join(sorted(name for port, name in self._platform.plugins.backends if port == "documents"))
            raise NotFoundError(f"there is no format {format[:40]!r}; there are {known}", field="format")
        try:
            renderer: Renderer = self._platform.backend("documents", format)
        except ModuleNotFoundError as error:
            raise MissingDependencyError(str(error.name), "pdf") from None
        return renderer

    def _theme(self, name: str) -> Theme:
        found = self._settings.themes.get(name)
        if found is None and name != "default":
            known = ", ".join(sorted({"default", *self._settings.themes}))
            raise NotFoundError(f"there is no theme {name[:40]!r}; there are {known}", field="theme")
        return found or Theme()
