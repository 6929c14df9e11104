"""Bodies of the endpoints of backups."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.domain.backups.company.differences import Differences
from app.domain.backups.company.restore import RestoreReport
from app.domain.backups.platform.drill import DrillReport
from app.lib.schemas import Input, Output, Page

Kind = Literal["backup", "export"]
Reason = Annotated[str, Meta(min_length=3, max_length=500)]


class AskBackup(Input):
    kind: Kind = "backup"
    """`export`: para llevársela; se guarda una semana."""


class RestoreBackup(Input):
    into: Literal["new", "same"] = "new"
    """`new`: como otra empresa, al lado; `same`: en su lugar."""
    dry_run: bool = False
    """Solo dice qué cambiaría en la empresa."""
    confirm: Annotated[str, Meta(max_length=20)] | None = None
    """El NIT de la empresa, sin dígito de verificación: se exige para restaurar en su lugar."""


class BackupOut(Output):
    id: UUID
    kind: Kind
    reason: Literal["schedule", "demand", "closing"]
    status: Literal["running", "good", "failed"]
    """`good` solo después de leerlo de vuelta completo y compararlo."""
    created_at: datetime
    snapshot_at: datetime | None
    """Lo que tiene: todo lo confirmado hasta ese instante."""
    finished_at: datetime | None
    checked_at: datetime | None
    rows_done: int
    rows: int | None
    size_bytes: int | None
    root_hash: str | None
    error: str | None
    is_held: bool
    deleted_at: datetime | None


class BackupPage(Page):
    items: list[BackupOut]


class LinkOut(Output):
    url: str
    """Sirve sin iniciar sesión hasta que vence: trátelo como una contraseña."""
    expires_at: datetime


class RestoreOut(Output):
    id: UUID
    backup_id: UUID
    into: Literal["new", "same"]
    dry_run: bool
    status: Literal["running", "done", "failed"]
    created_at: datetime
    finished_at: datetime | None
    differences: Differences | None
    """De un ensayo: lo que cambiaría."""
    report: RestoreReport | None
    new_tenant_id: UUID | None
    error: str | None


class RestorePage(Page):
    items: list[RestoreOut]


class AskDrill(Input):
    backup_id: UUID | None = None
    """Sin él, el más nuevo."""


class Hold(Input):
    reason: Reason


class PlatformBackupOut(Output):
    id: UUID
    reason: str
    requested_by: str
    status: Literal["waiting", "running", "stored", "good", "failed"]
    """`good` solo después de restaurarlo en una base aparte y compararlo."""
    created_at: datetime
    started_at: datetime | None
    progress_at: datetime | None
    finished_at: datetime | None
    snapshot_at: datetime | None
    bytes_done: int
    bytes_expected: int | None
    object_name: str | None
    size_bytes: int | None
    tables: int | None
    rows: int | None
    error: str | None
    hold_reason: str | None
    deleted_at: datetime | None


class PlatformBackupPage(Page):
    items: list[PlatformBackupOut]


class DrillOut(Output):
    id: UUID
    backup_id: UUID | None
    status: Literal["waiting", "running", "good", "failed"]
    requested_by: str
    created_at: datetime
    step: str
    finished_at: datetime | None
    report: DrillReport | None
    error: str | None


class DrillPage(Page):
    items: list[DrillOut]


class BackupStateOut(Output):
    """Cómo están los respaldos de la plataforma."""

    stored_at: datetime | None
    good_at: datetime | None
    proven_at: datetime | None
    problem: str | None
    """Lo que el monitor avisa; nada si todo está bien."""
