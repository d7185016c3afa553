"""How a page is seen: its size as shown, and where a point of that lies in the page's own coordinates.

Callers give places in points from the lower left corner of the page as it is shown, whatever its /Rotate and boxes say.
"""

from typing import TYPE_CHECKING

import attrs

from brickwork.documents.packaging.library import library

if TYPE_CHECKING:
    import pikepdf

Matrix = tuple[float, float, float, float, float, float]
#: Left, bottom, right, top.
Box = tuple[float, float, float, float]

IDENTITY: Matrix = (1, 0, 0, 1, 0, 0)


def times(first: Matrix, then: Matrix) -> Matrix:
    """The matrix that does `first` and `then` (row vectors, as in ISO 32000-2, 8.3.4)."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    """Where a point comes to lie."""
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def inverse(matrix: Matrix) -> Matrix | None:
    """The matrix that undoes another; None where that flattens everything."""
    a, b, c, d, e, f = matrix
    determinant = a * d - b * c
    if abs(determinant) < 1e-12:
        return None
    return (
        d / determinant,
        -b / determinant,
        -c / determinant,
        a / determinant,
        (c * f - d * e) / determinant,
        (b * e - a * f) / determinant,
    )


def moved(matrix: Matrix, box: Box) -> Box:
    """The upright box around a box that was transformed."""
    corners = [apply(matrix, x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


@attrs.frozen
class Frame:
    """A page as it is shown: width and height in points, and the matrix from there to its own coordinates."""

    width: float
    height: float
    matrix: Matrix

    @classmethod
    def of(cls, page: "pikepdf.Page") -> "Frame":
        """The frame of a page's crop box."""
        values = [float(value) for value in page.cropbox.as_list()]
        left, right = sorted((values[0], values[2]))
        bottom, top = sorted((values[1], values[3]))
        wide, high = right - left, top - bottom
        turned: dict[int, Frame] = {
            0: cls(wide, high, (1, 0, 0, 1, left, bottom)),
            90: cls(high, wide, (0, 1, -1, 0, right, bottom)),
            180: cls(wide, high, (-1, 0, 0, -1, right, top)),
            270: cls(high, wide, (0, -1, 1, 0, left, top)),
        }
        return turned[page.rotation % 360]


def own_resources(page: "pikepdf.Page") -> "pikepdf.Dictionary":
    """The page's resources as a dictionary of its own: what is added there shows on no other page."""
    pikepdf = library()
    resources = pikepdf.Dictionary(page.get_resources() or pikepdf.Dictionary())
    for kind in ("/XObject", "/Font", "/ExtGState"):
        if isinstance(resources.get(kind), pikepdf.Dictionary):
            resources[kind] = pikepdf.Dictionary(resources[kind])
    page.obj.Resources = resources
    return page.obj.Resources  # type: ignore[no-any-return]


def resource_name(resources: "pikepdf.Dictionary", kind: str, wanted: str, value: "pikepdf.Object") -> str:
    """Put a value under a name that is free; the name."""
    if kind not in resources:
        resources[kind] = library().Dictionary()
    number = 1
    while f"/{wanted}{number}" in resources[kind]:
        number += 1
    resources[kind][f"/{wanted}{number}"] = value
    return f"/{wanted}{number}"
