"""Which modules a company is in the middle of using: what a plan without them would cut off."""

from typing import Final

from sqlalchemy import text

from app.db.session import Work
from app.lib import clock

WHY: Final[dict[str, str]] = {
    "transfers": "hay traslados en camino o conteos abiertos",
    "api": "hay llaves de API o webhooks activos",
    "invoicing": "la empresa expide documentos electrónicos",
}
"""Module to what shows that it is used. A finished import asks for nothing any more."""

_IN_USE: Final = text(
    "SELECT 'transfers' AS module WHERE "
    "EXISTS (SELECT FROM stock_transfer_state WHERE tenant_id = :tenant_id AND open_lines > 0) "
    "OR EXISTS (SELECT FROM stock_count WHERE tenant_id = :tenant_id AND status = 'open') "
    "UNION ALL SELECT 'api' WHERE "
    "EXISTS (SELECT FROM api_key WHERE tenant_id = :tenant_id AND revoked_at IS NULL "
    "AND (expires_at IS NULL OR expires_at > CAST(:now AS timestamptz))) "
    "OR EXISTS (SELECT FROM webhook_endpoint WHERE tenant_id = :tenant_id AND is_active) "
    "UNION ALL SELECT 'invoicing' WHERE EXISTS (SELECT FROM dian_setting WHERE tenant_id = :tenant_id AND is_enabled)"
)


async def modules_in_use(work: Work) -> list[str]:
    """Of the company of the transaction."""
    found = await work.session.scalars(_IN_USE, {"tenant_id": work.tenant_id, "now": clock.now()})
    return list(found)
