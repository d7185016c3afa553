"""Redaction for good: what lies in an area, or reads as a text, is taken out of the file; what is painted there only shows it."""

import re
from typing import Any

import attrs

from brickwork.documents.packaging.frames import Box, Frame, moved
from brickwork.documents.packaging.library import library
from brickwork.documents.packaging.notes import Note
from brickwork.documents.packaging.redaction.finding import Pattern, as_pattern, find
from brickwork.documents.packaging.redaction.ink import Ink, touches
from brickwork.documents.packaging.redaction.leftovers import hidden_layers, patterns_of, remove_annotations, strip, sweep
from brickwork.documents.packaging.redaction.redactor import Redactor
from brickwork.errors import RedactionError, ValidationError


@attrs.frozen
class Area:
    """A rectangle on a page (from 1), in points from the lower left corner of the page as it is shown."""

    page: int
    x: float
    y: float
    width: float
    height: float

    def __attrs_post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValidationError(f"an area has a width and a height above 0, not {self.width} x {self.height}", field="area")


@attrs.frozen
class Redaction:
    """What is to be taken out."""

    areas: tuple[Area, ...]
    patterns: tuple[Pattern, ...]
    keep_metadata: bool
    keep_attachments: bool
    keep_hidden: bool
    missing_ok: bool
    color: tuple[float, float, float]

    @classmethod
    def of(
        cls,
        targets: "tuple[Area | str | Pattern, ...]",
        keep_metadata: bool,
        keep_attachments: bool,
        keep_hidden: bool,
        missing_ok: bool,
        color: str,
    ) -> "Redaction":
        """Check and make one; raises `ValidationError`."""
        if not targets:
            raise ValidationError("redact needs an area, a text or a pattern", field="targets")
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
            raise ValidationError(f"color {color!r} is not one such as #000000", field="color")
        areas = tuple(target for target in targets if isinstance(target, Area))
        texts = [target for target in targets if not isinstance(target, Area)]
        if any(isinstance(text, str) and not text.strip() for text in texts):
            raise ValidationError("a text to redact has letters", field="targets")
        red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
        patterns = tuple(as_pattern(text) for text in texts)
        return cls(areas, patterns, keep_metadata, keep_attachments, keep_hidden, missing_ok, (red, green, blue))

    def apply(self, pdf: Any) -> list[Note]:
        """Take everything out; raises `ValidationError` for a page that isn't there, and `RedactionError`."""
        notes: list[Note] = []
        for page in pdf.pages:
            page.obj.Resources = page.get_resources() or library().Dictionary()
        boxes, annotations = self._given(pdf), dict[int, list[Any]]()
        found = self._find(pdf, boxes, annotations, notes)
        if not self.missing_ok and (missing := [p.pattern for p in self.patterns if not found.get(p)]):
            raise RedactionError(f"{missing[0]!r} is on no page; pages of images have no text to find", field="targets")
        hidden = set() if self.keep_hidden else hidden_layers(pdf)
        removed: list[str] = []
        for n, page in enumerate(pdf.pages):
            areas = boxes.get(n, [])
            if areas or hidden:
                removed += self._rewrite(pdf, page, n, areas, hidden, notes)
            going = annotations.get(n, []) + [a for a in _annotations(page) if touches(_rectangle(a), areas, share=0.05)]
            if going:
                remove_annotations(pdf, page, going)
        strip(pdf, metadata=not self.keep_metadata, attachments=not self.keep_attachments)
        sweep(pdf, [*self.patterns, *patterns_of(removed)])
        pdf.remove_unreferenced_resources()
        self._prove(pdf, boxes)
        return notes

    def _given(self, pdf: Any) -> dict[int, list[Box]]:
        boxes: dict[int, list[Box]] = {}
        for area in self.areas:
            if not 1 <= area.page <= len(pdf.pages):
                raise ValidationError(f"an area is on page {area.page}; the document has {len(pdf.pages)}", field="area")
            frame = Frame.of(pdf.pages[area.page - 1])
            box = moved(frame.matrix, (area.x, area.y, area.x + area.width, area.y + area.height))
            boxes.setdefault(area.page - 1, []).append(box)
        return boxes

    def _find(
        self, pdf: Any, boxes: dict[int, list[Box]], annotations: dict[int, list[Any]], notes: list[Note]
    ) -> dict[Pattern, int]:
        """Add what the patterns match to `boxes` and `annotations`; how often each does."""
        counts: dict[Pattern, int] = {}
        if not self.patterns:
            return counts
        for n, page in enumerate(pdf.pages):
            ink = _look(pdf, page.obj, page.obj.Resources)
            if ink.unsure or any(not glyph.text for glyph in ink.glyphs):
                told = f"page {n + 1} has text whose letters the file does not tell; patterns can't find it"
                notes.append(Note("text_unreadable", "document", told))
            for pattern, found in find(ink.glyphs, self.patterns).items():
                counts[pattern] = counts.get(pattern, 0) + len(found)
                if found:
                    boxes.setdefault(n, []).extend(found)
            for annotation in _annotations(page):
                for pattern in self.patterns:
                    if _tells(pdf, annotation, pattern):
                        counts[pattern] = counts.get(pattern, 0) + 1
                        annotations.setdefault(n, []).append(annotation)
        return counts

    def _rewrite(
        self, pdf: Any, page: Any, n: int, areas: list[Box], hidden: set[tuple[int, int]], notes: list[Note]
    ) -> list[str]:
        pikepdf = library()
        redactor = Redactor(pdf, areas, hidden)
        resources = pikepdf.Dictionary(page.obj.Resources)
        content = redactor.rewrite(page.obj, resources)
        if redactor.ink.unsure and areas:
            told = f"page {n + 1}: text whose place is not sure was removed with all of its text object"
            notes.append(Note("text_removed", "document", told))
        color = " ".join(f"{value:.3f}" for value in self.color)
        painted = "".join(f"{x:.2f} {y:.2f} {z - x:.2f} {w - y:.2f} re f\n" for x, y, z, w in areas)
        page.obj.Resources = resources
        page.obj.Contents = pdf.make_stream(b"q\n" + content + f"\nQ\nq {color} rg\n{painted}Q\n".encode())
        for key in ("/Thumb", "/PieceInfo", "/B"):
            if key in page.obj:
                del page.obj[key]
        return redactor.ink.removed

    def _prove(self, pdf: Any, boxes: dict[int, list[Box]]) -> None:
        """Read the document again; raises `RedactionError` if anything is still there."""
        for n, page in enumerate(pdf.pages):
            if n not in boxes and not self.patterns:
                continue
            ink = _look(pdf, page.obj, page.obj.get("/Resources", library().Dictionary()))
            areas = boxes.get(n, [])
            left = [g for g in ink.glyphs if g.text.strip() and touches(g.box, areas, corners=g.corners)]
            found = [pattern for pattern, at in find(ink.glyphs, self.patterns).items() if at]
            if left or found:
                raise RedactionError(f"page {n + 1} can't be redacted: text would remain readable", field="targets")


def _look(pdf: Any, content: Any, resources: Any) -> Ink:
    redactor = Redactor(pdf, [])
    redactor.rewrite(content, resources)
    return redactor.ink


def _annotations(page: Any) -> list[Any]:
    pikepdf = library()
    found = page.obj.get("/Annots")
    return [a for a in found if isinstance(a, pikepdf.Dictionary)] if isinstance(found, pikepdf.Array) else []


def _rectangle(annotation: Any) -> Box:
    try:
        x, y, z, w = (float(value) for value in annotation.Rect)
    except (AttributeError, TypeError, ValueError):
        return (0, 0, 0, 0)
    return min(x, z), min(y, w), max(x, z), max(y, w)


def _tells(pdf: Any, annotation: Any, pattern: Pattern) -> bool:
    """Whether what an annotation shows, says or leads to matches."""
    pikepdf = library()
    strings = [str(v) for v in annotation.values() if isinstance(v, pikepdf.String)]
    action = annotation.get("/A")
    if isinstance(action, pikepdf.Dictionary):
        strings += [str(v) for v in action.values() if isinstance(v, pikepdf.String)]
    if any(pattern.search(text) for text in strings):
        return True
    normal = annotation.get("/AP", pikepdf.Dictionary()).get("/N")
    shown = [normal] if isinstance(normal, pikepdf.Stream) else list(normal.values()) if normal is not None else []
    for stream in shown:
        if isinstance(stream, pikepdf.Stream):
            ink = _look(pdf, stream, stream.get("/Resources", pikepdf.Dictionary()))
            if find(ink.glyphs, [pattern])[pattern]:
                return True
    return False
