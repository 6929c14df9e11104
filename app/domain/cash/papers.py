"""What a drawer prints on 80 mm: X and Z reports, and receipts of cash that moved by hand."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import and_, select

from app.db.session import Work
from app.domain.accounts.models import Membership
from app.domain.cash.models import CashMovement, CashSession
from app.domain.cash.movements import movement_out
from app.domain.cash.report import Heading, Report, ReturnTotals, SalesTotals, TaxTotals, TenderTotals
from app.domain.tenants.models import Branch, CashRegister, Tenant
from app.domain.tenants.scope import check_branch
from app.lib.errors import NotFound
from app.lib.paper import Cell, Paper, roll
from app.lib.pesos import format_amount, format_instant, format_nit, format_percent, format_pesos
from app.lib.tenders import METHOD_NAMES

_KINDS: Final = {
    "opening": "Base de apertura",
    "in": "Entrada de efectivo",
    "out": "Salida de efectivo",
    "transfer-in": "Traslado recibido",
    "transfer-out": "Traslado entregado",
}
"""Movements that have a receipt, with its title."""

_CATEGORIES: Final = {
    "expense": "Gasto",
    "deposit": "Consignación",
    "safe-drop": "Retiro a caja fuerte",
    "change": "Sencillo",
    "other": "Otro",
}
_FLOWS: Final = (
    ("Base", "opening", 1),
    ("Ventas", "sales", 1),
    ("Devoluciones", "refunds", -1),
    ("Entradas", "cash_in", 1),
    ("Salidas", "cash_out", -1),
    ("Traslados recibidos", "transfers_in", 1),
    ("Traslados entregados", "transfers_out", -1),
)


class MovementReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """All that a receipt says."""

    heading: Heading
    kind: str
    amount: Decimal
    category: str | None
    reason: str
    at: datetime
    time_zone: str
    person: str
    reference: str


async def report_pdf(report: Report) -> bytes:
    """An X or Z on an 80 mm roll, drawn beside the event loop."""
    return await asyncio.to_thread(render_report, report)


async def movement_pdf(work: Work, movement_id: UUID) -> bytes:
    """Receipt of a movement made by hand. Raises `NotFound`, also for one that belongs to a sale."""
    receipt = await _read_receipt(work, movement_id)
    return await asyncio.to_thread(render_receipt, receipt)


def render_report(report: Report) -> bytes:
    """The report as PDF."""
    totals, zone = report.totals, report.time_zone
    heading = totals.heading
    title = f"Informe Z n.º {report.z_number}" if report.kind == "Z" else "Informe X"
    paper = roll(f"{title} · {heading.register}", "80")
    _head(paper, heading, title)
    paper.pair("Apertura", format_instant(report.opened_at, zone))
    paper.pair("Abrió", heading.opened_by)
    if report.closed_at is not None:
        paper.pair("Cierre", format_instant(report.closed_at, zone))
        paper.pair("Cerró", heading.closed_by or "")
    else:
        paper.pair("Impreso", format_instant(report.generated_at, zone))
    if totals.sales is not None and totals.returns is not None and totals.voids is not None:
        _sales(paper, totals.sales, totals.returns, totals.voids, totals.net or Decimal(0))
    if totals.taxes is not None and totals.returned_taxes is not None:
        _taxes(paper, "Impuestos de las ventas", totals.taxes)
        _taxes(paper, "Impuestos devueltos", totals.returned_taxes)
    for tender in totals.tenders:
        _tender(paper, tender)
    if report.denominations:
        _section(paper, "Billetes y monedas")
        for entry in report.denominations:
            paper.pair(
                f"{entry.count} × {format_pesos(Decimal(entry.value))}",
                format_amount(Decimal(entry.value * entry.count)),
            )
    if totals.movements:
        _section(paper, "Entradas, salidas y traslados")
        for movement in totals.movements:
            paper.pair(_KINDS[movement.kind], format_amount(movement.amount))
            category = f"{_CATEGORIES[movement.category]}: " if movement.category else ""
            paper.text(f"{format_instant(movement.at, zone)}  {category}{movement.reason}", size=7)
    if report.kind == "X":
        paper.rule(dashed=True)
        paper.text("Informe parcial: el turno sigue abierto.", size=7, align="center")
    return paper.pdf()


def render_receipt(receipt: MovementReceipt) -> bytes:
    """A movement's receipt as PDF, with room for two signatures."""
    paper = roll(_KINDS[receipt.kind], "80")
    _head(paper, receipt.heading, _KINDS[receipt.kind])
    paper.pair("Fecha", format_instant(receipt.at, receipt.time_zone))
    paper.pair("Responsable", receipt.person)
    if receipt.category is not None:
        paper.pair("Concepto", _CATEGORIES[receipt.category])
    paper.rule(dashed=True)
    paper.pair("VALOR", format_pesos(receipt.amount), size=11, bold=True)
    if receipt.reason:
        paper.rule(dashed=True)
        paper.text(receipt.reason)
    for person in ("Entrega", "Recibe"):
        paper.gap(30)
        paper.rule()
        paper.text(person, size=7)
    paper.gap(4)
    paper.text(receipt.reference, size=6, align="center")
    return paper.pdf()


def _head(paper: Paper, heading: Heading, title: str) -> None:
    paper.text(heading.company, size=10, bold=True, align="center")
    paper.text(f"NIT {heading.nit}", align="center")
    paper.text(heading.address, align="center")
    paper.text(f"{heading.branch} · {heading.register}", align="center")
    paper.rule()
    paper.text(title, size=11, bold=True, align="center")
    paper.rule()


def _section(paper: Paper, title: str) -> None:
    paper.rule(dashed=True)
    paper.text(title, size=8.5, bold=True)


def _sales(paper: Paper, sales: SalesTotals, returns: ReturnTotals, voids: ReturnTotals, net: Decimal) -> None:
    _section(paper, "Ventas")
    paper.pair("Tiquetes", str(sales.count))
    if sales.first_number and sales.last_number:
        paper.pair("Del - al", f"{sales.first_number} - {sales.last_number}")
    paper.pair("Ventas brutas", format_amount(sales.gross))
    paper.pair("Descuentos", format_amount(-sales.discounts))
    paper.pair("Total ventas", format_amount(sales.total), bold=True)
    paper.pair(f"Devoluciones ({returns.count})", format_amount(-returns.total))
    paper.pair(f"Anulaciones ({voids.count})", format_amount(-voids.total))
    paper.pair("VENTAS NETAS", format_pesos(net), size=10, bold=True)
    paper.pair("Base sin impuestos", format_amount(sales.subtotal - returns.subtotal - voids.subtotal))
    paper.pair("Impuestos", format_amount(sales.tax_total - returns.tax_total - voids.tax_total))
    if sales.rounding:
        paper.pair("Redondeo", format_amount(sales.rounding))


def _taxes(paper: Paper, title: str, taxes: Sequence[TaxTotals]) -> None:
    if not taxes:
        return
    _section(paper, title)
    shares = (0.37, 0.11, 0.27, 0.25)
    _columns(paper, ("Impuesto", "Tarifa", "Base", "Valor"), shares)
    for tax in taxes:
        rate = format_percent(tax.rate) if tax.rate else ""
        _columns(paper, (tax.tax_name, rate, format_amount(tax.base), format_amount(tax.tax - tax.nominal_tax)), shares)
        if tax.nominal_tax:
            _columns(paper, ("  por unidad", "", "", format_amount(tax.nominal_tax)), shares)


def _columns(paper: Paper, texts: Sequence[str], shares: Sequence[float]) -> None:
    cells = [
        Cell(text, share, "right" if place else "left")
        for place, (text, share) in enumerate(zip(texts, shares, strict=True))
    ]
    paper.row(cells, size=7)


def _tender(paper: Paper, tender: TenderTotals) -> None:
    _section(paper, METHOD_NAMES[tender.method])
    if tender.expected is None:
        paper.text("Por contar")
        return
    for label, field, sign in _FLOWS:
        amount: Decimal | None = getattr(tender, field)
        if amount:
            paper.pair(label, format_amount(sign * amount))
    paper.pair("Esperado", format_amount(tender.expected), bold=True)
    if tender.counted is not None and tender.difference is not None:
        paper.pair("Contado", format_amount(tender.counted), bold=True)
        word = "Sobrante" if tender.difference > 0 else "Faltante" if tender.difference < 0 else "Diferencia"
        paper.pair(word, format_amount(tender.difference), bold=True)


async def _read_receipt(work: Work, movement_id: UUID) -> MovementReceipt:
    tenant_id = work.tenant_id
    statement = (
        select(CashMovement, CashRegister.name, Branch, Tenant, Membership.display_name)
        .join(CashSession, and_(CashSession.tenant_id == tenant_id, CashSession.id == CashMovement.session_id))
        .join(CashRegister, and_(CashRegister.tenant_id == tenant_id, CashRegister.id == CashSession.register_id))
        .join(Branch, and_(Branch.tenant_id == tenant_id, Branch.id == CashSession.branch_id))
        .join(Tenant, Tenant.tenant_id == tenant_id)
        .outerjoin(Membership, and_(Membership.tenant_id == tenant_id, Membership.user_id == CashMovement.user_id))
        .where(CashMovement.tenant_id == tenant_id, CashMovement.id == movement_id, CashMovement.kind.in_(_KINDS))
    )
    row = (await work.session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("Ese movimiento de caja no existe o no tiene comprobante.")
    movement, register_name, branch, tenant, person = row
    check_branch(work.actor, branch.id)
    return MovementReceipt(
        heading=Heading(
            company=tenant.name,
            nit=format_nit(tenant.nit, tenant.dv),
            address=tenant.address,
            phone=tenant.phone,
            branch=branch.name,
            register=register_name,
            opened_by="",
            closed_by=None,
        ),
        kind=movement.kind,
        amount=movement_out(movement).amount,
        category=movement.category,
        reason=movement.reason,
        at=movement.created_at,
        time_zone=tenant.time_zone,
        person=person or "",
        reference=str(movement.id),
    )
