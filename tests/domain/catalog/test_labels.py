"""Labels: what the printer gets."""

import subprocess
import sys
from decimal import Decimal
from io import BytesIO
from typing import Any

import pypdfium2
import pytest

from app.domain.catalog.labels import Label, pdf, pesos, symbol_of, zpl
from tests.domain.catalog.test_products import created
from tests.shop import Shop

# Modules of each digit: set A on the left, B mixed in by the first digit, C on the right (GS1 General Specifications).
_A = ["0001101", "0011001", "0010011", "0111101", "0100011", "0110001", "0101111", "0111011", "0110111", "0001011"]
_C = ["".join("10"[int(bit)] for bit in code) for code in _A]
_B = [code[::-1] for code in _C]
_FIRST = ["AAAAAA", "AABABB", "AABBAB", "AABBBA", "ABAABB", "ABBAAB", "ABBBAA", "ABABAB", "ABABBA", "ABBABA"]


def scanned(page: pypdfium2.PdfPage) -> str | None:
    """The EAN-13 that a scanner line reads anywhere on a page, or None."""
    image = page.render(scale=16).to_pil().convert("L")
    for row in range(image.height // 3, image.height, 5):
        bits = [image.getpixel((column, row)) < 128 for column in range(image.width)]
        if code := _decode(bits):
            return code
    return None


def _decode(dark: list[bool]) -> str | None:
    runs: list[tuple[bool, int]] = []
    for bit in dark:
        if runs and runs[-1][0] == bit:
            runs[-1] = (bit, runs[-1][1] + 1)
        else:
            runs.append((bit, 1))
    bars = [length for _, length in runs[1:-1]]
    if len(bars) != 59:
        return None
    module = sum(bars) / 95
    modules = "".join("10"[n % 2] * round(length / module) for n, length in enumerate(bars))
    left = [modules[3 + 7 * n : 10 + 7 * n] for n in range(6)]
    right = [modules[50 + 7 * n : 57 + 7 * n] for n in range(6)]
    kinds = "".join("A" if code in _A else "B" for code in left)
    digits = [(_A if kind == "A" else _B).index(code) for kind, code in zip(kinds, left, strict=True)]
    return "".join(map(str, [_FIRST.index(kinds), *digits, *map(_C.index, right)]))


async def labels(shop: Shop, lines: list[dict[str, Any]], **body: Any) -> Any:
    return await shop.post("/v1/products/labels", {"lines": lines} | body)


async def test_a_scanner_reads_the_barcode_of_the_printed_label(shop: Shop) -> None:
    made = await created(shop, name="Tornillo drywall 6x1 zincado", price="12900", barcodes=["7709990000016"])
    answer = await labels(shop, [{"productId": made["id"], "copies": 2}])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    document = pypdfium2.PdfDocument(BytesIO(answer.content))
    assert len(document) == 2
    text = document[0].get_textpage().get_text_bounded()
    assert "Tornillo drywall" in text
    assert "$ 12.900" in text
    assert scanned(document[1]) == "7709990000016"


async def test_a_sheet_holds_thirty_labels(shop: Shop) -> None:
    made = await created(shop, barcodes=["7709990000016"])
    answer = await labels(shop, [{"productId": made["id"], "copies": 31}], layout="letter-30")
    assert len(pypdfium2.PdfDocument(BytesIO(answer.content))) == 2


async def test_a_pack_gets_its_own_price_and_code(shop: Shop) -> None:
    pack = {"unitCode": "BX", "factor": "100", "price": "6500", "barcode": "CAJA-1"}
    made = await created(shop, barcodes=["7709990000016"], packs=[pack])
    line = {"productId": made["id"], "unitCode": "BX"}
    printed = (await labels(shop, [line], format="zpl")).text
    assert "^BCN,70,Y,N,N^FH_^FDCAJA-1^FS" in printed
    assert "$ 6.500" in printed
    assert "caja" in printed
    unknown = await labels(shop, [line | {"unitCode": "DZN"}])
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/lines/0/unitCode")


async def test_a_name_cannot_give_the_printer_commands(shop: Shop) -> None:
    made = await created(shop, name="Caña ^XZ~JR_5E", sku="A>B")
    printed = (await labels(shop, [{"productId": made["id"]}], format="zpl")).text
    assert "^FDCaña _5EXZ_7EJR_5F5E^FS" in printed
    assert "^FDA>0B^FS" in printed
    assert printed.count("^XZ") == 1
    assert "~" not in printed


async def test_labels_are_repeatable_also_with_a_key(shop: Shop) -> None:
    made = await created(shop)
    body = {"lines": [{"productId": made["id"]}]}
    first, again = [await shop.post("/v1/products/labels", body, key="una-etiqueta") for _ in range(2)]
    assert (first.status_code, first.content) == (200, again.content)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"copies": 500, "times": 2}, 422, "too-many-labels"),
        ({"copies": 0}, 400, "malformed"),
        ({"copies": 501}, 400, "malformed"),
        ({"format": "zpl", "layout": "letter-30"}, 422, "layout-not-printable"),
    ],
)
async def test_what_no_printer_takes_is_refused(shop: Shop, body: dict[str, Any], status: int, code: str) -> None:
    made = await created(shop)
    line = {"productId": made["id"], "copies": body.pop("copies", 1)}
    answer = await labels(shop, [line] * body.pop("times", 1), **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_code_that_nothing_can_draw_is_refused(shop: Shop) -> None:
    made = await created(shop, sku="Ñ")
    answer = await labels(shop, [{"productId": made["id"]}])
    assert (answer.status_code, answer.json()["code"]) == (422, "no-printable-code")


@pytest.mark.parametrize(
    ("code", "drawn"),
    [
        ("7709990000016", ("EAN13", "7709990000016")),
        ("7709990000017", ("Code128", "7709990000017")),
        ("036000291452", ("EAN13", "0036000291452")),
        ("96385074", ("EAN8", "96385074")),
        ("96385075", ("Code128", "96385075")),
        ("A-1", ("Code128", "A-1")),
        ("٧٧٠٩٩٩٠٠٠٠٠١٦", None),
        ("ñ", None),
        ("", None),
    ],
)
def test_a_code_is_drawn_as_what_it_is(code: str, drawn: tuple[str, str] | None) -> None:
    assert symbol_of(code) == drawn


def test_long_names_and_codes_still_make_labels() -> None:
    label = Label(name="palabra " * 25, code="x" * 48, price=None, unit="")
    assert pdf([label], "roll-50x25").startswith(b"%PDF")
    assert zpl([label]).startswith(b"^XA")
    assert pdf([Label(name="长", code="1", price=None, unit="")], "letter-30").startswith(b"%PDF")


def test_prices_read_as_on_a_shelf() -> None:
    assert pesos(Decimal("1234567.000000")) == "$ 1.234.567"
    assert pesos(Decimal("99.5")) == "$ 99,50"


def test_the_api_starts_without_the_printing_library() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import app.asgi, sys; print('reportlab' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "False"
