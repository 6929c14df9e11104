"""Printed paper as PDF: rolls of a receipt printer, and letter sheets. Same content, same bytes.

reportlab is imported when the first paper is drawn, never when the API starts.
"""

import unicodedata
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, Final, Literal

import msgspec

MM: Final = 72 / 25.4
"""Points in a millimetre."""

_REGULAR: Final = "Helvetica"
_BOLD: Final = "Helvetica-Bold"
_LEADING: Final = 1.22
_BASELINE: Final = 0.93
_ROLL_LIMIT: Final = 14_000.0
"""Points of one page of a roll: PDF readers refuse more than 14,400 (200 inches)."""
_MARK_PAD: Final = 2.0

Align = Literal["left", "center", "right"]
Draw = Callable[[Any, float, float], None]


class Cell(msgspec.Struct, frozen=True):
    """One column of a row; `width` is its share of the paper's."""

    text: str
    width: float
    align: Align = "left"


class _Row(msgspec.Struct, frozen=True):
    height: float
    draw: Draw
    """Draws with its left edge and its top."""


class Paper:
    """Rows from top to bottom, broken into pages when they no longer fit."""

    def __init__(
        self, *, title: str, width: float, margin: float, height: float | None = None, scale: float = 1.0
    ) -> None:
        """Measures in points; without a height it is a roll, cut where its content ends. `scale` multiplies every size."""
        self._title = printable(title)
        self._page_width = width
        self._margin = margin
        self._page_height = height
        self._scale = scale
        self._rows: list[_Row] = []
        self._repeated: dict[int, list[_Row]] = {}
        """Rows that each further page begins with, from a row on."""

    @property
    def width(self) -> float:
        """Points that rows may fill."""
        return self._page_width - 2 * self._margin

    def text(self, text: str, *, size: float = 8, bold: bool = False, align: Align = "left") -> None:
        """A paragraph, wrapped; nothing when it is empty."""
        for line in text.split("\n"):
            if line.strip():
                self.row([Cell(line, 1, align)], size=size, bold=bold)

    def pair(self, left: str, right: str, *, size: float = 8, bold: bool = False) -> None:
        """A label at the left and a figure at the right, which is never wrapped."""
        font, points = _font(bold), size * self._scale
        share = min(0.85, (_width(printable(right), font, points) + 4) / self.width)
        self.row([Cell(left, 1 - share), Cell(right, share, "right")], size=size, bold=bold)

    def row(
        self, cells: Sequence[Cell], *, size: float = 8, bold: bool = False, shade: float | None = None, pad: float = 0
    ) -> None:
        """Columns side by side, each wrapped in its own width; `shade` is the grey behind them, 0 black to 1 white."""
        font, points = _font(bold), size * self._scale
        gap = 3.0
        columns: list[tuple[float, float, Align, list[str]]] = []
        left = 0.0
        for cell in cells:
            width = cell.width * self.width
            room = width - (gap if len(cells) > 1 else 0)
            texts = [line for part in cell.text.split("\n") for line in _wrap(printable(part), font, points, room)]
            columns.append((left, width, cell.align, texts))
            left += width
        lines = max((len(column[3]) for column in columns), default=1)
        height = lines * points * _LEADING + 2 * pad
        full_width = self.width

        def draw(canvas: Any, x: float, top: float) -> None:
            if shade is not None:
                canvas.setFillGray(shade)
                canvas.rect(x, top - height, full_width, height, stroke=0, fill=1)
                canvas.setFillGray(0)
            canvas.setFont(font, points)
            for at, width, align, texts in columns:
                for place, text in enumerate(texts):
                    y = top - pad - points * (place * _LEADING + _BASELINE)
                    if align == "right":
                        canvas.drawRightString(x + at + width, y, text)
                    elif align == "center":
                        canvas.drawCentredString(x + at + width / 2, y, text)
                    else:
                        canvas.drawString(x + at, y, text)

        self._rows.append(_Row(height, draw))

    def rule(self, *, dashed: bool = False, weight: float = 0.5, gap: float = 2.5) -> None:
        """A line across, with air around it."""
        width = self.width

        def draw(canvas: Any, x: float, top: float) -> None:
            canvas.setLineWidth(weight)
            canvas.setDash([2, 1.5] if dashed else [])
            canvas.line(x, top - gap, x + width, top - gap)
            canvas.setDash([])

        self._rows.append(_Row(2 * gap, draw))

    def gap(self, points: float) -> None:
        """Empty space."""
        self._rows.append(_Row(points, lambda _canvas, _x, _top: None))

    def drawing(self, height: float, draw: Draw) -> None:
        """Whatever `draw` draws in a row of this height, given its left edge and its top."""
        self._rows.append(_Row(height, draw))

    def mark(self, text: str, *, size: float = 12) -> None:
        """A framed word nobody overlooks."""
        points, shown, width = size * self._scale, printable(text), self.width
        height = points * _LEADING + 2 * _MARK_PAD

        def draw(canvas: Any, x: float, top: float) -> None:
            canvas.setLineWidth(1)
            canvas.rect(x, top - height, width, height, stroke=1, fill=0)
            canvas.setFont(_BOLD, points)
            canvas.drawCentredString(x + width / 2, top - _MARK_PAD - points * _BASELINE, shown)

        self._rows.append(_Row(height, draw))

    def qr(self, content: str, side: float) -> None:
        """A QR code, centred, `side` points wide with its quiet zone."""
        import segno

        matrix = [bytes(line) for line in segno.make(content, error="m", micro=False).matrix]
        module = side / (len(matrix) + 8)
        width = self.width

        def draw(canvas: Any, x: float, top: float) -> None:
            left = x + (width - side) / 2 + 4 * module
            for line, modules in enumerate(matrix):
                y = top - (line + 5) * module
                for start, length in _runs(modules):
                    # A hair wider, or viewers show seams between the modules.
                    canvas.rect(left + start * module, y, length * module + 0.05, module + 0.05, stroke=0, fill=1)

        self._rows.append(_Row(side, draw))

    def repeat(self, first: int | None) -> None:
        """From here on, begin each further page with the rows added since `first`; None stops that."""
        self._repeated[len(self._rows)] = [] if first is None else self._rows[first:]

    @property
    def position(self) -> int:
        """Rows so far, for `repeat`."""
        return len(self._rows)

    def pdf(self) -> bytes:
        """The finished document."""
        from reportlab.pdfgen.canvas import Canvas

        pages = self._pages()
        buffer = BytesIO()
        canvas = Canvas(buffer, invariant=1, pageCompression=1)
        canvas.setTitle(self._title)
        canvas.setAuthor("Mostrador")
        canvas.setCreator("Mostrador")
        for number, rows in enumerate(pages, start=1):
            height = self._page_height or sum(row.height for row in rows) + 2 * self._margin
            canvas.setPageSize((self._page_width, height))
            top = height - self._margin
            for row in rows:
                row.draw(canvas, self._margin, top)
                top -= row.height
            if len(pages) > 1:
                canvas.setFont(_REGULAR, 7)
                canvas.drawRightString(
                    self._page_width - self._margin, self._margin / 2, f"Página {number} de {len(pages)}"
                )
            canvas.showPage()
        canvas.save()
        return buffer.getvalue()

    def _pages(self) -> list[list[_Row]]:
        room = (self._page_height or _ROLL_LIMIT) - 2 * self._margin
        pages: list[list[_Row]] = [[]]
        used = 0.0
        repeated: list[_Row] = []
        for place, row in enumerate(self._rows):
            repeated = self._repeated.get(place, repeated)
            if used + row.height > room and pages[-1]:
                pages.append(list(repeated))
                used = sum(head.height for head in repeated)
            pages[-1].append(row)
            used += row.height
        return pages


def roll(title: str, width: Literal["58", "80"]) -> Paper:
    """A receipt printer's roll; 58 mm prints 48 of them, 80 mm prints 72."""
    if width == "58":
        return Paper(title=title, width=58 * MM, margin=5 * MM, scale=0.86)
    return Paper(title=title, width=80 * MM, margin=4 * MM)


def letter(title: str) -> Paper:
    """A letter sheet, 8.5 × 11 inches: what Colombian offices print on."""
    return Paper(title=title, width=612, height=792, margin=42)


def printable(text: str) -> str:
    """The text in the letters that every PDF reader's own fonts have (Windows Latin-1); others lose their accent or become `?`."""
    text = unicodedata.normalize("NFC", text)
    if _fits(text) and text.isprintable():
        return text
    return "".join(_nearest(letter) for letter in text)


def _nearest(letter: str) -> str:
    if letter.isspace():
        return " "
    if _fits(letter) and letter.isprintable():
        return letter
    plain = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    if plain and _fits(plain) and plain.isprintable():
        return plain
    return "" if unicodedata.category(letter) in {"Cf", "Mn", "Me", "Cc"} else "?"


def _fits(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _font(bold: bool) -> str:
    return _BOLD if bold else _REGULAR


def _width(text: str, font: str, size: float) -> float:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(stringWidth(text, font, size))


def _wrap(text: str, font: str, size: float, room: float) -> list[str]:
    """Lines that fit; a word longer than a line is cut."""
    if _width(text, font, size) <= room:
        return [text]
    lines: list[str] = []
    line = ""
    for word in text.split():
        candidate = f"{line} {word}" if line else word
        if _width(candidate, font, size) <= room:
            line = candidate
            continue
        if line:
            lines.append(line)
        while _width(word, font, size) > room:
            fitting = _fitting(word, font, size, room)
            lines.append(word[:fitting])
            word = word[fitting:]  # noqa: PLW2901
        line = word
    if line:
        lines.append(line)
    return lines or [""]


def _fitting(word: str, font: str, size: float, room: float) -> int:
    """How many letters of a word fit; at least one, so that it ends."""
    used = 0.0
    for place, letter in enumerate(word):
        used += _width(letter, font, size)
        if used > room:
            return max(1, place)
    return len(word)


def _runs(modules: bytes) -> list[tuple[int, int]]:
    """Start and length of each row of dark modules."""
    found: list[tuple[int, int]] = []
    start: int | None = None
    for place, module in enumerate((*modules, 0)):
        if module and start is None:
            start = place
        elif not module and start is not None:
            found.append((start, place - start))
            start = None
    return found
