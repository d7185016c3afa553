"""Takes apart the content of a page and of the forms that it draws, and puts it together without what goes."""

from typing import Any

import attrs

from brickwork.documents.packaging.frames import IDENTITY, Box, Matrix, moved, times
from brickwork.documents.packaging.library import library
from brickwork.documents.packaging.redaction.content import Run, matrix_of
from brickwork.documents.packaging.redaction.fonts import UNSURE, Font, load_font
from brickwork.documents.packaging.redaction.ink import Ink, touches
from brickwork.errors import TooLargeError

#: What is read of one page: drawing instructions with those of all forms in it, forms, and levels of forms in forms.
_INSTRUCTIONS, _FORMS, _DEPTH = 2_000_000, 20_000, 20


@attrs.define
class Redactor:
    """Reads the content of one page and what it draws. With `areas` (in page coordinates) or `hidden` layers, `rewrite` gives
    the instructions without what lies there; without, it only looks."""

    pdf: Any
    areas: list[Box]
    #: Layers whose content goes, by the identity of their objects.
    hidden: set[tuple[int, int]] = attrs.field(factory=set)
    ink: Ink = attrs.field(factory=Ink)
    _fonts: dict[tuple[int, int], Font] = attrs.field(factory=dict)
    _inside: list[tuple[int, int]] = attrs.field(factory=list)

    def rewrite(self, stream: Any, resources: Any, ctm: Matrix = IDENTITY) -> bytes:
        """The content of a page or form, rewritten; `resources` get what the new content needs and are the caller's own."""
        pikepdf = library()
        run = Run(self, resources, ctm)
        self.ink.streams += 1
        if self.ink.streams > _FORMS:
            raise TooLargeError(f"a page draws more than {_FORMS:,} forms")
        for instruction in pikepdf.parse_content_stream(stream):
            self.ink.instructions += 1
            if self.ink.instructions > _INSTRUCTIONS:
                raise TooLargeError(f"a page has more than {_INSTRUCTIONS:,} drawing instructions")
            run.take(instruction)
        kept = run.finish()
        if self.areas or self.hidden:
            _prune(resources, kept)
        return bytes(pikepdf.unparse_content_stream(kept))

    def font(self, dictionary: Any) -> Font:
        """A font, read once."""
        if not isinstance(dictionary, library().Dictionary):
            return UNSURE
        if not dictionary.is_indirect:
            return load_font(dictionary)
        if dictionary.objgen not in self._fonts:
            self._fonts[dictionary.objgen] = load_font(dictionary)
        return self._fonts[dictionary.objgen]

    def form(self, form: Any, ctm: Matrix, resources: Any) -> Any | None:
        """A form XObject without what lies in the areas: itself if nothing does, a copy, or None where it draws itself."""
        pikepdf = library()
        if form.objgen in self._inside or len(self._inside) >= _DEPTH:
            return None
        matrix = form.get("/Matrix")
        inner = times(matrix_of(matrix) if matrix is not None else IDENTITY, ctm)
        changes = bool(self.hidden) or touches(moved(inner, _box(form.BBox)), self.areas, share=0)
        own = form.get("/Resources")
        if self.areas and not changes and isinstance(own, pikepdf.Dictionary):
            return form  # nothing shows outside its box
        copied = pikepdf.Dictionary(own if isinstance(own, pikepdf.Dictionary) else resources)
        self._inside.append(form.objgen)
        try:
            content = self.rewrite(form, copied, inner)
        finally:
            self._inside.pop()
        if not self.areas and not self.hidden:
            return form
        new = self.pdf.make_stream(content)
        for key in ("/Type", "/Subtype", "/FormType", "/BBox", "/Matrix", "/Group"):
            if key in form:
                new[key] = form[key]
        new.Resources = copied
        return new


def _prune(resources: Any, instructions: list[Any]) -> None:
    """Keep of the resources what the content names: what was taken out of it would else stay in the file."""
    pikepdf = library()
    named = {str(value) for i in instructions for value in getattr(i, "operands", ()) if isinstance(value, pikepdf.Name)}
    for kind in ("/XObject", "/Font", "/Pattern", "/ExtGState", "/Properties"):
        if isinstance(entries := resources.get(kind), pikepdf.Dictionary):
            resources[kind] = pikepdf.Dictionary({name: value for name, value in entries.items() if name in named})


def _box(values: Any) -> Box:
    x, y, z, w = (float(value) for value in values)
    return min(x, z), min(y, w), max(x, z), max(y, w)
