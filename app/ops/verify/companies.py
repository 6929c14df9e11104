"""Whether the companies that issue can go on issuing, by the same list that each of them sees."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.db.session import Database
from app.domain.invoicing.readiness import Readiness
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.ops.verify.check import Check, Context, Fault, NotAsked, connected

_ISSUING: Final = (
    "SELECT s.tenant_id, t.name FROM dian_setting s JOIN tenant t ON t.tenant_id = s.tenant_id "
    "WHERE s.is_enabled AND t.status NOT IN ('closed','suspended') ORDER BY t.name, s.tenant_id"
)
_SHOWN: Final = 20


async def dian(context: Context) -> Sequence[Fault]:
    """Warnings: a certificate that one company let lapse must not stop everybody's deploy."""
    settings = context.whole
    if settings.database_backup_url is None:
        raise NotAsked("sin DATABASE_BACKUP_URL, que ve todas las empresas")
    async with connected(settings.database_backup_url) as connection:
        issuing: list[tuple[UUID, str]] = [(row["tenant_id"], row["name"]) for row in await connection.fetch(_ISSUING)]
    if not issuing:
        raise NotAsked("ninguna empresa expide documentos todavía")
    redis = connect_redis(settings)
    database = Database(settings, Bell(redis))
    faults = []
    try:
        for tenant_id, name in issuing:
            async with database.job_transaction(tenant_id) as work:
                found = await Readiness(work).ask()
            missing = [item.detail for item in found.items if not item.is_ready and item.blocks]
            if missing:
                faults.append(Fault(f"{name} ({tenant_id}): {' '.join(missing)}", "Avísele.", is_warning=True))
    finally:
        await database.close()
        await redis.aclose()
    rest = len(faults) - _SHOWN
    if rest > 0:
        faults = [*faults[:_SHOWN], Fault(f"y {rest} empresas más", "", is_warning=True)]
    return faults


CHECKS: Final = (
    Check(
        name="dian-companies",
        area="DIAN",
        title="Las empresas que expiden pueden seguir",
        ask=dian,
        needs=("settings", "postgresql", "migrations"),
    ),
)
