"""A shop of three warehouses as plain arithmetic on fractions, and the real one beside it."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import httpx

from tests.domain.inventory.places import add_warehouse, first_warehouse, open_drawer_at
from tests.domain.inventory.shelf import differences
from tests.proofs.model import ZERO, RefusedError, cents, part
from tests.proofs.till import number, text
from tests.shop import Shop, sign_up

REASONS = ("damage", "loss", "other")
PRICE = "1000000"


@dataclass
class Shelf:
    """A product in one warehouse."""

    quantity: Fraction = ZERO
    value: Fraction = ZERO
    moves: int = 0

    def come(self, units: Fraction, pesos: Fraction) -> None:
        self.quantity += units
        self.value += pesos
        self.moves += 1

    def leave(self, units: Fraction) -> Fraction:
        """Take units off; answers their pesos."""
        pesos = part(self.value, units, self.quantity)
        self.come(-units, -pesos)
        return pesos

    def worth(self, units: Fraction, last_cost: Fraction) -> Fraction:
        """Pesos of units that turn up: at the average, on an empty shelf at what the product last cost."""
        return part(self.value, units, self.quantity) if self.quantity else cents(units * last_cost)


@dataclass
class Seen:
    """What a count knows of one product."""

    counted: Fraction | None = None
    book: Fraction = ZERO


@dataclass
class Count:
    """An open count."""

    id: str
    place: str
    seen: dict[str, Seen]


@dataclass
class Books:
    """Shelves by warehouse and product, what is on its way by transfer and product, and what was lost."""

    shelves: dict[tuple[str, str], Shelf] = field(default_factory=dict)
    transit: dict[str, dict[str, tuple[Fraction, Fraction]]] = field(default_factory=dict)
    ends: dict[str, tuple[str, str]] = field(default_factory=dict)
    last_costs: dict[str, Fraction] = field(default_factory=dict)
    """By product, as last stated for what came in."""
    spent: Fraction = ZERO
    """Pesos that came in less those that went out for good: what must be on shelves and on its way."""

    def send(self, source: str, lines: dict[str, Fraction]) -> dict[str, tuple[Fraction, Fraction]]:
        if any(units > self.shelves[source, id_].quantity for id_, units in lines.items()):
            raise RefusedError("insufficient-stock")
        return {id_: (units, self.shelves[source, id_].leave(units)) for id_, units in lines.items()}

    def receive(self, transfer: str, lines: dict[str, tuple[Fraction, Fraction]] | None) -> None:
        """Arrived and lost units by product; None: everything arrived."""
        there = self.transit[transfer]
        if not any(units for units, _ in there.values()):
            raise RefusedError("transfer-closed")
        if lines is None:
            lines = {id_: (units, ZERO) for id_, (units, _) in there.items() if units}
        if any(good + lost > there[id_][0] for id_, (good, lost) in lines.items()):
            raise RefusedError("above-transit")
        for id_, (good, lost) in lines.items():
            units, pesos = there[id_]
            gone = part(pesos, good + lost, units)
            written_off = part(gone, lost, good + lost)
            there[id_] = units - good - lost, pesos - gone
            self.shelves[self.ends[transfer][1], id_].come(good, gone - written_off)
            self.spent -= written_off

    def cancel(self, transfer: str) -> None:
        there = self.transit[transfer]
        if not any(units for units, _ in there.values()):
            raise RefusedError("transfer-closed")
        for id_, (units, pesos) in there.items():
            if units:
                self.shelves[self.ends[transfer][0], id_].come(units, pesos)
                there[id_] = ZERO, ZERO

    def close(self, count: Count, *, zero: bool) -> None:
        wanted = {id_: seen.counted - seen.book for id_, seen in count.seen.items() if seen.counted is not None}
        if zero:
            wanted |= {
                id_: -self.shelves[count.place, id_].quantity
                for id_, seen in count.seen.items()
                if seen.counted is None
            }
        if any(-units > self.shelves[count.place, id_].quantity for id_, units in wanted.items()):
            raise RefusedError("recount-needed")
        for id_, units in wanted.items():
            shelf = self.shelves[count.place, id_]
            if units > 0:
                pesos = shelf.worth(units, self.last_costs.get(id_, ZERO))
                shelf.come(units, pesos)
                self.spent += pesos
            elif units < 0:
                self.spent -= shelf.leave(-units)


class Branches:
    """One shop, its model, and what both did."""

    def __init__(self, shop: Shop, places: list[str], drawers: dict[str, str]) -> None:
        self.shop = shop
        self.places = places
        self.drawers = drawers
        self.books = Books()
        self.products: list[str] = []
        self.sales: list[tuple[str, str, str, Fraction, Fraction]] = []
        self.open_counts: list[Count] = []
        self.counts: Counter[str] = Counter()

    @classmethod
    async def open(cls, http: httpx.AsyncClient, r: random.Random) -> "Branches":
        shop = await sign_up(http)
        places = [await first_warehouse(shop), *[await add_warehouse(shop, f"Bodega {n}") for n in (2, 3)]]
        drawers = {place: await open_drawer_at(shop, place, f"Caja de {place}") for place in places}
        self = cls(shop, places, drawers)
        for _ in range(4):
            made = await shop.product(price=PRICE, stock=None)
            self.products.append(made["id"])
            self.books.shelves |= {(place, made["id"]): Shelf() for place in places}
        for _ in range(6):
            await self.adjust(r)
        return self

    async def ask(self, path: str, body: dict[str, Any], expect: Callable[[], Any]) -> tuple[dict[str, Any], Any]:
        """Ask the shop and the model; both do it, or both refuse with the same code."""
        answer = await self.shop.post(path, body)
        try:
            expected = expect()
        except RefusedError as refusal:
            assert answer.json().get("code") == str(refusal), f"the model refuses {refusal}: {answer.text}"  # noqa: PT017
            self.counts[f"refused {refusal}"] += 1
            return {}, None
        assert answer.status_code in {200, 201}, f"{path} {body}: {answer.text}"
        found: dict[str, Any] = answer.json()
        return found, expected

    def _some(self, r: random.Random) -> list[str]:
        return r.sample(self.products, r.randint(1, len(self.products)))

    def _units(self, r: random.Random, there: Fraction) -> Fraction:
        """Some, all of what is there, or now and then too many."""
        if r.random() < 0.15 and there:
            return there
        if r.random() < 0.06:
            return there + Fraction(r.randint(1, 50), 1000)
        return Fraction(r.randint(1, max(int(there * 1000), 1)), 1000)

    def _stocked(self, r: random.Random, place: str, ids: list[str]) -> list[str]:
        """Those that lie there; now and then the others too."""
        return [id_ for id_ in ids if self.books.shelves[place, id_].quantity or r.random() < 0.05]

    async def adjust(self, r: random.Random) -> None:
        place, id_ = r.choice(self.places), r.choice(self.products)
        units, cost = Fraction(r.randint(1, 20_000), 1000), Fraction(r.randint(0, 10**9), 10**6)

        def expect() -> None:
            pesos = cents(units * cost)
            self.books.shelves[place, id_].come(units, pesos)
            self.books.last_costs[id_] = cost
            self.books.spent += pesos

        line = {"productId": id_, "quantity": text(units), "unitCost": text(cost)}
        await self.ask("/v1/inventory/adjustments", {"reason": "found", "warehouseId": place, "lines": [line]}, expect)
        self.counts["adjustment"] += 1

    async def send(self, r: random.Random) -> None:
        source, target = r.sample(self.places, 2)
        some = self._stocked(r, source, self._some(r))
        if not some:
            return
        lines = {id_: self._units(r, self.books.shelves[source, id_].quantity) for id_ in some}
        body = {
            "fromWarehouseId": source,
            "toWarehouseId": target,
            "lines": [{"productId": id_, "quantity": text(units)} for id_, units in lines.items()],
        }
        sent, moved = await self.ask("/v1/inventory/transfers", body, lambda: self.books.send(source, lines))
        if moved is not None:
            self.books.transit[sent["id"]] = moved
            self.books.ends[sent["id"]] = source, target
            assert number(sent["value"]) == sum(pesos for _, pesos in moved.values())
            self.counts["transfer"] += 1

    def _transfer(self, r: random.Random) -> str | None:
        going = [id_ for id_, lines in self.books.transit.items() if any(units for units, _ in lines.values())]
        if self.books.transit and (not going or r.random() < 0.05):
            return r.choice(list(self.books.transit))
        return r.choice(going) if going else None

    async def receive(self, r: random.Random) -> None:
        transfer = self._transfer(r)
        if transfer is None:
            return
        body: dict[str, Any] = {}
        lines: dict[str, tuple[Fraction, Fraction]] | None = None
        if r.random() < 0.8:
            there = self.books.transit[transfer]
            lines = {}
            for id_ in r.sample(list(there), r.randint(1, len(there))):
                units = self._units(r, there[id_][0])
                lost = r.choice([ZERO, ZERO, units, Fraction(r.randint(1, max(1, int(units * 1000))), 1000)])
                lines[id_] = units - lost, lost
            body["lines"] = [
                {"productId": id_, "quantity": text(good)}
                | ({"lost": text(lost), "reason": r.choice(REASONS)} if lost else {})
                for id_, (good, lost) in lines.items()
            ]
        done, _ = await self.ask(
            f"/v1/inventory/transfers/{transfer}/receive", body, lambda: self.books.receive(transfer, lines)
        )
        self.counts["reception"] += bool(done)
        self.counts["loss"] += bool(done and lines and any(lost for _, lost in lines.values()))

    async def cancel(self, r: random.Random) -> None:
        transfer = self._transfer(r)
        if transfer is None:
            return
        path = f"/v1/inventory/transfers/{transfer}/cancel"
        done, _ = await self.ask(path, {}, lambda: self.books.cancel(transfer))
        self.counts["cancellation"] += bool(done)

    async def sell(self, r: random.Random) -> None:
        place = r.choice(self.places)
        some = self._stocked(r, place, self.products)
        if not some:
            return
        id_ = r.choice(some)
        units = self._units(r, self.books.shelves[place, id_].quantity)

        def expect() -> Fraction:
            if units > self.books.shelves[place, id_].quantity:
                raise RefusedError("insufficient-stock")
            return self.books.shelves[place, id_].leave(units)

        body = {
            "sessionId": self.drawers[place],
            "lines": [{"productId": id_, "quantity": text(units)}],
            "payments": [{"method": "cash", "amount": "999999999"}],
        }
        sold, cost = await self.ask("/v1/sales", body, expect)
        if cost is not None:
            self.books.spent -= cost
            self.sales.append((sold["id"], place, id_, units, cost))
            self.counts["sale"] += 1

    async def void(self, r: random.Random) -> None:
        if not self.sales:
            return
        sale, place, id_, units, cost = self.sales.pop(r.randrange(len(self.sales)))

        def expect() -> None:
            self.books.shelves[place, id_].come(units, cost)
            self.books.spent += cost

        await self.ask(f"/v1/sales/{sale}/void", {"reason": "No era"}, expect)
        self.counts["void"] += 1

    async def open_count(self, r: random.Random) -> None:
        place, some = r.choice(self.places), self._some(r)

        def expect() -> None:
            taken = {id_ for count in self.open_counts if count.place == place for id_ in count.seen}
            if taken & set(some):
                raise RefusedError("count-open")

        opened, _ = await self.ask("/v1/inventory/counts", {"warehouseId": place, "productIds": some}, expect)
        if opened:
            self.open_counts.append(Count(opened["id"], place, {id_: Seen() for id_ in some}))
            self.counts["count"] += 1

    async def enter(self, r: random.Random) -> None:
        if not self.open_counts:
            return await self.open_count(r)
        count = r.choice(self.open_counts)
        lines = []
        for id_ in r.sample(list(count.seen), r.randint(1, len(count.seen))):
            there = self.books.shelves[count.place, id_].quantity
            units = there if r.random() < 0.4 else max(ZERO, there + Fraction(r.randint(-2000, 2000), 1000))
            lines.append((id_, units, r.choice(["add", "set", "set"])))

        def expect() -> None:
            for id_, units, mode in lines:
                seen = count.seen[id_]
                seen.counted = units + (seen.counted or ZERO) if mode == "add" else units
                seen.book = self.books.shelves[count.place, id_].quantity

        body = {
            "lines": [{"productId": id_, "quantity": text(units), "mode": mode} for id_, units, mode in lines],
            "device": "Tableta",
        }
        await self.ask(f"/v1/inventory/counts/{count.id}/entries", body, expect)
        self.counts["entry"] += 1
        return None

    async def end_count(self, r: random.Random) -> None:
        if not self.open_counts:
            return
        count = r.choice(self.open_counts)
        path, zero = f"/v1/inventory/counts/{count.id}", r.random() < 0.3
        how = r.choice(["close", "close", "close", "cancel", "recount"])
        if how == "recount":
            await self.ask(f"{path}/recount", {"productIds": list(count.seen)}, lambda: None)
            count.seen = {id_: Seen() for id_ in count.seen}
        elif how == "cancel":
            await self.ask(f"{path}/cancel", {}, lambda: None)
            self.open_counts.remove(count)
        else:
            body = {"uncounted": "zero" if zero else "keep"}
            done, _ = await self.ask(f"{path}/close", body, lambda: self.books.close(count, zero=zero))
            if done:
                self.open_counts.remove(count)
        self.counts[how] += 1

    async def compare(self) -> None:
        """Every shelf and every transfer on its way, in units and pesos; all of it together is what was spent."""
        items = (await self.shop.get("/v1/inventory/stock", limit=200)).json()["items"]
        found = {
            (row["warehouseId"], row["productId"]): (number(row["quantity"]), number(row["value"])) for row in items
        }
        assert found == {key: (shelf.quantity, shelf.value) for key, shelf in self.books.shelves.items()}
        items = (await self.shop.get("/v1/inventory/transfers", status="open", limit=200)).json()["items"]
        going = {row["id"]: number(row["transitValue"]) for row in items}
        expected = {
            id_: sum((pesos for _, pesos in lines.values()), ZERO)
            for id_, lines in self.books.transit.items()
            if any(units for units, _ in lines.values())
        }
        assert going == expected
        total = number((await self.shop.get("/v1/inventory/valuation", groupBy="warehouse")).json()["total"])
        assert total == sum((shelf.value for shelf in self.books.shelves.values()), sum(expected.values(), ZERO))
        assert total == self.books.spent

    async def compare_all(self) -> None:
        """Each line on its way as well, and the reconciler's word."""
        for id_, lines in self.books.transit.items():
            there = (await self.shop.get(f"/v1/inventory/transfers/{id_}")).json()["lines"]
            found = {row["productId"]: (number(row["inTransit"]), number(row["transitValue"])) for row in there}
            assert found == lines
        assert await differences(self.shop) == []
