"""What a document's `src` names: assets that were given, or data: URLs. Nothing is fetched from elsewhere."""

import base64
import binascii
import struct
import zlib
from collections.abc import Mapping

import attrs

from brickwork.documents.errors import RenderError
from brickwork.documents.markup.nodes import Element

#: Pixels of an image; more are taken for an attack on memory.
MOST_PIXELS = 60_000_000
#: JPEG's markers of a frame, which tell its size (ITU-T T.81, table B.1).
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


@attrs.frozen
class Image:
    """An image: its bytes, its kind ("png", "jpeg", "gif") and its size in pixels."""

    content: bytes = attrs.field(repr=False)
    kind: str
    width: int
    height: int

    @property
    def url(self) -> str:
        """It as a data: URL."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.content).decode()}"


def content_of(element: Element, assets: Mapping[str, bytes]) -> bytes:
    """The bytes that an element's `src` names. Raises `RenderError`."""
    source: str = element.get("src")
    if source.startswith("data:"):
        head, _, data = source.partition(",")
        try:
            return base64.b64decode(data, validate=True) if head.endswith(";base64") else data.encode()
        except binascii.Error:
            raise wrong(element, "its data: URL is not base64") from None
    found = assets.get(source)
    if found is None:
        known = ", ".join(sorted(assets)[:20]) or "none"
        raise wrong(element, f"there is no asset {source[:80]!r}; there are {known}. Nothing is fetched from elsewhere")
    return found


def image_of(element: Element, assets: Mapping[str, bytes]) -> Image:
    """The image that an `<img>` names, whole as far as its frame tells. Raises `RenderError`."""
    content = content_of(element, assets)
    try:
        kind, width, height = _measured(content)
    except (struct.error, IndexError, ValueError):
        raise wrong(element, "it is no image that can be read; PNG, JPEG and GIF are") from None
    if width * height > MOST_PIXELS:
        raise wrong(element, f"the image has {width} x {height} pixels; up to {MOST_PIXELS:,} are taken")
    return Image(content, kind, width, height)


def wrong(element: Element, message: str) -> RenderError:
    """What is wrong with an element, with its line."""
    return RenderError(f"line {element.line}, <{element.tag}>: {message}", field=f"line {element.line}")


def _measured(content: bytes) -> tuple[str, int, int]:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png", *_png(content)
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg", *_jpeg(content)
    if content[:6] in (b"GIF87a", b"GIF89a") and content.rstrip(b"\0").endswith(b"\x3b"):
        width, height = struct.unpack_from("<HH", content, 6)
        return "gif", _positive(width), _positive(height)
    raise ValueError("of another kind")


def _png(content: bytes) -> tuple[int, int]:
    """The size; every part must be there with the right check sum (ISO/IEC 15948, 5.3)."""
    at, size = 8, (0, 0)
    while True:
        length, kind = struct.unpack_from(">I4s", content, at)
        (check,) = struct.unpack_from(">I", content, at + 8 + length)
        if check != zlib.crc32(content[at + 4 : at + 8 + length]):
            raise ValueError("a part is damaged")
        if kind == b"IHDR":
            size = struct.unpack_from(">II", content, at + 8)
        if kind == b"IEND":
            return _positive(size[0]), _positive(size[1])
        at += 12 + length


def _jpeg(content: bytes) -> tuple[int, int]:
    """The size of the frame; the image must have its end (ITU-T T.81, B.1)."""
    at = 2
    if b"\xff\xd9" not in content[-64:]:
        raise ValueError("the end is missing")
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return _positive(width), _positive(height)
        (length,) = struct.unpack_from(">H", content, at + 2)
        at += 2 + length if marker != 0xFF else 1
    raise ValueError("no frame")


def _positive(value: int) -> int:
    if value < 1:
        raise ValueError("an image without a point")
    return value
