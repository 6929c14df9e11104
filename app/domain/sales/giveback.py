"""Returns and voids: goods, money and taxes go back exactly as they came, in the session that is open now.

Locks as every writer: the ticket (its lines' remaining rows, so two returns cannot race), shelves by product, drawer,
numbering, end of the audit chain.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.sales.approval import approve_void
from app.domain.sales.giveback_sql import LINES, OPEN_LINES, OWN_SESSIONS, PAID, SESSION
from app.domain.sales.giveback_write import SESSION_CLOSED, GiveBack, GiveBackWriter, Item, Place, Tender
from app.domain.sales.models import Sale, SaleReturn
from app.domain.sales.pricing import round_cash
from app.domain.sales.prorate import Remaining, prorate
from app.domain.sales.read import SaleReader
from app.domain.sales.schemas import PostReturn, Refund, ReturnLine, VoidSale
from app.domain.tenants.scope import check_branch
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, RuleBroken, unknown_reference
from app.lib.money import ZERO, as_quantity
from app.lib.schemas import fingerprint

ID_TAKEN: Final = Conflict("Ya existe otra devolución con ese identificador.", code="id-taken")
BROKEN_CONSTRAINTS["pk_sale_return"] = ID_TAKEN


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
        await GiveBackWriter(self._work).write(what, sale, place)
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
        await GiveBackWriter(self._work).write(what, sale, place)
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
