"""Goes through content streams, knows where each glyph, image and path comes to lie, and writes them anew without what goes."""

import copy
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.documents.packaging.frames import IDENTITY, Matrix, apply, inverse, moved, times
from brickwork.documents.packaging.library import library
from brickwork.documents.packaging.redaction.fonts import UNSURE, Font
from brickwork.documents.packaging.redaction.images import blacken
from brickwork.documents.packaging.redaction.ink import Glyph, touches
from brickwork.documents.packaging.redaction.paths import Path

if TYPE_CHECKING:
    from brickwork.documents.packaging.redaction.redactor import Redactor


@attrs.define
class _State:
    ctm: Matrix
    font: Font = UNSURE
    size: float = 0.0
    char_space: float = 0.0
    word_space: float = 0.0
    stretch: float = 1.0
    leading: float = 0.0
    rise: float = 0.0


def matrix_of(values: Any) -> Matrix:
    """Six numbers of a PDF."""
    return tuple(float(value) for value in values)  # type: ignore[return-value]


class Run:
    """One pass over one content stream."""

    def __init__(self, redactor: "Redactor", resources: Any, ctm: Matrix) -> None:
        self.redactor, self.resources = redactor, resources
        self.state, self.saved = _State(ctm), list[_State]()
        self.text: Matrix = IDENTITY
        self.line: Matrix = IDENTITY
        self.out: list[Any] = []
        self.path = Path()
        self.text_from = 0
        self.text_unsure = False
        self.marks: list[bool] = []
        self.names: dict[str, Any] = {}

    # -- the instructions --------------------------------------------------------------------------------------------------

    def take(self, instruction: Any) -> None:
        """Do one instruction, and put it out as it is, changed, or not at all."""
        pikepdf = library()
        if isinstance(instruction, pikepdf.ContentStreamInlineImage):
            if not self._image_goes():
                self.out.append(instruction)
            return
        operator, operands = str(instruction.operator), instruction.operands
        if operator in Path.OPERATORS:
            self.path.add(operator, operands, instruction, self.state.ctm)
            return
        if operator in Path.PAINTING:
            self.out += self.path.painted(operator, instruction, self.redactor.areas, self._hidden)
            self.path = Path()
            return
        handler = getattr(self, _HANDLERS.get(operator, ""), None)
        if handler is None:
            self.out.append(instruction)
            return
        try:
            handler(operator, operands, instruction)
        except (ValueError, TypeError, IndexError, AttributeError, ArithmeticError):
            self.text_unsure = True  # operands that break the standard: nobody knows what viewers make of them

    def finish(self) -> list[Any]:
        """All instructions that stay; what was saved and not restored is restored."""
        self._end_text("ET", [], None)
        self.out += [self._make([], "Q") for _ in self.saved]
        return self.out

    def _make(self, operands: list[Any], operator: str) -> Any:
        pikepdf = library()
        return pikepdf.ContentStreamInstruction(operands, pikepdf.Operator(operator))

    @property
    def _hidden(self) -> bool:
        return any(self.marks)

    # -- graphics state ----------------------------------------------------------------------------------------------------

    def _save(self, _: str, __: Any, instruction: Any) -> None:
        self.saved.append(copy.copy(self.state))
        self.out.append(instruction)

    def _restore(self, _: str, __: Any, instruction: Any) -> None:
        if self.saved:
            self.state = self.saved.pop()
            self.out.append(instruction)

    def _concatenate(self, _: str, operands: Any, instruction: Any) -> None:
        self.state.ctm = times(matrix_of(operands), self.state.ctm)
        self.out.append(instruction)

    def _graphics_state(self, _: str, operands: Any, instruction: Any) -> None:
        pikepdf = library()
        states = self.resources.get("/ExtGState", {})
        values = states.get(str(operands[0]))
        self.out.append(instruction)
        if not isinstance(values, pikepdf.Dictionary):
            return
        if isinstance(values.get("/Font"), pikepdf.Array):
            self.state.font, self.state.size = self.redactor.font(values.Font[0]), float(values.Font[1])
        mask = values.get("/SMask")
        if isinstance(mask, pikepdf.Dictionary) and isinstance(mask.get("/G"), pikepdf.Stream):
            new = self.redactor.form(mask.G, self.state.ctm, self.resources)
            if new is not None and self.redactor.areas:
                changed, group = pikepdf.Dictionary(values), pikepdf.Dictionary(mask)
                group.G, changed.SMask = new, group
                self.out[-1] = self._make([pikepdf.Name(self._resource("/ExtGState", changed))], "gs")

    def _paint_with(self, _: str, operands: Any, instruction: Any) -> None:
        """A colour; where that is a tiling pattern, its tiles may lie anywhere, so they keep no text and no image."""
        pikepdf = library()
        self.out.append(instruction)
        if not operands or not isinstance(operands[-1], pikepdf.Name):
            return
        pattern = self.resources.get("/Pattern", {}).get(str(operands[-1]))
        if not isinstance(pattern, pikepdf.Stream):
            return
        kept, gone = [], False
        for inner in pikepdf.parse_content_stream(pattern):
            telling = isinstance(inner, pikepdf.ContentStreamInlineImage) or str(inner.operator) in {*_SHOWING, "Do"}
            gone = gone or telling
            kept += [] if telling else [inner]
        if gone:
            self.redactor.ink.unsure = True
            if self.redactor.areas:
                new = self.redactor.pdf.make_stream(pikepdf.unparse_content_stream(kept))
                for key in set(pattern.keys()) - {"/Length", "/Filter", "/DecodeParms"}:
                    new[key] = pattern[key]
                new.Resources = pikepdf.Dictionary()
                name = pikepdf.Name(self._resource("/Pattern", new))
                self.out[-1] = self._make([*operands[:-1], name], str(instruction.operator))

    def _resource(self, kind: str, value: Any) -> str:
        pikepdf = library()
        entries = pikepdf.Dictionary(self.resources.get(kind, pikepdf.Dictionary()))
        number = len(entries) + 1
        while f"/Bw{number}" in entries:
            number += 1
        entries[f"/Bw{number}"] = value
        self.resources[kind] = entries
        return f"/Bw{number}"

    # -- text --------------------------------------------------------------------------------------------------------------

    def _begin_text(self, _: str, __: Any, instruction: Any) -> None:
        self.text = self.line = IDENTITY
        self.text_from, self.text_unsure = len(self.out), False
        self.out.append(instruction)

    def _end_text(self, _: str, __: Any, instruction: Any) -> None:
        if self.text_unsure:
            self.redactor.ink.unsure = True
            if self.redactor.areas:
                self.out[self.text_from :] = [i for i in self.out[self.text_from :] if str(i.operator) not in {"Tj", "TJ"}]
        self.text_from, self.text_unsure = len(self.out), False
        if instruction is not None:
            self.out.append(instruction)

    def _text_state(self, operator: str, operands: Any, instruction: Any) -> None:
        value = float(operands[0])
        if operator == "Tz":
            self.state.stretch = value / 100
        else:
            setattr(self.state, {"Tc": "char_space", "Tw": "word_space", "TL": "leading", "Ts": "rise"}[operator], value)
        self.out.append(instruction)

    def _set_font(self, _: str, operands: Any, instruction: Any) -> None:
        fonts = self.resources.get("/Font", {})
        self.state.font, self.state.size = self.redactor.font(fonts.get(str(operands[0]))), float(operands[1])
        self.out.append(instruction)

    def _move(self, operator: str, operands: Any, instruction: Any) -> None:
        if operator == "Tm":
            self.line = matrix_of(operands)
        elif operator == "T*":
            self._next_line(0, -self.state.leading)
        else:
            if operator == "TD":
                self.state.leading = -float(operands[1])
            self._next_line(float(operands[0]), float(operands[1]))
        self.text = self.line
        self.out.append(instruction)

    def _next_line(self, x: float, y: float) -> None:
        self.line = self.text = times((1, 0, 0, 1, x, y), self.line)

    def _show(self, operator: str, operands: Any, instruction: Any) -> None:
        pikepdf = library()
        items = list(operands[0]) if operator == "TJ" else [operands[-1]]
        before = []
        if operator in {"'", '"'}:
            if operator == '"':
                self.state.word_space, self.state.char_space = float(operands[0]), float(operands[1])
                before = [self._make([operands[0]], "Tw"), self._make([operands[1]], "Tc")]
            before.append(self._make([], "T*"))
            self._next_line(0, -self.state.leading)
        kept, changed = self._show_items(items)
        self.out += before
        if changed:
            new = pikepdf.Array([pikepdf.String(item) if isinstance(item, bytes) else round(item, 3) for item in kept])
            self.out.append(self._make([new], "TJ"))
        elif before:
            self.out.append(self._make([operands[-1]], "Tj"))
        else:
            self.out.append(instruction)

    def _show_items(self, items: list[Any]) -> tuple[list[bytes | float], bool]:
        """What stays of the strings and numbers of a TJ. The width of what goes becomes one number, kerning included: the
        single advances would tell which letters stood there."""
        pikepdf, state = library(), self.state
        kept: list[bytes | float] = []
        gap, removed, changed = None, "", False
        for item in items:
            if not isinstance(item, pikepdf.String):
                shift = float(item)
                self._advance(-shift / 1000 * state.size * state.stretch)
                if gap is None:
                    kept.append(shift)
                else:
                    gap += shift
                continue
            codes = state.font.decode(bytes(item))
            if codes is None:
                self.text_unsure = True
                kept.append(bytes(item))
                continue
            for code in codes:
                advance = (code.width * state.size + state.char_space + (state.word_space if code.space else 0)) * state.stretch
                if self._glyph_goes(code.text, code.width, advance):
                    changed, removed = True, removed + code.text
                    unit = state.size * state.stretch
                    gap = (gap or 0.0) - (advance * 1000 / unit if unit else 0.0)
                else:
                    if gap is not None:
                        kept.append(gap)
                        gap = None
                    if kept and isinstance(kept[-1], bytes):
                        kept[-1] += code.raw
                    else:
                        kept.append(code.raw)
                self._advance(advance)
        if gap is not None:
            kept.append(gap)
        if removed:
            self.redactor.ink.removed.append(removed)
        return kept, changed

    def _advance(self, x: float) -> None:
        self.text = times((1, 0, 0, 1, x, 0), self.text)

    def _glyph_goes(self, text: str, width: float, advance: float) -> bool:
        state, font = self.state, self.state.font
        matrix = times(self.text, state.ctm)
        wide, size = width * state.size * state.stretch, state.size
        left, right = (0.0, wide) if abs(wide) > 0.05 * abs(size) else (-0.05 * size, 0.05 * size)
        low, high = font.descent * size + state.rise, font.ascent * size + state.rise
        box = moved(matrix, (left, low, right, high))
        leans = abs(matrix[0] * matrix[1]) > 1e-9 or abs(matrix[2] * matrix[3]) > 1e-9
        around = ((left, low), (right, low), (right, high), (left, high)) if leans else ()
        corners = tuple(apply(matrix, *corner) for corner in around)
        x, y = apply(matrix, 0, state.rise)
        scale = max((matrix[0] ** 2 + matrix[1] ** 2) ** 0.5, 1e-9)
        along = (matrix[0] / scale, matrix[1] / scale)
        self.redactor.ink.glyphs.append(Glyph(text, box, x, y, along, abs(size) * scale, advance * scale, corners))
        return self._hidden or touches(box, self.redactor.areas, corners=corners)

    # -- images and forms --------------------------------------------------------------------------------------------------

    def _image_goes(self) -> bool:
        box = moved(self.state.ctm, (0, 0, 1, 1))
        return self._hidden or touches(box, self.redactor.areas, share=0)

    def _draw(self, _: str, operands: Any, instruction: Any) -> None:
        pikepdf = library()
        drawn = self.resources.get("/XObject", {}).get(str(operands[0]))
        if not isinstance(drawn, pikepdf.Stream):
            return
        if self._hidden or self._off(drawn.get("/OC")):
            return
        if drawn.get("/Subtype") == "/Form":
            new = self.redactor.form(drawn, self.state.ctm, self.resources)
        elif drawn.get("/Subtype") == "/Image" and self._image_goes():
            new = blacken(self.redactor.pdf, drawn, inverse(self.state.ctm), self.redactor.areas)
        else:
            new = drawn
        if new is None:
            return
        if new is not drawn:
            instruction = self._make([pikepdf.Name(self._resource("/XObject", new))], "Do")
        self.out.append(instruction)

    # -- marked content ----------------------------------------------------------------------------------------------------

    def _mark(self, operator: str, operands: Any, instruction: Any) -> None:
        pikepdf = library()
        hides = False
        if operator == "BDC" and str(operands[0]) == "/OC" and isinstance(operands[1], pikepdf.Name):
            hides = self._off(self.resources.get("/Properties", {}).get(str(operands[1])))
        elif operator == "BDC":  # its properties may tell the text once more (/ActualText, /Alt, /E)
            instruction = self._make([operands[0]], "BMC")
        self.marks.append(hides)
        self.out.append(instruction)

    def _unmark(self, _: str, __: Any, instruction: Any) -> None:
        if self.marks:
            self.marks.pop()
            self.out.append(instruction)

    def _point(self, _: str, operands: Any, __: Any) -> None:
        self.out.append(self._make([operands[0]], "MP"))

    def _off(self, group: Any) -> bool:
        """Whether a layer, or all layers of a membership (ISO 32000-2, 8.11.2.2), are hidden."""
        pikepdf = library()
        if not self.redactor.hidden or not isinstance(group, pikepdf.Dictionary):
            return False
        if group.get("/Type") != "/OCMD":
            return group.objgen in self.redactor.hidden
        groups = group.get("/OCGs")
        members = list(groups) if isinstance(groups, pikepdf.Array) else [groups]
        return bool(members) and all(isinstance(g, pikepdf.Dictionary) and g.objgen in self.redactor.hidden for g in members)


_SHOWING = ("Tj", "TJ", "'", '"')
_HANDLERS = {
    **dict.fromkeys(("Tc", "Tw", "Tz", "TL", "Ts"), "_text_state"),
    **dict.fromkeys(("Td", "TD", "Tm", "T*"), "_move"),
    **dict.fromkeys(_SHOWING, "_show"),
    **dict.fromkeys(("scn", "SCN"), "_paint_with"),
    **dict.fromkeys(("BMC", "BDC"), "_mark"),
    **{"q": "_save", "Q": "_restore", "cm": "_concatenate", "gs": "_graphics_state", "BT": "_begin_text", "ET": "_end_text"},
    **{"Tf": "_set_font", "Do": "_draw", "EMC": "_unmark", "DP": "_point"},
}
