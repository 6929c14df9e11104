"""Real sales turned into every kind of document: valid by schema, signature and arithmetic, accepted the first time."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from app.cli.replay.plan import FileLine, Ticket, read_plan
from app.lib import clock
from app.lib.money import as_price
from tests.dian_totals import totals_errors
from tests.dian_verify import certificate_in, schema_errors, verify_with_signxml, verify_with_xmlsec
from tests.proofs.dian_house import DianHouse, Issuer, at_bogota, dian_house

FILES = sorted((Path(__file__).parents[1] / "data").glob("2010-12-*.csv"))
TAXES = ("iva19", "iva19", "iva5", "exempt", "excluded", "iva19", "inc8")
"""By the place of a product in the files."""
KINDS = ("01", "02", "03", "04", "05", "08", "20", "91", "92", "93", "94", "95")
BY_HAND = 15
"""Every so many tickets one of the kinds that no sale makes."""


class Till:
    """The shop of the files: products with their taxes, buyers, tickets sold as they were."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.shop = issuer.shop
        self.products: dict[str, dict[str, Any]] = {}
        self.buyers: list[str] = []
        self.refused: Counter[str] = Counter()

    async def open(self, tickets: list[Ticket]) -> None:
        """Bring the goods with an import, and some buyers."""
        goods: dict[str, FileLine] = {}
        for ticket in tickets:
            for line in ticket.lines:
                goods.setdefault(line.code, line)
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["sku", "name", "price", "taxClass", "cost", "stock"])
        for place, (code, line) in enumerate(goods.items()):
            row = [
                code,
                line.description or code,
                f"{as_price(line.price):f}",
                TAXES[place % len(TAXES)],
                "1",
                "999999",
            ]
            writer.writerow(row)
        query = urlencode({"fileName": "ventas reales.csv", "decimal": "point"})
        answer = await self.shop.http.post(
            f"/v1/imports/products?{query}",
            content=text.getvalue().encode(),
            headers=self.shop.headers | {"Idempotency-Key": uuid4().hex, "Content-Type": "text/csv; charset=utf-8"},
        )
        assert answer.status_code in {200, 201}, answer.text
        cursor: str | None = None
        while True:
            page = (await self.shop.get("/v1/products", limit=200, **({"cursor": cursor} if cursor else {}))).json()
            self.products |= {each["sku"]: each for each in page["items"]}
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert goods.keys() <= self.products.keys()
        for body in (
            {"identificationType": "13", "identification": "1000000001", "name": "Persona De Ejemplo"},
            {"identificationType": "31", "identification": "800197268", "name": "Cliente & Cía. S.A.", "organization": "company",
             "email": "compras@cliente.test"},
            {"identificationType": "41", "identification": "AB123456", "name": "Visitante Ñandú"},
        ):  # fmt: skip
            self.buyers.append(await self.customer(**body))
        self.abroad = await self.customer(
            identificationType="50", identification="EX-123456", organization="company", name="Overseas <Ltd.>"
        )
        self.seller = await self.customer(
            identificationType="31",
            identification="1000000002",
            organization="person",
            name="Vendedor De Ejemplo",
            address="Calle 1 # 2-3",
            municipalityCode="11001",
        )

    async def customer(self, **body: Any) -> str:
        made = await self.shop.post("/v1/customers", body)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    async def sell(self, ticket: Ticket, place: int, lines: list[FileLine], wanted: str) -> dict[str, Any]:
        """A ticket: every third line with a tenth less, every fifth ticket with something less on the whole."""
        await self.issuer.stay()
        body = [
            {
                "productId": self.products[line.code]["id"],
                "quantity": f"{line.quantity:f}",
                "unitPrice": f"{as_price(line.price):f}",
                "discount": f"{line.quantity * line.price / 10:.2f}" if number % 3 == 2 else "0",
            }
            for number, line in enumerate(lines)
        ]
        more: dict[str, Any] = {"document": wanted}
        if ticket.customer and wanted != "pos":
            more["customerId"] = self.buyers[place % len(self.buyers)]
        if place % 5 == 4:
            more["discount"] = f"{sum((line.quantity * line.price for line in lines), start=Decimal(0)) / 50:.2f}"
        sold = await self.shop.sell(self.issuer.session_id, body, "999999999", **more)
        assert sold.status_code == 201, sold.text
        found: dict[str, Any] = sold.json()
        return found

    async def give_back(self, sale: dict[str, Any]) -> None:
        """The first line, half of it when it can be halved."""
        line = sale["lines"][0]
        quantity = Decimal(line["quantity"])
        back = quantity // 2 if quantity >= 2 else quantity
        total = (Decimal(line["total"]) * back / quantity).quantize(Decimal("0.01"))
        for cents in (0, 1, -1):
            answer = await self.shop.post(
                "/v1/returns",
                {
                    "saleId": sale["id"],
                    "lines": [{"saleLineId": line["id"], "quantity": f"{back:f}"}],
                    "refunds": [{"method": "cash", "amount": f"{total + Decimal(cents) / 100:f}"}] if total else [],
                    "reason": "no era lo pedido",
                },
            )
            if answer.status_code == 201:
                return
        raise AssertionError(answer.text)

    async def void(self, sale: dict[str, Any]) -> None:
        answer = await self.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "se equivocó"})
        assert answer.status_code == 201, answer.text

    async def by_hand(self, kind: str, lines: list[FileLine], **more: Any) -> str:
        """A document of a ticket's lines, with their taxes, and a discount on every third."""
        await self.issuer.stay()
        body: dict[str, Any] = {"kind": kind, "lines": [self._line(kind, n, line) for n, line in enumerate(lines[:40])]}
        answer = await self.shop.post("/v1/dian/documents", body | more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def _line(self, kind: str, number: int, line: FileLine) -> dict[str, Any]:
        found: dict[str, Any] = {
            "code": line.code,
            "description": line.description or line.code,
            "quantity": f"{line.quantity:f}",
            "unitPrice": f"{line.price:.2f}",
        }
        if kind not in {"02", "05", "95"}:
            found["taxClass"] = TAXES[number % len(TAXES)]
        if number % 3 == 2:
            found["discount"] = f"{line.quantity * line.price / 10:.2f}"
        return found


def small_lines(ticket: Ticket) -> list[FileLine]:
    """One unit each of a ticket's first five products: what fits a POS document."""
    picked: list[FileLine] = []
    for line in ticket.lines[:5]:
        one = FileLine(line.number, line.invoice, line.code, line.description, Decimal(1), line.price, line.customer)
        if sum(each.price for each in picked) + one.price < 250_000:
            picked.append(one)
    return picked


async def sell_all(house: DianHouse, counter: Till, tickets: list[Ticket]) -> None:
    shop = counter.shop
    support: list[tuple[str, list[FileLine]]] = []
    for place, ticket in enumerate(tickets):
        small = small_lines(ticket)
        sale = await counter.sell(ticket, place, ticket.lines, "invoice" if place % 3 == 0 else "auto")
        pos = await counter.sell(ticket, place, small, "pos") if small else None
        if place % 4 == 0:
            await counter.give_back(sale)
        elif place % 7 == 0:
            await counter.void(sale)
        if pos is not None and place % 5 == 0:
            await counter.give_back(pos)
        elif pos is not None and place % 6 == 0:
            await counter.void(pos)
        lines = ticket.lines
        match place % BY_HAND:
            case 1:
                abroad = {"line": "221B Baker Street", "city": "London", "countryCode": "GB"}
                await counter.by_hand(
                    "02", lines, customerId=counter.abroad, address=abroad, delivery={"incoterm": "FOB"}
                )
            case 2:
                await counter.by_hand(
                    "03",
                    lines,
                    paper={
                        "number": f"T-{place}",
                        "issuedOn": clock.business_day(clock.now(), "America/Bogota").isoformat(),
                    },
                )
            case 3:
                support.append((await counter.by_hand("05", lines, customerId=counter.seller), lines))
            case 4 if sale["document"]["kind"] == "01" and (place % 4 == 0 or place % 7):
                note = {"correctsId": sale["document"]["id"], "concept": "3", "reason": "precio"}
                await counter.by_hand("92", lines, **note)
            case 8 if pos is not None and (place % 5 == 0 or place % 6):
                note = {"correctsId": pos["document"]["id"], "concept": "4", "reason": "precio"}
                await counter.by_hand("93", small, **note)
            case 9 if support:
                bought_id, bought = support.pop()
                note = {"correctsId": bought_id, "concept": "1", "reason": "parte volvió"}
                await counter.by_hand("95", bought[:3], **note)
    await shop.get("/v1/company")


async def sell_away(house: DianHouse, counter: Till, tickets: list[Ticket]) -> None:
    """While DIAN is away and was declared so: types 04 and 08."""
    desk = house.dian.desk
    await counter.issuer.renew()
    start = house.clock.now()
    await asyncio.to_thread(desk.break_, "status", status=503, times=0)
    declared = await counter.shop.post(
        "/v1/dian/contingencies", {"reason": "La DIAN lo anunció", "startedAt": start.isoformat()}
    )
    assert declared.status_code == 201, declared.text
    # Documents tell whole seconds: in the next one they are inside.
    await house.clock.forward(timedelta(seconds=2))
    for place, ticket in enumerate(tickets):
        await counter.sell(ticket, place, ticket.lines, "invoice")
        if small := small_lines(ticket):
            await counter.sell(ticket, place, small, "pos")
    await house.clock.forward(timedelta(seconds=10))
    end = house.clock.now()
    await asyncio.to_thread(desk.add, contingencies=[{"start": start.isoformat(), "end": end.isoformat()}])
    await asyncio.to_thread(desk.mend)
    ended = await counter.shop.post(f"/v1/dian/contingencies/{declared.json()['id']}/end")
    assert ended.status_code == 200, ended.text


async def until_decided(house: DianHouse, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while await house.value("SELECT count(*) FROM document_state WHERE status NOT IN ('accepted','rejected')"):
            assert house.worker.is_alive
            await house.idle(seconds)
            await house.clock.forward(timedelta(seconds=30))


async def judge(house: DianHouse, issuer: Issuer) -> dict[str, dict[str, int]]:
    """Each check's good documents, by kind."""
    arrivals: dict[str, int] = (await asyncio.to_thread(house.dian.desk.ask, "GET", "documents"))["sent"]
    refused = {
        row["document_id"]
        for row in await house.rows("SELECT document_id FROM document_event WHERE kind IN ('rejected','refused')")
    }
    found: dict[str, dict[str, int]] = {}
    wrong: list[Any] = []
    for row in await issuer.documents():
        xml = bytes(
            await house.value(
                "SELECT content FROM document_file WHERE document_id = $1 AND version = $2 AND kind = 'xml'",
                row["id"],
                row["version"],
            )
        )
        totals = totals_errors(xml)
        checks = {
            "documents": True,
            "XSD": schema_errors(xml) == [],
            "xmlsec": verify_with_xmlsec(xml) == 3,
            "signxml": verify_with_signxml(xml, certificate_in(xml)) == 3,
            "totals": totals == [],
            "accepted at once": row["status"] == "accepted"
            and arrivals[row["uuid"]] == 1
            and row["id"] not in refused
            and row["uuid"] == row["printed_uuid"],
        }
        counts = found.setdefault(row["kind"], dict.fromkeys(checks, 0))
        for name, good in checks.items():
            counts[name] += good
        if not all(checks.values()):
            wrong.append((row["number"], row["message"], checks, totals[:3]))
    print(f"\n{'kind':6}" + "".join(f"{name:>18}" for name in next(iter(found.values()))))
    for kind, counts in sorted(found.items()):
        shares = [f"{count}/{counts['documents']}" for count in counts.values()]
        print(f"{kind:6}" + "".join(f"{share:>18}" for share in shares))
    assert wrong[:5] == []
    return found


def tickets_of(files: list[Path], most: int | None = None) -> Iterator[Ticket]:
    for file in files:
        yield from read_plan(file).tickets[:most]


async def every_kind(environ: dict[str, str], folder: Path, tickets: list[Ticket], away: int) -> dict[str, Any]:
    async with dian_house(environ, folder, at_bogota(8), patience=20) as house:
        issuer = await house.issuer()
        counter = Till(issuer)
        await counter.open(tickets)
        await house.worker.start()
        ordinary = [ticket for place, ticket in enumerate(tickets) if place % away]
        await sell_all(house, counter, ordinary)
        await until_decided(house, 900)
        await sell_away(house, counter, tickets[::away])
        await until_decided(house, 900)
        found = await judge(house, issuer)
        lines = sum(len(ticket.lines) for ticket in tickets)
        print(
            f"{len(tickets)} tickets of {lines} lines, as they were and as small ones; {len(counter.products)} products"
        )
        return found


async def test_a_few_real_tickets_as_every_kind(environ: dict[str, str], tmp_path: Path) -> None:
    tickets = [ticket for ticket in tickets_of(FILES[:1]) if len(ticket.lines) <= 30][:24]
    found = await every_kind(environ, tmp_path, tickets, away=12)
    assert sorted(found) == list(KINDS)


@pytest.mark.proof
@pytest.mark.timeout(3_600)
async def test_three_days_of_a_real_shop_as_every_kind(environ: dict[str, str], tmp_path: Path) -> None:
    found = await every_kind(environ, tmp_path, list(tickets_of(FILES)), away=6)
    assert sorted(found) == list(KINDS)
