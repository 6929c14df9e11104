"""Proof of sales: tickets add up, and what they moved in stock and drawer is what they say."""

from typing import Final

from app.db.session import Work
from app.lib.books import Check, Difference, compare

_TICKETS: Final = (
    Check(
        "sale-totals",
        "Cada venta es la suma de sus líneas",
        """
SELECT 'sale ' || s.id AS subject, v.field, v.expected, v.found
FROM sale s LEFT JOIN (
   SELECT sale_id, count(*) AS lines, sum(base) AS base, sum(tax) AS tax, sum(total) AS total, sum(discount) AS discount,
          sum(cost) AS cost, sum(base + tax) AS split
   FROM sale_line WHERE tenant_id = :tenant_id GROUP BY sale_id) l ON l.sale_id = s.id
CROSS JOIN LATERAL (VALUES
   ('lineCount', coalesce(l.lines, 0), s.line_count),
   ('subtotal', coalesce(l.base, 0), s.subtotal),
   ('taxTotal', coalesce(l.tax, 0), s.tax_total),
   ('total', coalesce(l.total, 0), s.total),
   ('baseAndTax', coalesce(l.split, 0), s.total),
   ('discountTotal', coalesce(l.discount, 0), s.discount_total),
   ('costTotal', coalesce(l.cost, 0), s.cost_total)) AS v (field, expected, found)
WHERE s.tenant_id = :tenant_id""",
    ),
    Check(
        "sale-payments",
        "Lo pagado, menos el cambio y con el redondeo, es el total de cada venta",
        """
SELECT 'sale ' || s.id AS subject, v.field, v.expected, v.found
FROM sale s LEFT JOIN (
   SELECT sale_id, sum(amount - change) AS paid, sum(change) AS change
   FROM sale_payment WHERE tenant_id = :tenant_id GROUP BY sale_id) p ON p.sale_id = s.id
CROSS JOIN LATERAL (VALUES
   ('total', coalesce(p.paid, 0) + s.rounding, s.total),
   ('change', coalesce(p.change, 0), s.change)) AS v (field, expected, found)
WHERE s.tenant_id = :tenant_id""",
    ),
    Check(
        "sale-money",
        "Cada pago de una venta entró a su caja",
        """
SELECT 'sale ' || coalesce(p.sale_id, m.document_id) || ' session ' || coalesce(p.session_id, m.session_id) AS subject,
       coalesce(p.method, m.method) AS field, coalesce(p.amount, 0) AS expected, coalesce(m.amount, 0) AS found
FROM (
   SELECT sale_id, session_id, method, sum(amount) AS amount FROM (
      SELECT p.sale_id, s.session_id, p.method, p.amount - p.change AS amount
      FROM sale_payment p JOIN sale s ON s.tenant_id = p.tenant_id AND s.id = p.sale_id
      WHERE p.tenant_id = :tenant_id AND s.tenant_id = :tenant_id
      UNION ALL SELECT id, session_id, 'rounding', rounding FROM sale WHERE tenant_id = :tenant_id AND rounding <> 0) AS paid
   GROUP BY sale_id, session_id, method) p
FULL JOIN (
   SELECT document_id, session_id, method, sum(amount) AS amount FROM cash_movement
   WHERE tenant_id = :tenant_id AND kind = 'sale' GROUP BY document_id, session_id, method) m
   ON m.document_id = p.sale_id AND m.session_id = p.session_id AND m.method = p.method""",
    ),
    Check(
        "sale-goods",
        "Lo que salió de la bodega en cada venta, en unidades y pesos, es lo de sus líneas",
        """
SELECT 'sale ' || coalesce(l.sale_id, m.document_id) || ' product ' || coalesce(l.product_id, m.product_id) AS subject,
       v.field, v.expected, v.found
FROM (
   SELECT sale_id, product_id, sum(quantity * factor) AS units, sum(cost) AS cost FROM sale_line
   WHERE tenant_id = :tenant_id AND tracks_stock GROUP BY sale_id, product_id) l
FULL JOIN (
   SELECT document_id, product_id, -sum(quantity) AS units, -sum(value) AS cost FROM stock_movement
   WHERE tenant_id = :tenant_id AND kind = 'sale' GROUP BY document_id, product_id) m
   ON m.document_id = l.sale_id AND m.product_id = l.product_id
CROSS JOIN LATERAL (VALUES
   ('quantity', coalesce(l.units, 0), coalesce(m.units, 0)),
   ('cost', coalesce(l.cost, 0), coalesce(m.cost, 0))) AS v (field, expected, found)
WHERE (l.units, l.cost) IS DISTINCT FROM (m.units, m.cost)""",
    ),
)

_RETURNS: Final = (
    Check(
        "sale-remaining",
        "Lo que queda de cada línea y lo devuelto son lo vendido",
        """
SELECT 'sale line ' || l.id AS subject, v.field, v.expected, v.found
FROM sale_line l
LEFT JOIN sale_line_remaining r ON r.tenant_id = :tenant_id AND r.sale_line_id = l.id
LEFT JOIN (
   SELECT sale_line_id, sum(quantity) AS quantity, sum(total) AS total, sum(base) AS base, sum(nominal_tax) AS nominal,
          sum(cost) AS cost
   FROM sale_return_line WHERE tenant_id = :tenant_id GROUP BY sale_line_id) b ON b.sale_line_id = l.id
CROSS JOIN LATERAL (VALUES
   ('quantity', l.quantity, coalesce(r.quantity, l.quantity) + coalesce(b.quantity, 0)),
   ('total', l.total, coalesce(r.total, l.total) + coalesce(b.total, 0)),
   ('base', l.base, coalesce(r.base, l.base) + coalesce(b.base, 0)),
   ('nominalTax', l.nominal_tax, coalesce(r.nominal_tax, l.nominal_tax) + coalesce(b.nominal, 0)),
   ('cost', l.cost, coalesce(r.cost, l.cost) + coalesce(b.cost, 0))) AS v (field, expected, found)
WHERE l.tenant_id = :tenant_id""",
    ),
    Check(
        "return-totals",
        "Cada devolución o anulación es la suma de sus líneas y de lo reembolsado",
        """
SELECT g.kind || ' ' || g.id AS subject, v.field, v.expected, v.found
FROM sale_return g
LEFT JOIN (
   SELECT return_id, sum(base) AS base, sum(tax) AS tax, sum(total) AS total, sum(cost) AS cost
   FROM sale_return_line WHERE tenant_id = :tenant_id GROUP BY return_id) l ON l.return_id = g.id
LEFT JOIN (
   SELECT return_id, sum(amount) AS amount FROM sale_refund WHERE tenant_id = :tenant_id GROUP BY return_id) f
   ON f.return_id = g.id
CROSS JOIN LATERAL (VALUES
   ('subtotal', coalesce(l.base, 0), g.subtotal),
   ('taxTotal', coalesce(l.tax, 0), g.tax_total),
   ('total', coalesce(l.total, 0), g.total),
   ('costTotal', coalesce(l.cost, 0), g.cost_total),
   ('refunded', coalesce(f.amount, 0), g.total)) AS v (field, expected, found)
WHERE g.tenant_id = :tenant_id""",
    ),
    Check(
        "return-money",
        "Cada reembolso salió de su caja",
        """
SELECT 'return ' || coalesce(f.return_id, m.document_id) || ' session ' || coalesce(f.session_id, m.session_id) AS subject,
       coalesce(f.method, m.method) AS field, coalesce(f.amount, 0) AS expected, coalesce(m.amount, 0) AS found
FROM (
   SELECT f.return_id, g.session_id, f.method, sum(f.amount) AS amount
   FROM sale_refund f JOIN sale_return g ON g.tenant_id = f.tenant_id AND g.id = f.return_id
   WHERE f.tenant_id = :tenant_id AND g.tenant_id = :tenant_id GROUP BY f.return_id, g.session_id, f.method) f
FULL JOIN (
   SELECT document_id, session_id, method, -sum(amount) AS amount FROM cash_movement
   WHERE tenant_id = :tenant_id AND kind = 'refund' GROUP BY document_id, session_id, method) m
   ON m.document_id = f.return_id AND m.session_id = f.session_id AND m.method = f.method""",
    ),
    Check(
        "return-goods",
        "Lo que volvió a la bodega, en unidades y pesos, es lo de cada devolución",
        """
SELECT 'return ' || coalesce(l.return_id, m.document_id) || ' product ' || coalesce(l.product_id, m.product_id) AS subject,
       v.field, v.expected, v.found
FROM (
   SELECT b.return_id, s.product_id, sum(b.quantity * s.factor) AS units, sum(b.cost) AS cost
   FROM sale_return_line b JOIN sale_line s ON s.tenant_id = b.tenant_id AND s.id = b.sale_line_id
   WHERE b.tenant_id = :tenant_id AND s.tenant_id = :tenant_id AND s.tracks_stock GROUP BY b.return_id, s.product_id) l
FULL JOIN (
   SELECT document_id, product_id, sum(quantity) AS units, sum(value) AS cost FROM stock_movement
   WHERE tenant_id = :tenant_id AND kind IN ('return', 'void') GROUP BY document_id, product_id) m
   ON m.document_id = l.return_id AND m.product_id = l.product_id
CROSS JOIN LATERAL (VALUES
   ('quantity', coalesce(l.units, 0), coalesce(m.units, 0)),
   ('cost', coalesce(l.cost, 0), coalesce(m.cost, 0))) AS v (field, expected, found)""",
    ),
)

_NUMBERS: Final = (
    Check(
        "numbers",
        "Ventas, devoluciones y anulaciones de cada sucursal van numeradas sin saltos",
        """
SELECT coalesce(n.kind, t.kind) || ' branch ' || coalesce(n.place_id, t.branch_id) AS subject, v.field, v.expected, v.found
FROM (SELECT place_id, kind, next_no FROM numbering WHERE tenant_id = :tenant_id AND kind IN ('sale', 'return', 'void')) n
FULL JOIN (
   SELECT branch_id, 'sale' AS kind, count(*) AS tickets, max(sequence) AS last FROM sale
   WHERE tenant_id = :tenant_id GROUP BY branch_id
   UNION ALL SELECT branch_id, kind, count(*), max(sequence) FROM sale_return
   WHERE tenant_id = :tenant_id GROUP BY branch_id, kind) t ON t.branch_id = n.place_id AND t.kind = n.kind
CROSS JOIN LATERAL (VALUES
   ('last', coalesce(t.tickets, 0), coalesce(t.last, 0)),
   ('next', coalesce(t.tickets, 0) + 1, n.next_no)) AS v (field, expected, found)""",
    ),
)

CHECKS: Final = (*_TICKETS, *_RETURNS, *_NUMBERS)


async def differences(work: Work) -> list[Difference]:
    """Where tickets, stock and drawer disagree; nothing, always."""
    return await compare(work.session, work.tenant_id, CHECKS)
