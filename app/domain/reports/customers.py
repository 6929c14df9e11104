"""Customers: who buys most, who is leaving, and groups of alike ones. Nothing here leaves the company."""

import asyncio
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import text

from app.db.session import Work
from app.domain.reports.asked import MAX_ROWS, Asked
from app.domain.reports.clusters import cluster
from app.domain.reports.facts import UNFOLDED
from app.domain.reports.sources import condition, source_for
from app.domain.reports.tables import Column, Row, Table, series, sums
from app.lib.money import cents, divide

_PEOPLE: Final = (
    Column("name", "Cliente", is_person=True),
    Column("identification", "Identificación", is_person=True),
    Column("lastOn", "Última compra", "day"),
    Column("recency", "Días desde la última", "count"),
    Column("frequency", "Compras", "count", is_summed=True),
    Column("total", "Total", "money", is_summed=True),
    Column("averageTicket", "Compra promedio", "money"),
)
_RFM: Final = (
    *_PEOPLE,
    Column("r", "R", "count"),
    Column("f", "F", "count"),
    Column("m", "M", "count"),
    Column("segment", "Segmento"),
    Column("customerId", "Id", "id"),
)
_CLUSTERS: Final = (
    *_PEOPLE,
    Column("cluster", "Grupo", "count"),
    Column("clusterName", "Descripción"),
    Column("customerId", "Id", "id"),
)
_BUYERS: Final = (
    f"WITH {UNFOLDED}, g AS (SELECT coalesce(k.merged_into, k.id) AS id, {{tickets}} AS frequency, sum(f.total) AS total, "
    f"max(f.day) FILTER (WHERE f.total > 0) AS last_on FROM ({{rows}}) f "
    "JOIN customer k ON k.tenant_id = :tenant_id AND k.id = f.customer_id AND NOT k.is_final_consumer "
    "WHERE {wanted} GROUP BY 1) "
    "SELECT g.*, n.name, n.identification FROM g JOIN customer n ON n.tenant_id = :tenant_id AND n.id = g.id "
    "WHERE g.frequency > 0 AND g.last_on IS NOT NULL ORDER BY g.total DESC, g.id"
)
_FIFTHS: Final = 5
_GOOD: Final = 4
_WEAK: Final = 2
GROUPS: Final = 4
"""Clusters asked for; fewer customers make fewer."""


def segment(r: int, f: int) -> str:
    """Name of a place in the grid of recency and frequency, 1 worst to 5 best."""
    if r >= _GOOD and f >= _GOOD:
        return "Campeones"
    if r >= _GOOD:
        return "Nuevos o prometedores" if f <= _WEAK else "Leales en potencia"
    if r == 3:  # noqa: PLR2004 - the middle of five
        return "Leales" if f >= _GOOD else "Requieren atención"
    return "En riesgo" if f >= 3 else "Perdidos"  # noqa: PLR2004 - the middle of five


async def buyers(work: Work, asked: Asked) -> list[Row]:
    """Everybody who bought in the period, but for the final consumer, the largest first."""
    source = source_for(asked, ["customer_id", "day"], whole_tickets=True)
    statement = text(_BUYERS.format(rows=source.rows, tickets=source.tickets, wanted=condition(asked)))
    rows = (await work.session.execute(statement, asked.values() | {"tenant_id": work.tenant_id})).all()
    return [_buyer(row, asked) for row in rows]


def _buyer(row: Any, asked: Asked) -> Row:
    last_on: date = row.last_on
    return {
        "customerId": row.id,
        "name": row.name,
        "identification": row.identification,
        "lastOn": last_on,
        "recency": (asked.last - last_on).days,
        "frequency": int(row.frequency),
        "total": row.total,
        "averageTicket": cents(divide(row.total, Decimal(int(row.frequency)))),
        "link": f"/v1/reports/sales/documents?{asked.query(customerId=row.id)}",
    }


def score(values: Sequence[Any]) -> list[int]:
    """Fifths of an ordering, 5 for the largest values; equal values get the same one."""
    order = sorted(values)
    count = len(order)
    place: dict[Any, int] = {}
    for n, value in enumerate(order):
        place.setdefault(value, n)
    return [1 + place[value] * _FIFTHS // count for value in values]


async def rfm(work: Work, asked: Asked) -> Table:
    """Recency, frequency and money of each customer in fifths, and the segment they make."""
    rows = await buyers(work, asked)
    r = score([-row["recency"] for row in rows])
    f = score([row["frequency"] for row in rows])
    m = score([row["total"] for row in rows])
    for row, one, two, three in zip(rows, r, f, m, strict=True):
        row |= {"r": one, "f": two, "m": three, "segment": segment(one, two)}
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["segment"]] = counts.get(row["segment"], 0) + 1
    drawn = [
        {"name": name, "value": count} for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]
    table = _table("customers-rfm", "Segmentos de clientes (RFM)", _RFM, rows)
    table.series = [series("Clientes por segmento", drawn, "name", "value")] if drawn else []
    return table


async def clusters(work: Work, asked: Asked) -> Table:
    """Customers alike in recency, frequency and money, found by k-means from a fixed seed: the same data, the same groups."""
    rows = await buyers(work, asked)
    points = [(float(row["recency"]), float(row["frequency"]), float(max(row["total"], 0))) for row in rows]
    # Off the loop: thousands of points take a moment.
    found = await asyncio.to_thread(cluster, points, GROUPS)
    for row, number in zip(rows, found.labels, strict=True):
        row |= {"cluster": number + 1, "clusterName": found.names[number]}
    counts = [{"name": found.names[n], "value": found.labels.count(n)} for n in range(len(found.names))]
    table = _table("customers-clusters", "Grupos de clientes (k-means)", _CLUSTERS, rows)
    table.series = [series("Clientes por grupo", counts, "name", "value")] if counts else []
    table.notes = [
        f"Grupo {n + 1} ({found.names[n]}): {one['value']} clientes; en promedio {center[1]:.1f} compras, "
        f"{center[2]:,.0f} pesos y {center[0]:.0f} días desde la última."
        for n, (one, center) in enumerate(zip(counts, found.centers, strict=True))
    ]
    return table


def _table(name: str, title: str, columns: Sequence[Column], rows: list[Row]) -> Table:
    return Table(
        name=name,
        title=title,
        columns=columns,
        rows=rows[:MAX_ROWS],
        has_more=len(rows) > MAX_ROWS,
        totals=sums(columns, rows),
    )
