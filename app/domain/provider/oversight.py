"""What the operator watches over all companies: how near they are to their plans' limits, and DIAN's queues."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Database
from app.domain.provider.company_schemas import CompanyStatus
from app.domain.provider.oversight_schemas import (
    DianQueueItem,
    DianQueuePage,
    DianQueueTotals,
    UsageItem,
    UsagePage,
)
from app.domain.tenants.limits import Resource
from app.lib.pages import cut, decode_cursor

_Hundredths = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
_SHARE: Final = Decimal("0.01")

_USAGE: Final = (
    "SELECT u.tenant_id, t.name, t.status, t.plan, u.resource, u.used, "
    "CAST(coalesce(v.limits, p.limits) ->> u.resource AS bigint) AS most "
    "FROM tenant_usage u JOIN tenant t ON t.tenant_id = u.tenant_id JOIN plan p ON p.code = t.plan "
    "LEFT JOIN plan_version v ON v.plan = t.plan AND v.version = t.plan_version WHERE t.status <> 'closed'"
)
# A limit of nothing that is used is past every share.
_NEAR: Final = (
    f"SELECT *, CASE WHEN most > 0 THEN round(used * 100.0 / most, 2) ELSE 100 * (used + 1) END AS share FROM ({_USAGE}) u "
    "WHERE most IS NOT NULL AND used > 0 AND used * 100 >= most * :share"
)
_QUEUES: Final = (
    "SELECT s.tenant_id, t.name, "
    "count(*) FILTER (WHERE s.status = 'pending') AS pending, count(*) FILTER (WHERE s.status = 'signed') AS signed, "
    "count(*) FILTER (WHERE s.status = 'sent') AS sent, count(*) FILTER (WHERE s.status = 'unknown') AS unknown, "
    "count(*) FILTER (WHERE s.status = 'rejected') AS rejected, "
    "min(s.updated_at) FILTER (WHERE s.status <> 'rejected') AS oldest_at "
    "FROM document_state s JOIN tenant t ON t.tenant_id = s.tenant_id WHERE s.status <> 'accepted' "
    "GROUP BY s.tenant_id, t.name"
)
_ALL: Final = (
    "SELECT coalesce(q.tenant_id, c.tenant_id) AS tenant_id, coalesce(q.name, t.name) AS name, "
    "coalesce(q.pending, 0) AS pending, coalesce(q.signed, 0) AS signed, coalesce(q.sent, 0) AS sent, "
    "coalesce(q.unknown, 0) AS unknown, coalesce(q.rejected, 0) AS rejected, q.oldest_at, c.failing_since, "
    f"coalesce(c.last_error, '') AS last_error FROM ({_QUEUES}) q "
    "FULL JOIN (SELECT * FROM dian_circuit WHERE failing_since IS NOT NULL) c ON c.tenant_id = q.tenant_id "
    "LEFT JOIN tenant t ON t.tenant_id = c.tenant_id"
)
_TOTALS: Final = (
    "SELECT count(*) AS companies, coalesce(sum(pending), 0) AS pending, coalesce(sum(signed), 0) AS signed, "
    "coalesce(sum(sent), 0) AS sent, coalesce(sum(unknown), 0) AS unknown, coalesce(sum(rejected), 0) AS rejected, "
    f"count(failing_since) AS silent FROM ({_ALL}) a"
)


async def near_limits(database: Database, share: int, limit: int, cursor: str | None) -> UsagePage:
    """Companies that use at least a share (per cent) of a limit of their plan, the fullest first."""
    conditions, values = "true", dict[str, Any](share=share, most_rows=limit + 1)
    if cursor is not None:
        last, tenant_id, resource = decode_cursor(cursor, tuple[_Hundredths, UUID, Resource])
        values |= {"last": last, "tenant_id": tenant_id, "resource": str(resource)}
        conditions = (
            "(-share, tenant_id, resource) > (CAST(:last AS bigint) / -100.0, CAST(:tenant_id AS uuid), :resource)"
        )
    statement = f"SELECT * FROM ({_NEAR}) n WHERE {conditions} ORDER BY -share, tenant_id, resource LIMIT :most_rows"
    async with database.platform_transaction() as session:
        rows = (await session.execute(text(statement), values)).all()
    page, next_cursor = cut(rows, limit, lambda row: (int(row.share * 100), row.tenant_id, row.resource))
    return UsagePage(items=[_usage(row) for row in page], next_cursor=next_cursor)


async def dian_queues(database: Database, limit: int, cursor: str | None) -> DianQueuePage:
    """Companies whose documents are not done, or that DIAN does not answer, the longest waiting first; and all together."""
    conditions, values = "true", dict[str, Any](most_rows=limit + 1)
    # One that waits for nothing comes last.
    waits = "coalesce(oldest_at, failing_since, 'infinity')"
    if cursor is not None:
        at, tenant_id = decode_cursor(cursor, tuple[datetime | None, UUID])
        values |= {"at": at, "tenant_id": tenant_id}
        conditions = (
            f"({waits}, tenant_id) > (coalesce(CAST(:at AS timestamptz), 'infinity'), CAST(:tenant_id AS uuid))"
        )
    statement = f"SELECT * FROM ({_ALL}) a WHERE {conditions} ORDER BY {waits}, tenant_id LIMIT :most_rows"
    async with database.platform_transaction() as session:
        rows = (await session.execute(text(statement), values)).all()
        totals = (await session.execute(text(_TOTALS))).one()
    page, next_cursor = cut(rows, limit, lambda row: (row.oldest_at or row.failing_since, row.tenant_id))
    return DianQueuePage(
        items=[DianQueueItem(**row._mapping) for row in page],
        totals=DianQueueTotals(**{name: int(value) for name, value in totals._mapping.items()}),
        next_cursor=next_cursor,
    )


def _usage(row: Any) -> UsageItem:
    return UsageItem(
        tenant_id=row.tenant_id,
        name=row.name,
        status=msgspec.convert(row.status, CompanyStatus),
        plan=row.plan,
        resource=row.resource,
        used=row.used,
        limit=row.most,
        share=Decimal(row.share).quantize(_SHARE),
    )
