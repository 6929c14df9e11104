"""Random operations on a real shop through the API, each compared with the model at once."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text as sql

from app.db.session import Database
from app.domain.tenants.service import TenantService
from app.lib import clock
from app.lib.tenders import TENDER_COLUMNS
from tests.proofs.choices import OTHERS, payments_of, refunds_of
from tests.proofs.model import ZERO, Books, Product, RefusedError, SoldLine, Ticket, Wanted
from tests.shop import Shop, sign_up

RATES = {"iva19": Fraction(19, 100), "iva5": Fraction(5, 100), "excluded": ZERO}
REGISTERS = 3
_SHELVES = sql("SELECT product_id, quantity, value FROM stock WHERE tenant_id = :t")
_DRAWERS = sql("SELECT * FROM cash_drawer WHERE tenant_id = :t AND is_open")


def text(number: Fraction) -> str:
    """A number as the contract takes it; at most six decimals."""
    return f"{Decimal(number.numerator) / Decimal(number.denominator):f}"


def number(found: str) -> Fraction:
    return Fraction(Decimal(found))


class Till:
    """One shop, its model, and what both did."""

    def __init__(self, shop: Shop, database: Database) -> None:
        self.shop = shop
        self.database = database
        self.books = Books()
        self.registers: list[str] = []
        self.asked: list[tuple[str, dict[str, Any], str, httpx.Response]] = []
        self.counts: Counter[str] = Counter()

    @classmethod
    async def open(cls, http: httpx.AsyncClient, database: Database, r: random.Random) -> "Till":
        till = cls(await sign_up(http), database)
        place = (await till.shop.get("/v1/company")).json()
        async with database.job_transaction(UUID(till.shop.tenant_id)) as work:
            for n in range(2, REGISTERS + 1):
                await TenantService(work).add_register(
                    UUID(place["branches"][0]["id"]), UUID(place["warehouses"][0]["id"]), f"Caja {n}"
                )
        till.registers = [row["id"] for row in (await till.shop.get("/v1/cash/registers")).json()["items"]]
        for n in range(6):
            await till.add_product(r, list(RATES)[n % len(RATES)])
        await till.open_drawer(r)
        for _ in range(3):
            await till.adjust(r)
        return till

    async def add_product(self, r: random.Random, tax_class: str) -> None:
        price, cost = Fraction(r.randint(50_000, 9_000_000), 100), Fraction(r.randint(100, 4_000_000), 100)
        factor, pack_price = Fraction(r.choice([6, 12, 24])), Fraction(r.randint(100_000, 90_000_000), 100)
        sku = uuid4().hex[:10]
        answer = await self.shop.post(
            "/v1/products",
            {
                "sku": sku,
                "name": f"Producto {sku}",
                "price": text(price),
                "taxClass": tax_class,
                "cost": text(cost),
                "packs": [{"unitCode": "BX", "factor": text(factor), "price": text(pack_price)}],
            },
        )
        assert answer.status_code == 201, answer.text
        made = answer.json()
        product = Product(made["id"], price, RATES[tax_class], cost, {"BX": (factor, pack_price)})
        self.books.products[product.id] = product

    async def ask(self, path: str, body: dict[str, Any], expect: Callable[[], Any]) -> tuple[httpx.Response, Any]:
        """Ask the shop and the model; both do it, or both refuse with the same code."""
        key = uuid4().hex
        answer = await self.shop.post(path, body, key=key)
        try:
            expected = expect()
        except RefusedError as refusal:
            assert answer.json().get("code") == str(refusal), f"the model refuses {refusal}: {answer.text}"  # noqa: PT017
            self.counts[f"refused {refusal}"] += 1
            return answer, None
        assert answer.status_code in {200, 201}, f"{path} {body}: {answer.text}"
        self.asked.append((path, body, key, answer))
        return answer, expected

    def _session(self, r: random.Random) -> str | None:
        sessions = list(self.books.drawers)
        if self.books.closed and r.random() < 0.05:
            return r.choice(self.books.closed)
        return r.choice(sessions) if sessions else None

    def _wanted(self, r: random.Random) -> list[Wanted]:
        lines: list[Wanted] = []
        for _ in range(r.choice([1, 1, 2, 3, 4, 5])):
            product = r.choice(list(self.books.products.values()))
            packed = r.random() < 0.2
            quantity = Fraction(r.choice([1000, 1000, 2000, 3000, 500, 1250, r.randint(1, 3000)]), 1000)
            line = Wanted(product, Fraction(r.randint(1, 2)) if packed else quantity, "BX" if packed else None)
            if r.random() < 0.2:
                line.price = Fraction(r.randint(0, 5_000_000), 100)
            if r.random() < 0.2:
                line.discount = Fraction(r.randint(1, 20_000), 100)
            lines.append(line)
        return lines

    async def sell(self, r: random.Random) -> None:
        session = self._session(r)
        if session is None:
            return
        wanted, offline = self._wanted(r), r.random() < 0.12
        discount = Fraction(r.randint(1, 90_000), 100) if r.random() < 0.2 else ZERO
        try:
            total = sum(self.books.totals(wanted, discount), ZERO)
        except RefusedError:
            total = Fraction(1000)
        payments = payments_of(r, total)
        body: dict[str, Any] = {
            "sessionId": session,
            "lines": [
                {"productId": line.product.id, "quantity": text(line.quantity)}
                | ({"unitCode": line.unit} if line.unit else {})
                | ({"unitPrice": text(line.price)} if line.price is not None else {})
                | ({"discount": text(line.discount)} if line.discount else {})
                for line in wanted
            ],
            "payments": [{"method": method, "amount": text(amount)} for method, amount in payments],
        }
        if discount:
            body["discount"] = text(discount)
        if offline:
            body["soldAt"] = (clock.now() - timedelta(hours=r.randint(1, 70))).isoformat()
        if r.random() < 0.3:
            body["id"] = str(uuid4())
        answer, sold = await self.ask(
            "/v1/sales", body, lambda: self.books.sell(session, wanted, discount, payments, offline=offline)
        )
        if sold is None:
            return
        ticket, change = sold
        found = answer.json()
        assert found["sequence"] == self.books.numbers["sale"]
        assert (number(found["total"]), number(found["change"])) == (ticket.total, change)
        ticket.id = found["id"]
        for line, shown in zip(ticket.lines, found["lines"], strict=True):
            line.id = shown["id"]
            assert (number(shown["total"]), number(shown["base"])) == (line.total, line.base)
            assert number(shown["tax"]) == line.total - line.base
        self.books.tickets[ticket.id] = ticket
        self.counts["sale offline" if offline else "sale"] += 1

    def _ticket(self, r: random.Random) -> Ticket | None:
        recent = list(self.books.tickets.values())[-40:]
        return r.choice(recent) if recent else None

    async def give_back(self, r: random.Random) -> None:
        ticket, session = self._ticket(r), self._session(r)
        if ticket is None or session is None:
            return
        lines = r.sample(ticket.lines, r.randint(1, len(ticket.lines)))
        wanted: list[tuple[SoldLine, Fraction]] = []
        for line in lines:
            units = r.choice([line.left, line.left / 2, Fraction(r.randint(1, 1000), 1000), line.sold])
            units = Fraction(int(units * 1000), 1000)
            if units > 0:
                wanted.append((line, units))
        if not wanted:
            return
        due = sum((line.worth(min(units, line.left)) for line, units in wanted), ZERO)
        refunds = refunds_of(r, ticket, due)
        body = {
            "saleId": ticket.id,
            "sessionId": session,
            "reason": "no le sirvió",
            "lines": [{"saleLineId": line.id, "quantity": text(units)} for line, units in wanted],
            "refunds": [{"method": method, "amount": text(amount)} for method, amount in refunds.items()],
        }
        answer, total = await self.ask(
            "/v1/returns", body, lambda: self.books.take_back(ticket, session, wanted, refunds)
        )
        if total is not None:
            assert answer.json()["sequence"] == self.books.numbers["return"]
            assert number(answer.json()["total"]) == total
            self.counts["return"] += 1
            await self.compare_ticket(ticket)

    async def void(self, r: random.Random) -> None:
        ticket, session = self._ticket(r), self._session(r)
        if ticket is None or session is None:
            return
        body = {"reason": "se equivocó el cajero", "sessionId": session}
        answer, total = await self.ask(f"/v1/sales/{ticket.id}/void", body, lambda: self.books.void(ticket, session))
        if total is not None:
            assert answer.json()["sequence"] == self.books.numbers["void"]
            assert number(answer.json()["total"]) == total
            self.counts["void"] += 1
            await self.compare_ticket(ticket)

    async def adjust(self, r: random.Random) -> None:
        lines: list[tuple[Product, Fraction, Fraction | None]] = []
        for _ in range(r.randint(1, 3)):
            incoming = r.random() < 0.8
            units = Fraction(r.randint(1, 60_000 if incoming else 6_000), 1000)
            cost = Fraction(r.randint(0, 5_000_000), 100) if incoming and r.random() < 0.7 else None
            lines.append((r.choice(list(self.books.products.values())), units if incoming else -units, cost))
        reason = r.choice(["opening", "count", "damage", "loss", "found", "other"])
        body = {
            "reason": reason,
            "lines": [
                {"productId": product.id, "quantity": text(units)} | ({} if cost is None else {"unitCost": text(cost)})
                for product, units, cost in lines
            ],
        }
        answer, _ = await self.ask("/v1/inventory/adjustments", body, lambda: self.books.adjust(reason, lines))
        self.counts["adjustment"] += answer.is_success

    async def move_cash(self, r: random.Random) -> None:
        session = self._session(r)
        if session is None:
            return
        kind, amount = r.choice(["in", "in", "out"]), Fraction(r.randint(1, 30_000_000), 100)
        answer, _ = await self.ask(
            f"/v1/cash/sessions/{session}/movements",
            {"kind": kind, "amount": text(amount), "reason": "base"},
            lambda: self.books.move_cash(session, amount if kind == "in" else -amount),
        )
        self.counts["cash movement"] += answer.is_success

    async def transfer(self, r: random.Random) -> None:
        if len(self.books.drawers) < 2:
            return
        source, target = r.sample(list(self.books.drawers), 2)
        amount = Fraction(r.randint(1, 10_000_000), 100)
        answer, _ = await self.ask(
            "/v1/cash/transfers",
            {"fromSessionId": source, "toSessionId": target, "amount": text(amount), "reason": "sencillo"},
            lambda: self.books.transfer(source, target, amount),
        )
        self.counts["transfer"] += answer.is_success

    async def open_drawer(self, r: random.Random) -> None:
        register, amount = r.choice(self.registers), Fraction(r.randint(0, 50_000_000), 100)

        def opened() -> bool:
            if register in {self.books.register_of[session] for session in self.books.drawers}:
                raise RefusedError("register-busy")
            return True

        answer, new = await self.ask(
            "/v1/cash/sessions", {"registerId": register, "openingAmount": text(amount)}, opened
        )
        if new:
            session = answer.json()["id"]
            drawer = self.books.drawers[session] = dict.fromkeys(("cash", *OTHERS), ZERO)
            drawer["cash"] = amount
            self.books.register_of[session] = register
            self.counts["open"] += 1

    async def close_drawer(self, r: random.Random) -> None:
        session = self._session(r)
        if session is None or len(self.books.drawers) < 2:
            return
        expected = self.books.drawers.get(session, {})
        counted = {
            method: amount + Fraction(r.randint(-9_000, 900_000), 100)
            for method, amount in expected.items()
            if amount or method == "cash"
        }
        counted["cash"] = max(counted.get("cash", ZERO), ZERO)

        def closed() -> bool:
            if session not in self.books.drawers:
                raise RefusedError("session-closed")
            return True

        answer, done = await self.ask(
            f"/v1/cash/sessions/{session}/close",
            {"counted": [{"method": method, "amount": text(amount)} for method, amount in counted.items()]},
            closed,
        )
        if done:
            found = answer.json()
            assert found["zNumber"] == self.books.next(f"z {self.books.register_of[session]}")
            for tender in found["tenders"]:
                assert number(tender["expected"]) == expected.get(tender["method"], ZERO)
                assert number(tender["difference"]) == counted[tender["method"]] - number(tender["expected"])
            del self.books.drawers[session]
            self.books.closed.append(session)
            self.counts["close"] += 1

    async def hold(self, r: random.Random) -> None:
        product = r.choice(list(self.books.products.values()))
        body = {"registerId": self.registers[0], "label": "mesa", "lines": [{"productId": product.id, "quantity": "1"}]}
        answer, _ = await self.ask("/v1/held-tickets", body, lambda: True)
        self.books.held.append(answer.json()["id"])
        self.counts["hold"] += 1

    async def resume(self, r: random.Random) -> None:
        if not self.books.held:
            return
        held = self.books.held.pop(r.randrange(len(self.books.held)))
        assert (await self.shop.post(f"/v1/held-tickets/{held}/resume")).is_success
        assert (await self.shop.post(f"/v1/held-tickets/{held}/resume")).status_code == 404
        self.counts["resume"] += 1

    async def retry(self, r: random.Random) -> None:
        """A lost answer: the same request once more, with its key, or with its id and another key."""
        if not self.asked:
            return
        path, body, key, first = r.choice(self.asked[-60:])
        again = await self.shop.post(path, body, key=key)
        assert (again.status_code, again.content) == (first.status_code, first.content), again.text
        assert again.headers["idempotency-replayed"] == "true"
        self.counts["retry by key"] += 1
        if "id" in body:
            by_id = await self.shop.post(path, body)
            assert (by_id.status_code, by_id.json()["id"]) == (200, body["id"]), by_id.text
            self.counts["retry by id"] += 1

    async def compare(self) -> None:
        """Stock, value, drawers and held tickets as the model has them."""
        items = (await self.shop.get("/v1/inventory/stock", limit=200)).json()["items"]
        assert {row["productId"]: (number(row["quantity"]), number(row["value"])) for row in items} == {
            product.id: (product.quantity, product.value) for product in self.books.products.values()
        }
        for session, drawer in self.books.drawers.items():
            tenders = (await self.shop.get(f"/v1/cash/sessions/{session}")).json()["tenders"]
            assert {row["method"]: number(row["expected"]) for row in tenders} == {
                method: amount for method, amount in drawer.items() if amount or method == "cash"
            }

    async def compare_rows(self) -> None:
        """The same figures straight from the rows: what a neighbour's operation must not have touched."""
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            shelves = await work.session.execute(_SHELVES, {"t": work.tenant_id})
            drawers = (await work.session.execute(_DRAWERS, {"t": work.tenant_id})).mappings().all()
        assert {str(row.product_id): (Fraction(row.quantity), Fraction(row.value)) for row in shelves} == {
            product.id: (product.quantity, product.value) for product in self.books.products.values()
        }
        assert {
            str(row["session_id"]): {method: Fraction(row[column]) for method, column in TENDER_COLUMNS.items()}
            for row in drawers
        } == {
            session: {method: drawer.get(method, ZERO) for method in TENDER_COLUMNS}
            for session, drawer in self.books.drawers.items()
        }

    async def compare_ticket(self, ticket: Ticket) -> None:
        found = (await self.shop.get(f"/v1/sales/{ticket.id}")).json()
        assert found["status"] == ticket.status
        assert [number(line["returned"]) for line in found["lines"]] == [line.sold - line.left for line in ticket.lines]

    async def compare_all(self) -> None:
        """Everything: each movement with its balance, each ticket, what waits, conflicts; and the reconciler agrees."""
        await self.compare()
        for product in self.books.products.values():
            ledger = [
                (row["kind"], number(row["quantity"]), number(row["balanceQuantity"]), number(row["balanceValue"]))
                for row in await self._pages(f"/v1/products/{product.id}/kardex")
            ]
            for shown, kept in zip(ledger, product.ledger, strict=True):
                assert shown == kept
        sales = await self._pages("/v1/sales")
        assert {row["id"]: row["status"] for row in sales} == {
            ticket.id: ticket.status for ticket in self.books.tickets.values()
        }
        assert sorted(row["sequence"] for row in sales) == list(range(1, self.books.numbers["sale"] + 1))
        assert {row["id"] for row in await self._pages("/v1/held-tickets")} == set(self.books.held)
        assert len(await self._pages("/v1/inventory/conflicts")) == self.books.conflicts
        books = (await self.shop.get("/v1/audit/reconciliation")).json()
        assert (books["isClean"], books["differences"]) == (True, [])

    async def _pages(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = (await self.shop.get(path, limit=200, **({"cursor": cursor} if cursor else {}))).json()
            items += page["items"]
            cursor = page["nextCursor"]
            if cursor is None:
                return items
