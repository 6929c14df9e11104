"""Taking back products that should never have been: an import undone."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.db.session import Work
from app.lib import clock

_WITHDRAW: Final = text(
    "UPDATE product SET retired_at = coalesce(retired_at, CAST(:at AS timestamptz)), sku = sku || :mark, "
    "updated_at = now(), changed_xid = (pg_current_xact_id()::text)::bigint "
    "WHERE tenant_id = :tenant_id AND id = ANY(CAST(:product_ids AS uuid[])) RETURNING id, sku"
)
_FREE_BARCODES: Final = text(
    "DELETE FROM product_barcode WHERE tenant_id = :tenant_id AND product_id = ANY(CAST(:product_ids AS uuid[]))"
)


async def withdraw_products(work: Work, product_ids: Sequence[UUID], mark: str) -> dict[UUID, str]:
    """Retire products and free their codes for a second try; answers each one's new sku, its old one with `mark` behind.

    The caller has made sure that nothing but their opening stock ever happened to them, and records it.
    """
    key = {"tenant_id": work.tenant_id, "product_ids": list(product_ids)}
    rows = await work.session.execute(_WITHDRAW, key | {"at": clock.now(), "mark": mark})
    withdrawn = {row.id: row.sku for row in rows}
    await work.session.execute(_FREE_BARCODES, key)
    return withdrawn
