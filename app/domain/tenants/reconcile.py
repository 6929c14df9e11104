"""Proof of the counters that plans are limited by, and of the company's status."""

from typing import Final

from app.db.session import Work
from app.lib.books import Check, Difference, compare

_COUNTED: Final = {
    "users": "SELECT count(*) FROM membership WHERE tenant_id = :tenant_id AND is_active",
    "branches": "SELECT count(*) FROM branch WHERE tenant_id = :tenant_id AND retired_at IS NULL",
    "warehouses": "SELECT count(*) FROM warehouse WHERE tenant_id = :tenant_id AND retired_at IS NULL",
    "registers": "SELECT count(*) FROM cash_register WHERE tenant_id = :tenant_id AND retired_at IS NULL",
    "products": "SELECT count(*) FROM product WHERE tenant_id = :tenant_id AND retired_at IS NULL",
    "storage": "SELECT coalesce(sum(octet_length(content)), 0) FROM company_logo WHERE tenant_id = :tenant_id",
}
_ROWS: Final = ", ".join(f"('{resource}', ({counted}))" for resource, counted in _COUNTED.items())

CHECKS: Final = (
    Check(
        "plan-usage",
        "Lo que la empresa usa de su plan es lo que tiene",
        f"""
SELECT 'resource ' || c.resource AS subject, 'used' AS field, c.counted AS expected, u.used AS found
FROM (VALUES {_ROWS}) AS c (resource, counted)
LEFT JOIN tenant_usage u ON u.tenant_id = :tenant_id AND u.resource = c.resource""",
    ),
    Check(
        "company-status",
        "El estado de la empresa es el de su último cambio",
        """
SELECT 'status' AS subject, 'seq' AS field,
       (SELECT max(seq) FROM tenant_transition WHERE tenant_id = :tenant_id) AS expected, t.status_seq AS found
FROM tenant t WHERE t.tenant_id = :tenant_id""",
    ),
)


async def differences(work: Work) -> list[Difference]:
    """Where a counter and what it counts disagree; nothing, always."""
    return await compare(work.session, work.tenant_id, CHECKS)
