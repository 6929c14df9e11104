"""Proof of stock: what lies on the shelves, is on its way or was counted is what the ledger adds up to."""

from typing import Final

from app.db.session import Work
from app.lib.books import Check, Difference, compare

_SHELVES: Final = (
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
   WHERE tenant_id = :tenant_id AND kind NOT IN ('sale', 'return', 'void', 'shortfall', 'transfer-out', 'transfer-in')
   GROUP BY document_id) m
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

_TRANSFERS: Final = (
    Check(
        "transfers",
        "Cada traslado es la suma de sus líneas y de lo que viene en camino",
        """
SELECT 'transfer ' || t.id AS subject, v.field, v.expected, v.found
FROM stock_transfer t
LEFT JOIN stock_transfer_state s ON s.tenant_id = :tenant_id AND s.transfer_id = t.id
LEFT JOIN (
   SELECT l.transfer_id, count(*) AS lines, sum(l.value) AS value, count(*) FILTER (WHERE r.quantity > 0) AS open,
          sum(r.value) AS under_way
   FROM stock_transfer_line l
   LEFT JOIN stock_transit r ON r.tenant_id = l.tenant_id AND r.transfer_id = l.transfer_id AND r.product_id = l.product_id
   WHERE l.tenant_id = :tenant_id GROUP BY l.transfer_id) l ON l.transfer_id = t.id
CROSS JOIN LATERAL (VALUES
   ('lineCount', coalesce(l.lines, 0), t.line_count),
   ('value', coalesce(l.value, 0), t.value),
   ('openLines', coalesce(l.open, 0), s.open_lines),
   ('transitValue', coalesce(l.under_way, 0), s.value)) AS v (field, expected, found)
WHERE t.tenant_id = :tenant_id""",
    ),
    Check(
        "transit",
        "Lo que viene en camino es lo enviado menos lo que llegó, se perdió o volvió",
        """
SELECT 'transfer ' || l.transfer_id || ' product ' || l.product_id AS subject, v.field, v.expected, v.found
FROM stock_transfer_line l
LEFT JOIN stock_transit r ON r.tenant_id = :tenant_id AND r.transfer_id = l.transfer_id AND r.product_id = l.product_id
LEFT JOIN (
   SELECT transfer_id, product_id, sum(quantity + lost_quantity) AS quantity, sum(value + lost_value) AS value
   FROM stock_arrival_line WHERE tenant_id = :tenant_id GROUP BY transfer_id, product_id) a
   ON a.transfer_id = l.transfer_id AND a.product_id = l.product_id
CROSS JOIN LATERAL (VALUES
   ('quantity', l.quantity - coalesce(a.quantity, 0), r.quantity),
   ('value', l.value - coalesce(a.value, 0), r.value)) AS v (field, expected, found)
WHERE l.tenant_id = :tenant_id""",
    ),
    Check(
        "arrivals",
        "Cada recepción es la suma de sus líneas",
        """
SELECT 'arrival ' || a.id AS subject, v.field, v.expected, v.found
FROM stock_arrival a LEFT JOIN (
   SELECT arrival_id, count(*) AS lines, sum(value) AS value, sum(lost_value) AS lost FROM stock_arrival_line
   WHERE tenant_id = :tenant_id GROUP BY arrival_id) l ON l.arrival_id = a.id
CROSS JOIN LATERAL (VALUES
   ('lineCount', coalesce(l.lines, 0), a.line_count),
   ('value', coalesce(l.value, 0), a.value),
   ('lostValue', coalesce(l.lost, 0), a.lost_value)) AS v (field, expected, found)
WHERE a.tenant_id = :tenant_id""",
    ),
    Check(
        "transfer-goods",
        "Lo que cada traslado sacó y metió en las bodegas, en unidades y pesos, es lo de sus líneas y recepciones",
        """
SELECT 'transfer ' || coalesce(d.transfer_id, m.document_id) || ' product ' || coalesce(d.product_id, m.product_id)
       || ' warehouse ' || coalesce(d.warehouse_id, m.warehouse_id) AS subject, v.field, v.expected, v.found
FROM (
   SELECT transfer_id, product_id, warehouse_id, sum(quantity) AS quantity, sum(value) AS value FROM (
      SELECT transfer_id, product_id, from_warehouse_id AS warehouse_id, -quantity AS quantity, -value AS value
      FROM stock_transfer_line WHERE tenant_id = :tenant_id
      UNION ALL
      SELECT n.transfer_id, n.product_id, CASE h.kind WHEN 'received' THEN t.to_warehouse_id ELSE t.from_warehouse_id END,
             n.quantity + n.lost_quantity, n.value + n.lost_value
      FROM stock_arrival_line n JOIN stock_arrival h ON h.tenant_id = n.tenant_id AND h.id = n.arrival_id
      JOIN stock_transfer t ON t.tenant_id = n.tenant_id AND t.id = n.transfer_id
      WHERE n.tenant_id = :tenant_id) AS moved
   GROUP BY transfer_id, product_id, warehouse_id) d
FULL JOIN (
   SELECT document_id, product_id, warehouse_id, sum(quantity) AS quantity, sum(value) AS value FROM stock_movement
   WHERE tenant_id = :tenant_id AND kind IN ('transfer-out', 'transfer-in') GROUP BY document_id, product_id, warehouse_id) m
   ON m.document_id = d.transfer_id AND m.product_id = d.product_id AND m.warehouse_id = d.warehouse_id
CROSS JOIN LATERAL (VALUES
   ('quantity', coalesce(d.quantity, 0), coalesce(m.quantity, 0)),
   ('value', coalesce(d.value, 0), coalesce(m.value, 0))) AS v (field, expected, found)
WHERE (d.quantity, d.value) IS DISTINCT FROM (m.quantity, m.value)""",
    ),
    Check(
        "transfer-losses",
        "Lo que se perdió en el camino salió de la bodega a su costo exacto",
        """
SELECT 'adjustment ' || n.adjustment_id || ' product ' || n.product_id AS subject, v.field, v.expected, v.found
FROM stock_arrival_line n LEFT JOIN (
   SELECT document_id, product_id, -sum(quantity) AS quantity, -sum(value) AS value FROM stock_movement
   WHERE tenant_id = :tenant_id AND kind IN ('damage', 'loss', 'other') GROUP BY document_id, product_id) m
   ON m.document_id = n.adjustment_id AND m.product_id = n.product_id
CROSS JOIN LATERAL (VALUES
   ('quantity', n.lost_quantity, coalesce(m.quantity, 0)),
   ('value', n.lost_value, coalesce(m.value, 0))) AS v (field, expected, found)
WHERE n.tenant_id = :tenant_id AND n.adjustment_id IS NOT NULL""",
    ),
)

_COUNTS: Final = (
    Check(
        "counts",
        "Cada conteo cerrado ajustó lo contado menos lo que decían los libros al contar",
        """
SELECT 'count ' || d.count_id || ' product ' || d.product_id AS subject, 'quantity' AS field, d.quantity AS expected,
       coalesce(m.quantity, 0) AS found
FROM (
   SELECT i.count_id, i.product_id, c.adjustment_id, i.counted - i.book_quantity AS quantity
   FROM stock_count_item i JOIN stock_count c ON c.tenant_id = i.tenant_id AND c.id = i.count_id
   WHERE i.tenant_id = :tenant_id AND c.status = 'closed' AND i.counted IS NOT NULL) d
LEFT JOIN (
   SELECT document_id, product_id, sum(quantity) AS quantity FROM stock_movement
   WHERE tenant_id = :tenant_id AND kind = 'count' GROUP BY document_id, product_id) m
   ON m.document_id = d.adjustment_id AND m.product_id = d.product_id""",
    ),
    Check(
        "count-entries",
        "Lo contado de cada producto es lo que dijo su último registro",
        """
SELECT 'count ' || i.count_id || ' product ' || i.product_id AS subject, v.field, v.expected, v.found
FROM stock_count_item i JOIN (
   SELECT DISTINCT ON (count_id, product_id) count_id, product_id, round, position, total FROM stock_count_entry
   WHERE tenant_id = :tenant_id ORDER BY count_id, product_id, position DESC) e
   ON e.count_id = i.count_id AND e.product_id = i.product_id
CROSS JOIN LATERAL (VALUES
   ('entries', e.position, i.entries),
   ('counted', CASE e.round WHEN i.round THEN e.total ELSE i.counted END, i.counted)) AS v (field, expected, found)
WHERE i.tenant_id = :tenant_id""",
    ),
)

CHECKS: Final = (*_SHELVES, *_TRANSFERS, *_COUNTS)


async def differences(work: Work) -> list[Difference]:
    """Where stock and its ledger disagree; nothing, always."""
    return await compare(work.session, work.tenant_id, CHECKS)
