"""What a file of real sales asks for: products, stock, customers, tickets, returns, and the lines that cannot be."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from app.lib.money import ZERO, cents, times

PESOS_PER_POUND: Final = 5_000
_RETURN: Final = "C"
_COLUMNS: Final = ("InvoiceNo", "StockCode", "Description", "Quantity", "UnitPrice", "CustomerID")
_MOST_LINES: Final = 2_000
"""Of one ticket, as the contract has it."""


class BadFile(Exception):
    """Not a file of this kind; the message says why."""


@dataclass(frozen=True)
class FileLine:
    """A line as it stands, amounts in pesos."""

    number: int
    invoice: str
    code: str
    description: str
    quantity: Decimal
    price: Decimal
    customer: str
    """Empty for a buyer without a name."""


@dataclass(frozen=True)
class Refused:
    """A line that cannot be sold or returned, and why."""

    line: FileLine
    reason: str


@dataclass
class Ticket:
    """One invoice with the lines that can be sold, in the order of the file."""

    invoice: str
    customer: str
    lines: list[FileLine] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        """Pesos by the file's own arithmetic: each line to the cent, then their sum."""
        return sum((amount_of(line) for line in self.lines), start=ZERO)


@dataclass
class SoldLine:
    """A place on a ticket, with the units that have not come back."""

    ticket: Ticket
    place: int
    left: Decimal


@dataclass
class TicketReturn:
    """What one `C…` invoice brings back of one ticket."""

    invoice: str
    ticket: Ticket
    lines: list[tuple[int, FileLine]] = field(default_factory=list)
    """Place on the ticket, and the line that brings units of it back."""

    @property
    def total(self) -> Decimal:
        """Pesos to give back: the units at the price they were sold at."""
        return sum(
            (cents(times(-line.quantity, self.ticket.lines[place].price)) for place, line in self.lines), start=ZERO
        )


Step = Ticket | TicketReturn


@dataclass
class Product:
    """One stock code: its first description and price, and the units its tickets take."""

    code: str
    name: str
    price: Decimal
    units: Decimal = Decimal(0)


@dataclass
class Plan:
    """Everything to do, in an order in which each return follows its sale."""

    lines: int = 0
    products: dict[str, Product] = field(default_factory=dict)
    customers: dict[str, None] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def tickets(self) -> list[Ticket]:
        return [step for step in self.steps if isinstance(step, Ticket)]

    @property
    def returns(self) -> list[TicketReturn]:
        return [step for step in self.steps if isinstance(step, TicketReturn)]


def amount_of(line: FileLine) -> Decimal:
    """Pesos of a line, to the cent."""
    return cents(times(line.quantity, line.price))


def read_plan(path: Path) -> Plan:
    """Plan a whole file. Raises `BadFile`, and `OSError` when it cannot be read."""
    return plan_of(read_lines(path))


def read_lines(path: Path) -> Iterator[FileLine]:
    """Lines of the file, one at a time. Raises `BadFile`."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
            raise BadFile(f"{path} has no column {', '.join(missing)}")
        for row in rows:
            try:
                yield FileLine(
                    number=rows.line_num,
                    invoice=row["InvoiceNo"].strip(),
                    code=row["StockCode"].strip(),
                    description=" ".join(row["Description"].split()),
                    quantity=Decimal(row["Quantity"]),
                    price=times(Decimal(row["UnitPrice"]), Decimal(PESOS_PER_POUND)),
                    customer=row["CustomerID"].strip().removesuffix(".0"),
                )
            except (InvalidOperation, AttributeError) as error:
                raise BadFile(f"{path}, line {rows.line_num}: not a sale") from error


def plan_of(lines: Iterable[FileLine]) -> Plan:
    """Decide what becomes of every line, in the order of the file."""
    plan = Plan()
    tickets: dict[str, Ticket] = {}
    sold: dict[tuple[str, str], list[SoldLine]] = {}
    returns: dict[tuple[str, str], TicketReturn] = {}
    for line in lines:
        plan.lines += 1
        if line.invoice.startswith(_RETURN):
            _plan_return(plan, line, sold, returns)
        elif reason := _why_not(line, tickets.get(line.invoice)):
            plan.refused.append(Refused(line, reason))
        else:
            _plan_sale(plan, line, tickets, sold)
    return plan


def _why_not(line: FileLine, ticket: Ticket | None) -> str | None:
    if line.quantity <= 0:
        return "quantity-not-positive"
    if line.price < 0:
        return "price-negative"
    if ticket is not None and len(ticket.lines) >= _MOST_LINES:
        return "ticket-too-long"
    return None


def _plan_sale(
    plan: Plan, line: FileLine, tickets: dict[str, Ticket], sold: dict[tuple[str, str], list[SoldLine]]
) -> None:
    ticket = tickets.get(line.invoice)
    if ticket is None:
        ticket = tickets[line.invoice] = Ticket(line.invoice, line.customer)
        plan.steps.append(ticket)
    product = plan.products.get(line.code)
    if product is None:
        product = plan.products[line.code] = Product(line.code, line.description or line.code, line.price)
    product.units += line.quantity
    if ticket.customer:
        plan.customers.setdefault(ticket.customer)
    ticket.lines.append(line)
    sold.setdefault((line.code, line.customer), []).append(SoldLine(ticket, len(ticket.lines) - 1, line.quantity))


def _plan_return(
    plan: Plan,
    line: FileLine,
    sold: dict[tuple[str, str], list[SoldLine]],
    returns: dict[tuple[str, str], TicketReturn],
) -> None:
    if line.quantity >= 0:
        plan.refused.append(Refused(line, "return-without-units"))
        return
    earlier = sold.get((line.code, line.customer), [])
    found = next((place for place in reversed(earlier) if place.left >= -line.quantity), None)
    if found is None:
        plan.refused.append(Refused(line, "no-sale-to-return"))
        return
    found.left += line.quantity
    key = (line.invoice, found.ticket.invoice)
    step = returns.get(key)
    if step is None:
        step = returns[key] = TicketReturn(line.invoice, found.ticket)
        plan.steps.append(step)
    step.lines.append((found.place, line))
