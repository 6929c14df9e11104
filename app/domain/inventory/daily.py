"""Stock by day: kept behind the movements, read together with what is not kept yet, proven against all of them.

A shelf's positions are given under the lock of its stock row, so they follow the order of commits: all up to the
newest kept one are in the roll-up, none beyond it is. A movement belongs to the day it was written on; the stock of a
day's end is the balance after the last position written by then, which is what the kardex of that day shows last.
"""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.lib.books import Check

SHELVES: Final = 400
"""Shelves of one transaction,"""
POSITIONS: Final = 2_000
"""and movements of each."""

_MOVED: Final = "CASE WHEN m.kind IN ('transfer-out', 'transfer-in') THEN m.{column} ELSE 0 END"
_DAY: Final = "CAST(m.created_at AT TIME ZONE CAST(:zone AS text) AS date)"
_KEPT: Final = (
    "LEFT JOIN LATERAL (SELECT d.position, d.moved_quantity, d.moved_value FROM stock_day d "
    "WHERE d.tenant_id = :tenant_id AND d.product_id = s.product_id AND d.warehouse_id = s.warehouse_id "
    "ORDER BY d.day DESC LIMIT 1) k ON true"
)
"""The newest kept row of shelf `s`."""

_FOLD: Final = text(
    f"""
WITH behind AS MATERIALIZED (
   SELECT s.product_id, s.warehouse_id, coalesce(k.position, 0) AS since, coalesce(k.moved_quantity, 0) AS moved_quantity,
          coalesce(k.moved_value, 0) AS moved_value
   FROM stock s {_KEPT}
   WHERE s.tenant_id = :tenant_id AND s.moves > coalesce(k.position, 0)
   ORDER BY s.product_id, s.warehouse_id LIMIT {SHELVES}),
fresh AS MATERIALIZED (
   SELECT m.product_id, m.warehouse_id, m.position, {_DAY} AS day, m.created_at, m.balance_quantity, m.balance_value,
          b.moved_quantity + sum({_MOVED.format(column="quantity")}) OVER shelf AS moved_quantity,
          b.moved_value + sum({_MOVED.format(column="value")}) OVER shelf AS moved_value,
          lead(m.created_at) OVER shelf_order AS next_at, m.position = b.since + 1 AS is_first
   FROM behind b JOIN stock_movement m ON m.tenant_id = :tenant_id AND m.product_id = b.product_id
      AND m.warehouse_id = b.warehouse_id AND m.position > b.since AND m.position <= b.since + {POSITIONS}
   WINDOW shelf_order AS (PARTITION BY m.product_id, m.warehouse_id ORDER BY m.position),
          shelf AS (PARTITION BY m.product_id, m.warehouse_id ORDER BY m.position ROWS UNBOUNDED PRECEDING)),
last AS (
   SELECT product_id, warehouse_id, day, max(position) AS position FROM fresh GROUP BY product_id, warehouse_id, day),
touched AS (
   -- A till that waited for another may write a movement of the day before after the first ones of the day.
   SELECT product_id, warehouse_id, day FROM last
   UNION SELECT d.product_id, d.warehouse_id, d.day
   FROM (SELECT product_id, warehouse_id, min(day) AS day FROM last GROUP BY product_id, warehouse_id) f
   JOIN stock_day d ON d.tenant_id = :tenant_id AND d.product_id = f.product_id AND d.warehouse_id = f.warehouse_id
      AND d.day >= f.day),
closing AS (
   SELECT product_id, warehouse_id, t.day,
          max(l.position) OVER (PARTITION BY product_id, warehouse_id ORDER BY t.day) AS position
   FROM touched t LEFT JOIN last l USING (product_id, warehouse_id, day)),
ended AS (
   UPDATE stock_gap g SET ended_at = f.created_at FROM fresh f
   WHERE f.is_first AND g.tenant_id = :tenant_id AND g.product_id = f.product_id AND g.warehouse_id = f.warehouse_id
      AND g.position = f.position - 1),
began AS (
   INSERT INTO stock_gap (tenant_id, product_id, warehouse_id, position, began_at, ended_at)
   SELECT CAST(:tenant_id AS uuid), product_id, warehouse_id, position, created_at, next_at
   FROM fresh WHERE balance_quantity = 0),
kept AS (
   INSERT INTO stock_day (tenant_id, product_id, warehouse_id, day, position, quantity, value, moved_quantity, moved_value)
   SELECT CAST(:tenant_id AS uuid), product_id, warehouse_id, c.day, position, f.balance_quantity, f.balance_value,
          f.moved_quantity, f.moved_value
   FROM closing c JOIN fresh f USING (product_id, warehouse_id, position)
   ON CONFLICT (tenant_id, product_id, warehouse_id, day) DO UPDATE SET position = excluded.position,
      quantity = excluded.quantity, value = excluded.value, moved_quantity = excluded.moved_quantity,
      moved_value = excluded.moved_value)
SELECT count(*) FROM behind"""
)

SHELVES_AT: Final = f"""
SELECT s.product_id, s.warehouse_id,
       CASE WHEN t.position IS NULL THEN d.quantity ELSE t.balance_quantity END AS quantity,
       CASE WHEN t.position IS NULL THEN d.value ELSE t.balance_value END AS value,
       CASE WHEN t.position IS NULL THEN d.moved_quantity
            ELSE coalesce(k.moved_quantity, 0) + t.moved_quantity END AS moved_quantity,
       CASE WHEN t.position IS NULL THEN d.moved_value
            ELSE coalesce(k.moved_value, 0) + t.moved_value END AS moved_value
FROM stock s {_KEPT}
LEFT JOIN LATERAL (
   SELECT d.* FROM stock_day d WHERE d.tenant_id = :tenant_id AND d.product_id = s.product_id
      AND d.warehouse_id = s.warehouse_id AND d.day <= :at ORDER BY d.day DESC LIMIT 1) d ON true
LEFT JOIN LATERAL (
   SELECT e.position, e.balance_quantity, e.balance_value, o.moved_quantity, o.moved_value FROM (
      SELECT m.position, m.balance_quantity, m.balance_value FROM stock_movement m
      WHERE s.moves > coalesce(k.position, 0) AND m.tenant_id = :tenant_id AND m.product_id = s.product_id
         AND m.warehouse_id = s.warehouse_id AND m.position > coalesce(k.position, 0)
         AND m.created_at < CAST(:ends AS timestamptz) ORDER BY m.position DESC LIMIT 1) e
   CROSS JOIN LATERAL (
      SELECT coalesce(sum({_MOVED.format(column="quantity")}), 0) AS moved_quantity,
             coalesce(sum({_MOVED.format(column="value")}), 0) AS moved_value
      FROM stock_movement m WHERE m.tenant_id = :tenant_id AND m.product_id = s.product_id
         AND m.warehouse_id = s.warehouse_id AND m.position > coalesce(k.position, 0) AND m.position <= e.position) o
   ) t ON true
WHERE s.tenant_id = :tenant_id AND s.moves > 0 AND (d.position IS NOT NULL OR t.position IS NOT NULL)
   AND (CAST(:branches AS uuid[]) IS NULL OR s.warehouse_id IN (
      SELECT w.id FROM warehouse w WHERE w.tenant_id = :tenant_id AND w.branch_id = ANY(:branches)))"""
"""Every shelf at the end of a day. Binds `:at`, `:ends` (the first instant of the day after) and `:branches` (null: all)."""

GAPS: Final = f"""
SELECT g.product_id, g.warehouse_id, g.began_at, coalesce(g.ended_at, n.created_at) AS ended_at
FROM stock_gap g
LEFT JOIN LATERAL (
   SELECT m.created_at FROM stock_movement m WHERE g.ended_at IS NULL AND m.tenant_id = :tenant_id
      AND m.product_id = g.product_id AND m.warehouse_id = g.warehouse_id AND m.position = g.position + 1) n ON true
WHERE g.tenant_id = :tenant_id
UNION ALL
SELECT m.product_id, m.warehouse_id, m.created_at, n.created_at
FROM (SELECT s.product_id, s.warehouse_id, coalesce(k.position, 0) AS since FROM stock s {_KEPT}
      WHERE s.tenant_id = :tenant_id AND s.moves > coalesce(k.position, 0)) b
CROSS JOIN LATERAL (
   -- Not flattened: the planner would read all movements for the few that are not kept yet.
   SELECT m.* FROM stock_movement m WHERE m.tenant_id = :tenant_id AND m.product_id = b.product_id
      AND m.warehouse_id = b.warehouse_id AND m.position > b.since AND m.balance_quantity = 0 OFFSET 0) m
LEFT JOIN stock_movement n ON n.tenant_id = :tenant_id AND n.product_id = m.product_id
   AND n.warehouse_id = m.warehouse_id AND n.position = m.position + 1"""
"""Every time in which a shelf was empty; no end: it still is."""

_FOLDED: Final = (
    "(SELECT product_id, warehouse_id, max(position) AS position FROM stock_day WHERE tenant_id = :tenant_id "
    "GROUP BY product_id, warehouse_id)"
)
CHECKS: Final = (
    Check(
        "stock-days",
        "La existencia de cada día es el saldo de su último movimiento",
        f"""
WITH closing AS MATERIALIZED (
   SELECT m.product_id, m.warehouse_id, m.day,
          max(max(m.position)) OVER (PARTITION BY m.product_id, m.warehouse_id ORDER BY m.day) AS position
   FROM (SELECT product_id, warehouse_id, position, {_DAY} AS day FROM stock_movement m WHERE tenant_id = :tenant_id) m
   JOIN {_FOLDED} f ON f.product_id = m.product_id AND f.warehouse_id = m.warehouse_id AND m.position <= f.position
   GROUP BY m.product_id, m.warehouse_id, m.day)
SELECT coalesce(d.day, k.day) || ' product ' || coalesce(d.product_id, k.product_id) || ' warehouse '
       || coalesce(d.warehouse_id, k.warehouse_id) AS subject, v.field, v.expected, v.found
FROM (
   SELECT c.product_id, c.warehouse_id, c.day, c.position, b.balance_quantity AS quantity, b.balance_value AS value,
          coalesce(t.quantity, 0) AS moved_quantity, coalesce(t.value, 0) AS moved_value
   FROM closing c
   JOIN stock_movement b ON b.tenant_id = :tenant_id AND b.product_id = c.product_id
      AND b.warehouse_id = c.warehouse_id AND b.position = c.position
   LEFT JOIN (SELECT c.product_id, c.warehouse_id, c.day, sum(m.quantity) AS quantity, sum(m.value) AS value
              FROM closing c JOIN stock_movement m ON m.tenant_id = :tenant_id AND m.product_id = c.product_id
                 AND m.warehouse_id = c.warehouse_id AND m.position <= c.position
              WHERE m.kind IN ('transfer-out', 'transfer-in') GROUP BY c.product_id, c.warehouse_id, c.day) t
      ON t.product_id = c.product_id AND t.warehouse_id = c.warehouse_id AND t.day = c.day) d
FULL JOIN (SELECT * FROM stock_day WHERE tenant_id = :tenant_id) k
   ON k.product_id = d.product_id AND k.warehouse_id = d.warehouse_id AND k.day = d.day
CROSS JOIN LATERAL (VALUES
   ('position', d.position, k.position), ('quantity', d.quantity, k.quantity), ('value', d.value, k.value),
   ('movedQuantity', d.moved_quantity, k.moved_quantity), ('movedValue', d.moved_value, k.moved_value))
   AS v (field, expected, found)
WHERE v.expected IS DISTINCT FROM v.found""",
    ),
    Check(
        "stock-gaps",
        "Cada vez que una bodega se quedó sin un producto está anotada con su comienzo y su fin",
        f"""
SELECT 'movement ' || coalesce(m.position, g.position) || ' product ' || coalesce(m.product_id, g.product_id)
       AS subject, v.field, v.expected, v.found
FROM (SELECT m.product_id, m.warehouse_id, m.position, m.created_at, n.created_at AS next_at
      FROM stock_movement m
      JOIN {_FOLDED} f ON f.product_id = m.product_id AND f.warehouse_id = m.warehouse_id AND m.position <= f.position
      LEFT JOIN stock_movement n ON n.tenant_id = :tenant_id AND n.product_id = m.product_id
         AND n.warehouse_id = m.warehouse_id AND n.position = m.position + 1 AND n.position <= f.position
      WHERE m.tenant_id = :tenant_id AND m.balance_quantity = 0) m
FULL JOIN (SELECT * FROM stock_gap WHERE tenant_id = :tenant_id) g
   ON g.product_id = m.product_id AND g.warehouse_id = m.warehouse_id AND g.position = m.position
CROSS JOIN LATERAL (VALUES
   ('position', m.position, g.position),
   ('began', extract(epoch FROM m.created_at), extract(epoch FROM g.began_at)),
   ('ended', extract(epoch FROM m.next_at), extract(epoch FROM g.ended_at))) AS v (field, expected, found)
WHERE v.expected IS DISTINCT FROM v.found""",
    ),
)
"""Kept days and gaps against all movements. They bind `:zone`."""

_EMPTIES: Final = tuple(
    text(f"DELETE FROM {table} WHERE tenant_id = :tenant_id") for table in ("stock_day", "stock_gap")
)


async def fold_stock(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Keep the next movements, under the caller's lock; answers whether more wait. `values` has `tenant_id` and `zone`."""
    return bool(await session.scalar(_FOLD, values))


async def empty_stock(session: AsyncSession, values: dict[str, Any]) -> None:
    """Forget what is kept, under the caller's lock, so that it is made anew."""
    for statement in _EMPTIES:
        await session.execute(statement, values)
