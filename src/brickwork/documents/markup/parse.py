"""Reading markup: well-formed XML without declarations, so that no entity can grow and nothing is fetched."""

import re
from difflib import get_close_matches
from html.entities import html5
from typing import Any
from xml.parsers import expat

from brickwork.documents.markup.elements import KINDS
from brickwork.documents.markup.nodes import Element
from brickwork.errors import Problem, ValidationError

#: Characters of a source, elements in it, and how deep they may stand in one another.
MOST_CHARACTERS, MOST_ELEMENTS, DEEPEST = 50_000_000, 2_000_000, 40
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
#: The attributes of elements without any, of which there are many.
_NONE: dict[str, Any] = {}
_XML = {"amp", "lt", "gt", "quot", "apos"}


class MarkupError(ValidationError):
    """A document's source is not acceptable; each problem's `field` is "line N, column M"."""

    code = "markup_invalid"


def parse(source: str) -> Element:
    """The tree of a source, whose root is `<document>`; a source without one is put into it. Raises `MarkupError`."""
    if len(source) > MOST_CHARACTERS:
        raise MarkupError(f"the source has {len(source):,} characters; up to {MOST_CHARACTERS:,} are taken")
    text = _ENTITY.sub(_named, source) if "&" in source else source
    if not re.match(r"\s*(?:<!--.*?-->\s*)*<document\b", text, re.DOTALL):
        text = f"<document>{text}</document>"
    return _Builder().build(text)


def _named(match: re.Match[str]) -> str:
    """HTML's names for characters, which XML doesn't know."""
    known = html5.get(f"{match[1]};")
    return match[0] if match[1] in _XML or known is None else known


class _Builder:
    def __init__(self) -> None:
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.ProcessingInstructionHandler = self._refuse_instruction
        self._open: list[tuple[str, dict[str, Any], list[Element | str], int]] = []
        self._root: Element | None = None
        self._count = 0
        self._ids: set[str] = set()
        #: Links to places, with the line and column of the first to each.
        self._wanted: dict[str, tuple[int, int]] = {}

    def build(self, text: str) -> Element:
        try:
            self._parser.Parse(text.encode("utf-8", "surrogatepass"), True)
        except expat.ExpatError as error:
            problem = expat.errors.messages.get(error.code, str(error.code)) if isinstance(error.code, int) else str(error)
            raise self._error(f"not well-formed: {problem}", error.lineno, error.offset) from None
        except UnicodeDecodeError:
            raise self._error("not text") from None
        assert self._root is not None
        for place, (line, column) in self._wanted.items():
            if place not in self._ids:
                raise self._error(f"<a href>: nothing in the document has the id {place[:60]!r}", line, column)
        return self._root

    def _start(self, tag: str, given: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise self._error(f"more than {MOST_ELEMENTS:,} elements")
        kind = KINDS.get(tag)
        if kind is None:
            raise self._error(f"there is no element <{tag}>{_meant(tag, KINDS)}")
        if self._open:
            parent = self._open[-1][0]
            if tag not in KINDS[parent].inside:
                raise self._error(f"<{tag}> can't stand in <{parent}>")
            if len(self._open) >= DEEPEST:
                raise self._error(f"elements stand more than {DEEPEST} deep in one another")
        elif tag != "document":
            raise self._error("the outermost element is <document>")
        attributes: dict[str, Any] = {} if given else _NONE
        for name, value in given.items():
            read = kind.attributes.get(name)
            if read is None:
                raise self._error(f"<{tag}> has no attribute {name!r}{_meant(name, kind.attributes)}")
            try:
                attributes[name] = read(value)
            except ValueError as error:
                raise self._error(f"<{tag} {name}>: {value[:60]!r} is not {error}") from None
        if "id" in attributes:
            self._ids.add(attributes["id"])
        if tag == "a" and attributes.get("href", "").startswith("#"):
            here = self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber
            self._wanted.setdefault(attributes["href"][1:], here)
        missing = [name for name in kind.needs if name not in attributes]
        if missing:
            raise self._error(f"<{tag}> needs {' and '.join(missing)}")
        self._open.append((tag, attributes, [], self._parser.CurrentLineNumber))

    def _end(self, tag: str) -> None:
        tag, attributes, children, line = self._open.pop()
        element = Element(tag, attributes, tuple(children), line)
        if self._open:
            self._open[-1][2].append(element)
        else:
            self._root = element

    def _text(self, text: str) -> None:
        tag, _, children, _ = self._open[-1]
        if KINDS[tag].text:
            children.append(text)
        elif not text.isspace():
            raise self._error(f"text can't stand in <{tag}>: {text.strip()[:40]!r}; put it into <p>")

    def _refuse_doctype(self, *_: object) -> None:
        raise self._error("a document type declaration is not taken")

    def _refuse_instruction(self, *_: object) -> None:
        raise self._error("a processing instruction is not taken")

    def _error(self, message: str, line: int | None = None, column: int | None = None) -> MarkupError:
        line = line or self._parser.CurrentLineNumber
        where = f"line {line}, column {(self._parser.CurrentColumnNumber if column is None else column) + 1}"
        return MarkupError(f"{where}: {message}", problems=[Problem(message, where, MarkupError.code)])


def _meant(name: str, known: Any) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; is <{close[0]}> meant?" if close and close[0] in KINDS else f"; is {close[0]} meant?" if close else ""
