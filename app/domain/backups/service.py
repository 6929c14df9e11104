"""What people of a company may ask of its archives."""

import asyncio
import base64
import binascii
import hmac
import struct
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy import ColumnElement, func, insert, select, text
from uuid_utils.compat import uuid7

from app.db.session import Database, Work
from app.domain.backups.company.differences import Differences
from app.domain.backups.company.restore import RestoreReport
from app.domain.backups.jobs import OfBackup, OfRestore, check_company_backup, make_company_backup, restore_company
from app.domain.backups.models import CompanyBackup, CompanyRestore
from app.domain.backups.schemas import AskBackup, BackupOut, BackupPage, LinkOut, RestoreBackup, RestoreOut, RestorePage
from app.domain.backups.sealed import ArchiveBroken
from app.domain.backups.stored import content_of
from app.integrations.storage.store import ObjectMissing, StorageFailed
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken, Unavailable
from app.lib.pages import after, cut

_LOG = structlog.stdlib.get_logger("mostrador.backups")

_FIRST_PIECE: Final = 10.0
"""Seconds a store may take to begin; the request's transaction waits meanwhile."""
LINK_LIFE: Final = timedelta(hours=24)
_TOKEN: Final = struct.Struct(">16s16sQ")
_MAC: Final = 32

NOT_THERE: Final = Conflict("Esa copia no está disponible: no terminó bien, o ya no se guarda.", code="backup-not-good")
BROKEN_CONSTRAINTS["uq_company_backup_running"] = Conflict(
    "Ya se está haciendo una copia; espere a que termine.", code="backup-running"
)
BROKEN_CONSTRAINTS["uq_company_restore_running"] = Conflict(
    "Ya se está restaurando; espere a que termine.", code="restore-running"
)

_QUOTA: Final = text(
    "SELECT p.on_demand_per_month FROM backup_policy p JOIN tenant t ON t.tenant_id = :tenant_id "
    "WHERE p.plan IN (t.plan, '*') ORDER BY p.plan = '*' LIMIT 1"
)
_LIVE_JOB: Final = (
    "EXISTS (SELECT FROM outbox o WHERE o.tenant_id = :tenant_id AND o.kind = :kind AND o.payload ->> '{name}' = {id} "
    "AND o.status IN ('pending','queued','running'))"
)
_CHECKING: Final = text(f"SELECT {_LIVE_JOB.format(name='backup_id', id='CAST(:id AS text)')}")
_GIVE_UP: Final = (
    "UPDATE {table} r SET status = 'failed', finished_at = CAST(:now AS timestamptz), error = 'El proceso que lo hacía murió.' "
    "WHERE r.tenant_id = :tenant_id AND r.status = 'running' AND r.created_at < CAST(:now AS timestamptz) - interval '1 minute' "
    "AND NOT {job}"
)
_GIVE_UP_BACKUP: Final = text(
    _GIVE_UP.format(table="company_backup", job=_LIVE_JOB.format(name="backup_id", id="r.id::text"))
)
_GIVE_UP_RESTORE: Final = text(
    _GIVE_UP.format(table="company_restore", job=_LIVE_JOB.format(name="restore_id", id="r.id::text"))
)
_NIT: Final = text("SELECT nit FROM tenant WHERE tenant_id = :tenant_id")


class BackupService:
    """Asks for archives, checks and restores, and reads what became of them."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, limit: int, cursor: str | None) -> BackupPage:
        """Archives, the newest first."""
        statement = select(CompanyBackup).where(CompanyBackup.tenant_id == self._work.tenant_id).limit(limit + 1)
        key = (CompanyBackup.created_at, CompanyBackup.id)
        statement = after(statement, key, cursor, tuple[datetime, UUID], descending=True)
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.id))
        return BackupPage(items=[backup_out(row) for row in page], next_cursor=next_cursor)

    async def find(self, backup_id: UUID) -> CompanyBackup:
        """Raises `NotFound`, also for another company's."""
        found = await self._work.session.scalar(
            select(CompanyBackup).where(CompanyBackup.tenant_id == self._work.tenant_id, CompanyBackup.id == backup_id)
        )
        if found is None:
            raise NotFound("No hay tal copia de seguridad.")
        return found

    async def ask(self, data: AskBackup) -> BackupOut:
        """Want an archive, made in the background. Raises 409 `backup-running`, 422 `quota-reached`."""
        work, now = self._work, clock.now()
        await work.session.execute(
            _GIVE_UP_BACKUP, {"tenant_id": work.tenant_id, "now": now, "kind": make_company_backup.kind}
        )
        await self._check_quota(CompanyBackup, CompanyBackup.reason == "demand")
        row = {
            "tenant_id": work.tenant_id,
            "id": uuid7(),
            "kind": data.kind,
            "reason": "demand",
            "requested_by": work.actor.user_id,
            "created_at": now,
        }
        made = (await work.session.scalars(insert(CompanyBackup).values(row).returning(CompanyBackup))).one()
        make_company_backup.ask(work, OfBackup(made.id))
        work.record("backup.requested", made.id, after={"kind": data.kind})
        return backup_out(made)

    async def check(self, backup_id: UUID) -> BackupOut:
        """Want an archive read back and compared, also one that did not read once. Raises `NotFound`, 409 `backup-not-good`."""
        work, found = self._work, await self.find(backup_id)
        if found.status == "running" or found.object_name is None or found.deleted_at is not None:
            raise NOT_THERE
        waiting = {"tenant_id": work.tenant_id, "id": str(backup_id), "kind": check_company_backup.kind}
        if not await work.session.scalar(_CHECKING, waiting):
            check_company_backup.ask(work, OfBackup(backup_id))
        return backup_out(found)

    async def restore(self, backup_id: UUID, data: RestoreBackup) -> RestoreOut:
        """Want a restore, or the trial of one. Raises `NotFound`, 409, 422 `not-confirmed` and `quota-reached`."""
        work, now = self._work, clock.now()
        await work.session.execute(
            _GIVE_UP_RESTORE, {"tenant_id": work.tenant_id, "now": now, "kind": restore_company.kind}
        )
        found = await self._stored(backup_id)
        if not data.dry_run:
            if work.database.settings.database_admin_url is None:
                raise Conflict(
                    "En esta instalación solo el operador restaura empresas; pídaselo.", code="restore-by-operator"
                )
            if data.into == "same":
                await self._confirm(data.confirm)
            else:
                # Each copy is another company's worth of room.
                await self._check_quota(
                    CompanyRestore, CompanyRestore.target == "new", CompanyRestore.dry_run.is_(False)
                )
        row = {
            "tenant_id": work.tenant_id,
            "id": uuid7(),
            "backup_id": found.id,
            "target": data.into,
            "dry_run": data.dry_run,
            "requested_by": work.actor.user_id,
            "created_at": now,
        }
        made = (await work.session.scalars(insert(CompanyRestore).values(row).returning(CompanyRestore))).one()
        restore_company.ask(work, OfRestore(made.id))
        work.record(
            "restore.requested", made.id, after={"backupId": found.id, "into": data.into, "dryRun": data.dry_run}
        )
        return restore_out(made)

    async def restores(self, limit: int, cursor: str | None) -> RestorePage:
        """Restores and trials, the newest first."""
        statement = select(CompanyRestore).where(CompanyRestore.tenant_id == self._work.tenant_id).limit(limit + 1)
        key = (CompanyRestore.created_at, CompanyRestore.id)
        statement = after(statement, key, cursor, tuple[datetime, UUID], descending=True)
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.id))
        return RestorePage(items=[restore_out(row) for row in page], next_cursor=next_cursor)

    async def find_restore(self, restore_id: UUID) -> RestoreOut:
        """Raises `NotFound`."""
        found = await self._work.session.scalar(
            select(CompanyRestore).where(
                CompanyRestore.tenant_id == self._work.tenant_id, CompanyRestore.id == restore_id
            )
        )
        if found is None:
            raise NotFound("No hay tal restauración.")
        return restore_out(found)

    async def download(self, backup_id: UUID) -> tuple[str, AsyncIterator[bytes]]:
        """Name and content, in clear, of an archive. Raises `NotFound`, 409 `backup-not-good`, `StorageFailed`."""
        found = await self._stored(backup_id)
        self._work.record("backup.downloaded", backup_id, after={"kind": found.kind})
        return await _content(self._work.database, found)

    async def link(self, backup_id: UUID) -> LinkOut:
        """An address that opens the archive without login for a day. Raises `NotFound`, 409 `backup-not-good`."""
        found = await self._stored(backup_id)
        expires_at = (clock.now() + LINK_LIFE).replace(microsecond=0)
        settings = self._work.database.settings
        token = make_token(settings.secret_key, self._work.tenant_id, found.id, expires_at)
        self._work.record("backup.linked", backup_id, after={"expiresAt": expires_at})
        return LinkOut(url=f"{settings.public_url}/v1/public/backups/{token}", expires_at=expires_at)

    async def _stored(self, backup_id: UUID) -> CompanyBackup:
        found = await self.find(backup_id)
        if found.status != "good" or found.deleted_at is not None:
            raise NOT_THERE
        return found

    async def _check_quota(self, model: type[CompanyBackup | CompanyRestore], *which: ColumnElement[bool]) -> None:
        """How many of a kind may be asked for in a calendar month of the company. Raises 422 `quota-reached`."""
        work = self._work
        zone = ZoneInfo(work.actor.time_zone)
        month = clock.now().astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        asked = await work.session.scalar(
            select(func.count()).where(model.tenant_id == work.tenant_id, model.created_at >= month, *which)
        )
        quota = await work.session.scalar(_QUOTA, {"tenant_id": work.tenant_id}) or 0
        if (asked or 0) >= quota:
            raise RuleBroken(
                "Ya pidió todas las copias que su plan incluye este mes.", code="quota-reached", quota=quota
            )

    async def _confirm(self, said: str | None) -> None:
        nit = await self._work.session.scalar(_NIT, {"tenant_id": self._work.tenant_id})
        if (said or "").strip() != nit:
            raise RuleBroken(
                "Restaurar en su lugar reemplaza todo lo de la empresa: confirme escribiendo su NIT.",
                code="not-confirmed",
                errors=(
                    FieldError(
                        "/confirm", "not-confirmed", "Debe ser el NIT de la empresa, sin dígito de verificación."
                    ),
                ),
            )


async def open_link(database: Database, token: str) -> tuple[str, AsyncIterator[bytes]]:
    """What a link opens. Raises `NotFound` for one that was never made, is over, or whose archive is gone."""
    gone = NotFound("El enlace no sirve o ya venció; pida otro.")
    read = read_token(database.settings.secret_key, token)
    if read is None or read[2] <= clock.now():
        raise gone
    tenant_id, backup_id, _ = read
    async with database.job_transaction(tenant_id) as work:
        found = await work.session.scalar(
            select(CompanyBackup).where(
                CompanyBackup.tenant_id == tenant_id,
                CompanyBackup.id == backup_id,
                CompanyBackup.status == "good",
                CompanyBackup.deleted_at.is_(None),
            )
        )
        if found is None:
            raise gone
        work.record("backup.downloaded", backup_id, after={"kind": found.kind, "byLink": True})
    return await _content(database, found)


def make_token(secret: bytes, tenant_id: UUID, backup_id: UUID, expires_at: datetime) -> str:
    """Whose archive, until when, and our proof of it."""
    body = _TOKEN.pack(tenant_id.bytes, backup_id.bytes, int(expires_at.timestamp()))
    return base64.urlsafe_b64encode(body + _prove(secret, body)).decode().rstrip("=")


def read_token(secret: bytes, token: str) -> tuple[UUID, UUID, datetime] | None:
    """What a token says; None for one that is not ours."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    body, proof = raw[: _TOKEN.size], raw[_TOKEN.size :]
    if len(raw) != _TOKEN.size + _MAC or not hmac.compare_digest(proof, _prove(secret, body)):
        return None
    tenant_id, backup_id, until = _TOKEN.unpack(body)
    return UUID(bytes=tenant_id), UUID(bytes=backup_id), datetime.fromtimestamp(until, tz=ZoneInfo("UTC"))


def _prove(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(hmac.digest(secret, b"backup-link", "sha256"), body, "sha256")


async def _content(database: Database, row: CompanyBackup) -> tuple[str, AsyncIterator[bytes]]:
    """The first piece is read before anything is answered: what cannot be had is said, not broken off.

    Raises 409 `backup-not-good` for what is not the archive, 503 `storage-away`.
    """
    day = f"{row.snapshot_at:%Y%m%d-%H%M}" if row.snapshot_at else "empresa"
    pieces = content_of(database.settings, row.object_name or "", row.id)
    try:
        async with asyncio.timeout(_FIRST_PIECE):
            first = await anext(pieces, b"")
    except (ArchiveBroken, ObjectMissing) as error:
        _LOG.error("archive of a company is not good", id=str(row.id), reason=str(error))
        raise NOT_THERE from error
    except (StorageFailed, TimeoutError) as error:
        _LOG.error("store of archives is away", reason=str(error))
        raise Unavailable(
            "El almacenamiento de copias no contesta; intente de nuevo en unos minutos.", code="storage-away"
        ) from error
    return f"mostrador-{day}.zip", _rest(first, pieces)


async def _rest(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


def backup_out(row: CompanyBackup) -> BackupOut:
    return BackupOut(
        id=row.id,
        kind=row.kind,  # type: ignore[arg-type]
        reason=row.reason,  # type: ignore[arg-type]
        status=row.status,  # type: ignore[arg-type]
        created_at=row.created_at,
        snapshot_at=row.snapshot_at,
        finished_at=row.finished_at,
        checked_at=row.checked_at,
        rows_done=row.done_rows,
        rows=row.row_count,
        size_bytes=row.size_bytes,
        root_hash=row.root_hash.hex() if row.root_hash else None,
        error=row.error,
        is_held=row.held_at is not None,
        deleted_at=row.deleted_at,
    )


def restore_out(row: CompanyRestore) -> RestoreOut:
    report = row.report or None
    return RestoreOut(
        id=row.id,
        backup_id=row.backup_id,
        into=row.target,  # type: ignore[arg-type]
        dry_run=row.dry_run,
        status=row.status,  # type: ignore[arg-type]
        created_at=row.created_at,
        finished_at=row.finished_at,
        differences=msgspec.convert(report, Differences) if report and row.dry_run else None,
        report=msgspec.convert(report, RestoreReport) if report and not row.dry_run else None,
        new_tenant_id=row.new_tenant_id,
        error=row.error,
    )
