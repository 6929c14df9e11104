"""What a plan allows: kept counters, taken and given back under lock in the transaction of what they count.

`claim` before creating one more of something, `release` when it goes; both also for the domains that own the thing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from sqlalchemy import text

from app.db.session import Work
from app.lib.errors import RuleBroken
from app.lib.schemas import Output

WARN_AT: Final = 80
"""Per cent of a limit from which a company is warned."""


class Resource(StrEnum):
    """What is counted in a kept row. Storage in bytes."""

    USERS = "users"
    BRANCHES = "branches"
    WAREHOUSES = "warehouses"
    REGISTERS = "registers"
    PRODUCTS = "products"
    STORAGE = "storage"


DOCUMENTS: Final = "documents"
"""Documents of the month: counted from their rows when asked for, warned of and billed, never refused."""

NAMES: Final[Mapping[str, str]] = {
    Resource.USERS: "usuarios",
    Resource.BRANCHES: "sucursales",
    Resource.WAREHOUSES: "bodegas",
    Resource.REGISTERS: "cajas",
    Resource.PRODUCTS: "productos",
    Resource.STORAGE: "bytes de archivos",
    DOCUMENTS: "documentos del mes",
}

# After waiting for the counter's row PostgreSQL looks at its newest version: exactly as many pass as there is room for.
_CLAIM: Final = text(
    "UPDATE tenant_usage u SET used = u.used + :count, updated_at = now() "
    "FROM tenant t JOIN plan p ON p.code = t.plan "
    "LEFT JOIN plan_version v ON v.plan = t.plan AND v.version = t.plan_version "
    "WHERE u.tenant_id = :tenant_id AND u.resource = :resource AND t.tenant_id = :tenant_id "
    "AND u.used + :count <= coalesce(CAST(coalesce(v.limits, p.limits) ->> :resource AS bigint), u.used + :count) RETURNING u.used"
)
_RELEASE: Final = text(
    "UPDATE tenant_usage SET used = used - :count, updated_at = now() "
    "WHERE tenant_id = :tenant_id AND resource = :resource"
)
_LOCK: Final = text("SELECT used FROM tenant_usage WHERE tenant_id = :tenant_id AND resource = :resource FOR UPDATE")
_OPEN: Final = text(
    "INSERT INTO tenant_usage (tenant_id, resource) SELECT :tenant_id, unnest(CAST(:resources AS text[]))"
)
_READ: Final = text(
    "SELECT u.resource, u.used, CAST(coalesce(v.limits, p.limits) ->> u.resource AS bigint) AS most "
    "FROM tenant_usage u JOIN tenant t ON t.tenant_id = u.tenant_id JOIN plan p ON p.code = t.plan "
    "LEFT JOIN plan_version v ON v.plan = t.plan AND v.version = t.plan_version "
    "WHERE u.tenant_id = :tenant_id AND t.tenant_id = :tenant_id"
)
_DOCUMENTS: Final = text(
    "SELECT CAST(coalesce(v.limits, p.limits) ->> 'documents' AS bigint) FROM tenant t JOIN plan p ON p.code = t.plan "
    "LEFT JOIN plan_version v ON v.plan = t.plan AND v.version = t.plan_version WHERE t.tenant_id = :tenant_id"
)


class PlanLimit(RuleBroken):
    """The plan has no room for more of this."""

    code = "plan-limit"


class LimitOut(Output):
    """One limit of the plan and how much of it is used."""

    used: int
    limit: int | None
    """None: without limit."""
    is_near: bool
    """At 80 % or above."""
    over: int
    """Above the limit: documents of the month, or what a smaller plan found there."""


async def open_usage(work: Work) -> None:
    """A new company's counters, at nothing."""
    await work.session.execute(_OPEN, {"tenant_id": work.tenant_id, "resources": list(Resource)})


async def claim(work: Work, resource: Resource, count: int = 1) -> None:
    """Take room for that many more, until the transaction ends or `release`. Raises 422 `plan-limit`.

    Locks the counter's row: whoever creates the same kind of thing in the same company waits for this transaction.
    """
    key = {"tenant_id": work.tenant_id, "resource": str(resource)}
    taken = await work.session.execute(_CLAIM, key | {"count": count})
    if taken.one_or_none() is None:
        raise await _no_room(work, resource, count)


async def release(work: Work, resource: Resource, count: int = 1) -> None:
    """Give room back."""
    if count:
        await work.session.execute(_RELEASE, {"tenant_id": work.tenant_id, "resource": str(resource), "count": count})


async def take_turns(work: Work, resource: Resource) -> None:
    """Wait for, and then hold back, everybody else who creates or retires this kind of thing in the company."""
    await work.session.execute(_LOCK, {"tenant_id": work.tenant_id, "resource": str(resource)})


async def read_limits(work: Work) -> dict[str, LimitOut]:
    """Every counted resource with its limit, by name."""
    rows = {row.resource: row for row in await work.session.execute(_READ, {"tenant_id": work.tenant_id})}
    return {resource: limit_out(rows[resource].used, rows[resource].most) for resource in Resource if resource in rows}


async def document_limit(work: Work) -> int | None:
    """Documents a month that the plan includes; None: any number."""
    found: int | None = await work.session.scalar(_DOCUMENTS, {"tenant_id": work.tenant_id})
    return found


def limit_out(used: int, limit: int | None) -> LimitOut:
    """A count against its limit."""
    return LimitOut(
        used=used,
        limit=limit,
        is_near=limit is not None and used * 100 >= limit * WARN_AT,
        over=0 if limit is None else max(0, used - limit),
    )


async def _no_room(work: Work, resource: Resource, count: int) -> PlanLimit:
    found = (await read_limits(work))[resource]
    detail = f"El plan de la empresa incluye {found.limit} {NAMES[resource]} y ya usa {found.used}"
    wanted = f"; se necesitan {count} más." if count > 1 else "."
    return PlanLimit(
        f"{detail}{wanted} Cambie de plan o libere espacio.",
        resource=str(resource),
        limit=found.limit,
        used=found.used,
    )
