"""What is kept: the last of each day, week and month (grandfather, father, son), and whatever is held by law."""

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy import text

from app.db.session import Database
from app.domain.backups.stored import BESIDE
from app.integrations.storage.store import Storage, folder_of
from app.lib import clock
from app.settings import Settings

_LOG = structlog.stdlib.get_logger("mostrador.backups")

BOGOTA: Final = ZoneInfo("America/Bogota")
_Id = TypeVar("_Id", bound=Hashable)

_RUNS: Final = text(
    "SELECT id, snapshot_at, object_name, held_at IS NOT NULL AS held FROM backup_run "
    "WHERE status IN ('stored','good') AND deleted_at IS NULL"
)
_NEWEST_GOOD: Final = text(
    "SELECT id FROM backup_run WHERE status = 'good' AND deleted_at IS NULL ORDER BY snapshot_at DESC LIMIT 1"
)
_RUN_GONE: Final = text(
    "UPDATE backup_run SET deleted_at = :now WHERE id = :id AND held_at IS NULL AND deleted_at IS NULL"
)
_COMPANIES: Final = text(
    "SELECT b.tenant_id, b.id, b.snapshot_at, b.object_name, b.kind, b.reason, b.status, b.held_at IS NOT NULL AS held, t.plan, "
    "v.backup_policy AS sold FROM company_backup b JOIN tenant t ON t.tenant_id = b.tenant_id "
    "LEFT JOIN plan p ON p.code = t.plan "
    "LEFT JOIN plan_version v ON v.plan = t.plan AND v.version = coalesce(t.plan_version, p.version) "
    "WHERE b.object_name IS NOT NULL AND b.status <> 'running' AND b.deleted_at IS NULL"
)
_COMPANY_GONE: Final = text(
    "UPDATE company_backup SET deleted_at = :now WHERE tenant_id = :tenant_id AND id = :id AND held_at IS NULL "
    "AND deleted_at IS NULL"
)
_POLICIES: Final = text("SELECT * FROM backup_policy")
_UNFINISHED: Final = timedelta(days=2)
"""After which a file on its way is one whose writer was killed."""
_DOUBTFUL: Final = timedelta(days=35)
"""How long an archive that does not read is kept for another try."""
_EXPORT_DAYS: Final = 7
"""An export is for taking away."""
_CLOSING_DAYS: Final = 90
"""That of a company that was closed: its people may come for it late."""


class Policy(msgspec.Struct, frozen=True):
    """How many of each are kept, and how often companies are backed up."""

    every_hours: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    on_demand_per_month: int


PLATFORM: Final = Policy(6, 7, 5, 12, 0)


def kept(found: Iterable[tuple[_Id, datetime]], policy: Policy) -> set[_Id]:
    """Which of these stay: the newest always, and the last of each of the newest days, weeks and months that have one."""
    newest_first = sorted(found, key=lambda one: one[1], reverse=True)
    stays: set[_Id] = {newest_first[0][0]} if newest_first else set()
    for count, name in (
        (policy.keep_daily, "%Y-%m-%d"),
        (policy.keep_weekly, "%G-%V"),
        (policy.keep_monthly, "%Y-%m"),
    ):
        seen: set[str] = set()
        for one, at in newest_first:
            period = at.astimezone(BOGOTA).strftime(name)
            if period not in seen and len(seen) < count:
                seen.add(period)
                stays.add(one)
    return stays


def pruning_storage(settings: Settings) -> Storage | None:
    """The store, with the credentials that may delete; None where this process has none."""
    if settings.backup_prune_options is not None:
        return Storage(settings.backup_storage_url, settings.backup_prune_options)
    if folder_of(settings.backup_storage_url) is not None:
        return Storage(settings.backup_storage_url)
    return None


async def prune(database: Database) -> int:
    """Delete what is no longer kept; answers how many archives. Nothing where this process may not. Raises `StorageFailed`."""
    storage = pruning_storage(database.settings)
    if storage is None:
        return 0
    gone = await _prune_platform(database, storage) + await _prune_companies(database, storage)
    if parts := await storage.clear_parts(_UNFINISHED):
        _LOG.info("unfinished files deleted", count=parts)
    return gone


async def _prune_platform(database: Database, storage: Storage) -> int:
    async with database.platform_transaction() as session:
        rows = (await session.execute(_RUNS)).all()
        newest_good = await session.scalar(_NEWEST_GOOD)
    stays = kept([(row.id, row.snapshot_at) for row in rows], PLATFORM) | {newest_good}
    gone = 0
    for row in rows:
        if row.held or row.id in stays:
            continue
        await _delete(database, storage, row.object_name, _RUN_GONE, {"id": row.id})
        gone += 1
    return gone


async def _prune_companies(database: Database, storage: Storage) -> int:
    async with database.platform_transaction() as session:
        rows = (await session.execute(_COMPANIES)).all()
        policies = {row.plan: row for row in (await session.execute(_POLICIES)).all()}
    by_company: dict[tuple[UUID, str], list[Any]] = {}
    for row in rows:
        by_company.setdefault((row.tenant_id, row.kind), []).append(row)
    gone = 0
    for (tenant_id, kind), own in by_company.items():
        stays = _staying(own, kind, policies)
        for row in own:
            if row.held or row.id in stays:
                continue
            values = {"tenant_id": tenant_id, "id": row.id}
            await _delete(database, storage, row.object_name, _COMPANY_GONE, values)
            gone += 1
    return gone


def _staying(rows: Sequence[Any], kind: str, policies: dict[str, Any]) -> set[UUID]:
    if kind == "export":
        now = clock.now()
        return {row.id for row in rows if (now - row.snapshot_at).days < _export_days(row.reason)}
    policy = policy_of(policies.get(rows[0].plan) or policies["*"], rows[0].sold)
    stays = kept([(row.id, row.snapshot_at) for row in rows if row.status == "good"], policy)
    # What did not read once is no backup, but may be by tomorrow.
    return stays | {row.id for row in rows if row.status != "good" and clock.now() - row.snapshot_at < _DOUBTFUL}


def _export_days(reason: str) -> int:
    return _CLOSING_DAYS if reason == "closing" else _EXPORT_DAYS


def policy_of(row: Any, sold: dict[str, Any] | None) -> Policy:
    """From a row of `backup_policy`; what the company's version of its plan promises goes before it."""
    policy = Policy(*(getattr(row, name) for name in Policy.__struct_fields__))
    if not sold:
        return policy
    return msgspec.structs.replace(
        policy,
        every_hours=sold["everyHours"],
        keep_daily=sold["daily"],
        keep_weekly=sold["weekly"],
        keep_monthly=sold["monthly"],
    )


async def _delete(database: Database, storage: Storage, name: str, statement: Any, values: dict[str, Any]) -> None:
    # Marked first: a row never promises what is gone. What a crash leaves in the store is only room.
    async with database.platform_transaction() as session:
        marked = await session.execute(statement, values | {"now": clock.now()})
    if marked.rowcount:  # type: ignore[attr-defined]
        await storage.delete(name + BESIDE)
        await storage.delete(name)
        _LOG.info("archive deleted", object=name)
