"""Returns and voids: goods, money and taxes go back exactly as they came, in the session that is open now.

Locks as every writer: the ticket (its lines' remaining rows, so two returns cannot race), shelves by product, drawer,
numbering, end of the audit chain.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import insert, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.cash.models import CashDrawer, CashMovement
from app.domain.invoicing.notes import GivenBack, ReturnedGoods, issue_note
from app.domain.sales.approval import approve_void
from app.domain.sales.giveback_sql import GOODS_BACK, LINES, LOWER, OPEN_LINES, OWN_SESSIONS, PAID, SESSION, SHELVES
from app.domain.sales.models import Sale, SaleRefund, SaleReturn, SaleReturnLine
from app.domain.sales.pricing import round_cash
from app.domain.sales.prorate import Portion, Remaining, prorate
from app.domain.sales.read import SaleReader
from app.domain.sales.schemas import PostReturn, Refund, ReturnLine, VoidSale
from app.domain.tenants.numbering import next_number
from app.domain.tenants.scope import check_branch
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, RuleBroken, unknown_reference
from app.lib.money import ZERO, as_quantity, times
from app.lib.schemas import fingerprint
from app.lib.tenders import TENDER_COLUMNS

Kind = Literal["return", "void"]

ID_TAKEN: Final = Conflict("Ya existe otra devolución con ese identificador.", code="id-taken")
SESSION_CLOSED: Final = Conflict("La caja está cerrada.", code="session-closed")
BROKEN_CONSTRAINTS["pk_sale_return"] = ID_TAKEN
BROKEN_CONSTRAINTS["ck_cash_drawer_cash"] = RuleBroken("No hay suficiente efectivo en la caja.", code="drawer-short")


class Place(msgspec.Struct, frozen=True):
    """The open session that takes the goods and pays the money."""

    session_id: UUID
    branch_id: UUID
    warehouse_id: UUID
    cash_rounding: int
    time_zone: str


class Item(msgspec.Struct, frozen=True):
    """What comes back of one line."""

    line: Mapping[str, Any]
    portion: Portion


class Tender(msgspec.Struct, frozen=True):
    """Money that goes back in one tender; `rounding` may be negative."""

    method: str
    amount: Decimal
    reference: str = ""


class GiveBack(msgspec.Struct, frozen=True):
    """A return or a void, worked out and ready to be written."""

    id: UUID
    kind: Kind
    reason: str
    body_hash: bytes
    items: list[Item]
    tenders: list[Tender]

    def total(self, field: str) -> Decimal:
        return sum((getattr(item.portion, field) for item in self.items), start=ZERO)


class GiveBackService:
    """Takes goods back and gives money back."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def return_goods(self, data: PostReturn) -> tuple[UUID, bool]:
        """Take back some of a ticket; answers the return's id, and whether it is new. Raises the contract's refusals."""
        body = fingerprint(data)
        if data.id is not None and await self._is_known(data.id, body):
            return data.id, False
        sale = await self._work.session.get(Sale, (self._work.tenant_id, data.sale_id))
        if sale is None:
            raise unknown_reference("/saleId", "No hay tal venta.")
        check_branch(self._work.actor, sale.branch_id)
        lines = await self._lines(sale.id)
        if data.id is not None and await self._is_known(data.id, body):
            # A twin under another key was first, and held the lines until it was done.
            return data.id, False
        place = await self._place(data.session_id, sale)
        items = _items(data.lines, {line["id"]: line for line in lines})
        due = sum((item.portion.total for item in items), start=ZERO)
        tenders = self._check_refunds(await self._paid(sale), data.refunds, due, place.cash_rounding)
        what = GiveBack(data.id or uuid7(), "return", data.reason, body, items, tenders)
        await self._write(what, sale, place)
        return what.id, True

    async def void(self, sale_id: UUID, data: VoidSale) -> tuple[UUID, bool]:
        """Undo what remains of a ticket, with an approval unless the caller may approve; answers the void's id, and whether it is new."""
        body = fingerprint(data)
        sale = await SaleReader(self._work).find(sale_id)
        if data.id is not None and await self._is_known(data.id, body):
            return data.id, False
        # Locked before the approval is used up: a twin that was first used it, and is answered again.
        lines = await self._lines(sale.id)
        if data.id is not None and await self._is_known(data.id, body):
            return data.id, False
        await approve_void(self._work, sale.id, data.approval_id)
        place = await self._place(data.session_id, sale)
        items = [
            Item(line, prorate(Remaining.of(line), line["left_quantity"])) for line in lines if line["left_quantity"]
        ]
        if not items:
            raise Conflict("No queda nada por anular de esta venta.", code="nothing-to-void")
        due = sum((item.portion.total for item in items), start=ZERO)
        what = GiveBack(data.id or uuid7(), "void", data.reason, body, items, _undo(await self._paid(sale), due))
        await self._write(what, sale, place)
        return what.id, True

    async def _is_known(self, return_id: UUID, body: bytes) -> bool:
        earlier = await self._work.session.get(SaleReturn, (self._work.tenant_id, return_id))
        if earlier is None:
            return False
        if earlier.body_hash != body:
            raise ID_TAKEN
        return True

    async def _lines(self, sale_id: UUID) -> Sequence[Mapping[str, Any]]:
        """The ticket's lines with what remains, locked: from here on no other return of it runs."""
        ticket = {"t": self._work.tenant_id, "sale": sale_id}
        await self._work.session.execute(OPEN_LINES, ticket)
        rows = await self._work.session.execute(LINES, ticket)
        return [dict(row) for row in rows.mappings()]

    async def _place(self, wanted: UUID | None, sale: Sale) -> Place:
        """Where the money leaves from: the session asked for, the sale's if it is open, the caller's only open one."""
        found = await self._session(wanted or sale.session_id)
        if wanted is not None and found is None:
            raise unknown_reference("/sessionId", "No hay tal turno de caja.")
        if found is not None and found["is_open"]:
            return _place(found)
        if wanted is not None:
            raise SESSION_CLOSED
        own = list(
            await self._work.session.scalars(
                OWN_SESSIONS, {"t": self._work.tenant_id, "user": self._work.actor.user_id}
            )
        )
        if len(own) != 1:
            raise Conflict("Abra un turno de caja, o diga en cuál se devuelve.", code="no-open-session")
        found = await self._session(own[0])
        if found is None:
            raise SESSION_CLOSED
        return _place(found)

    async def _session(self, session_id: UUID) -> Mapping[str, Any] | None:
        row = await self._work.session.execute(SESSION, {"t": self._work.tenant_id, "session": session_id})
        found = row.mappings().one_or_none()
        if found is not None:
            check_branch(self._work.actor, found["branch_id"])
        return None if found is None else dict(found)

    async def _paid(self, sale: Sale) -> dict[str, Decimal]:
        """Pesos of each tender that have not been given back, the rounding among them: they add up to what remains."""
        rows = await self._work.session.execute(PAID, {"t": self._work.tenant_id, "sale": sale.id})
        paid = {row.method: row.amount for row in rows}
        paid["rounding"] = paid.get("rounding", ZERO) + sale.rounding
        return paid

    def _check_refunds(
        self, left: dict[str, Decimal], refunds: Sequence[Refund], due: Decimal, cash_rounding: int
    ) -> list[Tender]:
        """Refunds add up exactly and each tender is capped by what it paid; cash beyond that needs a permission."""
        given = sum((refund.amount for refund in refunds), start=ZERO)
        tenders = [Tender(refund.method, refund.amount, refund.reference or "") for refund in refunds]
        in_cash = any(refund.method == "cash" for refund in refunds)
        if given != due and in_cash and cash_rounding:
            others = sum((refund.amount for refund in refunds if refund.method != "cash"), start=ZERO)
            if given - others == round_cash(due - others, cash_rounding):
                tenders.append(Tender("rounding", due - given))
                given = due
        if given != due:
            raise RuleBroken(
                f"Los reembolsos deben sumar {due} pesos, no {given}.", code="refund-mismatch", total=due, refunds=given
            )
        for number, refund in enumerate(refunds):
            left[refund.method] = left.get(refund.method, ZERO) - refund.amount
            if left[refund.method] >= 0 or (refund.method == "cash" and self._work.actor.may("refunds:cash")):
                continue
            raise RuleBroken(
                "No se puede devolver por ese medio más de lo que se pagó con él.",
                code="refund-above-paid",
                errors=(FieldError(f"/refunds/{number}/amount", "refund-above-paid", "Supera lo pagado."),),
                method=refund.method,
            )
        return tenders

    async def _write(self, what: GiveBack, sale: Sale, place: Place) -> None:
        now = clock.now()
        await self._lower_remaining(what)
        await self._goods_back(what, place, now)
        await self._money_back(what, place, now)
        sequence, number = await next_number(self._work, place.branch_id, what.kind)
        await self._insert(what, sale, place, sequence, number, now)
        await issue_note(
            self._work,
            ReturnedGoods(
                sale_id=sale.id,
                return_id=what.id,
                branch_id=place.branch_id,
                register_id=sale.register_id,
                is_whole=what.kind == "void"
                and all(item.line["left_quantity"] == item.line["sold"] for item in what.items),
                reason=what.reason,
                lines=[_given_back(item) for item in what.items],
                methods=[tender.method for tender in what.tenders],
                at=now,
            ),
        )
        self._work.record(
            "sale.voided" if what.kind == "void" else "sale.returned",
            what.id,
            number=sequence,
            after={
                "saleId": sale.id,
                "sessionId": place.session_id,
                "reason": what.reason,
                "lines": [{"saleLineId": item.line["id"], "portion": item.portion} for item in what.items],
                "tenders": what.tenders,
            },
        )

    async def _lower_remaining(self, what: GiveBack) -> None:
        await self._work.session.execute(
            LOWER,
            {
                "t": self._work.tenant_id,
                "lines": [item.line["id"] for item in what.items],
                "quantities": [item.portion.quantity for item in what.items],
                "totals": [item.portion.total for item in what.items],
                "bases": [item.portion.base for item in what.items],
                "nominals": [item.portion.nominal_tax for item in what.items],
                "costs": [item.portion.cost for item in what.items],
            },
        )

    async def _goods_back(self, what: GiveBack, place: Place, now: datetime) -> None:
        """Put units and pesos back on the shelves, one movement a product, shelves in their order."""
        back: dict[UUID, tuple[Decimal, Decimal]] = {}
        for item in what.items:
            if item.line["tracks_stock"]:
                units, pesos = back.get(item.line["product_id"], (Decimal(0), ZERO))
                units += times(item.portion.quantity, item.line["factor"])
                back[item.line["product_id"]] = (units, pesos + item.portion.cost)
        if not back:
            return
        products = sorted(back)
        shelves = {"t": self._work.tenant_id, "warehouse": place.warehouse_id, "products": products}
        await self._work.session.execute(SHELVES, shelves)
        await self._work.session.execute(
            GOODS_BACK,
            shelves
            | {
                "quantities": [back[product][0] for product in products],
                "values": [back[product][1] for product in products],
                "ids": [uuid7() for _ in products],
                "kind": what.kind,
                "document": what.id,
                "user": self._work.actor.user_id,
                "at": now,
            },
        )

    async def _money_back(self, what: GiveBack, place: Place, now: datetime) -> None:
        """Take the money out of the open drawer. Raises 409 when it closed meanwhile, 422 when it holds too little cash."""
        out: dict[str, Decimal] = {}
        for tender in what.tenders:
            out[tender.method] = out.get(tender.method, ZERO) - tender.amount
        columns = {
            TENDER_COLUMNS[method]: CashDrawer.__table__.c[TENDER_COLUMNS[method]] + amount
            for method, amount in out.items()
        }
        paid = await self._work.session.scalar(
            update(CashDrawer)
            .where(
                CashDrawer.tenant_id == self._work.tenant_id,
                CashDrawer.session_id == place.session_id,
                CashDrawer.is_open,
            )
            .values({"is_open": True, **columns})
            .returning(CashDrawer.cash)
        )
        if paid is None:
            raise SESSION_CLOSED
        rows = [
            {
                "tenant_id": self._work.tenant_id,
                "id": uuid7(),
                "session_id": place.session_id,
                "kind": "refund",
                "method": method,
                "amount": amount,
                "document_id": what.id,
                "user_id": self._work.actor.user_id,
                "created_at": now,
            }
            for method, amount in out.items()
            if amount
        ]
        if rows:
            await self._work.session.execute(insert(CashMovement), rows)

    async def _insert(
        self, what: GiveBack, sale: Sale, place: Place, sequence: int, number: str, now: datetime
    ) -> None:
        own = {"tenant_id": self._work.tenant_id}
        part = own | {"return_id": what.id}
        await self._work.session.execute(
            insert(SaleReturn).values(
                **own,
                id=what.id,
                sale_id=sale.id,
                session_id=place.session_id,
                branch_id=place.branch_id,
                kind=what.kind,
                sequence=sequence,
                number=number,
                reason=what.reason,
                user_id=self._work.actor.user_id,
                posted_at=now,
                business_day=clock.business_day(now, place.time_zone),
                subtotal=what.total("base"),
                tax_total=what.total("tax"),
                total=what.total("total"),
                cost_total=what.total("cost"),
                body_hash=what.body_hash,
            )
        )
        await self._work.session.execute(
            insert(SaleReturnLine),
            [
                part
                | {
                    "id": uuid7(),
                    "sale_line_id": item.line["id"],
                    "position": position,
                    "quantity": item.portion.quantity,
                    "base": item.portion.base,
                    "tax": item.portion.tax,
                    "nominal_tax": item.portion.nominal_tax,
                    "total": item.portion.total,
                    "cost": item.portion.cost,
                }
                for position, item in enumerate(what.items, start=1)
            ],
        )
        if what.tenders:
            await self._work.session.execute(
                insert(SaleRefund),
                [
                    part | {"id": uuid7(), "method": row.method, "amount": row.amount, "reference": row.reference}
                    for row in what.tenders
                ],
            )


def _place(row: Mapping[str, Any]) -> Place:
    return Place(row["session_id"], row["branch_id"], row["warehouse_id"], row["cash_rounding"], row["time_zone"])


def _items(wanted: Sequence[ReturnLine], lines: Mapping[UUID, Mapping[str, Any]]) -> list[Item]:
    """Match what comes back with the ticket's lines; the same line named twice is added up first."""
    units: dict[UUID, Decimal] = {}
    for number, line in enumerate(wanted):
        if line.sale_line_id not in lines:
            raise unknown_reference(f"/lines/{number}/saleLineId", "Esa línea no es de esta venta.")
        units[line.sale_line_id] = units.get(line.sale_line_id, Decimal(0)) + line.quantity
        left = lines[line.sale_line_id]["left_quantity"]
        if units[line.sale_line_id] > left:
            raise RuleBroken(
                f"De {lines[line.sale_line_id]['name']} quedan {as_quantity(left)} por devolver.",
                code="return-above-sold",
                errors=(FieldError(f"/lines/{number}/quantity", "return-above-sold", "Es más de lo que queda."),),
                available=as_quantity(left),
            )
    return [
        Item(lines[line_id], prorate(Remaining.of(lines[line_id]), quantity)) for line_id, quantity in units.items()
    ]


def _given_back(item: Item) -> GivenBack:
    line, portion = item.line, item.portion
    return GivenBack(
        tax_class=line["tax_class"],
        code=line["sku"],
        description=line["name"],
        unit_code=line["unit_code"],
        quantity=portion.quantity,
        base_units=times(portion.quantity, line["factor"]),
        total=portion.total,
        base=portion.base,
        nominal_tax=portion.nominal_tax,
        rate=line["tax_rate"],
    )


def _undo(paid: Mapping[str, Decimal], due: Decimal) -> list[Tender]:
    """Give every tender back what it still has of the ticket; what cash gave beyond its share comes off the others."""
    tenders: list[Tender] = []
    for method in ("rounding", "cash", *sorted(set(paid) - {"rounding", "cash"})):
        amount = paid.get(method, ZERO)
        if method != "rounding":
            amount = min(max(amount, ZERO), due)
        if amount:
            tenders.append(Tender(method, amount))
            due -= amount
    return tenders
