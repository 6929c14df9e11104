"""A letter sheet whose every page begins with the same head: words at the left, a code to scan at the right."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final

import msgspec

from app.lib.paper import MM, Paper, _Row, _runs, _wrap, printable

_GAP: Final = 12.0
_LOGO: Final = (150.0, 46.0)
"""Points that a logo may fill."""


class HeadLine(msgspec.Struct, frozen=True):
    """One paragraph of the head."""

    text: str
    size: float = 8.5
    bold: bool = False


class Sheet(Paper):
    """`Paper` of letter size, 8.5 × 11 inches; the rows before `stamp()` stand on every page."""

    def __init__(self, title: str) -> None:
        super().__init__(title=title, width=612, height=792, margin=42)
        self._stamped: list[_Row] = []

    def head(self, lines: Sequence[HeadLine], qr: str, *, side: float = 34 * MM, logo: bytes | None = None) -> None:
        """Words with a QR code beside them; `side` is of its dark part, without the quiet zone around it."""
        import segno

        matrix = [bytes(line) for line in segno.make(qr, error="m", micro=False).matrix]
        module = side / len(matrix)
        outer = side + 8 * module
        room = self.width - outer - _GAP
        picture, logo_width, logo_height = _picture(logo)
        wrapped = [
            (each, _wrap(printable(each.text), _font(each.bold), each.size, room)) for each in lines if each.text
        ]
        words = sum(len(texts) * each.size * 1.22 for each, texts in wrapped)
        height = max(outer, words + (logo_height + 4 if picture else 0))
        left_of_code = self.width - outer

        def draw(canvas: Any, x: float, top: float) -> None:
            y = top
            if picture is not None:
                canvas.drawImage(picture, x, y - logo_height, logo_width, logo_height, mask="auto")
                y -= logo_height + 4
            for each, texts in wrapped:
                canvas.setFont(_font(each.bold), each.size)
                for text in texts:
                    canvas.drawString(x, y - each.size * 0.93, text)
                    y -= each.size * 1.22
            for place, modules in enumerate(matrix):
                bottom = top - (place + 5) * module
                for start, length in _runs(modules):
                    # A hair wider, or viewers show seams between the modules.
                    at = x + left_of_code + (start + 4) * module
                    canvas.rect(at, bottom, length * module + 0.05, module + 0.05, stroke=0, fill=1)

        self._rows.append(_Row(height, draw))

    def stamp(self) -> None:
        """What stands on the sheet so far begins each further page too."""
        self._stamped = list(self._rows)
        self._repeated[len(self._rows)] = list(self._stamped)

    def repeat(self, first: int | None) -> None:
        """As on any paper, below the head."""
        self._repeated[len(self._rows)] = [*self._stamped, *([] if first is None else self._rows[first:])]


def _font(bold: bool) -> str:
    return "Helvetica-Bold" if bold else "Helvetica"


def _picture(logo: bytes | None) -> tuple[Any, float, float]:
    """The image with its size on paper."""
    if logo is None:
        return None, 0.0, 0.0
    from reportlab.lib.utils import ImageReader

    picture = ImageReader(BytesIO(logo))
    width, height = picture.getSize()
    shrink = min(_LOGO[0] / width, _LOGO[1] / height)
    return picture, width * shrink, height * shrink
