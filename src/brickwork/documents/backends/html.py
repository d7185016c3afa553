"""HTML of a document: one file that needs nothing else, for previews and mail."""

from collections.abc import Mapping
from html import escape
from typing import Any

import attrs

from brickwork.documents.assets import image_of
from brickwork.documents.errors import RenderError
from brickwork.documents.markup.elements import Share
from brickwork.documents.markup.nodes import Element
from brickwork.documents.port import Order
from brickwork.documents.theme import Theme
from brickwork.errors import UnsupportedError

#: Elements that are HTML's own, with what they are there.
_SAME = frozenset({"h1", "h2", "h3", "h4", "p", "b", "i", "u", "s", "code", "sub", "sup", "small", "ul", "ol", "li", "table",
                   "thead", "tbody", "tfoot", "tr", "td", "th", "a", "span"})  # fmt: skip
_OTHER = {"header": "header", "footer": "footer", "box": "div", "columns": "div", "column": "div"}
#: Elements of which HTML without scripts has nothing like it.
_BEYOND = frozenset({"chart", "barcode", "qr", "toc"})


class HtmlRenderer:
    """HTML with its style inside and its images as data: URLs. It has no pages, so paragraphs that number them are left out."""

    media_type = "text/html; charset=utf-8"
    capabilities = frozenset({"forms", "images", "colors"})

    def render(self, document: Element, order: Order) -> bytes:
        """The page. Raises `UnsupportedError` for charts, barcodes and contents, and for archives and attachments."""
        if order.archive or document.first("attachment") is not None:
            raise UnsupportedError("HTML has no archive form and no attachments; make a PDF")
        ordered = sorted(document.elements(), key=lambda one: {"header": 0, "footer": 2}.get(one.tag, 1))
        body = "".join(_shown(child, order) for child in ordered)
        lang, title = document.get("lang", "en"), document.get("title", "")
        direction = f' dir="{document.get("dir")}"' if document.get("dir") else ""
        head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_style(order.theme)}</style>'
        return f'<!doctype html>\n<html lang="{escape(lang)}"{direction}><head>{head}</head><body>{body}</body></html>\n'.encode()


def _shown(node: Element | str, order: Order) -> str:
    if isinstance(node, str):
        return escape(node, quote=False)
    tag = node.tag
    if tag in _BEYOND:
        raise UnsupportedError(f"line {node.line}: HTML shows no <{tag}>; make a PDF")
    if tag in ("page", "pages"):
        return ""
    if tag == "p" and any(one.tag in ("page", "pages") for one in node.walk()):
        return ""  # there are no pages to be numbered
    if tag in ("br", "hr"):
        return f"<{tag}>"
    if tag in ("spacer", "pagebreak"):
        height = f"{node.get('height', 0):g}pt"
        return f'<div style="height:{height};break-after:{"page" if tag == "pagebreak" else "auto"}"></div>'
    if tag == "img":
        return _image(node, order.assets)
    if tag == "field":
        return _field(node)
    if tag == "table":
        node = _aligned(node)
    inner = "".join(_shown(child, order) for child in node.children)
    if tag == "table":
        inner = _columns(node) + inner
    name = tag if tag in _SAME else _OTHER[tag]
    return f"<{name}{_attributes(node, order.theme)}>{inner}</{name}>"


def _attributes(node: Element, theme: Theme) -> str:
    style: list[str] = []
    for name, rule in (("align", "text-align"), ("size", "font-size"), ("valign", "vertical-align")):
        value = node.get(name)
        if value is not None:
            style.append(
                f"{rule}:{value:g}pt" if isinstance(value, float) else f"{rule}:{'right' if value == 'decimal' else value}"
            )
    for name, rule in (("color", "color"), ("background", "background")):
        if node.get(name) is not None:
            style.append(f"{rule}:{_color(node, node.get(name), theme)}")
    if node.get("class") is not None and node.get("class") not in ("muted", "accent", *theme.classes):
        raise RenderError(f"line {node.line}: the theme has no class {node.get('class')!r}", field=f"line {node.line}")
    given = {"id": node.get("id"), "href": node.get("href"), "dir": node.get("dir"), "colspan": node.get("colspan"),
             "rowspan": node.get("rowspan"), "start": node.get("start"), "type": node.get("type") if node.tag == "ol" else None,
             "class": " ".join(one for one in (node.tag if node.tag in _OTHER else "", node.get("class", "")) if one) or None,
             "style": ";".join(style) or None}  # fmt: skip
    return "".join(f' {name}="{escape(str(value))}"' for name, value in given.items() if value is not None)


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


def _columns(node: Element) -> str:
    """The widths of a table's columns."""
    widths = [_width(one) for one in node.get("widths", ())]
    return "<colgroup>" + "".join(f'<col style="width:{one}">' for one in widths) + "</colgroup>" if widths else ""


def _width(value: Any) -> str:
    if isinstance(value, Share):
        return f"{value.percent:g}%" if value.percent else "auto"
    return f"{value:g}pt"


def _field(node: Element) -> str:
    """A field; of one for a signature, an empty box."""
    name, kind, value = escape(node.get("name")), node.get("type"), escape(node.get("value", ""))
    size = {"width": node.get("width"), "height": node.get("height")}
    style = "".join(f"{rule}:{_width(one)};" for rule, one in size.items() if one is not None)
    given = f'name="{name}" title="{escape(node.get("tooltip") or node.get("name"))}" style="{style}"'
    given += " required" if node.get("required") else ""
    if kind == "signature":
        return f'<div class="signature" {given}></div>'
    if kind == "checkbox":
        return f'<p><input type="checkbox" {given}{" checked" if value == "true" else ""}></p>'
    if node.get("multiline"):
        return f"<p><textarea {given}>{value}</textarea></p>"
    return f'<p><input type="text" value="{value}" {given}></p>'


def _image(node: Element, assets: Mapping[str, bytes]) -> str:
    size = {"width": node.get("width"), "height": node.get("height")}
    rules = ";".join(f"{rule}:{_width(one)}" for rule, one in size.items() if one is not None)
    style = f' style="{rules}"' if rules else ""
    image = f'<img src="{image_of(node, assets).url}" alt="{escape(node.get("alt", ""))}"{style}>'
    return f'<div style="text-align:{node.get("align")}">{image}</div>' if node.get("align") else image


def _color(node: Element, value: str, theme: Theme) -> str:
    try:
        return "#" + "".join(f"{round(part * 255):02x}" for part in theme.color(value))
    except ValueError as error:
        raise RenderError(f"line {node.line}: {error}", field=f"line {node.line}") from None


def _style(theme: Theme) -> str:
    body = {"Helvetica": "Helvetica, Arial, sans-serif", "Times": "Times, serif", "Courier": "Courier, monospace"}
    sizes = "".join(f"h{n}{{font-size:{one:g}em}}" for n, one in enumerate(theme.headings, start=1))
    classes = "".join(f".{name}{{{_rules(looks, theme)}}}" for name, looks in theme.classes.items())
    return (
        f"body{{font:{theme.size:g}pt/{theme.leading:g} {body.get(theme.body, f'{theme.body!r}, sans-serif')};color:{theme.text};"
        f"max-width:48em;margin:2em auto;padding:0 1em}}{sizes}a,.accent{{color:{theme.accent}}}.muted{{color:{theme.muted}}}"
        f"table{{border-collapse:collapse;width:100%;margin-bottom:{theme.space:g}pt}}"
        f"td,th{{padding:{theme.padding[0]:g}pt {theme.padding[1]:g}pt;border-bottom:1px solid {theme.line};text-align:left}}"
        f"thead tr{{background:{theme.table_head}}}tfoot td{{font-weight:bold}}.box{{border:1px solid {theme.line};padding:8pt;"
        f"margin-bottom:{theme.space:g}pt}}.columns{{display:flex;gap:18pt}}.column{{flex:1}}.signature{{border:1px solid {theme.line};width:200pt;height:60pt}}"
        f"hr{{border:0;border-top:1px solid {theme.line}}}{classes}"
    )


def _rules(looks: Mapping[str, Any], theme: Theme) -> str:
    made = {"color": lambda v: f"color:{v if v.startswith('#') else theme.colors.get(v, theme.text)}",
            "size": lambda v: f"font-size:{float(v):g}em", "bold": lambda v: f"font-weight:{'bold' if v else 'normal'}",
            "italic": lambda v: f"font-style:{'italic' if v else 'normal'}", "align": lambda v: f"text-align:{v}"}  # fmt: skip
    return ";".join(made[name](value) for name, value in looks.items() if name in made)
