"""From the counter's tickets to documents: nothing gained, nothing lost, every rule of the sums kept."""

import csv
from collections import defaultdict
from decimal import Decimal
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.model import Document
from app.domain.invoicing.preflight import blocking, preflight
from app.domain.invoicing.totals import SoldLine, line_of, total
from app.domain.invoicing.xml.documents import build
from app.integrations.dian.certificate import Credential, open_p12
from app.integrations.dian.sign import sign
from tests.dian_keys import PASSWORD, p12
from tests.dian_verify import schema_errors, verify_with_signxml, verify_with_xmlsec
from tests.domain.invoicing.papers import KEYS, NOW, TAXES, TICKET, Item, document, give_back, ring

SALES = Path(__file__).parents[2] / "data"
CENT = Decimal("0.01")
FIVE_UVT = Decimal(261_870)


def check(paper: Document, sold: list[SoldLine]) -> None:
    """What must hold of any document that a sale or a return makes."""
    totals = paper.totals
    assert totals.payable == sum(each.total for each in sold)
    assert totals.lines == sum(each.base for each in sold)
    assert totals.taxed == totals.lines + sum(each.amount for each in totals.taxes)
    assert blocking(preflight(paper, identify(paper, KEYS), KEYS, NOW)) == []
    for line in paper.lines:
        product = line.unit_price * line.quantity - sum(each.amount for each in line.allowances)
        assert abs(product - line.amount) <= CENT
        for tax in line.taxes:
            if tax.base is not None and tax.percent is not None:
                assert abs(tax.base * tax.percent / 100 - tax.amount) <= 3 * CENT


def test_a_ticket_of_every_tax_class() -> None:
    sold = ring()
    paper = document(lines=[line_of(each) for each in sold])
    check(paper, sold)
    chair, coffee, rice, transport, lunch, bag = paper.lines
    assert (chair.unit_price, chair.amount) == (Decimal("100000.000000"), Decimal("190000.00"))
    assert [each.amount for each in chair.allowances] == [Decimal("10000.00")]
    assert [each.percent for each in chair.allowances] == [Decimal("5.000000")]
    assert [(each.code, each.percent, each.amount) for each in chair.taxes] == [
        ("01", Decimal("19.00"), Decimal("36100.00"))
    ]
    assert [each.percent for each in coffee.taxes] == [Decimal("5.00")]
    assert [(each.percent, each.amount) for each in rice.taxes] == [(Decimal("0.00"), Decimal("0.00"))]
    assert transport.taxes == ()
    assert [(each.code, each.percent) for each in lunch.taxes] == [("04", Decimal("8.00"))]
    assert [(each.code, each.units, each.per_unit) for each in bag.taxes] == [
        ("01", None, None),
        ("22", Decimal(2), Decimal("73.00")),
    ]
    assert paper.totals.taxable == paper.totals.lines - transport.amount
    assert [each.code for each in paper.totals.taxes] == ["01", "04", "22"]


def test_a_discount_of_the_whole_line_leaves_a_line_of_nothing() -> None:
    sold = ring([Item("Muestra", "iva19", "1", "1190", "1190"), TICKET[1]])
    paper = document(lines=[line_of(each) for each in sold])
    check(paper, sold)
    assert paper.lines[0].amount == 0
    assert paper.lines[0].allowances[0].percent == 100


ITEMS = st.builds(
    lambda tax, quantity, price, off: Item(
        "Producto", tax, str(quantity), str(price), str((quantity * price * off / 100).quantize(CENT))
    ),
    st.sampled_from([each for each in TAXES if each != "inc-bag"]),
    st.decimals("0.001", "500", places=3),
    st.decimals("1", "900000", places=2),
    st.integers(0, 99),
)


@given(st.lists(ITEMS, min_size=1, max_size=20), st.integers(0, 50))
def test_any_ticket_makes_a_document_that_adds_up(items: list[Item], percent: int) -> None:
    gross = sum((each.total for each in ring(items)), start=Decimal(0))
    off = (gross * percent / 100).quantize(CENT)
    sold = ring(items, str(off))
    check(document(lines=[line_of(each) for each in sold]), sold)


@given(ITEMS, st.data())
def test_returns_in_pieces_add_up_to_the_sale(item: Item, data: st.DataObject) -> None:
    quantity = Decimal(item.quantity)
    first = data.draw(st.decimals("0.001", quantity, places=3))
    (sold,) = ring([item])
    pieces = [str(first)] if first == quantity else [str(first), str(quantity - first)]
    back = give_back(sold, *pieces)
    notes = [document(Kind.CREDIT_NOTE, lines=[line_of(each)]) for each in back]
    for note, piece in zip(notes, back, strict=True):
        check(note, [piece])
    whole = total([line_of(sold)])
    assert sum(note.totals.payable for note in notes) == whole.payable
    assert sum(note.totals.lines for note in notes) == whole.lines


def _real_tickets(day: str) -> list[tuple[str, list[Item]]]:
    """A day of the real shop, in pesos, its goods given every tax class in turn."""
    by_number: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (SALES / f"{day}.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if Decimal(row["UnitPrice"]) > 0 and row["Quantity"].lstrip("-") != "0":
                by_number[row["InvoiceNo"]].append(row)
    taxes = cycle(TAXES)
    classes: dict[str, str] = {}
    return [
        (
            number,
            [
                Item(
                    row["Description"] or row["StockCode"],
                    classes.setdefault(row["StockCode"], next(taxes)),
                    row["Quantity"].lstrip("-"),
                    str(Decimal(row["UnitPrice"]) * 5000),
                    str((Decimal(row["UnitPrice"]) * 500).quantize(CENT) if place % 7 == 3 else 0),
                )
                for place, row in enumerate(rows)
            ],
        )
        for number, rows in by_number.items()
    ]


def _papers(number: str, items: list[Item]) -> list[Document]:
    """What the law wants of a ticket: POS or invoice by its value; of a return, its note."""
    lines = [line_of(each) for each in ring(items)]
    if number.startswith("C"):
        return [document(Kind.CREDIT_NOTE, lines), document(Kind.POS_CREDIT_NOTE, lines)]
    kind = Kind.POS if total(lines).lines <= FIVE_UVT else Kind.INVOICE
    return [document(kind, lines)]


@pytest.fixture(scope="module")
def credential() -> Credential:
    return open_p12(p12(), PASSWORD)


def _issue(tickets: list[tuple[str, list[Item]]], credential: Credential) -> dict[str, int]:
    """Build, check, sign and verify the documents of these tickets; gives how many of each kind."""
    counts: dict[str, int] = defaultdict(int)
    for number, items in tickets:
        for paper in _papers(number, items):
            identity = identify(paper, KEYS)
            assert blocking(preflight(paper, identity, KEYS, NOW)) == [], number
            built = build(paper, identity)
            xml = sign(built.root, built.place, credential, paper.issued_at)
            assert schema_errors(xml) == [], number
            assert verify_with_xmlsec(xml) == 3
            assert verify_with_signxml(xml, credential.certificate) == 3
            counts[paper.kind] += 1
    return counts


def test_documents_of_a_real_morning_are_valid_and_verified_twice(credential: Credential) -> None:
    tickets = _real_tickets("2010-12-01")
    counts = _issue([each for each in tickets if each[0].startswith("C")] + tickets[:40], credential)
    assert set(counts) == {"01", "20", "91", "94"}


@pytest.mark.proof
def test_documents_of_three_real_days_are_valid_and_verified_twice(credential: Credential) -> None:
    tickets = [each for day in (1, 2, 3) for each in _real_tickets(f"2010-12-0{day}")]
    for kind, count in sorted(_issue(tickets, credential).items()):
        print(
            f"{kind}: {count}/{count} valid under the schema, by xmlsec and by signxml, and within every rule of the sums"
        )
