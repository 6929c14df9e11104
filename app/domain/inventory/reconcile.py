"""Proof of stock: what lies on the shelves is what the ledger adds up to."""

from typing import Final

from app.db.session import Work
from app.lib.books import Check, Difference, compare

CHECKS: Final = (
    Check(
        "stock-sums",
        "Las existencias son la suma de sus movimientos",
        """
SELECT 'product ' || s.product_id || ' warehouse ' || s.warehouse_id AS subject, v.field, v.expected, v.found
FROM stock s LEFT JOIN (
   SELECT product_id, warehouse_id, sum(quantity) AS quantity, sum(value) AS value, count(*) AS moves
   FROM stock_movement WHERE tenant_id = :tenant_id GROUP BY product_id, warehouse_id) m
   ON m.product_id = s.product_id AND m.warehouse_id = s.warehouse_id
CROSS JOIN LATERAL (VALUES
   ('quantity', coalesce(m.quantity, 0), s.quantity),
   ('value', coalesce(m.value, 0), s.value),
   ('moves', coalesce(m.moves, 0), s.moves)) AS v (field, expected, found)
WHERE s.tenant_id = :tenant_id""",
    ),
    Check(
        "stock-balances",
        "Cada saldo del kárdex sigue al anterior, sin saltos",
        """
SELECT 'movement ' || m.id || ' product ' || m.product_id AS subject, v.field, v.expected, v.found
FROM (
   SELECT id, product_id, position, balance_quantity, balance_value,
          row_number() OVER shelf AS nth, sum(quantity) OVER shelf AS quantity, sum(value) OVER shelf AS value
   FROM stock_movement WHERE tenant_id = :tenant_id
   WINDOW shelf AS (PARTITION BY product_id, warehouse_id ORDER BY position ROWS UNBOUNDED PRECEDING)) m
CROSS JOIN LATERAL (VALUES
   ('position', m.nth, m.position),
   ('balanceQuantity', m.quantity, m.balance_quantity),
   ('balanceValue', m.value, m.balance_value)) AS v (field, expected, found)
WHERE (m.nth, m.quantity, m.value) IS DISTINCT FROM (m.position, m.balance_quantity, m.balance_value)""",
    ),
    Check(
        "adjustments",
        "Cada ajuste es la suma de sus líneas",
        """
SELECT 'adjustment ' || a.id AS subject, v.field, v.expected, v.found
FROM stock_adjustment a LEFT JOIN (
   SELECT document_id, count(*) AS lines, sum(value) AS value FROM stock_movement
   WHERE tenant_id = :tenant_id AND kind NOT IN ('sale', 'return', 'void', 'shortfall') GROUP BY document_id) m
   ON m.document_id = a.id
CROSS JOIN LATERAL (VALUES
   ('lineCount', coalesce(m.lines, 0), a.line_count),
   ('value', coalesce(m.value, 0), a.value)) AS v (field, expected, found)
WHERE a.tenant_id = :tenant_id""",
    ),
    Check(
        "shortfalls",
        "Cada faltante de venta sin conexión entró al kárdex",
        """
SELECT 'sale ' || coalesce(c.document_id, m.document_id) || ' product ' || coalesce(c.product_id, m.product_id) AS subject,
       'missing' AS field, coalesce(m.quantity, 0) AS expected, coalesce(c.missing, 0) AS found
FROM (SELECT document_id, product_id, sum(missing) AS missing FROM stock_conflict
      WHERE tenant_id = :tenant_id GROUP BY document_id, product_id) c
FULL JOIN (SELECT document_id, product_id, sum(quantity) AS quantity FROM stock_movement
      WHERE tenant_id = :tenant_id AND kind = 'shortfall' GROUP BY document_id, product_id) m
   ON m.document_id = c.document_id AND m.product_id = c.product_id""",
    ),
)


async def differences(work: Work) -> list[Difference]:
    """Where stock and its ledger disagree; nothing, always."""
    return await compare(work.session, work.tenant_id, CHECKS)
