"""The printed form of a document on an 80 mm roll: the same words as on a letter sheet, one below the other."""

from typing import Final

from app.domain.invoicing import printed as words
from app.domain.invoicing.printed import Printed
from app.lib.paper import Cell, Paper, roll
from app.lib.pesos import format_amount, format_number, format_pesos, format_price

LONGEST: Final = 250
"""Lines that one page of a roll holds: the code must stand on every page, and a roll has but one."""
_SHARES: Final = (0.36, 0.34, 0.3)


def print_roll(printed: Printed) -> bytes:
    """The document as PDF; to be run in a thread."""
    document = printed.document
    paper = roll(f"{printed.title} {document.number}", "80")
    paper.text(document.issuer.name, size=10.5, bold=True, align="center")
    if document.issuer.trade_name != document.issuer.name:
        paper.text(document.issuer.trade_name, align="center")
    for label, text in words.seller_pairs(document.issuer):
        paper.text(f"{label}: {text}", size=7, align="center")
    paper.rule()
    paper.text(printed.title, size=9, bold=True, align="center")
    paper.text(f"N.º {document.number}", size=10, bold=True, align="center")
    if mark := words.mark_of(printed):
        paper.mark(mark, size=7.5)
    paper.rule(dashed=True)
    for label, text in words.date_pairs(printed):
        paper.pair(label, text)
    paper.rule(dashed=True)
    paper.text(words.counterpart_heading(document), bold=True)
    for label, text in [*words.buyer_pairs(document.counterpart), *words.special_pairs(document)]:
        paper.text(f"{label}: {text}", size=7)
    paper.rule(dashed=True)
    _lines(paper, printed)
    paper.rule(dashed=True)
    for label, amount in words.sums(document):
        paper.pair(label, format_amount(amount))
    paper.pair("TOTAL", format_pesos(document.totals.payable), size=12, bold=True)
    for form, means in words.payment_pairs(document):
        paper.text(f"{form}. {means}", size=7)
    paper.rule(dashed=True)
    _taxes(paper, "Impuesto", words.tax_rows(document))
    _taxes(paper, "Retención (informativo)", words.withholding_rows(document))
    paper.rule(dashed=True)
    for text in (*document.notes, words.authorisation(document), words.makers(document), words.LEGEND):
        paper.text(text, size=7, align="center")
    paper.qr(printed.qr, paper.width * 0.62)
    paper.text(f"{printed.uuid_name}: {printed.uuid}", size=6, align="center")
    paper.gap(6)
    return paper.pdf()


def _lines(paper: Paper, printed: Printed) -> None:
    for line in printed.document.lines:
        paper.text(f"{line.code} {words.line_text(line)}")
        measure = f"{format_number(line.quantity)} {words.unit(line.unit_code)} × {format_price(line.unit_price)}"
        paper.pair(f"  {measure}  {words.tax_names(line.taxes)}", format_amount(line.amount))
        if off := words.discount(line):
            paper.text(f"  Descuento {format_amount(-off)}", size=7)


def _taxes(paper: Paper, heading: str, rows: list[tuple[str, str, str]]) -> None:
    if not rows:
        return
    _row(paper, (heading, "Base", "Valor"), bold=True)
    for row in rows:
        _row(paper, row)


def _row(paper: Paper, texts: tuple[str, str, str], *, bold: bool = False) -> None:
    cells = [
        Cell(text, share, "right" if place else "left")
        for place, (text, share) in enumerate(zip(texts, _SHARES, strict=True))
    ]
    paper.row(cells, size=7, bold=bold)
