"""Invoices as a company reads them."""

from datetime import datetime

import msgspec
from sqlalchemy import select

from app.db.session import Work
from app.domain.billing.models import BillingInvoice
from app.domain.billing.schemas import InvoiceOut, InvoicePage
from app.lib.pages import after, cut


async def invoice_page(work: Work, limit: int, cursor: str | None) -> InvoicePage:
    """A company's invoices, the newest first."""
    statement = after(
        select(BillingInvoice).where(BillingInvoice.tenant_id == work.tenant_id).limit(limit + 1),
        (BillingInvoice.made_at, BillingInvoice.id),
        cursor,
        tuple[datetime, str],
        descending=True,
    )
    rows = (await work.session.scalars(statement)).all()
    page, next_cursor = cut(rows, limit, lambda row: (row.made_at, row.id))
    return InvoicePage(
        items=[msgspec.convert(row, InvoiceOut, from_attributes=True) for row in page], next_cursor=next_cursor
    )
