"""SQL of stock for the sale's write statement: one CTE each, fed by a JSON list with one object a product.

Exported for `sales/post.py` alone (ADR 0002); everything else asks the inventory service.
"""

from typing import Final

GOODS_OUT: Final = """
 mv AS (SELECT * FROM json_to_recordset({goods}) AS t(product_id uuid, quantity numeric, value numeric, id uuid)),
 st AS (UPDATE stock s SET quantity = s.quantity - mv.quantity, value = s.value - mv.value, moves = s.moves + 1,
               changed_xid = (pg_current_xact_id()::text)::bigint
        FROM mv WHERE s.tenant_id = $1 AND s.product_id = ANY({products}::uuid[]) AND s.warehouse_id = {warehouse}
             AND s.product_id = mv.product_id
        RETURNING mv.id, s.product_id, s.moves, mv.quantity, mv.value, s.quantity AS balance_quantity,
                  s.value AS balance_value)"""
"""Takes goods off the shelf; the products stand beside the list so that they are found by key, whatever is guessed of its
length. `st` has a row for each product that was there."""

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
   WHERE head.claimed = 1 AND head.is_open
   ORDER BY s.product_id FOR UPDATE OF s)"""
"""Locks the shelves of a ticket's products in their order and reads what their price and cost depend on."""
