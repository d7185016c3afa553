"""The same documents, made in three ways."""

import io
from functools import cache
from typing import Any

ITEMS = [(f"Consultation, room {n}", n % 5 + 1, 35.5 + n) for n in range(1, 19)]
TOTAL = sum(count * price for _, count, price in ITEMS)
#: Rows of a report's page, and what stands above them.
ROWS = 40
_LETTER = (
    "Dear Ms Okafor, for the visits below we ask you to pay the <b>total</b> within 30 days, naming the number of this invoice."
)
TEXT = "The figures of this section were counted at the end of the month. They leave out what was cancelled. " * 3


# -- ours ----------------------------------------------------------------------------------------------------------------

_INVOICE = """<document title="Invoice 2026-0017" author="St Mary's Clinic">
<footer><p align="center" class="muted">Page <page/> of <pages/></p></footer>
<h1>Invoice 2026-0017</h1>
<p><b>St Mary's Clinic</b>, 12 Long Lane, Dublin</p>
<p>Ada Okafor<br/>7 Harbour Street<br/>Galway</p>
<p>{letter}</p>
<table widths="* 20mm 30mm 30mm" aligns="left right right right">
<thead><tr><th>Description</th><th>Count</th><th>Price</th><th>Amount</th></tr></thead>
<tbody>{rows}</tbody>
<tfoot><tr><td colspan="3">Total</td><td>{total:,.2f}</td></tr></tfoot>
</table>
<p>Thank you for your trust.</p>
</document>"""


def invoice_source() -> str:
    """The markup of the invoice, as a template makes it."""
    rows = "".join(
        f"<tr><td>{name}</td><td>{count}</td><td>{price:,.2f}</td><td>{count * price:,.2f}</td></tr>"
        for name, count, price in ITEMS
    )
    return _INVOICE.format(letter=_LETTER, rows=rows, total=TOTAL)


def report_source(pages: int) -> str:
    """The markup of a report: a section of a page each."""
    sections = []
    for section in range(1, pages + 1):
        rows = "".join(f"<tr><td>Item {section}.{n}</td><td>{n}</td><td>{n * 1.5:,.2f}</td></tr>" for n in range(1, ROWS + 1))
        sections.append(
            f"<h2>Section {section}</h2><p>{TEXT}</p>"
            '<table widths="* 30mm 30mm" aligns="left right right">'
            "<thead><tr><th>Item</th><th>Count</th><th>Amount</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>{'' if section == pages else '<pagebreak/>'}"
        )
    return (
        '<document title="Report"><footer><p align="center" class="muted">Page <page/> of <pages/></p></footer>'
        f"{''.join(sections)}</document>"
    )


@cache
def _renderer() -> Any:
    from brickwork.documents.backends.reportlab import ReportlabRenderer

    return ReportlabRenderer()


def invoice() -> bytes:
    """The invoice from its source."""
    from brickwork.documents.markup import parse
    from brickwork.documents.port import Order

    made: bytes = _renderer().render(parse(invoice_source()), Order())
    return made


def report(pages: int) -> bytes:
    """The report from its source."""
    from brickwork.documents.markup import parse
    from brickwork.documents.port import Order

    made: bytes = _renderer().render(parse(report_source(pages)), Order())
    return made


# -- a program for reportlab ---------------------------------------------------------------------------------------------


@cache
def _styles() -> Any:
    from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet

    styles = getSampleStyleSheet()
    body = ParagraphStyle("body", fontName="Helvetica", fontSize=9.5, leading=12.8, spaceAfter=6)
    return {"body": body, "h1": ParagraphStyle("h1", styles["Heading1"], fontSize=18), "h2": styles["Heading2"]}


def _numbered() -> Any:
    """The canvas of which every program for "page X of Y" has a copy."""
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._kept: list[Any] = []

        def showPage(self) -> None:
            self._kept.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for state in self._kept:
                self.__dict__.update(state)
                self.setFont("Helvetica", 9.5)
                self.drawCentredString(297.6, 32, f"Page {self._pageNumber} of {len(self._kept)}")
                super().showPage()
            super().save()

    return Numbered


def _build(story: list[Any], title: str) -> bytes:
    from reportlab.platypus import SimpleDocTemplate

    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=(595.28, 841.89), title=title, invariant=1).build(story, canvasmaker=_numbered())
    return target.getvalue()


def _table(rows: list[tuple[str, ...]], widths: list[float], *, foot: bool) -> Any:
    from reportlab.lib import colors
    from reportlab.platypus import Table, TableStyle

    style = [("FONT", (0, 0), (-1, -1), "Helvetica", 9.5), ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 9.5),
             ("ALIGN", (1, 0), (-1, -1), "RIGHT"), ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#f3ece6")),
             ("LINEBELOW", (0, 0), (-1, -1), 0.5, colors.HexColor("#d2d2d7"))]  # fmt: skip
    if foot:
        style += [("FONT", (0, -1), (-1, -1), "Helvetica-Bold", 9.5), ("SPAN", (0, -1), (2, -1))]
    return Table(rows, colWidths=widths, repeatRows=1, style=TableStyle(style))


def invoice_bare() -> bytes:
    """The invoice by Platypus."""
    from reportlab.platypus import Paragraph

    styles = _styles()
    rows = [("Description", "Count", "Price", "Amount")]
    rows += [(name, str(count), f"{price:,.2f}", f"{count * price:,.2f}") for name, count, price in ITEMS]
    rows.append(("Total", "", "", f"{TOTAL:,.2f}"))
    story = [
        Paragraph("Invoice 2026-0017", styles["h1"]),
        Paragraph("<b>St Mary's Clinic</b>, 12 Long Lane, Dublin", styles["body"]),
        Paragraph("Ada Okafor<br/>7 Harbour Street<br/>Galway", styles["body"]),
        Paragraph(_LETTER, styles["body"]),
        _table(rows, [224.0, 56.7, 85.0, 85.0], foot=True),
        Paragraph("Thank you for your trust.", styles["body"]),
    ]
    return _build(story, "Invoice 2026-0017")


def report_bare(pages: int) -> bytes:
    """The report by Platypus."""
    from reportlab.platypus import PageBreak, Paragraph

    styles, story = _styles(), list[Any]()
    for section in range(1, pages + 1):
        rows = [("Item", "Count", "Amount"), *((f"Item {section}.{n}", str(n), f"{n * 1.5:,.2f}") for n in range(1, ROWS + 1))]
        story += [
            Paragraph(f"Section {section}", styles["h2"]),
            Paragraph(TEXT, styles["body"]),
            _table(rows, [280.0, 85.0, 85.0], foot=False),
        ]
        if section < pages:
            story.append(PageBreak())
    return _build(story, "Report")


# -- WeasyPrint ----------------------------------------------------------------------------------------------------------


def invoice_weasyprint() -> bytes:
    """The invoice from HTML."""
    from weasyprint import HTML

    rows = "".join(
        f"<tr><td>{name}</td><td>{count}</td><td>{price:,.2f}</td><td>{count * price:,.2f}</td></tr>"
        for name, count, price in ITEMS
    )
    made: bytes = HTML(
        string=_HTML.replace("ROWS", rows).replace("TOTAL", f"{TOTAL:,.2f}").replace("LETTER", _LETTER)
    ).write_pdf()
    return made


_HTML = """<!doctype html><html lang="en"><head><title>Invoice 2026-0017</title><style>
@page { size: A4; margin: 20mm; @bottom-center { content: "Page " counter(page) " of " counter(pages) } }
body { font: 9.5pt/1.35 Helvetica, sans-serif } table { width: 100%; border-collapse: collapse; table-layout: fixed }
td, th { border-bottom: .5pt solid #d2d2d7; padding: 3pt 4pt; text-align: right }
td:first-child, th:first-child { text-align: left }
th { background: #f3ece6 } tfoot td { font-weight: bold } col.a { width: 45% }
</style></head><body><h1>Invoice 2026-0017</h1><p><b>St Mary's Clinic</b>, 12 Long Lane, Dublin</p>
<p>Ada Okafor<br>7 Harbour Street<br>Galway</p>
<p>LETTER</p>
<table><colgroup><col class="a"><col><col><col></colgroup>
<thead><tr><th>Description</th><th>Count</th><th>Price</th><th>Amount</th></tr></thead><tbody>ROWS</tbody>
<tfoot><tr><td colspan="3">Total</td><td>TOTAL</td></tr></tfoot></table><p>Thank you for your trust.</p></body></html>"""
