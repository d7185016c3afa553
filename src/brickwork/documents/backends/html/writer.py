"""The elements of a document as those of HTML."""

from html import escape
from typing import Any

import attrs

from brickwork.documents.assets import image_of
from brickwork.documents.backends.drawings import svg_of
from brickwork.documents.backends.html.style import style_of
from brickwork.documents.errors import RenderError
from brickwork.documents.markup.elements import Share
from brickwork.documents.markup.nodes import Element
from brickwork.documents.port import Order

#: Elements that are HTML's own, with what they are there.
_SAME = frozenset({"h1", "h2", "h3", "h4", "p", "b", "i", "u", "s", "code", "sub", "sup", "small", "ul", "ol", "li", "table",
                   "thead", "tbody", "tfoot", "tr", "td", "th", "a", "span"})  # fmt: skip
_OTHER = {"header": "header", "footer": "footer", "box": "div", "columns": "div", "column": "div"}
_HEADINGS = ("h1", "h2", "h3", "h4")
#: Points that a share of the text's width is of, for drawings.
_WIDTH = 480.0


class Writer:
    """Writes a document."""

    def __init__(self, document: Element, order: Order) -> None:
        self._document, self._order, self._theme = document, order, order.theme
        self._headings = [one for one in document.walk() if one.tag in _HEADINGS and one.get("bookmark") is not False]
        #: Where contents lead to.
        places = {id(one): one.get("id") or f"bw-{number}" for number, one in enumerate(self._headings)}
        self._places = places if any(one.tag == "toc" for one in document.walk()) else {}

    def page(self) -> str:
        """The whole page."""
        get = self._document.get
        ordered = sorted(self._document.elements(), key=self._rank)
        body = "".join(self.shown(child) for child in ordered)
        direction = f' dir="{get("dir")}"' if get("dir") else ""
        title = f'<meta charset="utf-8"><title>{escape(get("title", ""))}</title>'
        head = f"{title}<style>{style_of(self._theme)}</style>"
        opening = f'<!doctype html>\n<html lang="{escape(get("lang", "en"))}"{direction}>'
        return f"{opening}<head>{head}</head><body>{body}</body></html>\n"

    def shown(self, node: Element | str) -> str:
        """An element with what is in it."""
        if isinstance(node, str):
            return escape(node, quote=False)
        special = getattr(self, f"_{node.tag}", None)
        if special is not None:
            return str(special(node))
        if node.tag == "p" and any(one.tag in ("page", "pages") for one in node.walk()):
            return ""  # there are no pages to be numbered
        return self._plain(node)

    def inside(self, node: Element) -> str:
        """What is in an element."""
        return "".join(self.shown(child) for child in node.children)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _rank(self, element: Element) -> int:
        return {"header": 0, "footer": 2}.get(element.tag, 1)

    def _plain(self, node: Element) -> str:
        name = node.tag if node.tag in _SAME else _OTHER[node.tag]
        return f"<{name}{self._attributes(node)}>{self.inside(node)}</{name}>"

    def _page(self, node: Element) -> str:
        return ""

    _pages = _page

    def _br(self, node: Element) -> str:
        return "<br>"

    def _hr(self, node: Element) -> str:
        style = "".join((f";border-top-color:{self._color(node, node.get('color'))}" if node.get("color") else "",
                         f";border-top-width:{node.get('thickness'):g}pt" if node.get("thickness") else ""))  # fmt: skip
        return f'<hr style="{style[1:]}">' if style else "<hr>"

    def _spacer(self, node: Element) -> str:
        return f'<div style="height:{node.get("height"):g}pt"></div>'

    def _pagebreak(self, node: Element) -> str:
        return '<div style="break-after:page"></div>'

    def _img(self, node: Element) -> str:
        size = {"width": node.get("width"), "height": node.get("height")}
        rules = ";".join(f"{rule}:{_width(one)}" for rule, one in size.items() if one is not None)
        style = f' style="{rules}"' if rules else ""
        image = f'<img src="{image_of(node, self._order.assets).url}" alt="{escape(node.get("alt", ""))}"{style}>'
        return f'<div style="text-align:{node.get("align")}">{image}</div>' if node.get("align") else image

    def _chart(self, node: Element) -> str:
        align = f' style="text-align:{node.get("align")}"' if node.get("align") else ""
        return f"<div{align}>{svg_of(node, self._theme, _WIDTH)}</div>"

    _barcode = _qr = _chart

    def _toc(self, node: Element) -> str:
        depth = node.get("depth", 3)
        rows = [
            f'<div class="bw-toc" style="margin-left:{int(one.tag[1]) - 1}em"><a href="#{self._places[id(one)]}">'
            f"{escape(' '.join(one.text().split()))}</a></div>"
            for one in self._headings
            if int(one.tag[1]) <= depth
        ]
        return "".join(rows)

    def _field(self, node: Element) -> str:
        """A field; of one for a signature, an empty box."""
        name, kind, value = escape(node.get("name")), node.get("type"), escape(node.get("value", ""))
        size = {"width": node.get("width"), "height": node.get("height")}
        style = "".join(f"{rule}:{_width(one)};" for rule, one in size.items() if one is not None)
        given = f'name="{name}" title="{escape(node.get("tooltip") or node.get("name"))}" style="{style}"'
        given += " required" if node.get("required") else ""
        if kind == "signature":
            return f'<div class="signature" id="bw-sign-{name}" style="{style}"></div>'
        if kind == "checkbox":
            return f'<p><input type="checkbox" {given}{" checked" if value == "true" else ""}></p>'
        if node.get("multiline"):
            return f"<p><textarea {given}>{value}</textarea></p>"
        return f'<p><input type="text" value="{value}" {given}></p>'

    def _table(self, node: Element) -> str:
        node = _aligned(node)
        widths = [_width(one) for one in node.get("widths", ())]
        columns = "<colgroup>" + "".join(f'<col style="width:{one}">' for one in widths) + "</colgroup>" if widths else ""
        return f"<table{self._attributes(node)}>{columns}{self.inside(node)}</table>"

    def _attributes(self, node: Element) -> str:
        style = _rules(node)
        for name, rule in (("color", "color"), ("background", "background"), ("border", "border-color")):
            value = node.get(name)
            if value is not None and not (node.tag == "table" and name == "border"):
                style.append(f"{rule}:{self._color(node, value)}")
        given = {"id": node.get("id") or self._places.get(id(node)),
                 "href": node.get("href"), "dir": node.get("dir"), "colspan": node.get("colspan"),
                 "rowspan": node.get("rowspan"), "start": node.get("start"),
                 "type": node.get("type") if node.tag == "ol" else None,
                 "class": " ".join(self._classes(node)) or None, "style": ";".join(style) or None}  # fmt: skip
        return "".join(f' {name}="{escape(str(value))}"' for name, value in given.items() if value is not None)

    def _classes(self, node: Element) -> list[str]:
        given = node.get("class")
        if given is not None and given not in ("muted", "accent", *self._theme.classes):
            raise RenderError(f"line {node.line}: the theme has no class {given!r}", field=f"line {node.line}")
        own = [node.tag] if node.tag in _OTHER else []
        if node.tag == "table":
            own = [f"bw-{node.get('border', 'rows')}", *(["bw-zebra"] if node.get("zebra") else [])]
        return [*own, *([given] if given else [])]

    def _color(self, node: Element, value: str) -> str:
        try:
            return "#" + "".join(f"{round(part * 255):02x}" for part in self._theme.color(value))
        except ValueError as error:
            raise RenderError(f"line {node.line}: {error}", field=f"line {node.line}") from None


def _rules(node: Element) -> list[str]:
    """What an element's attributes say of its style, colours aside."""
    style: list[str] = []
    for name, rule in (("align", "text-align"), ("size", "font-size"), ("valign", "vertical-align")):
        value = node.get(name)
        if value is not None and not (node.tag == "table" and name == "align"):
            style.append(
                f"{rule}:{value:g}pt" if isinstance(value, float) else f"{rule}:{'right' if value == 'decimal' else value}"
            )
    if node.tag == "table" and node.get("align") in ("right", "center"):
        style.append(f"margin-left:auto;margin-right:{'auto' if node.get('align') == 'center' else '0'};width:auto")
    if node.tag in ("table", "td", "th") and node.get("width") is not None:
        style.append(f"width:{_width(node.get('width'))}")
    if node.tag == "box" and node.get("padding") is not None:
        style.append(f"padding:{node.get('padding'):g}pt")
    if node.tag == "columns":
        style.append(f"gap:{node.get('gap') or 18:g}pt;grid-template-columns:{_tracks(node)}")
    if node.get("font") is not None:
        style.append(f"font-family:'{node.get('font')}'")
    if node.get("keep") == "together":
        style.append("break-inside:avoid")
    elif node.get("keep") == "next":
        style.append("break-after:avoid")
    return style


def _tracks(node: Element) -> str:
    """The widths of columns side by side."""
    count = sum(1 for _ in node.elements("column"))
    widths = node.get("widths") or (Share(parts=1.0),) * count
    if len(widths) != count:
        raise RenderError(f"line {node.line}: {count} columns have {len(widths)} widths", field=f"line {node.line}")
    return " ".join(f"minmax(0,{one.parts:g}fr)" if isinstance(one, Share) and one.parts else _width(one) for one in widths)


def _aligned(table: Element) -> Element:
    """A table in which each cell has its column's alignment, as far as rows without cells of several rows tell the column."""
    aligns = table.get("aligns", ())

    def row(element: Element) -> Element:
        cells, column = list[Element | str](), 0
        for cell in element.elements("td", "th"):
            own = aligns[column] if column < len(aligns) else None
            given = {"align": own, **cell.attributes} if own is not None else cell.attributes
            cells.append(attrs.evolve(cell, attributes=given))
            column += cell.get("colspan", 1)
        return attrs.evolve(element, children=tuple(cells))

    def part(element: Element) -> Element:
        if element.tag == "tr":
            return row(element)
        return attrs.evolve(element, children=tuple(row(one) for one in element.elements("tr")))

    return attrs.evolve(table, children=tuple(part(one) for one in table.elements())) if aligns else table


def _width(value: Any) -> str:
    if isinstance(value, Share):
        return f"{value.percent:g}%" if value.percent else "auto"
    return f"{value:g}pt"
