"""The X and the Z: what a shift sold, took back, taxed and moved. An X is computed when asked, a Z was frozen at the close."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import and_, select, text

from app.db.session import Work
from app.domain.cash.models import CashSession
from app.domain.cash.schemas import DenominationOut, TenderOut
from app.domain.cash.sessions import SessionService
from app.domain.tenants.models import Branch, Tenant
from app.lib import clock
from app.lib.money import ZERO, as_price
from app.lib.pesos import format_nit
from app.lib.schemas import Output
from app.lib.tenders import METHODS, TENDER_COLUMNS

_SLACK: Final = timedelta(days=1)
"""How far before its session's opening a sale's clock may stand: two machines, or a clock set back."""


class SalesTotals(Output):
    """Tickets posted in a shift, voided ones included; amounts in pesos."""

    count: int
    gross: Decimal
    """What the shelf prices add up to, before discounts."""
    discounts: Decimal
    subtotal: Decimal
    """Without taxes."""
    tax_total: Decimal
    total: Decimal
    rounding: Decimal
    """What the tickets add up to more than the rounded cash that was asked for."""
    first_number: str | None
    last_number: str | None


class ReturnTotals(Output):
    """Tickets undone, or part of them, paid out of this shift; pesos."""

    count: int
    subtotal: Decimal
    tax_total: Decimal
    total: Decimal


class TaxTotals(Output):
    """One tax class at one rate; pesos."""

    tax_class: str
    tax_name: str
    rate: Decimal
    base: Decimal
    tax: Decimal
    """All taxes, the nominal one included."""
    nominal_tax: Decimal
    """Of pesos per unit: bags, sugared drinks."""
    total: Decimal


class TenderTotals(Output):
    """One tender; expected = opening + sales − refunds + cash in − cash out + transfers in − transfers out.

    All null in an X for whoever must count blind; `counted` and `difference` also in any other X.
    """

    method: str
    opening: Decimal | None = None
    sales: Decimal | None = None
    refunds: Decimal | None = None
    cash_in: Decimal | None = None
    cash_out: Decimal | None = None
    transfers_in: Decimal | None = None
    transfers_out: Decimal | None = None
    expected: Decimal | None = None
    counted: Decimal | None = None
    difference: Decimal | None = None


class HandMovement(Output):
    """Cash that moved by hand."""

    id: UUID
    kind: str
    amount: Decimal
    category: str | None
    reason: str
    at: datetime


class Heading(Output):
    """Whose shift, as the paper says it."""

    company: str
    nit: str
    address: str
    phone: str
    branch: str
    register: str
    opened_by: str
    closed_by: str | None


class Totals(Output):
    """What is frozen at the close."""

    heading: Heading
    sales: SalesTotals | None
    """Null, as all sums are, in an X for whoever must count blind."""
    returns: ReturnTotals | None
    voids: ReturnTotals | None
    net: Decimal | None
    """Sales less returns and voids."""
    taxes: list[TaxTotals] | None
    returned_taxes: list[TaxTotals] | None
    tenders: list[TenderTotals]
    movements: list[HandMovement]


class Report(Output):
    """An X (open) or Z (closed) report."""

    kind: Literal["X", "Z"]
    session_id: UUID
    z_number: int | None
    opened_at: datetime
    opening_amount: Decimal
    closed_at: datetime | None
    business_day: date | None
    generated_at: datetime
    """Now for an X, the close for a Z."""
    time_zone: str
    denominations: list[DenominationOut]
    totals: Totals


class _MethodSums(msgspec.Struct, frozen=True, rename="camel"):
    method: str
    opening: Decimal = ZERO
    sales: Decimal = ZERO
    refunds: Decimal = ZERO
    cash_in: Decimal = ZERO
    cash_out: Decimal = ZERO
    transfers_in: Decimal = ZERO
    transfers_out: Decimal = ZERO


class _Sums(msgspec.Struct, frozen=True, rename="camel"):
    """The statement's answer."""

    sales: SalesTotals
    returns: ReturnTotals
    voids: ReturnTotals
    taxes: list[TaxTotals]
    returned_taxes: list[TaxTotals]
    methods: list[_MethodSums]
    movements: list[HandMovement]
    drawer: dict[str, Decimal]


def _sum(amount: str, condition: str = "") -> str:
    """Pesos as text: JSON numbers are not trusted with cents."""
    where = f" FILTER (WHERE {condition})" if condition else ""
    return f"coalesce(sum({amount}){where}, 0.00)::text"


def _returns(kind: str) -> str:
    return (
        f"(SELECT json_build_object('count', count(*), 'subtotal', {_sum('subtotal')}, 'taxTotal', {_sum('tax_total')}, "
        f"'total', {_sum('total')}) FROM back WHERE kind = '{kind}')"
    )


def _taxes(lines: str, class_columns: str) -> str:
    return (
        "(SELECT coalesce(json_agg(json_build_object('taxClass', g.tax_class, 'taxName', c.name, "
        "'rate', g.tax_rate::text, 'base', g.base, 'tax', g.tax, 'nominalTax', g.nominal, 'total', g.total) "
        "ORDER BY g.tax_class, g.tax_rate), '[]') "
        f"FROM (SELECT {class_columns}, {_sum('l.base')} AS base, {_sum('l.tax')} AS tax, "
        f"{_sum('l.nominal_tax')} AS nominal, {_sum('l.total')} AS total FROM {lines} GROUP BY {class_columns}) g "
        "JOIN tax_class c ON c.code = g.tax_class)"
    )


_DRAWER: Final = ", ".join(f"'{column}', d.{column}::text" for column in TENDER_COLUMNS.values())

_KINDS: Final = ", ".join(
    f'{_sum(amount, f"kind = {kind!r}")} AS "{name}"'
    for name, kind, amount in (
        ("opening", "opening", "amount"),
        ("sales", "sale", "amount"),
        ("refunds", "refund", "-amount"),
        ("cashIn", "in", "amount"),
        ("cashOut", "out", "-amount"),
        ("transfersIn", "transfer-in", "amount"),
        ("transfersOut", "transfer-out", "-amount"),
    )
)

_READ_SUMS: Final = text(
    # One statement, so that an X is one instant. A session's tickets are found through what they moved, and by time for
    # those that moved no money: an index of sales by session would cost every sale.
    "WITH mine AS (SELECT document_id AS id FROM cash_movement "
    "WHERE tenant_id = :tenant_id AND session_id = :session_id AND document_id IS NOT NULL "
    "UNION SELECT id FROM sale "
    "WHERE tenant_id = :tenant_id AND posted_at >= CAST(:since AS timestamptz) AND session_id = :session_id "
    "UNION SELECT id FROM sale_return "
    "WHERE tenant_id = :tenant_id AND posted_at >= CAST(:since AS timestamptz) AND session_id = :session_id), "
    "sold AS MATERIALIZED (SELECT s.* FROM mine JOIN sale s ON s.tenant_id = :tenant_id AND s.id = mine.id "
    "WHERE s.session_id = :session_id), "
    "back AS MATERIALIZED (SELECT r.* FROM mine JOIN sale_return r ON r.tenant_id = :tenant_id AND r.id = mine.id "
    "WHERE r.session_id = :session_id) "
    "SELECT json_build_object("
    f"'sales', (SELECT json_build_object('count', count(*), 'gross', {_sum('total + discount_total')}, "
    f"'discounts', {_sum('discount_total')}, 'subtotal', {_sum('subtotal')}, 'taxTotal', {_sum('tax_total')}, "
    f"'total', {_sum('total')}, 'rounding', {_sum('rounding')}, "
    "'firstNumber', (SELECT number FROM sold ORDER BY sequence LIMIT 1), "
    "'lastNumber', (SELECT number FROM sold ORDER BY sequence DESC LIMIT 1)) FROM sold), "
    f"'returns', {_returns('return')}, 'voids', {_returns('void')}, 'taxes', "
    + _taxes(
        "sold JOIN sale_line l ON l.tenant_id = :tenant_id AND l.sale_id = sold.id",
        "l.tax_class, l.tax_rate",
    )
    + ", 'returnedTaxes', "
    + _taxes(
        "back JOIN sale_return_line l ON l.tenant_id = :tenant_id AND l.return_id = back.id "
        "JOIN sale_line s ON s.tenant_id = :tenant_id AND s.id = l.sale_line_id",
        "s.tax_class, s.tax_rate",
    )
    + f", 'methods', (SELECT coalesce(json_agg(m), '[]') FROM (SELECT method, {_KINDS} FROM cash_movement "
    "WHERE tenant_id = :tenant_id AND session_id = :session_id GROUP BY method) m), "
    "'movements', (SELECT coalesce(json_agg(json_build_object('id', id, 'kind', kind, 'amount', abs(amount)::text, "
    "'category', category, 'reason', reason, 'at', created_at) ORDER BY id), '[]') FROM cash_movement "
    "WHERE tenant_id = :tenant_id AND session_id = :session_id "
    "AND kind IN ('in', 'out', 'transfer-in', 'transfer-out')), "
    f"'drawer', json_build_object({_DRAWER}))::text "
    "FROM cash_drawer d WHERE d.tenant_id = :tenant_id AND d.session_id = :session_id"
)


class ReportService:
    """Computes an X, hands out a Z."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def report(self, session_id: UUID) -> Report:
        """The X of an open shift, the Z of a closed one. Raises `NotFound`."""
        session, drawer, close, *_ = await SessionService(self._work).row(session_id)
        if close is not None:
            totals = msgspec.convert(close.totals, Totals)
        else:
            totals = await self.totals(session)
            if not SessionService(self._work).sees_expected(is_open=drawer.is_open):
                totals = blind(totals)
        return Report(
            kind="Z" if close else "X",
            session_id=session.id,
            z_number=close.z_number if close else None,
            opened_at=session.opened_at,
            opening_amount=session.opening_amount,
            closed_at=close.closed_at if close else None,
            business_day=close.business_day if close else None,
            generated_at=close.closed_at if close else clock.now(),
            time_zone=self._work.actor.time_zone,
            denominations=[DenominationOut(**entry) for entry in (close.denominations if close else [])],
            totals=totals,
        )

    async def totals(self, session: CashSession, counted: Sequence[TenderOut] = ()) -> Totals:
        """Everything a shift adds up to so far, in one statement."""
        work = self._work
        answer = await work.session.scalar(
            _READ_SUMS,
            {"tenant_id": work.tenant_id, "session_id": session.id, "since": session.opened_at - _SLACK},
        )
        sums = msgspec.json.decode(answer, type=_Sums)
        return Totals(
            heading=await self._heading(session, closing=bool(counted)),
            sales=sums.sales,
            returns=sums.returns,
            voids=sums.voids,
            net=sums.sales.total - sums.returns.total - sums.voids.total,
            taxes=[msgspec.structs.replace(tax, rate=as_price(tax.rate)) for tax in sums.taxes],
            returned_taxes=[msgspec.structs.replace(tax, rate=as_price(tax.rate)) for tax in sums.returned_taxes],
            tenders=_tenders(sums, {tender.method: tender for tender in counted}),
            movements=sums.movements,
        )

    async def _heading(self, session: CashSession, *, closing: bool) -> Heading:
        tenant_id = self._work.tenant_id
        *_, register_name, opener, _closer = await SessionService(self._work).row(session.id)
        tenant, branch_name = (
            await self._work.session.execute(
                select(Tenant, Branch.name)
                .join(Branch, and_(Branch.tenant_id == tenant_id, Branch.id == session.branch_id))
                .where(Tenant.tenant_id == tenant_id)
            )
        ).one()
        return Heading(
            company=tenant.name,
            nit=format_nit(tenant.nit, tenant.dv),
            address=tenant.address,
            phone=tenant.phone,
            branch=branch_name,
            register=register_name,
            opened_by=opener or "",
            closed_by=self._work.actor.display_name if closing else None,
        )


def blind(totals: Totals) -> Totals:
    """What somebody who has yet to count may see: that there are tenders, not how much they add up to."""
    return Totals(
        heading=totals.heading,
        sales=None,
        returns=None,
        voids=None,
        net=None,
        taxes=None,
        returned_taxes=None,
        tenders=[TenderTotals(method=tender.method) for tender in totals.tenders],
        movements=totals.movements,
    )


def _tenders(sums: _Sums, counted: Mapping[str, TenderOut]) -> list[TenderTotals]:
    """Cash, and every other tender that moved or was counted, in the house's order."""
    moved = {entry.method: entry for entry in sums.methods}
    found = []
    for method in METHODS:
        if method != "cash" and method not in moved and method not in counted:
            continue
        flows = moved.get(method) or _MethodSums(method=method)
        count = counted.get(method)
        found.append(
            TenderTotals(
                method=method,
                opening=flows.opening,
                sales=flows.sales,
                refunds=flows.refunds,
                cash_in=flows.cash_in,
                cash_out=flows.cash_out,
                transfers_in=flows.transfers_in,
                transfers_out=flows.transfers_out,
                expected=sums.drawer[TENDER_COLUMNS[method]],
                counted=count.counted if count else None,
                difference=count.difference if count else None,
            )
        )
    return found
