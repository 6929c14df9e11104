"""The rules of indicators about sales, sellers and customers."""

import statistics
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import text

from app.domain.reports.customers import buyers, score, segment
from app.domain.reports.facts import SALES, UNFOLDED
from app.domain.reports.findings import Finding, Item, documents_link, in_percent, in_pesos, in_products, weightiest
from app.domain.reports.forecast import WEEK
from app.domain.reports.look import Look
from app.domain.reports.sources import condition
from app.lib import clock
from app.lib.money import ZERO, cents
from app.lib.pesos import format_pesos

AWAY_AFTER: Final = 30
"""Days without a purchase before a good customer counts as leaving."""
LEAST_SPREAD: Final = Decimal("0.10")
DROP: Final = Decimal("-0.30")
DEMAND_CHANGE: Final = 0.20
SIGMAS: Final = 2.0
SAMPLES: Final = 4
"""Earlier weeks without which nothing is unusual."""
WEEKS: Final = 8

_SO_FAR: Final = (
    f"WITH {UNFOLDED} SELECT f.day, sum(f.total) AS total FROM ({SALES.live()}) f WHERE f.hour < :hour AND {{wanted}} "
    "GROUP BY 1"
)


async def sales_anomaly(look: Look) -> Finding | None:
    """Today, up to the last whole hour, against the same weekday and hours of the last eight weeks."""
    hour = clock.now().astimezone(clock.day_begun(look.asked.last, look.asked.zone).tzinfo).hour
    span = look.asked.over(look.asked.last - timedelta(days=WEEKS * WEEK), look.asked.last)
    values = span.values() | {"tenant_id": look.work.tenant_id, "hour": hour}
    rows = (await look.work.session.execute(text(_SO_FAR.format(wanted=condition(span))), values)).all()
    totals: dict[date, Decimal] = {row.day: row.total for row in rows}
    before = [totals[day] for n in range(1, WEEKS + 1) if (day := look.asked.last - timedelta(days=n * WEEK)) in totals]
    today = totals.get(look.asked.last, ZERO)
    if len(before) < SAMPLES:
        return None
    usual = Decimal(statistics.fmean(before))
    # A shop that always sells the same is not alarmed by a few pesos.
    spread = max(Decimal(statistics.stdev(before)), usual * LEAST_SPREAD)
    if abs(today - usual) <= spread * Decimal(SIGMAS):
        return None
    lower = today < usual
    return Finding(
        title="Ventas de hoy fuera de lo usual",
        severity="critical" if lower else "info",
        why=f"Hasta las {hour}:00 van {format_pesos(today)}; lo usual de este día son {format_pesos(cents(usual))}.",
        action="Revise si una caja, un medio de pago o la puerta fallan."
        if lower
        else "Revise existencias y personal.",
        link=f"/v1/reports/sales?by=hour&from={look.asked.last}&to={look.asked.last}",
        items=[
            Item(
                None,
                None,
                format_pesos(today - cents(usual)),
                f"/v1/reports/sales?by=hour&from={look.asked.last}&to={look.asked.last}",
            )
        ],
        total=lambda items: items[0].text,
    )


_SELLERS: Final = (
    f"WITH {UNFOLDED} SELECT f.seller_id, n.display_name AS name, "
    "coalesce(sum(f.total) FILTER (WHERE f.day >= :since), 0.00) AS now, "
    f"coalesce(sum(f.total) FILTER (WHERE f.day < :since), 0.00) AS before FROM ({SALES.live()}) f "
    "LEFT JOIN membership n ON n.tenant_id = :tenant_id AND n.user_id = f.seller_id WHERE {wanted} GROUP BY 1, 2"
)


async def sales_by_employee(look: Look) -> Finding | None:
    """Sellers who sold at least 30 % less than in the thirty days before."""
    span = look.asked.over(look.asked.first - timedelta(days=look.asked.days), look.asked.last)
    values = span.values() | {"tenant_id": look.work.tenant_id, "since": look.asked.first}
    rows = (await look.work.session.execute(text(_SELLERS.format(wanted=condition(span))), values)).all()
    items = [
        Item(
            row.seller_id,
            row.name,
            f"{in_percent((row.now - row.before) / row.before)} ({format_pesos(row.now)})",
            f"/v1/reports/sales/documents?{look.asked.query(sellerId=row.seller_id)}",
            row.before - row.now,
        )
        for row in rows
        if row.before > 0 and (row.now - row.before) / row.before <= DROP
    ]
    if not items:
        return None
    return Finding(
        title="Vendedores que venden menos",
        severity="info",
        why="Vendieron al menos 30 % menos que en los treinta días anteriores.",
        action="Hable con ellos: turnos, zona, permisos o vacaciones lo explican casi siempre.",
        link="/v1/reports/sales?by=seller",
        items=weightiest(items),
        total=in_pesos,
    )


async def demand_forecast(look: Look) -> Finding | None:
    """Products whose next week should differ by a fifth from the last one, measured on at least eight weeks."""
    past, coming = await look.histories(), await look.forecasts()
    names = await look.names(list(past))
    items = []
    for key, history in past.items():
        found = coming[key]
        last, following = sum(history[-WEEK:]), sum(found.days[:WEEK])
        if found.error is None or last <= 0 or abs(following - last) < DEMAND_CHANGE * last:
            continue
        shown = f"{following:.0f} unidades, frente a {last:.0f} (error medido {found.error * 100:.0f} %)"
        items.append(
            Item(key, names[key][1], shown, documents_link(look.asked, key), Decimal(f"{abs(following - last):.3f}"))
        )
    if not items:
        return None
    return Finding(
        title="Cambia la demanda esperada",
        severity="info",
        why="La próxima semana debería diferir al menos 20 % de la última.",
        action="Ajuste sus pedidos.",
        link="/v1/reports/forecast",
        items=weightiest(items),
        total=in_products,
    )


async def customers_at_risk(look: Look) -> Finding | None:
    """Customers who bought often and stopped coming, in the last half year."""
    span = look.asked.over(look.asked.last - timedelta(days=179), look.asked.last)
    rows = await buyers(look.work, span)
    r, f = score([-row["recency"] for row in rows]), score([row["frequency"] for row in rows])
    items = [
        Item(row["customerId"], row["name"], f"hace {row['recency']} días", row["link"], row["total"])
        for row, one, two in zip(rows, r, f, strict=True)
        if row["recency"] >= AWAY_AFTER and segment(one, two) == "En riesgo"
    ]
    if not items:
        return None
    return Finding(
        title="Clientes en riesgo",
        severity="warning",
        why="Compraban seguido y no vuelven desde hace un mes o más.",
        action="Llámelos o hágales una oferta.",
        link="/v1/reports/customers/rfm",
        items=weightiest(items),
        total=lambda found: f"{len(found)} cliente{'' if len(found) == 1 else 's'}",
    )
