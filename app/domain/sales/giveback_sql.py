"""Statements of returns and voids."""

from typing import Final

from sqlalchemy import text

OPEN_LINES: Final = text(
    "INSERT INTO sale_line_remaining (tenant_id, sale_line_id, quantity, total, base, nominal_tax, cost) "
    "SELECT tenant_id, id, quantity, total, base, nominal_tax, cost FROM sale_line "
    "WHERE tenant_id = :t AND sale_id = :sale ORDER BY id ON CONFLICT DO NOTHING"
)
"""The companions of a ticket's lines, at its first return: most tickets never need them."""

LINES: Final = text(
    "SELECT l.id, l.position, l.product_id, l.sku, l.name, l.unit_code, l.tax_class, l.tax_rate, "
    "l.factor, l.quantity AS sold, l.total, l.base, l.nominal_tax, l.cost, "
    "l.tracks_stock, r.quantity AS left_quantity, r.total AS left_total, r.base AS left_base, "
    "r.nominal_tax AS left_nominal_tax, r.cost AS left_cost "
    "FROM sale_line_remaining r JOIN sale_line l ON l.tenant_id = r.tenant_id AND l.id = r.sale_line_id "
    "WHERE r.tenant_id = :t AND l.tenant_id = :t AND l.sale_id = :sale ORDER BY l.position FOR UPDATE OF r"
)
LOWER: Final = text(
    "UPDATE sale_line_remaining r SET quantity = r.quantity - d.quantity, total = r.total - d.total, "
    "base = r.base - d.base, nominal_tax = r.nominal_tax - d.nominal_tax, cost = r.cost - d.cost "
    "FROM unnest(CAST(:lines AS uuid[]), CAST(:quantities AS numeric[]), CAST(:totals AS numeric[]), "
    "CAST(:bases AS numeric[]), CAST(:nominals AS numeric[]), CAST(:costs AS numeric[])) "
    "AS d(line_id, quantity, total, base, nominal_tax, cost) WHERE r.tenant_id = :t AND r.sale_line_id = d.line_id"
)
SHELVES: Final = text(
    "SELECT product_id FROM stock WHERE tenant_id = :t AND warehouse_id = :warehouse AND product_id = ANY(:products) "
    "ORDER BY product_id FOR UPDATE"
)
GOODS_BACK: Final = text(
    "WITH st AS (UPDATE stock s SET quantity = s.quantity + d.quantity, value = s.value + d.value, moves = s.moves + 1, "
    "changed_xid = (pg_current_xact_id()::text)::bigint "
    "FROM unnest(CAST(:products AS uuid[]), CAST(:quantities AS numeric[]), CAST(:values AS numeric[]), "
    "CAST(:ids AS uuid[])) AS d(product_id, quantity, value, id) "
    "WHERE s.tenant_id = :t AND s.warehouse_id = :warehouse AND s.product_id = d.product_id "
    "RETURNING d.id, s.product_id, s.moves, d.quantity, d.value, s.quantity AS balance_quantity, s.value AS balance_value) "
    "INSERT INTO stock_movement (tenant_id, id, product_id, warehouse_id, position, kind, document_id, quantity, value, "
    "balance_quantity, balance_value, user_id, created_at) SELECT :t, id, product_id, :warehouse, moves, :kind, :document, "
    "quantity, value, balance_quantity, balance_value, :user, :at FROM st"
)
PAID: Final = text(
    "SELECT method, sum(amount) AS amount FROM ("
    "SELECT method, amount - change AS amount FROM sale_payment WHERE tenant_id = :t AND sale_id = :sale "
    "UNION ALL SELECT f.method, -f.amount FROM sale_refund f JOIN sale_return g ON g.tenant_id = f.tenant_id "
    "AND g.id = f.return_id WHERE f.tenant_id = :t AND g.tenant_id = :t AND g.sale_id = :sale) AS paid GROUP BY method"
)
SESSION: Final = text(
    "SELECT d.session_id, d.is_open, c.branch_id, c.warehouse_id, t.cash_rounding, t.time_zone "
    "FROM cash_drawer d JOIN cash_session c ON c.tenant_id = d.tenant_id "
    "AND c.id = d.session_id JOIN tenant t ON t.tenant_id = d.tenant_id "
    "WHERE d.tenant_id = :t AND c.tenant_id = :t AND t.tenant_id = :t AND d.session_id = :session"
)
OWN_SESSIONS: Final = text(
    "SELECT session_id FROM cash_drawer WHERE tenant_id = :t AND opened_by = :user AND is_open LIMIT 2"
)
