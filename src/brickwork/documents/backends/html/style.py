"""The style of a page: what the theme says, as CSS."""

from collections.abc import Mapping
from typing import Any

from brickwork.documents.theme import Theme


def style_of(theme: Theme) -> str:
    """The rules for all elements."""
    body = {"Helvetica": "Helvetica, Arial, sans-serif", "Times": "Times, serif", "Courier": "Courier, monospace"}
    sizes = "".join(f"h{n}{{font-size:{one:g}em}}" for n, one in enumerate(theme.headings, start=1))
    classes = "".join(f".{name}{{{_rules(looks, theme)}}}" for name, looks in theme.classes.items())
    cell = f"padding:{theme.padding[0]:g}pt {theme.padding[1]:g}pt"
    return (
        f"body{{font:{theme.size:g}pt/{theme.leading:g} {body.get(theme.body, f'{theme.body!r}, sans-serif')};color:{theme.text};"
        f"max-width:48em;margin:2em auto;padding:0 1em}}{sizes}a,.accent{{color:{theme.accent}}}.muted{{color:{theme.muted}}}"
        f"table{{border-collapse:collapse;width:100%;margin-bottom:{theme.space:g}pt}}td,th{{{cell};text-align:left}}"
        f".bw-rows td,.bw-rows th{{border-bottom:1px solid {theme.line}}}.bw-all td,.bw-all th{{border:1px solid {theme.line}}}"
        f".bw-outer{{border:1px solid {theme.line}}}.bw-zebra tbody tr:nth-child(even){{background:{theme.zebra}}}"
        f"thead tr{{background:{theme.table_head}}}tfoot td{{font-weight:bold}}.box{{border:1px solid {theme.line};padding:8pt;"
        f"margin-bottom:{theme.space:g}pt}}.columns{{display:grid}}img,svg{{max-width:100%}}"
        f".signature{{border:1px dashed {theme.muted};width:200pt;height:60pt}}"
        f"hr{{border:0;border-top:1px solid {theme.line}}}code{{font-family:{body.get(theme.code, repr(theme.code))}}}{classes}"
    )


def _rules(looks: Mapping[str, Any], theme: Theme) -> str:
    made = {"color": lambda v: f"color:{v if v.startswith('#') else theme.colors.get(v, theme.text)}",
            "size": lambda v: f"font-size:{float(v):g}em", "bold": lambda v: f"font-weight:{'bold' if v else 'normal'}",
            "italic": lambda v: f"font-style:{'italic' if v else 'normal'}", "align": lambda v: f"text-align:{v}"}  # fmt: skip
    return ";".join(made[name](value) for name, value in looks.items() if name in made)
