"""The printed form of every kind: whole, the same again, and a code to scan on every page."""

from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import msgspec
import pypdfium2
import pytest
import segno
from PIL import Image

from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import KINDS, Kind
from app.domain.invoicing.model import Payment
from app.domain.invoicing.printed import Printed
from app.domain.invoicing.printed_letter import print_letter
from app.domain.invoicing.printed_roll import print_roll
from app.lib.paper import MM
from app.lib.pesos import format_amount
from tests.domain.invoicing.papers import KEYS, NOW, document
from tests.paper import page_sizes, text_of

DRAWN = {"letter": print_letter, "roll": print_roll}
SCALE = 6


def printed(kind: Kind = Kind.INVOICE, status: str = "accepted", logo: bytes | None = None, **changed: Any) -> Printed:
    paper = document(kind, **changed)
    identity = identify(paper, KEYS)
    when = NOW + timedelta(minutes=3) if status == "accepted" else None
    return Printed(document=paper, uuid=identity.uuid, qr=identity.qr, status=status, validated_at=when, logo=logo)


def words(pdf: bytes) -> str:
    """All that is written, whatever line it stands on."""
    return "".join(text_of(pdf).split())


def squeezed(*texts: str) -> list[str]:
    return ["".join(text.split()) for text in texts]


@pytest.mark.parametrize("shape", DRAWN)
@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_says_all_that_the_law_wants(kind: Kind, shape: str) -> None:
    paper = printed(kind)
    content = DRAWN[shape](paper)
    assert content == DRAWN[shape](paper)
    frozen = paper.document
    wanted = [
        *(KINDS[kind].name, f"N.º {frozen.number}", frozen.issuer.name, "NIT", "999.888.777-1", "Calle 10 # 20 - 30"),
        *("Responsable de IVA e INC", "Gran contribuyente", "Autorretenedor", frozen.counterpart.name),
        *("Generación", "20/11/2026 10:15:30", "Validación DIAN", "20/11/2026 10:18:30"),
        *("Forma de pago", "Medio", format_amount(frozen.totals.payable), f"{paper.uuid_name}:{paper.uuid}"),
        *("Representación gráfica", frozen.software.maker, frozen.software.name),
    ]
    for line in frozen.lines:
        wanted += [line.code, line.description, format_amount(line.amount)]
    for total in frozen.totals.taxes:
        wanted += [format_amount(rate.amount) for rate in total.rates]
    if frozen.range is not None:
        wanted += [
            "Autorización de numeración DIAN",
            frozen.range.authorization,
            str(frozen.range.last),
            f"{frozen.range.valid_to:%d/%m/%Y}",
        ]
    if frozen.correction is not None and frozen.correction.reference is not None:
        wanted += ["Corrige", frozen.correction.reference.number, frozen.correction.reference.uuid, "Concepto"]
    if frozen.point_of_sale is not None:
        wanted += [frozen.point_of_sale.cashier, frozen.point_of_sale.plate, frozen.point_of_sale.sale_code]
    if frozen.paper is not None:
        wanted.append(frozen.paper.number)
    found = words(content)
    assert [text for text in squeezed(*wanted) if text not in found] == []


@pytest.mark.parametrize("logo", [False, True])
def test_the_code_stands_on_every_page_of_a_long_document_and_can_be_read(logo: bool) -> None:
    line = document().lines[0]
    paper = printed(
        lines=[msgspec.structs.replace(line, code=f"C{n}") for n in range(150)], logo=picture() if logo else None
    )
    content = print_letter(paper)
    pages = pypdfium2.PdfDocument(content)
    assert len(pages) >= 3
    wanted = [bytes(row) for row in segno.make(paper.qr, error="m", micro=False).matrix]
    for page in pages:
        assert modules(page, len(wanted)) == wanted
        text = page.get_textpage().get_text_range()
        assert paper.uuid in text
        assert "Página" in text
    pages.close()
    assert content == print_letter(paper)
    assert [f"C{n}" for n in range(150) if f"C{n}" not in text_of(content)] == []


def modules(page: Any, count: int) -> list[bytes]:
    """The dark and light squares at the upper right, 34 mm wide, four squares from the edges of what is printed."""
    image = page.render(scale=SCALE).to_pil().convert("L")
    side = 34 * MM
    module = side / count
    left, top = 612 - 42 - 4 * module - side, 42 + 4 * module
    return [
        bytes(
            image.getpixel((int((left + (x + 0.5) * module) * SCALE), int((top + (y + 0.5) * module) * SCALE))) < 128
            for x in range(count)
        )
        for y in range(count)
    ]


def picture() -> bytes:
    drawn = BytesIO()
    Image.new("RGBA", (300, 200), (20, 90, 40, 128)).save(drawn, "PNG")
    return drawn.getvalue()


def test_the_code_of_a_roll_is_wide_enough_and_the_roll_is_one_page() -> None:
    content = print_roll(printed(Kind.POS))
    ((width, _height),) = page_sizes(content)
    assert round(width / MM) == 80
    # 62 % of the 72 mm that a printer prints, of which eight squares are margin.
    count = len(segno.make(printed(Kind.POS).qr, error="m", micro=False).matrix)
    assert 72 * 0.62 * count / (count + 8) >= 20


@pytest.mark.parametrize(
    ("status", "environment", "said"),
    [("pending", "1", "pendiente"), ("rejected", "1", "RECHAZADO"), ("accepted", "2", "SIN VALIDEZ FISCAL")],
)
@pytest.mark.parametrize("shape", DRAWN)
def test_what_is_not_good_says_so(status: str, environment: str, said: str, shape: str) -> None:
    assert squeezed(said)[0] in words(DRAWN[shape](printed(status=status, environment=environment)))
    assert squeezed(said)[0] not in words(DRAWN[shape](printed(environment="1")))


def test_credit_and_withholdings_and_what_is_paid_before_are_told() -> None:
    due = NOW.date() + timedelta(days=30)
    paper = printed(payments=(Payment(means="47", form="2", due_on=due, reference="OC-7"),))
    frozen = paper.document
    totals = msgspec.structs.replace(frozen.totals, prepaid=Decimal("1234.00"))
    paper = msgspec.structs.replace(paper, document=msgspec.structs.replace(frozen, totals=totals))
    for draw in DRAWN.values():
        found = words(draw(paper))
        for text in squeezed("Crédito", "OC-7", "vence el 20/12/2026", "Anticipos", "1.234,00"):
            assert text in found


def test_nothing_that_people_write_breaks_it() -> None:
    line = document().lines[0]
    nasty = ["x" * 2_000, "<b>&amp;</b>", "😀 漢字 \u200f\u202e", "a\nb\tc", "(((\\)", "%%EOF endobj", " "]
    paper = printed(lines=[msgspec.structs.replace(line, description=text, code=text[:50]) for text in nasty])
    for draw in DRAWN.values():
        assert draw(paper).startswith(b"%PDF")
        assert len(page_sizes(draw(paper))) >= 1
