"""Cash by shift, from the counts that were stored; and who undid, took back and discounted what."""

from typing import Any, Final

from sqlalchemy import text

from app.db.session import Work
from app.domain.reports.asked import MAX_ROWS, Asked
from app.domain.reports.tables import Column, Row, Table, series, sums
from app.lib import clock
from app.lib.money import ZERO
from app.lib.tenders import METHOD_NAMES, TENDER_COLUMNS

_CASH: Final = (
    Column("register", "Caja"),
    Column("branch", "Sucursal"),
    Column("zNumber", "Z"),
    Column("openedAt", "Abierta", "instant"),
    Column("closedAt", "Cerrada", "instant"),
    Column("openedBy", "Abrió"),
    Column("closedBy", "Cerró"),
    Column("methodName", "Medio"),
    Column("expected", "Esperado", "money", is_summed=True),
    Column("counted", "Contado", "money", is_summed=True),
    Column("difference", "Diferencia", "money", is_summed=True),
    Column("sessionId", "Turno", "id"),
    Column("method", "Medio", "id"),
)
_CLOSED: Final = (
    "SELECT c.session_id, c.z_number, c.closed_at, c.register_id, t.method, t.expected, t.counted, t.difference "
    "FROM cash_close c JOIN cash_close_tender t ON t.tenant_id = :tenant_id AND t.session_id = c.session_id "
    "WHERE c.tenant_id = :tenant_id AND c.business_day BETWEEN :first AND :last"
)
_OPEN: Final = (
    "SELECT d.session_id, CAST(NULL AS bigint), CAST(NULL AS timestamptz), d.register_id, v.method, v.amount, "
    "CAST(NULL AS numeric), CAST(NULL AS numeric) FROM cash_drawer d CROSS JOIN LATERAL (VALUES "
    + ", ".join(f"('{method}', d.{column})" for method, column in TENDER_COLUMNS.items() if method != "rounding")
    + ") AS v (method, amount) WHERE d.tenant_id = :tenant_id AND d.is_open AND CAST(:with_open AS boolean) "
    "AND (v.amount <> 0 OR v.method = 'cash')"
)
_WHOLE: Final = ", ".join(f"sum(f.{name}) OVER () AS whole_{name}" for name in ("expected", "counted", "difference"))
"""Of all rows, also of those beyond the limit."""
_SESSIONS: Final = (
    f"SELECT f.session_id, f.z_number, f.closed_at, f.method, f.expected, f.counted, f.difference, s.opened_at, "
    "r.name AS register, b.name AS branch, o.display_name AS opened_by, e.display_name AS closed_by, "
    f"{_WHOLE} FROM ({_CLOSED} UNION ALL {_OPEN}) f (session_id, z_number, closed_at, register_id, method, expected, counted, difference) "
    "JOIN cash_session s ON s.tenant_id = :tenant_id AND s.id = f.session_id "
    "JOIN cash_register r ON r.tenant_id = :tenant_id AND r.id = f.register_id "
    "JOIN branch b ON b.tenant_id = :tenant_id AND b.id = s.branch_id "
    "LEFT JOIN membership o ON o.tenant_id = :tenant_id AND o.user_id = s.opened_by "
    "LEFT JOIN cash_close c ON c.tenant_id = :tenant_id AND c.session_id = f.session_id "
    "LEFT JOIN membership e ON e.tenant_id = :tenant_id AND e.user_id = c.closed_by WHERE {wanted} "
    "ORDER BY s.opened_at DESC, f.session_id, f.method LIMIT :most"
)


def _wanted(asked: Asked, *, branch: str, register: str) -> str:
    parts = ["true"]
    if asked.branch_id is not None:
        parts.append(f"{branch} = :branch_id")
    if asked.register_id is not None:
        parts.append(f"{register} = :register_id")
    if asked.branches is not None:
        parts.append(f"{branch} = ANY(:branches)")
    return " AND ".join(parts)


async def cash(work: Work, asked: Asked) -> Table:
    """Shifts closed in the period, tender by tender, as their Z has them; those still open, when the period holds today."""
    today = clock.business_day(clock.now(), asked.zone)
    statement = text(_SESSIONS.format(wanted=_wanted(asked, branch="s.branch_id", register="f.register_id")))
    may = work.actor.may("cash:approve")
    values = asked.values() | {
        "tenant_id": work.tenant_id,
        # What an open drawer should hold is not for whoever has yet to count it.
        "with_open": asked.first <= today <= asked.last and may,
        "most": MAX_ROWS + 1,
    }
    found = (await work.session.execute(statement, values)).all()
    made = [_session(row) for row in found[:MAX_ROWS]]
    drawn = [
        {"name": f"Z {row['zNumber']}", "value": row["difference"]}
        for row in made
        if row["method"] == "cash" and row["zNumber"]
    ]
    return Table(
        name="cash",
        title="Caja por turno",
        columns=_CASH,
        rows=made,
        totals={name: getattr(found[0], f"whole_{name}") or ZERO for name in sums(_CASH, [])}
        if found
        else sums(_CASH, []),
        has_more=len(found) > MAX_ROWS,
        series=[series("Diferencia en efectivo", drawn[::-1], "name", "value")] if drawn else [],
    )


def _session(row: Any) -> Row:
    return {
        "sessionId": row.session_id,
        "register": row.register,
        "branch": row.branch,
        "zNumber": row.z_number,
        "openedAt": row.opened_at,
        "closedAt": row.closed_at,
        "openedBy": row.opened_by,
        "closedBy": row.closed_by,
        "method": row.method,
        "methodName": METHOD_NAMES.get(row.method, row.method),
        "expected": row.expected,
        "counted": row.counted,
        "difference": row.difference,
        "link": f"/v1/cash/sessions/{row.session_id}/report",
    }


_UNDONE: Final = (
    Column("at", "Fecha", "instant"),
    Column("kindName", "Clase"),
    Column("number", "Número"),
    Column("saleNumber", "Venta"),
    Column("person", "Quién"),
    Column("reason", "Motivo"),
    Column("amount", "Pesos", "money", is_summed=True),
    Column("total", "Total de la venta", "money"),
    Column("kind", "Clase", "id"),
    Column("documentId", "Id", "id"),
)
_NAMES: Final = {"void": "Anulación", "return": "Devolución", "discount": "Descuento"}
_EXCEPTIONS: Final = (
    "SELECT x.*, m.display_name AS person FROM ("
    "SELECT r.kind, r.posted_at AS at, r.id, r.number, s.number AS sale_number, r.user_id, r.reason, r.total AS amount, "
    "s.total AS total, r.branch_id, s.register_id, s.seller_id, s.customer_id FROM sale_return r "
    "JOIN sale s ON s.tenant_id = :tenant_id AND s.id = r.sale_id "
    "WHERE r.tenant_id = :tenant_id AND r.posted_at >= CAST(:begins AS timestamptz) AND r.posted_at < CAST(:ends AS timestamptz) "
    "AND r.business_day BETWEEN :first AND :last "
    "UNION ALL SELECT 'discount', s.posted_at, s.id, s.number, s.number, s.user_id, '', s.discount_total, s.total, "
    "s.branch_id, s.register_id, s.seller_id, s.customer_id FROM sale s "
    "WHERE s.tenant_id = :tenant_id AND s.posted_at >= CAST(:begins AS timestamptz) AND s.posted_at < CAST(:ends AS timestamptz) "
    "AND s.business_day BETWEEN :first AND :last AND s.discount_total > 0) x "
    "LEFT JOIN membership m ON m.tenant_id = :tenant_id AND m.user_id = x.user_id WHERE {wanted}"
)


async def exceptions(work: Work, asked: Asked) -> Table:
    """Voids, returns and discounts with who did them, the newest first; the chart has the pesos of each person."""
    parts = [_wanted(asked, branch="x.branch_id", register="x.register_id")]
    parts += [f"x.{name} = :{name}" for name in ("seller_id", "customer_id") if getattr(asked, name) is not None]
    rows = _EXCEPTIONS.format(wanted=" AND ".join(parts))
    values = asked.values() | {"tenant_id": work.tenant_id, "most": MAX_ROWS + 1}
    found = (await work.session.execute(text(f"{rows} ORDER BY at DESC, id DESC LIMIT :most"), values)).all()
    people = (
        await work.session.execute(
            text(f"SELECT person AS name, sum(amount) AS value FROM ({rows}) p GROUP BY 1 ORDER BY 2 DESC"), values
        )
    ).all()
    whole = sum((row.value for row in people), start=sums(_UNDONE, [])["amount"])
    made: list[Row] = [
        {
            "at": row.at,
            "kind": row.kind,
            "kindName": _NAMES[row.kind],
            "documentId": row.id,
            "number": row.number,
            "saleNumber": row.sale_number,
            "person": row.person,
            "reason": row.reason,
            "amount": row.amount,
            "total": row.total,
            "link": f"/v1/{'sales' if row.kind == 'discount' else 'returns'}/{row.id}",
        }
        for row in found[:MAX_ROWS]
    ]
    drawn = [{"name": row.name or "Sin nombre", "value": row.value} for row in people]
    return Table(
        name="exceptions",
        title="Anulaciones, devoluciones y descuentos",
        columns=_UNDONE,
        rows=made,
        totals={"amount": whole},
        has_more=len(found) > MAX_ROWS,
        series=[series("Pesos por persona", drawn, "name", "value", most=20)] if drawn else [],
    )
