"""HTTP face of a company's archives."""

from collections.abc import AsyncIterator
from uuid import UUID

from litestar import Controller, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from app.db.session import Database, Work
from app.domain.backups.schemas import (
    AskBackup,
    BackupOut,
    BackupPage,
    LinkOut,
    RestoreBackup,
    RestoreOut,
    RestorePage,
)
from app.domain.backups.service import BackupService, backup_out, open_link
from app.lib.access import requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

_READS = requires("backups:read", in_suspended=True)
_ASKS = requires("backups:write", in_read_only=True, in_suspended=True)
"""A company's data is its own, whatever it owes."""


def provide_backups(work: NamedDependency[Work]) -> BackupService:
    return BackupService(work)


class BackupController(Controller):
    path = "/backups"
    tags = ["Copias de seguridad"]
    dependencies = {"backups": Provide(provide_backups, sync_to_thread=False)}

    @get(operation_id="ListBackups", guards=[_READS])
    async def list_backups(
        self, backups: NamedDependency[BackupService], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> BackupPage:
        """Copias y exportaciones de la empresa, la más nueva primero."""
        return await backups.page(limit, cursor)

    @post(operation_id="CreateBackup", guards=[_ASKS], status_code=HTTP_202_ACCEPTED)
    async def create_backup(self, data: JSONBody[AskBackup], backups: NamedDependency[BackupService]) -> BackupOut:
        """Pide una copia de seguridad o una exportación completa; se hace en segundo plano."""
        return await backups.ask(data)

    @get("/restores", operation_id="ListRestores", guards=[_READS])
    async def list_restores(
        self, backups: NamedDependency[BackupService], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> RestorePage:
        """Restauraciones y ensayos, lo más nuevo primero."""
        return await backups.restores(limit, cursor)

    @get("/restores/{restore_id:uuid}", operation_id="GetRestore", guards=[_READS])
    async def get_restore(self, restore_id: FromPath[UUID], backups: NamedDependency[BackupService]) -> RestoreOut:
        """Cómo va una restauración, y qué cambió o cambiaría."""
        return await backups.find_restore(restore_id)

    @get("/{backup_id:uuid}", operation_id="GetBackup", guards=[_READS])
    async def get_backup(self, backup_id: FromPath[UUID], backups: NamedDependency[BackupService]) -> BackupOut:
        """Una copia y cómo va."""
        return backup_out(await backups.find(backup_id))

    @get(
        "/{backup_id:uuid}/download",
        operation_id="DownloadBackup",
        guards=[requires("backups:write", writes=False, in_suspended=True, heavy=True)],
        opt={"answers_file": ["application/zip"]},
    )
    async def download_backup(self, backup_id: FromPath[UUID], backups: NamedDependency[BackupService]) -> Stream:
        """El archivo ZIP, en el formato de docs/RESPALDOS.md."""
        return _file(*await backups.download(backup_id))

    @post("/{backup_id:uuid}/link", operation_id="LinkBackup", guards=[_ASKS], status_code=HTTP_200_OK)
    async def link_backup(self, backup_id: FromPath[UUID], backups: NamedDependency[BackupService]) -> LinkOut:
        """Un enlace firmado para descargarla sin iniciar sesión, durante un día."""
        return await backups.link(backup_id)

    @post("/{backup_id:uuid}/verify", operation_id="VerifyBackup", guards=[_ASKS], status_code=HTTP_202_ACCEPTED)
    async def verify_backup(self, backup_id: FromPath[UUID], backups: NamedDependency[BackupService]) -> BackupOut:
        """Pide leerla de vuelta, completa, y compararla."""
        return await backups.check(backup_id)

    @post(
        "/{backup_id:uuid}/restore",
        operation_id="RestoreBackup",
        guards=[requires("backups:write", in_read_only=True)],
        status_code=HTTP_202_ACCEPTED,
    )
    async def restore_backup(
        self, backup_id: FromPath[UUID], data: JSONBody[RestoreBackup], backups: NamedDependency[BackupService]
    ) -> RestoreOut:
        """Restaura la empresa como otra al lado, o en su lugar; con `dryRun` solo dice qué cambiaría."""
        return await backups.restore(backup_id, data)


@get(
    "/public/backups/{token:str}",
    operation_id="DownloadBackupByLink",
    tags=["Copias de seguridad"],
    security=[{}],
    opt={"answers_file": ["application/zip"]},
)
async def download_export(token: FromPath[str], state: State) -> Stream:
    """El archivo de un enlace firmado; sirve hasta que vence."""
    database: Database = state.database
    return _file(*await open_link(database, token))


def _file(name: str, pieces: AsyncIterator[bytes]) -> Stream:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Stream(pieces, media_type="application/zip", headers=headers)
