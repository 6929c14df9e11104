"""Proof of the drawer: what it should hold is what moved in and out of it."""

from typing import Final

from app.db.session import Work
from app.lib.books import Check, Difference, compare
from app.lib.tenders import METHODS, TENDER_COLUMNS

_TOTALS: Final = ", ".join(f"('{method}', d.{column})" for method, column in TENDER_COLUMNS.items())
_COUNTED: Final = ", ".join(f"'{method}'" for method in METHODS)

CHECKS: Final = (
    Check(
        "drawer-totals",
        "Lo que debe haber en cada caja es la suma de sus movimientos, por medio de pago",
        f"""
SELECT 'session ' || d.session_id AS subject, t.method AS field, coalesce(m.amount, 0) AS expected, t.amount AS found
FROM cash_drawer d CROSS JOIN LATERAL (VALUES {_TOTALS}) AS t (method, amount)
LEFT JOIN (
   SELECT session_id, method, sum(amount) AS amount FROM cash_movement
   WHERE tenant_id = :tenant_id GROUP BY session_id, method) m
   ON m.session_id = d.session_id AND m.method = t.method
WHERE d.tenant_id = :tenant_id""",
    ),
    Check(
        "drawer-openings",
        "Cada turno abrió con lo que dice, y solo el cerrado tiene cierre",
        """
SELECT 'session ' || s.id AS subject, v.field, v.expected, v.found
FROM cash_session s
LEFT JOIN cash_drawer d ON d.tenant_id = :tenant_id AND d.session_id = s.id
LEFT JOIN cash_close z ON z.tenant_id = :tenant_id AND z.session_id = s.id
LEFT JOIN (
   SELECT session_id, sum(amount) AS amount FROM cash_movement
   WHERE tenant_id = :tenant_id AND kind = 'opening' GROUP BY session_id) m ON m.session_id = s.id
CROSS JOIN LATERAL (VALUES
   ('openingAmount', coalesce(m.amount, 0), s.opening_amount),
   ('isClosed', (z.session_id IS NOT NULL)::int, (NOT d.is_open)::int)) AS v (field, expected, found)
WHERE s.tenant_id = :tenant_id""",
    ),
    Check(
        "closes",
        "Cada cierre esperaba lo que movió su turno",
        f"""
SELECT 'session ' || coalesce(t.session_id, m.session_id) AS subject, coalesce(t.method, m.method) AS field,
       coalesce(m.amount, 0) AS expected, coalesce(t.expected, 0) AS found
FROM (SELECT session_id, method, expected FROM cash_close_tender WHERE tenant_id = :tenant_id) t
FULL JOIN (
   SELECT v.session_id, v.method, sum(v.amount) AS amount
   FROM cash_movement v JOIN cash_close z ON z.tenant_id = v.tenant_id AND z.session_id = v.session_id
   WHERE v.tenant_id = :tenant_id AND z.tenant_id = :tenant_id AND v.method IN ({_COUNTED})
   GROUP BY v.session_id, v.method) m
   ON m.session_id = t.session_id AND m.method = t.method""",
    ),
    Check(
        "z-numbers",
        "Los cierres de cada caja van numerados sin saltos",
        """
SELECT 'register ' || coalesce(n.place_id, z.register_id) AS subject, v.field, v.expected, v.found
FROM (SELECT place_id, next_no FROM numbering WHERE tenant_id = :tenant_id AND kind = 'z') n
FULL JOIN (
   SELECT register_id, count(*) AS closes, max(z_number) AS last FROM cash_close
   WHERE tenant_id = :tenant_id GROUP BY register_id) z ON z.register_id = n.place_id
CROSS JOIN LATERAL (VALUES
   ('last', coalesce(z.closes, 0), coalesce(z.last, 0)),
   ('next', coalesce(z.closes, 0) + 1, n.next_no)) AS v (field, expected, found)""",
    ),
)


async def differences(work: Work) -> list[Difference]:
    """Where a drawer and its movements disagree; nothing, always."""
    return await compare(work.session, work.tenant_id, CHECKS)
