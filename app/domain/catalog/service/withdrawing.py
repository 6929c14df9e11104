"""Taking back products that should never have been: an import undone."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.db.session import Work
from app.domain.tenants.limits import Resource, release
from app.lib import clock

_WITHDRAW: Final = text(
    "UPDATE product SET retired_at = coalesce(retired_at, CAST(:at AS timestamptz)), sku = sku || :mark, "
    "updated_at = now(), changed_xid = (pg_current_xact_id()::text)::bigint "
    "WHERE tenant_id = :tenant_id AND id = ANY(CAST(:product_ids AS uuid[])) RETURNING id, sku"
)
_COUNTED: Final = text(
    "SELECT count(*) FROM (SELECT FROM product WHERE tenant_id = :tenant_id "
    "AND id = ANY(CAST(:product_ids AS uuid[])) AND retired_at IS NULL FOR NO KEY UPDATE) p"
)
"""Those that a plan counts: some may have been retired one by one before."""
_FREE_BARCODES: Final = text(
    "DELETE FROM product_barcode WHERE tenant_id = :tenant_id AND product_id = ANY(CAST(:product_ids AS uuid[]))"
)


async def withdraw_products(work: Work, product_ids: Sequence[UUID], mark: str) -> dict[UUID, str]:
    """Retire products and free their codes for a second try; answers each one's new sku, its old one with `mark` behind.

    The caller has made sure that nothing but their opening stock ever happened to them, and records it.
    """
    key = {"tenant_id": work.tenant_id, "product_ids": list(product_ids)}
    counted = await work.session.scalar(_COUNTED, key)
    rows = await work.session.execute(_WITHDRAW, key | {"at": clock.now(), "mark": mark})
    withdrawn = {row.id: row.sku for row in rows}
    await work.session.execute(_FREE_BARCODES, key)
    await release(work, Resource.PRODUCTS, counted or 0)
    return withdrawn
