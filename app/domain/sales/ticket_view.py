"""Gathers what a ticket prints. What was frozen at the sale comes from the sale; the shop's own lines are today's."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import and_, exists, select
from sqlalchemy.orm import aliased

from app.db.session import Work
from app.domain.accounts.models import Membership
from app.domain.catalog.models import TaxClass
from app.domain.catalog.units import unit_names
from app.domain.sales.models import Sale, SaleLine, SalePayment, SaleReturn
from app.domain.sales.ticket import TicketLine, TicketPayment, TicketTax, TicketView
from app.domain.tenants.models import Branch, CashRegister, Tenant
from app.domain.tenants.scope import check_branch
from app.lib.errors import NotFound
from app.lib.money import ZERO
from app.lib.pesos import format_nit, format_percent
from app.lib.tenders import METHOD_NAMES

_SHORT_UNITS: Final = {
    "94": "", "NIU": "", "EA": "", "C62": "", "MTR": "m", "CMT": "cm", "MTK": "m²", "MTQ": "m³", "KGM": "kg",
    "GRM": "g", "LBR": "lb", "LTR": "L", "MLT": "ml", "GLL": "gal", "HUR": "h",
}  # fmt: skip
"""Units as a ticket abbreviates them; nothing for pieces, the unit's name for all others."""

_TRIBUTES: Final = {"01": "IVA", "04": "INC", "22": "INC bolsas", "34": "IBUA"}
"""DIAN codes of taxes, as a ticket names them."""


async def ticket_view(work: Work, sale_id: UUID) -> TicketView:
    """A sale as its ticket says it. Raises `NotFound`, also for another company's; 403 for a branch not the caller's."""
    tenant_id, session = work.tenant_id, work.session
    cashier, seller = aliased(Membership), aliased(Membership)
    found = (
        await session.execute(
            select(
                Sale,
                Tenant,
                Branch.name,
                CashRegister.name,
                cashier.display_name,
                seller.display_name,
                exists(SaleReturn.id).where(
                    SaleReturn.tenant_id == tenant_id, SaleReturn.sale_id == sale_id, SaleReturn.kind == "void"
                ),
            )
            .select_from(Sale)
            .join(Tenant, Tenant.tenant_id == tenant_id)
            .join(Branch, and_(Branch.tenant_id == tenant_id, Branch.id == Sale.branch_id))
            .join(CashRegister, and_(CashRegister.tenant_id == tenant_id, CashRegister.id == Sale.register_id))
            .outerjoin(cashier, and_(cashier.tenant_id == tenant_id, cashier.user_id == Sale.user_id))
            .outerjoin(seller, and_(seller.tenant_id == tenant_id, seller.user_id == Sale.seller_id))
            .where(Sale.tenant_id == tenant_id, Sale.id == sale_id)
        )
    ).one_or_none()
    if found is None:
        raise NotFound("Esa venta no existe.")
    sale, tenant, branch_name, register_name, cashier_name, seller_name, voided = found
    check_branch(work.actor, sale.branch_id)
    lines = list(
        await session.scalars(
            select(SaleLine)
            .where(SaleLine.tenant_id == tenant_id, SaleLine.sale_id == sale_id)
            .order_by(SaleLine.position)
        )
    )
    payments = await session.scalars(
        select(SalePayment)
        .where(SalePayment.tenant_id == tenant_id, SalePayment.sale_id == sale_id)
        .order_by(SalePayment.position)
    )
    classes = {row.code: row for row in await session.scalars(select(TaxClass))}
    return TicketView(
        company=tenant.name,
        nit=format_nit(tenant.nit, tenant.dv),
        address=tenant.address,
        phone=tenant.phone,
        branch=branch_name,
        register=register_name,
        cashier=cashier_name or "",
        seller=seller_name or "",
        number=sale.number,
        sold_at=sale.sold_at,
        time_zone=tenant.time_zone,
        customer=sale.customer_name,
        customer_identification=sale.customer_identification,
        lines=tuple(
            TicketLine(
                sku=line.sku,
                name=line.name,
                quantity=line.quantity,
                unit=unit_label(line.unit_code),
                unit_price=line.unit_price,
                discount=line.discount,
                tax=tax_label(classes[line.tax_class], line.tax_rate),
                total=line.total,
            )
            for line in lines
        ),
        discount_total=sale.discount_total,
        taxes=group_taxes(lines, classes),
        subtotal=sale.subtotal,
        tax_total=sale.tax_total,
        total=sale.total,
        rounding=sale.rounding,
        payments=tuple(
            TicketPayment(name=METHOD_NAMES[payment.method], amount=payment.amount, reference=payment.reference)
            for payment in payments
        ),
        change=sale.change,
        footer=tenant.ticket_footer,
        voided=voided,
        document=None,
    )


def unit_label(code: str) -> str:
    """`m` for metres, nothing for pieces."""
    return _SHORT_UNITS[code] if code in _SHORT_UNITS else unit_names().get(code, code)


def tax_label(tax_class: TaxClass, rate: Decimal) -> str:
    """`IVA 19 %`, `INC 8 %`, `Exento`, `Excluido`."""
    if tax_class.tribute is None:
        return "Excluido"
    if not rate:
        return "Exento"
    return f"{_TRIBUTES.get(tax_class.tribute, tax_class.tribute)} {format_percent(rate)}"


def group_taxes(lines: Iterable[SaleLine], classes: dict[str, TaxClass]) -> tuple[TicketTax, ...]:
    """Bases and taxes by tax and rate, as first met; taxes of pesos per unit after them. They add up to the ticket's."""
    percentages: dict[str, tuple[Decimal, Decimal]] = {}
    nominal: dict[str, Decimal] = {}
    for line in lines:
        tax_class = classes[line.tax_class]
        name = tax_label(tax_class, line.tax_rate)
        base, tax = percentages.get(name, (ZERO, ZERO))
        percentages[name] = (base + line.base, tax + line.tax - line.nominal_tax)
        if line.nominal_tax:
            code = tax_class.nominal_tribute or ""
            nominal_name = _TRIBUTES.get(code, code)
            nominal[nominal_name] = nominal.get(nominal_name, ZERO) + line.nominal_tax
    return tuple(
        [TicketTax(name=name, base=base, tax=tax) for name, (base, tax) in percentages.items()]
        + [TicketTax(name=name, base=None, tax=tax) for name, tax in nominal.items()]
    )
