"""What a return or a void writes: remaining units, shelves, drawer, number, its own rows, its note and its audit entry."""

from collections.abc import Mapping
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
from app.domain.sales.giveback_sql import GOODS_BACK, LOWER, SHELVES
from app.domain.sales.models import Sale, SaleRefund, SaleReturn, SaleReturnLine
from app.domain.sales.prorate import Portion
from app.domain.tenants.numbering import next_number
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, RuleBroken
from app.lib.money import ZERO, times
from app.lib.tenders import TENDER_COLUMNS

SESSION_CLOSED: Final = Conflict("La caja está cerrada.", code="session-closed")
BROKEN_CONSTRAINTS["ck_cash_drawer_cash"] = RuleBroken("No hay suficiente efectivo en la caja.", code="drawer-short")

Kind = Literal["return", "void"]


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


class GiveBackWriter:
    """Writes what the service worked out, in the caller's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def write(self, what: GiveBack, sale: Sale, place: Place) -> None:
        """Write all of it in the order of the locks. Raises 409 when the drawer closed meanwhile, 422 when it is short."""
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
