"""Shelf labels: as PDF for any printer, as ZPL for label printers."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any, Final, Literal

import msgspec

from app.lib.money import as_price

Symbol = Literal["EAN13", "EAN8", "Code128"]

_EAN_LENGTHS: Final[dict[int, Symbol]] = {8: "EAN8", 13: "EAN13"}
_UPC: Final = 12
_THREE: Final = 3

_MM: Final = 72 / 25.4
"""Points in a millimetre."""
_ROLL: Final = (50 * _MM, 25 * _MM)
_LETTER: Final = (612.0, 792.0)
_SHEET_LABEL: Final = (189.0, 72.0)
"""2 5/8 × 1 inch, three across and ten down a letter page: the usual sheet of 30."""
_SHEET_MARGIN: Final = (13.5, 36.0)
_SHEET_PITCH: Final = 198.0
_ACROSS: Final = 3
_DOWN: Final = 10

_DOTS: Final = 8
"""Dots in a millimetre of a 203 dpi printer."""


class Label(msgspec.Struct, frozen=True):
    """What one label says."""

    name: str
    code: str
    price: Decimal | None
    unit: str
    """Name of the presentation; empty for a single unit."""


def symbol_of(code: str) -> tuple[Symbol, str] | None:
    """How a code is drawn: as EAN when its check digit is right, else as Code 128; None when neither can."""
    digits = f"0{code}" if len(code) == _UPC else code
    if code.isascii() and digits.isdigit() and len(digits) in _EAN_LENGTHS and _checks(digits):
        return _EAN_LENGTHS[len(digits)], digits
    if code and code.isascii() and code.isprintable():
        return "Code128", code
    return None


def _checks(digits: str) -> bool:
    """Whether the last digit is the GS1 check digit of the others."""
    weighted = sum(int(digit) * (1 if place % 2 else _THREE) for place, digit in enumerate(reversed(digits[:-1])))
    return -weighted % 10 == int(digits[-1])


def pesos(price: Decimal) -> str:
    """A price as a shelf shows it: `$ 12.900`, with cents only where there are any."""
    whole, _, fraction = str(as_price(price)).partition(".")
    shown = f"{int(whole):,}".replace(",", ".")
    return f"$ {shown}" if fraction == "00" else f"$ {shown},{fraction}"


def pdf(labels: Sequence[Label], layout: str) -> bytes:
    """Labels as PDF: one a page of 50 × 25 mm, or thirty a letter page. The same labels give the same bytes."""
    # Loaded when labels are printed: the library is large, and the API must start without it.
    from reportlab.pdfgen.canvas import Canvas

    target = BytesIO()
    canvas = Canvas(target, pagesize=_ROLL if layout == "roll-50x25" else _LETTER, invariant=1)
    canvas.setTitle("Etiquetas")
    places = _roll_places if layout == "roll-50x25" else _sheet_places
    for label, (x, y, width, height) in zip(labels, places(canvas), strict=False):
        _draw(canvas, label, x, y, width, height)
    canvas.save()
    return target.getvalue()


Place = tuple[float, float, float, float]


def _roll_places(canvas: Any) -> Iterator[Place]:
    while True:
        yield (0.0, 0.0, *_ROLL)
        canvas.showPage()


def _sheet_places(canvas: Any) -> Iterator[Place]:
    width, height = _SHEET_LABEL
    left, top = _SHEET_MARGIN
    while True:
        for row in range(_DOWN):
            for column in range(_ACROSS):
                yield left + column * _SHEET_PITCH, _LETTER[1] - top - (row + 1) * height, width, height
        canvas.showPage()


def _draw(canvas: Any, label: Label, x: float, y: float, width: float, height: float) -> None:
    from reportlab.graphics.barcode import createBarcodeDrawing
    from reportlab.pdfbase.pdfmetrics import stringWidth

    inner, line = width - 8, height / 8
    measure = lambda text, size: stringWidth(text, "Helvetica", size)  # noqa: E731
    canvas.setFont("Helvetica", line)
    for number, part in enumerate(_fold(_latin(label.name), inner, line, measure)):
        canvas.drawString(x + 4, y + height - (number + 1.15) * line, part)
    canvas.setFont("Helvetica-Bold", line * 1.5)
    price = pesos(label.price) if label.price is not None else ""
    canvas.drawString(x + 4, y + height - 3.6 * line, price)
    canvas.setFont("Helvetica", line * 0.85)
    canvas.drawRightString(x + width - 4, y + height - 3.5 * line, _latin(label.unit))
    found = symbol_of(label.code)
    assert found is not None
    symbol, code = found
    drawing = createBarcodeDrawing(symbol, value=code, barHeight=height * 0.36, humanReadable=True)
    scale = min(1.0, inner / drawing.width)
    canvas.saveState()
    canvas.translate(x + (width - drawing.width * scale) / 2, y + 3)
    canvas.scale(scale, 1)
    drawing.drawOn(canvas, 0, 0)
    canvas.restoreState()


def _latin(text: str) -> str:
    """What the standard PDF fonts can write; the rest shows as a question mark rather than as nothing."""
    return text.encode("cp1252", "replace").decode("cp1252")


def _fold(text: str, width: float, size: float, measure: Callable[[str, float], float]) -> list[str]:
    """At most two lines that fit; what does not is cut with an ellipsis."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if measure(longer, size) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    shown = lines[:2]
    if len(lines) > len(shown):
        shown[-1] += "…"
    return [_cut(line, width, size, measure) for line in shown]


def _cut(line: str, width: float, size: float, measure: Callable[[str, float], float]) -> str:
    if measure(line, size) <= width:
        return line
    while line and measure(f"{line}…", size) > width:
        line = line[:-1]
    return f"{line}…"


_EAN_ZPL: Final[dict[Symbol, str]] = {"EAN13": "^BEN", "EAN8": "^B8N"}
_NARROW: Final = 20
"""Characters of Code 128 that still fit 50 mm with modules of two dots."""


def zpl(labels: Sequence[Label]) -> bytes:
    """Labels of 50 × 25 mm in ZPL II for a 203 dpi printer, in UTF-8."""
    return "".join(map(_zpl_label, labels)).encode()


def _zpl_label(label: Label) -> str:
    width, height = 50 * _DOTS, 25 * _DOTS
    found = symbol_of(label.code)
    assert found is not None
    symbol, code = found
    if symbol == "Code128":
        # `>` invokes a function of Code 128; `>0` is the letter itself.
        module, command, data = (2 if len(code) <= _NARROW else 1), "^BCN,70,Y,N,N", code.replace(">", ">0")
    else:
        # The printer computes the check digit itself.
        module, command, data = 2, f"{_EAN_ZPL[symbol]},70,Y,N", code[:-1]
    price = pesos(label.price) if label.price is not None else ""
    return (
        f"^XA^CI28^PW{width}^LL{height}^LH0,0\n"
        f"^FO16,10^A0N,24,22^FB{width - 32},2,0,L^FH_^FD{_escaped(label.name)}^FS\n"
        f"^FO16,64^A0N,34,32^FH_^FD{_escaped(price)}^FS\n"
        f"^FO{width // 2},70^A0N,22,20^FB{width // 2 - 16},1,0,R^FH_^FD{_escaped(label.unit)}^FS\n"
        f"^FO24,104^BY{module}{command}^FH_^FD{_escaped(data)}^FS\n"
        "^XZ\n"
    )


def _escaped(text: str) -> str:
    """Text as field data: what would start a command, or start an escape, is written as its bytes in hex."""
    return "".join(f"_{ord(letter):02X}" if letter in "^~_\\" else letter for letter in text)
