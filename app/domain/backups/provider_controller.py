"""HTTP face of the platform's backups, for the operator's staff."""

from uuid import UUID

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from app.db.desk import Desk, provide_desk
from app.domain.backups.platform import reads, runs
from app.domain.backups.schemas import (
    AskDrill,
    BackupStateOut,
    DrillOut,
    DrillPage,
    Hold,
    PlatformBackupOut,
    PlatformBackupPage,
)
from app.lib.access import requires_staff
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

_READS = requires_staff("backups:read")
_ASKS = requires_staff("backups:write")


class ProviderBackupController(Controller):
    path = "/provider/backups"
    tags = ["Operador"]
    dependencies = {"desk": Provide(provide_desk)}

    @get(operation_id="ListPlatformBackups", guards=[_READS])
    async def list_backups(
        self, desk: NamedDependency[Desk], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> PlatformBackupPage:
        """Respaldos de toda la plataforma, el más nuevo primero."""
        return await reads.backup_page(desk.database, limit, cursor)

    @post(operation_id="CreatePlatformBackup", guards=[_ASKS], status_code=HTTP_202_ACCEPTED)
    async def create_backup(self, desk: NamedDependency[Desk]) -> PlatformBackupOut:
        """Pide un respaldo ahora; si ya hay uno en camino, contesta ese."""
        run_id = await runs.ask_backup(desk.database, desk.staff.name)
        await desk.note("backup.requested", run_id)
        return await reads.find_backup(desk.database, run_id)

    @get("/state", operation_id="GetBackupState", guards=[_READS])
    async def get_state(self, desk: NamedDependency[Desk]) -> BackupStateOut:
        """El último respaldo guardado, el último probado, y lo que anda mal."""
        return await reads.state_of(desk.database)

    @get("/drills", operation_id="ListDrills", guards=[_READS])
    async def list_drills(
        self, desk: NamedDependency[Desk], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> DrillPage:
        """Pruebas de restauración, la más nueva primero."""
        return await reads.drill_page(desk.database, limit, cursor)

    @post("/drills", operation_id="CreateDrill", guards=[_ASKS], status_code=HTTP_202_ACCEPTED)
    async def create_drill(self, data: JSONBody[AskDrill], desk: NamedDependency[Desk]) -> DrillOut:
        """Pide restaurar un respaldo en una base aparte y compararlo todo."""
        if data.backup_id is not None:
            await reads.find_backup(desk.database, data.backup_id)
        drill_id = await runs.ask_drill(desk.database, desk.staff.name, data.backup_id)
        await desk.note("drill.requested", drill_id, after={"backupId": data.backup_id})
        return await reads.find_drill(desk.database, drill_id)

    @get("/drills/{drill_id:uuid}", operation_id="GetDrill", guards=[_READS])
    async def get_drill(self, drill_id: FromPath[UUID], desk: NamedDependency[Desk]) -> DrillOut:
        """Una prueba y su resultado."""
        return await reads.find_drill(desk.database, drill_id)

    @get("/{platform_backup_id:uuid}", operation_id="GetPlatformBackup", guards=[_READS])
    async def get_backup(self, platform_backup_id: FromPath[UUID], desk: NamedDependency[Desk]) -> PlatformBackupOut:
        """Un respaldo y cómo va."""
        return await reads.find_backup(desk.database, platform_backup_id)

    @put("/{platform_backup_id:uuid}/hold", operation_id="HoldPlatformBackup", guards=[_ASKS], status_code=HTTP_200_OK)
    async def hold_backup(
        self, platform_backup_id: FromPath[UUID], data: JSONBody[Hold], desk: NamedDependency[Desk]
    ) -> PlatformBackupOut:
        """Lo retiene por orden legal: nada lo borra mientras tanto."""
        held = await reads.hold(desk.database, platform_backup_id, data.reason)
        await desk.note("backup.held", platform_backup_id, after={"reason": data.reason})
        return held

    @delete(
        "/{platform_backup_id:uuid}/hold", operation_id="ReleasePlatformBackup", guards=[_ASKS], status_code=HTTP_200_OK
    )
    async def release_backup(
        self, platform_backup_id: FromPath[UUID], desk: NamedDependency[Desk]
    ) -> PlatformBackupOut:
        """Termina la retención."""
        released = await reads.hold(desk.database, platform_backup_id, None)
        await desk.note("backup.released", platform_backup_id)
        return released
