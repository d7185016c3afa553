"""Takes an area out of an image: its pixels are replaced, and so are those of its mask."""

import io
import zlib
from typing import Any

from brickwork.documents.packaging.frames import Box, Matrix, apply, moved
from brickwork.documents.packaging.library import library

#: Pixels of an image that is unpacked; a larger one is removed as a whole.
_PIXELS = 120_000_000
_SPACES = {"1": ("/DeviceGray", 1), "L": ("/DeviceGray", 8), "RGB": ("/DeviceRGB", 8), "CMYK": ("/DeviceCMYK", 8)}


def blacken(pdf: Any, image: Any, to_image: Matrix | None, areas: list[Box]) -> Any | None:
    """A copy of `image` without what lies in `areas`; `to_image` leads from the page to the unit square in which an image is
    drawn. None where nothing of it should stay, or where it can't be unpacked: then all of it has to go."""
    pikepdf = library()
    if to_image is None:
        return None
    boxes = [moved(to_image, area) for area in areas]
    if any(box[0] <= 0 and box[1] <= 0 and box[2] >= 1 and box[3] >= 1 for box in boxes):
        return None
    try:
        if int(image.Width) * int(image.Height) > _PIXELS:
            return None
        new = _stencil(pdf, image, to_image, areas) if image.get("/ImageMask") else _picture(pdf, image, to_image, areas)
        for key in ("/SMask", "/Mask"):
            mask = image.get(key)
            if isinstance(mask, pikepdf.Stream):
                new[key] = _uniform_mask(pdf, mask, to_image, areas, stencil=key == "/Mask")
    except Exception:  # of the many ways in which an image can be broken or unknown, each means: take all of it
        return None
    return new


def _picture(pdf: Any, image: Any, to_image: Matrix, areas: list[Box]) -> Any:
    pikepdf = library()
    picture = pikepdf.PdfImage(image).as_pil_image(apply_mask=False)
    if picture.mode not in _SPACES:
        picture = picture.convert("L" if picture.mode in {"I", "F", "I;16", "LA"} else "RGB")
    _fill(picture, to_image, areas, {"CMYK": (0, 0, 0, 255), "RGB": (0, 0, 0)}.get(picture.mode, 0))
    space, bits = _SPACES[picture.mode]
    if "/DCTDecode" in _filters(image) and picture.mode in {"L", "RGB"}:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        new = pikepdf.Stream(pdf, buffer.getvalue())
        new.Filter = pikepdf.Name.DCTDecode
    else:
        new = _packed(pdf, picture)
    new.ColorSpace, new.BitsPerComponent = pikepdf.Name(space), bits
    return _image(new, picture)


def _stencil(pdf: Any, image: Any, to_image: Matrix, areas: list[Box]) -> Any:
    """A stencil paints with the present colour where its bits say so; in the areas it then paints nothing."""
    pikepdf = library()
    bits = _bits(image)
    inverted = [int(value) for value in image.get("/Decode", [0, 1])] == [1, 0]
    _fill(bits, to_image, areas, 0 if inverted else 1)
    new = _packed(pdf, bits)
    new.ImageMask, new.BitsPerComponent, new.Decode = True, 1, pikepdf.Array([1, 0] if inverted else [0, 1])
    return _image(new, bits)


def _uniform_mask(pdf: Any, mask: Any, to_image: Matrix, areas: list[Box], *, stencil: bool) -> Any:
    """A mask of its own resolution, which would show the outline of what was there."""
    if stencil:
        return _stencil(pdf, mask, to_image, areas)
    pikepdf = library()
    picture = pikepdf.PdfImage(mask).as_pil_image().convert("L")
    _fill(picture, to_image, areas, 255)
    new = _packed(pdf, picture)
    new.ColorSpace, new.BitsPerComponent = pikepdf.Name.DeviceGray, 8
    return _image(new, picture)


def _bits(image: Any) -> Any:
    from PIL import Image

    return Image.frombytes("1", (int(image.Width), int(image.Height)), image.read_bytes())


def _fill(picture: Any, to_image: Matrix, areas: list[Box], value: Any) -> None:
    from PIL import ImageDraw

    draw, (wide, high) = ImageDraw.Draw(picture), picture.size
    for left, bottom, right, top in areas:
        corners = [apply(to_image, x, y) for x, y in ((left, bottom), (right, bottom), (right, top), (left, top))]
        points = [(x * wide, (1 - y) * high) for x, y in corners]
        draw.polygon(points, fill=value, outline=value, width=3)  # a pixel more than the area: none stays in part


def _packed(pdf: Any, picture: Any) -> Any:
    pikepdf = library()
    new = pikepdf.Stream(pdf, zlib.compress(picture.tobytes(), 6))
    new.Filter = pikepdf.Name.FlateDecode
    return new


def _image(new: Any, picture: Any) -> Any:
    pikepdf = library()
    new.Type, new.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    new.Width, new.Height = picture.size
    return new


def _filters(image: Any) -> list[str]:
    pikepdf = library()
    filters = image.get("/Filter", pikepdf.Array())
    return [str(value) for value in (filters if isinstance(filters, pikepdf.Array) else [filters])]
