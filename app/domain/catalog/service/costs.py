"""What goods cost when they last came in, as other domains learn it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.db.session import Work

_STATE: Final = text(
    "WITH wanted AS (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:products AS uuid[]), CAST(:costs AS numeric[])) "
    "AS n (id, product_id, cost)), "
    "locked AS (SELECT p.id AS product_id, p.unit_code, p.last_cost AS before, w.id, w.cost FROM wanted w "
    "JOIN product p ON p.tenant_id = :tenant_id AND p.id = w.product_id "
    "WHERE p.last_cost IS DISTINCT FROM w.cost ORDER BY p.id FOR NO KEY UPDATE OF p), "
    "changed AS (UPDATE product p SET last_cost = l.cost, updated_at = now(), "
    "changed_xid = (pg_current_xact_id()::text)::bigint FROM locked l "
    "WHERE p.tenant_id = :tenant_id AND p.id = l.product_id) "
    "INSERT INTO price_change (tenant_id, id, product_id, kind, unit_code, before, after, user_id) "
    "SELECT :tenant_id, l.id, l.product_id, 'cost', l.unit_code, l.before, l.cost, :user_id FROM locked l"
)


async def state_costs(work: Work, costs: Mapping[UUID, Decimal]) -> None:
    """Keep the last cost of products, pesos without tax for one unit, with its line in the price history.

    Locks the products that change: before any shelf, as a change of the product itself does. Unknown ones are left out.
    """
    if not costs:
        return
    await work.session.execute(
        _STATE,
        {
            "tenant_id": work.tenant_id,
            "user_id": work.actor.user_id,
            "ids": [uuid7() for _ in costs],
            "products": list(costs),
            "costs": list(costs.values()),
        },
    )
