"""Proof of the roll-ups: what reports read is what all tickets and movements add up to, computed anew."""

from typing import Final

from sqlalchemy import text

from app.db.session import Work
from app.domain.inventory import daily
from app.domain.reports.facts import CUBES, UNFOLDED, Cube
from app.lib.books import Check, Difference, compare

_TITLES: Final = {
    "report_sales": "El resumen diario de ventas es la suma de sus tiquetes",
    "report_customer": "El resumen diario por cliente es la suma de sus tiquetes",
    "report_product": "El resumen diario por producto es la suma de sus líneas",
    "report_product_month": "El resumen mensual por producto es la suma de sus líneas",
    "report_tender": "El resumen diario por medio de pago es la suma de sus pagos",
    "report_tax": "El resumen diario de impuestos es la suma de sus líneas",
}


def _check(cube: Cube) -> Check:
    keys = ", ".join(cube.keys)
    kept = ", ".join(f"sum({name}) AS {name}" for name in cube.measures)
    same = " AND ".join(f"a.{key} = k.{key}" for key in cube.keys)
    pairs = ", ".join(f"('{name}', coalesce(a.{name}, 0), coalesce(k.{name}, 0))" for name in cube.measures)
    subject = " || ' ' || ".join(f"CAST(coalesce(a.{key}, k.{key}) AS text)" for key in cube.keys)
    return Check(
        cube.table.replace("_", "-"),
        _TITLES[cube.table],
        f"""
WITH {UNFOLDED}
SELECT {subject} AS subject, v.field, v.expected, v.found
FROM ({cube.anew()}) a
FULL JOIN (SELECT {keys}, {kept} FROM ({cube.live_ever()}) c GROUP BY {keys}) k ON {same}
CROSS JOIN LATERAL (VALUES {pairs}) AS v (field, expected, found)
WHERE v.expected IS DISTINCT FROM v.found""",
    )


CHECKS: Final = (*(_check(cube) for cube in CUBES), *daily.CHECKS)
_ZONE: Final = text("SELECT time_zone FROM tenant WHERE tenant_id = :tenant_id")


async def differences(work: Work) -> list[Difference]:
    """Where a roll-up and what it is made of disagree; nothing, always."""
    zone = await work.session.scalar(_ZONE, {"tenant_id": work.tenant_id})
    return await compare(work.session, work.tenant_id, CHECKS, zone=zone)
