"""Page labels (ISO 32000-2, 12.4.2): read as one label a page, so that pages can move, and written back as ranges."""

from typing import TYPE_CHECKING

import attrs

from brickwork.documents.packaging.library import library

if TYPE_CHECKING:
    import pikepdf


@attrs.frozen
class Label:
    """How a page is called: prefix, style (D, R, r, A, a or none) and number."""

    number: int
    style: str | None = "D"
    prefix: str = ""

    def follows(self, other: "Label") -> bool:
        """Whether one range can hold both."""
        return (self.style, self.prefix, self.number) == (other.style, other.prefix, other.number + 1)


def read_labels(pdf: "pikepdf.Pdf") -> list[Label] | None:
    """The label of each page, or None where the document has none."""
    pikepdf = library()
    tree = pdf.Root.get("/PageLabels")
    if not isinstance(tree, pikepdf.Dictionary):
        return None
    count, current, start = len(pdf.pages), Label(1), 0
    ranges = {int(at): _label(entry) for at, entry in pikepdf.NumberTree(tree).items()}
    labels = []
    for page in range(count):
        if page in ranges:
            current, start = ranges[page], page
        labels.append(attrs.evolve(current, number=current.number + page - start))
    return labels


def _label(entry: "pikepdf.Object") -> Label:
    pikepdf = library()
    if not isinstance(entry, pikepdf.Dictionary):
        return Label(1)
    style, prefix, number = entry.get("/S"), entry.get("/P"), entry.get("/St", 1)
    return Label(
        number=number if isinstance(number, int) else 1,
        style=str(style)[1:] if isinstance(style, pikepdf.Name) else None,
        prefix=str(prefix) if isinstance(prefix, pikepdf.String) else "",
    )


def write_labels(pdf: "pikepdf.Pdf", labels: list[Label]) -> None:
    """Store one label a page."""
    pikepdf = library()
    numbers = pikepdf.Array()
    for page, label in enumerate(labels):
        if page and label.follows(labels[page - 1]):
            continue
        entry = pikepdf.Dictionary(St=label.number)
        if label.style:
            entry.S = pikepdf.Name("/" + label.style)
        if label.prefix:
            entry.P = pikepdf.String(label.prefix)
        numbers.extend([page, entry])
    pdf.Root.PageLabels = pdf.make_indirect(pikepdf.Dictionary(Nums=numbers))
