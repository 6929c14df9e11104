"""Lives the drawn days through: drawers open, tickets are posted, goods come back, drawers are counted."""

from decimal import ROUND_CEILING, Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from app.domain.cash.close import DENOMINATIONS, CloseService
from app.domain.cash.movements import MovementService
from app.domain.cash.schemas import CloseSession, MakeMovement, OpenSession, SessionOut
from app.domain.cash.sessions import SessionService
from app.domain.inventory.schemas import AdjustLine, PostAdjustment
from app.domain.inventory.service import AdjustmentService
from app.domain.sales.giveback import GiveBackService
from app.domain.sales.schemas import Payment, PostReturn, PostSale, PostSaleLine, Refund, ReturnLine, VoidSale
from app.domain.sample.days import (
    RESTOCK_EVERY,
    SHORT_DAY,
    VOID_DAY,
    WARRANTY_DAY,
    Day,
    DrawnLine,
    DrawnSale,
)
from app.domain.sample.goods import GOODS
from app.domain.sample.stage import Stage
from app.lib import clock
from app.lib.money import Pesos, SomePesos, SomeUnits, Units, ZeroOrMorePesos, ZeroOrMorePrice, cents, times
from app.lib.schemas import decode_special

_FLOAT: Final = Pesos("200000")
_SHORTAGE: Final = Decimal(50_000)
_KEPT: Final = Decimal(400_000)
"""What a drawer keeps when the day's takings go to the safe."""
_NOTES: Final = (Decimal(1_000), Decimal(5_000), Decimal(10_000), Decimal(50_000))
"""A buyer hands over the next multiple of one of these."""
_RETURN_EVERY: Final = 9
"""Days between ordinary returns."""
_WARRANTY: Final = "BOM-9W"


class History:
    """One shop's days, in their order."""

    def __init__(self, shop: Stage) -> None:
        self._shop = shop
        self._drawers: list[UUID] = []
        self._bulb: tuple[dict[str, Any], Decimal] | None = None
        """A ticket with a bulb, of the day before, and what the bulb cost."""
        self.sales = 0

    async def fill_shelves(self) -> None:
        """Opening stock of everything."""
        await self._restock("opening", "Inventario inicial", Decimal(1), full=True)

    async def close_left(self, day: Day, drawers: list[UUID]) -> None:
        """Count the drawers that were left open when a day was cut short."""
        self._drawers = drawers
        await self._close(day)

    async def live(self, day: Day) -> None:
        """One day from opening to close."""
        if day.number and day.number % RESTOCK_EVERY == 0:
            clock.stand_here(day.at(7))
            # Prices of suppliers creep up, so that the average cost moves.
            rise = Decimal(1) + Decimal(day.number) / 2_000
            await self._restock("other", "Compra de mercancía", rise, full=False)
        await self._open(day)
        await self._take_bulb_back(day)
        posted = [sold for drawn in day.sales if (sold := await self._sell(day, drawn)) is not None]
        await self._special(day, posted)
        await self._close(day)

    async def _open(self, day: Day) -> None:
        self._drawers = []
        for till in range(day.tills):
            clock.stand_here(day.at(7, 45 + till))
            async with self._shop.work(self._shop.cashiers[till]) as work:
                opened, _ = await SessionService(work).open(
                    OpenSession(register_id=self._shop.registers[till], opening_amount=_FLOAT)
                )
            self._drawers.append(opened.id)

    async def _sell(self, day: Day, drawn: DrawnSale) -> dict[str, Any] | None:
        """Post a ticket of what is still on the shelf; None when nothing of it is."""
        shop = self._shop
        lines = [line for line in drawn.lines if line.units <= shop.products[line.good.sku].left]
        if not lines:
            return None
        total = sum((_total(line) for line in lines), start=Decimal(0))
        handed = total if drawn.method != "cash" else _handed(total)
        sale = PostSale(
            session_id=self._drawers[drawn.till],
            lines=[
                PostSaleLine(
                    product_id=shop.products[line.good.sku].id,
                    quantity=SomeUnits(line.quantity),
                    unit_code=line.good.pack.unit_code if line.in_packs and line.good.pack else None,
                    discount=ZeroOrMorePesos(_discount(line)) if line.discount_percent else None,
                )
                for line in lines
            ],
            payments=[Payment(method=drawn.method, amount=SomePesos(handed))],
            customer_id=None if drawn.customer is None else shop.customers[drawn.customer],
            document=drawn.document,
        )
        sold: dict[str, Any] = await shop.sell(shop.cashiers[drawn.till], sale, drawn.at)
        self.sales += 1
        for line in lines:
            shop.products[line.good.sku].left -= line.units
        if day.number == WARRANTY_DAY - 1:
            self._remember_bulb(sold)
        return sold

    def _remember_bulb(self, sold: dict[str, Any]) -> None:
        if self._bulb is None and sold["payments"][0]["method"] == "cash":
            for line in sold["lines"]:
                if line["sku"] == _WARRANTY:
                    self._bulb = sold, Decimal(line["total"]) / Decimal(line["quantity"])

    async def _take_bulb_back(self, day: Day) -> None:
        """A bulb fails overnight: its shift is closed, so today's drawer pays."""
        if self._bulb is None or day.number < WARRANTY_DAY:
            return
        (sold, price), self._bulb = self._bulb, None
        line = next(line for line in sold["lines"] if line["sku"] == _WARRANTY)
        clock.stand_here(day.at(8, 5))
        await self._give_back(sold, line, Decimal(1), price, "Garantía: el bombillo no enciende", self._drawers[0])

    async def _special(self, day: Day, posted: list[dict[str, Any]]) -> None:
        """What does not happen every day: a return of one line, a ticket undone."""
        clock.stand_here(day.at(18, 55))
        if day.number % _RETURN_EVERY == 4:  # noqa: PLR2004 - some days, not the first
            for sold in posted:
                line = sold["lines"][0]
                whole = Decimal(line["total"])
                if len(sold["lines"]) > 1 and whole % 50 == 0 and sold["payments"][0]["method"] == "cash":
                    await self._give_back(
                        sold,
                        line,
                        Decimal(line["quantity"]),
                        whole,
                        "El cliente se arrepintió",
                        UUID(sold["sessionId"]),
                    )
                    break
        if day.number == VOID_DAY and posted:
            async with self._shop.work(self._shop.owner) as work:
                await GiveBackService(work).void(
                    UUID(posted[-1]["id"]),
                    VoidSale(reason="Se cobró dos veces", session_id=UUID(posted[-1]["sessionId"])),
                )

    async def _give_back(
        self, sold: dict[str, Any], line: dict[str, Any], quantity: Decimal, amount: Decimal, reason: str, drawer: UUID
    ) -> None:
        async with self._shop.work(self._shop.cashiers[0]) as work:
            await GiveBackService(work).return_goods(
                PostReturn(
                    sale_id=UUID(sold["id"]),
                    session_id=drawer,
                    lines=[ReturnLine(sale_line_id=UUID(line["id"]), quantity=SomeUnits(quantity))],
                    refunds=[Refund(method="cash", amount=SomePesos(cents(amount)))],
                    reason=reason,
                )
            )

    async def _close(self, day: Day) -> None:
        for till, drawer in enumerate(self._drawers):
            clock.stand_here(day.at(19, 5 + till))
            async with self._shop.work(self._shop.owner) as work:
                session = await SessionService(work).find(drawer)
                spare = _expected(session, "cash") - _KEPT
                if spare >= _KEPT:
                    await MovementService(work).make(
                        drawer,
                        MakeMovement(
                            kind="out",
                            amount=Pesos(spare - spare % 50_000),
                            reason="Efectivo del día a la caja fuerte",
                            category="safe-drop",
                        ),
                    )
                    session = await SessionService(work).find(drawer)
            is_short = day.number == SHORT_DAY and till == 0
            # A difference above the tolerance is the owner's to accept.
            who = self._shop.owner if is_short else self._shop.cashiers[till]
            clock.stand_here(day.at(19, 15 + till))
            async with self._shop.work(who) as work:
                await CloseService(work).close(drawer, _count(session, _SHORTAGE if is_short else Decimal(0)))

    async def _restock(self, reason: Any, note: str, rise: Decimal, *, full: bool) -> None:
        """Fill the shelves that are half empty, or all of them."""
        lines: list[AdjustLine] = []
        for good in GOODS:
            product = self._shop.products[good.sku]
            wanted = good.stock - product.left
            if full or wanted * 2 >= good.stock:
                lines.append(
                    AdjustLine(
                        product_id=product.id,
                        quantity=Units(wanted),
                        unit_cost=ZeroOrMorePrice(cents(times(good.cost, rise))),
                    )
                )
                product.left += wanted
        if lines:
            async with self._shop.work(self._shop.owner) as work:
                await AdjustmentService(work).adjust(PostAdjustment(reason=reason, lines=lines, note=note))


def _price(line: DrawnLine) -> Decimal:
    return line.good.pack.price if line.in_packs and line.good.pack else line.good.price


def _discount(line: DrawnLine) -> Decimal:
    return cents(times(line.quantity, _price(line)) * line.discount_percent / 100)


def _total(line: DrawnLine) -> Decimal:
    """What the line will come to: the shelf price times the quantity, less its discount."""
    discount = _discount(line) if line.discount_percent else Decimal(0)
    return cents(times(line.quantity, _price(line))) - discount


def _handed(total: Decimal) -> Decimal:
    """Cash for a total: the next multiple of the smallest note that makes it few notes."""
    note = next((note for note in _NOTES if total <= note * 20), _NOTES[-1])
    return (total / note).quantize(Decimal(1), rounding=ROUND_CEILING) * note


def _expected(session: SessionOut, method: str) -> Decimal:
    return next((tender.expected or Decimal(0) for tender in session.tenders if tender.method == method), Decimal(0))


def _count(session: SessionOut, missing: Decimal) -> CloseSession:
    """A count that finds what the books say, less `missing` in cash, note by note."""
    counted = {tender.method: tender.expected or Decimal(0) for tender in session.tenders}
    counted["cash"] -= missing
    left, pieces = counted["cash"], []
    for value in sorted(DENOMINATIONS, reverse=True):
        count, left = int(left // value), left % value
        if count:
            pieces.append({"value": value, "count": count})
    body: dict[str, Any] = {
        "counted": [{"method": method, "amount": str(amount)} for method, amount in counted.items()]
    }
    return msgspec.convert(body if left else body | {"denominations": pieces}, CloseSession, dec_hook=decode_special)
