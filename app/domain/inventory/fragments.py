"""SQL of stock for the sale's write statement: one CTE each, fed by a JSON list with one object a product.

Exported for `sales/post.py` alone (ADR 0002); everything else asks the inventory service.
"""

from typing import Final

GOODS_OUT: Final = """
 mv AS MATERIALIZED (
   SELECT * FROM json_to_recordset({goods})
            AS t(product_id uuid, quantity numeric, value numeric, had numeric, worth numeric, id uuid)),
 found AS MATERIALIZED (
   SELECT shelf.* FROM pin, LATERAL (
      SELECT s.product_id FROM stock s JOIN mv ON s.product_id = mv.product_id AND s.quantity = mv.had AND s.value = mv.worth
      WHERE {pinned} AND s.tenant_id = $1 AND s.product_id = ANY({products}::uuid[]) AND s.warehouse_id = {warehouse}
      ORDER BY s.product_id OFFSET 0 FOR UPDATE OF s) shelf),
 st AS (UPDATE stock s SET quantity = s.quantity - mv.quantity, value = s.value - mv.value, moves = s.moves + 1,
               changed_xid = (pg_current_xact_id()::text)::bigint
        FROM mv WHERE (SELECT count(*) FROM found) = cardinality({products}::uuid[]) AND s.tenant_id = $1
             AND s.product_id = ANY({products}::uuid[]) AND s.warehouse_id = {warehouse} AND s.product_id = mv.product_id
        RETURNING mv.id, s.product_id, s.moves, mv.quantity, mv.value, s.quantity AS balance_quantity,
                  s.value AS balance_value)"""
"""Takes goods off the shelf if every shelf still holds what the ticket was reckoned with, or takes nothing.

The products stand beside the list so that they are found by key, whatever is guessed of its length. `st` has a row for
each product, or none.
"""

GOODS_MOVED: Final = """
 moved AS (INSERT INTO stock_movement (tenant_id, id, product_id, warehouse_id, position, kind, document_id, quantity,
                  value, balance_quantity, balance_value, user_id, created_at)
           SELECT $1, st.id, st.product_id, {warehouse}, st.moves, 'sale', {document}, -st.quantity, -st.value,
                  st.balance_quantity, st.balance_value, {user}, {at} FROM st)"""
"""Writes the ledger of what `st` took."""

SHELF: Final = """
 goods AS MATERIALIZED (
   SELECT p.id AS product_id, p.sku, p.name, p.price, p.tax_class, p.nominal_factor, p.unit_code, p.tracks_stock,
          p.last_cost, p.retired_at IS NOT NULL AS retired, r.rate, r.nominal, s.quantity, s.value
   FROM head
   JOIN stock s ON s.tenant_id = $1 AND s.warehouse_id = head.warehouse_id AND s.product_id = ANY({products}::uuid[])
   JOIN product p ON p.tenant_id = $1 AND p.id = s.product_id
   LEFT JOIN tax_rate r ON r.tax_class = p.tax_class AND head.business_day BETWEEN r.valid_from AND r.valid_to
   WHERE head.is_open)"""
"""Reads the shelves of a ticket's products and what their price and cost depend on."""

SHELVES_LOCKED: Final = """
SELECT count(*) FROM (
   SELECT 1 FROM stock
   WHERE tenant_id = $1 AND product_id = ANY($3::uuid[])
     AND warehouse_id = (SELECT warehouse_id FROM cash_session WHERE tenant_id = $1 AND id = $2)
   ORDER BY product_id FOR UPDATE) held"""
"""Locks the shelves of products where a session sells from, in the order every writer keeps: $1 tenant, $2 session, $3 products."""
