"""A shop as plain arithmetic on fractions: what the real one must be equal to after every operation."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

ZERO = Fraction(0)


def cents(pesos: Fraction) -> Fraction:
    """To the cent, half to even: what `round` does to fractions."""
    return Fraction(round(pesos * 100), 100)


def part(whole: Fraction, some: Fraction, of: Fraction) -> Fraction:
    return whole if some == of else cents(whole * some / of)


@dataclass
class Product:
    id: str
    price: Fraction
    rate: Fraction
    cost: Fraction
    """Last known cost: of units that come without one onto an empty shelf."""
    packs: dict[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    """Unit to factor and price."""
    quantity: Fraction = ZERO
    value: Fraction = ZERO
    ledger: list[tuple[str, Fraction, Fraction, Fraction]] = field(default_factory=list)
    """Kind, signed units, balance of units, balance of pesos."""

    def move(self, kind: str, units: Fraction, pesos: Fraction) -> None:
        self.quantity += units
        self.value += pesos
        self.ledger.append((kind, units, self.quantity, self.value))

    def average(self) -> Fraction:
        """Pesos of one unit to six decimals, as units beyond the books are assumed to have cost."""
        return Fraction(round(self.value / self.quantity * 10**6), 10**6) if self.quantity else self.cost


@dataclass
class SoldLine:
    id: str
    product: Product
    factor: Fraction
    sold: Fraction
    total: Fraction
    base: Fraction
    cost: Fraction
    left: Fraction
    left_total: Fraction
    left_base: Fraction
    left_cost: Fraction

    def give_back(self, units: Fraction) -> tuple[Fraction, Fraction]:
        """Take units back; answers their pesos and their cost. The last piece takes the remainder."""
        after = self.sold - self.left + units

        def piece(whole: Fraction, rest: Fraction) -> Fraction:
            return min(max(part(whole, after, self.sold) - (whole - rest), ZERO), rest)

        if units == self.left:
            total, base, cost = self.left_total, self.left_base, self.left_cost
        else:
            total, cost = piece(self.total, self.left_total), piece(self.cost, self.left_cost)
            lowest = max(total - (self.left_total - self.left_base), ZERO)
            base = min(max(piece(self.base, self.left_base), lowest), total, self.left_base)
        self.left -= units
        self.left_total -= total
        self.left_base -= base
        self.left_cost -= cost
        return total, cost

    def worth(self, units: Fraction) -> Fraction:
        """Pesos of units that would come back."""
        kept = self.left, self.left_total, self.left_base, self.left_cost
        total, _ = self.give_back(units)
        self.left, self.left_total, self.left_base, self.left_cost = kept
        return total


@dataclass
class Ticket:
    id: str
    lines: list[SoldLine]
    total: Fraction
    paid: dict[str, Fraction]
    """Pesos of each tender that have not been given back."""
    voided: bool = False

    @property
    def status(self) -> str:
        if self.voided:
            return "voided"
        if all(line.left == 0 for line in self.lines):
            return "returned"
        return "posted" if all(line.left == line.sold for line in self.lines) else "partly-returned"


@dataclass
class Wanted:
    """A line as it is asked for."""

    product: Product
    quantity: Fraction
    unit: str | None = None
    price: Fraction | None = None
    discount: Fraction = ZERO

    @property
    def factor(self) -> Fraction:
        return self.product.packs[self.unit][0] if self.unit else Fraction(1)

    @property
    def unit_price(self) -> Fraction:
        if self.price is not None:
            return self.price
        return self.product.packs[self.unit][1] if self.unit else self.product.price


class RefusedError(Exception):
    """The code that the contract refuses with."""


@dataclass
class Books:
    """One company's books."""

    products: dict[str, Product] = field(default_factory=dict)
    drawers: dict[str, dict[str, Fraction]] = field(default_factory=dict)
    """Open session to pesos by tender."""
    register_of: dict[str, str] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Last consecutive by kind; Z reports by register."""
    conflicts: int = 0

    def next(self, kind: str) -> int:
        self.numbers[kind] += 1
        return self.numbers[kind]

    def totals(self, wanted: Sequence[Wanted], discount: Fraction) -> list[Fraction]:
        """What each line costs the customer, the ticket's discount spread by largest remainder, earlier ones first."""
        totals = [cents(line.unit_price * line.quantity) - line.discount for line in wanted]
        if any(total < 0 for total in totals) or discount > sum(totals):
            raise RefusedError("discount-too-large")
        whole = sum(totals, ZERO)
        if not discount or not whole:
            return totals
        exact = [discount * total / whole for total in totals]
        floors = [Fraction(int(share * 100), 100) for share in exact]
        missing = int((discount - sum(floors, ZERO)) * 100)
        for n in sorted(range(len(totals)), key=lambda n: (floors[n] - exact[n], n))[:missing]:
            floors[n] += Fraction(1, 100)
        return [total - floor for total, floor in zip(totals, floors, strict=True)]

    def sell(
        self,
        session: str,
        wanted: Sequence[Wanted],
        discount: Fraction,
        payments: Sequence[tuple[str, Fraction]],
        *,
        offline: bool,
    ) -> tuple[Ticket, Fraction]:
        """Post a ticket; answers it and the change. Raises what the contract refuses, changing nothing."""
        need: dict[str, Fraction] = defaultdict(Fraction)
        for line in wanted:
            need[line.product.id] += line.quantity * line.factor
        if session not in self.drawers:
            raise RefusedError("session-closed")
        short = {id_: units for id_, units in need.items() if units > self.products[id_].quantity}
        if short and not offline:
            raise RefusedError("insufficient-stock")
        totals = self.totals(wanted, discount)
        total = sum(totals, ZERO)
        tenders: dict[str, Fraction] = defaultdict(Fraction)
        for method, amount in payments:
            tenders[method] += amount
        handed = tenders.pop("cash", ZERO)
        owed = total - sum(tenders.values(), ZERO)
        if owed < 0:
            raise RefusedError("overpaid")
        if handed < owed:
            raise RefusedError("payment-short")
        if owed:
            tenders["cash"] = owed
        for id_ in short:
            product = self.products[id_]
            units = need[id_] - product.quantity
            product.move("shortfall", units, cents(units * product.average()))
            self.conflicts += 1
        lines: list[SoldLine] = []
        out: dict[str, Fraction] = defaultdict(Fraction)
        for line, pesos in zip(wanted, totals, strict=True):
            product, units = line.product, line.quantity * line.factor
            left_value = product.value - out[product.id]
            gone = sum((done.sold * done.factor for done in lines if done.product is product), ZERO)
            cost = part(left_value, units, product.quantity - gone)
            out[product.id] += cost
            base = cents(pesos / (1 + product.rate))
            lines.append(
                SoldLine("", product, line.factor, line.quantity, pesos, base, cost, line.quantity, pesos, base, cost)
            )
        for id_, units in need.items():
            self.products[id_].move("sale", -units, -out[id_])
        for method, amount in tenders.items():
            self.drawers[session][method] += amount
        self.next("sale")
        return Ticket("", lines, total, dict(tenders)), handed - owed

    def take_back(
        self, ticket: Ticket, session: str, wanted: Sequence[tuple[SoldLine, Fraction]], refunds: dict[str, Fraction]
    ) -> Fraction:
        """A return; answers its total. Raises what the contract refuses, changing nothing."""
        if session not in self.drawers:
            raise RefusedError("session-closed")
        if any(units > line.left for line, units in wanted):
            raise RefusedError("return-above-sold")
        due = sum((line.worth(units) for line, units in wanted), ZERO)
        if sum(refunds.values(), ZERO) != due:
            raise RefusedError("refund-mismatch")
        if any(method != "cash" and amount > ticket.paid.get(method, ZERO) for method, amount in refunds.items()):
            raise RefusedError("refund-above-paid")
        self._undo("return", ticket, session, wanted, refunds)
        return due

    def void(self, ticket: Ticket, session: str) -> Fraction:
        """Undo what is left of a ticket; answers its total."""
        if session not in self.drawers:
            raise RefusedError("session-closed")
        wanted = [(line, line.left) for line in ticket.lines if line.left]
        if not wanted:
            raise RefusedError("nothing-to-void")
        due = rest = sum((line.left_total for line, _ in wanted), ZERO)
        refunds: dict[str, Fraction] = {}
        for method in ("cash", *sorted(set(ticket.paid) - {"cash"})):
            amount = min(max(ticket.paid.get(method, ZERO), ZERO), rest)
            if amount:
                refunds[method] = amount
                rest -= amount
        self._undo("void", ticket, session, wanted, refunds)
        ticket.voided = True
        return due

    def _undo(
        self,
        kind: str,
        ticket: Ticket,
        session: str,
        wanted: Sequence[tuple[SoldLine, Fraction]],
        refunds: dict[str, Fraction],
    ) -> None:
        if refunds.get("cash", ZERO) > self.drawers[session]["cash"]:
            raise RefusedError("drawer-short")
        back: dict[str, tuple[Fraction, Fraction]] = {}
        for line, units in wanted:
            _, cost = line.give_back(units)
            some, pesos = back.get(line.product.id, (ZERO, ZERO))
            back[line.product.id] = some + units * line.factor, pesos + cost
        for id_, (units, pesos) in back.items():
            self.products[id_].move(kind, units, pesos)
        for method, amount in refunds.items():
            self.drawers[session][method] -= amount
            ticket.paid[method] = ticket.paid.get(method, ZERO) - amount
        self.next(kind)

    def adjust(self, reason: str, lines: Sequence[tuple[Product, Fraction, Fraction | None]]) -> None:
        """Signed units line by line; what comes in without a cost is worth what lies there."""
        kept = {
            product.id: (product.quantity, product.value, len(product.ledger), product.cost) for product, _, _ in lines
        }
        for product, units, cost in lines:
            if units > 0 and cost is not None:
                product.cost = cost
        for product, units, cost in lines:
            if units < 0:
                if product.quantity + units < 0:
                    for id_, (quantity, value, length, last) in kept.items():
                        self.products[id_].quantity, self.products[id_].value = quantity, value
                        self.products[id_].cost = last
                        del self.products[id_].ledger[length:]
                    raise RefusedError("insufficient-stock")
                pesos = -part(product.value, -units, product.quantity)
            elif cost is not None:
                pesos = cents(units * cost)
            elif product.quantity:
                pesos = part(product.value, units, product.quantity)
            else:
                pesos = cents(units * product.cost)
            product.move(reason, units, pesos)

    def move_cash(self, session: str, amount: Fraction) -> None:
        if session not in self.drawers:
            raise RefusedError("session-closed")
        if self.drawers[session]["cash"] + amount < 0:
            raise RefusedError("drawer-short")
        self.drawers[session]["cash"] += amount

    def transfer(self, source: str, target: str, amount: Fraction) -> None:
        if source not in self.drawers or target not in self.drawers:
            raise RefusedError("session-closed")
        self.move_cash(source, -amount)
        self.drawers[target]["cash"] += amount
