"""The printed form of a document on letter sheets: its head, with code and CUFE, on every page."""

from itertools import zip_longest
from typing import Final

from app.domain.invoicing import printed as words
from app.domain.invoicing.printed import Pair, Printed
from app.lib.paper import Align, Cell
from app.lib.pesos import format_amount, format_number, format_pesos, format_price
from app.lib.sheet import HeadLine, Sheet

_SHARES: Final = (0.04, 0.11, 0.28, 0.08, 0.07, 0.12, 0.09, 0.09, 0.12)
_HEADS: Final = ("#", "Código", "Descripción", "Cant.", "Unidad", "Vr. unitario", "Descuento", "Impuesto", "Valor")
_ALIGNS: Final[tuple[Align, ...]] = ("left",) * 3 + ("right", "center") + ("right",) * 4


def print_letter(printed: Printed) -> bytes:
    """The document as PDF; to be run in a thread."""
    document = printed.document
    sheet = Sheet(f"{printed.title} {document.number}")
    _head(sheet, printed)
    sheet.stamp()
    if mark := words.mark_of(printed):
        sheet.gap(3)
        sheet.mark(mark, size=11)
    sheet.gap(5)
    issuer = words.seller_pairs(document.issuer)
    other = words.buyer_pairs(document.counterpart)
    sheet.row(
        [Cell("Emisor", 0.5), Cell(words.counterpart_heading(document), 0.5)], size=8.5, bold=True, shade=0.9, pad=2
    )
    sheet.row([Cell(_block(issuer), 0.5), Cell(_block(other), 0.5)], size=8, pad=1)
    for pair in words.special_pairs(document):
        sheet.row([Cell(pair[0], 0.2), Cell(pair[1], 0.8)], size=8, pad=0.3)
    sheet.gap(5)
    _lines(sheet, printed)
    _totals(sheet, printed)
    _ending(sheet, printed)
    return sheet.pdf()


def _head(sheet: Sheet, printed: Printed) -> None:
    document = printed.document
    issuer = document.issuer
    lines = [
        HeadLine(issuer.name, 12, bold=True),
        HeadLine(issuer.trade_name if issuer.trade_name != issuer.name else "", 9),
        HeadLine(f"NIT {words.identification(issuer)}", 9),
        HeadLine(words.address_line(issuer), 8),
        HeadLine(printed.title, 11, bold=True),
        HeadLine(f"N.º {document.number}", 12, bold=True),
        *(HeadLine(f"{label}: {text}", 8) for label, text in words.date_pairs(printed)),
        HeadLine(words.LEGEND, 7.5),
    ]
    sheet.head(lines, printed.qr, logo=printed.logo)
    sheet.row([Cell(f"{printed.uuid_name}: {printed.uuid}", 1)], size=6.8)
    sheet.rule(weight=1)


def _lines(sheet: Sheet, printed: Printed) -> None:
    first = sheet.position
    sheet.row(_cells(_HEADS), size=7.5, bold=True, shade=0.9, pad=2.5)
    sheet.repeat(first)
    for place, line in enumerate(printed.document.lines, start=1):
        off = words.discount(line)
        texts = (
            str(place),
            line.code,
            words.line_text(line),
            format_number(line.quantity),
            words.unit(line.unit_code),
            format_price(line.unit_price),
            format_amount(off) if off else "",
            words.tax_names(line.taxes),
            format_amount(line.amount),
        )
        sheet.row(_cells(texts), size=7.5, pad=1.5)
    sheet.repeat(None)
    sheet.rule(weight=1)


def _totals(sheet: Sheet, printed: Printed) -> None:
    document = printed.document
    taxes = [("Impuesto", "Base", "Valor"), *words.tax_rows(document)]
    if withheld := words.withholding_rows(document):
        taxes += [("Retenciones (informativo)", "", ""), *withheld]
    sums = [(label, format_amount(amount)) for label, amount in words.sums(document)]
    for tax, figures in zip_longest(taxes, sums, fillvalue=()):
        name, base, amount = tax or ("", "", "")
        label, figure = figures or ("", "")
        cells = [
            *(Cell(name, 0.2), Cell(base, 0.16, "right"), Cell(amount, 0.14, "right"), Cell("", 0.04)),
            *(Cell(label, 0.28), Cell(figure, 0.18, "right")),
        ]
        sheet.row(cells, size=8, pad=0.5)
    total = format_pesos(document.totals.payable)
    sheet.row([Cell("", 0.54), Cell("TOTAL", 0.16), Cell(total, 0.3, "right")], size=12, bold=True, pad=2)
    for form, means in words.payment_pairs(document):
        sheet.row([Cell(form, 0.3), Cell(means, 0.7)], size=8, pad=0.3)


def _ending(sheet: Sheet, printed: Printed) -> None:
    document = printed.document
    sheet.rule(dashed=True)
    for note in document.notes:
        sheet.text(note, size=8)
    sheet.text(words.authorisation(document), size=7.5)
    sheet.text(words.makers(document), size=7.5)


def _block(pairs: list[Pair]) -> str:
    return "\n".join(f"{label}: {text}" for label, text in pairs)


def _cells(texts: tuple[str, ...]) -> list[Cell]:
    return [Cell(text, share, align) for text, share, align in zip(texts, _SHARES, _ALIGNS, strict=True)]
