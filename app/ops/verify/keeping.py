"""What keeps the data: folders and stores that can be written and read back, backups that are fresh and were proven."""

import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from app.ops.verify.check import Check, Context, Fault, NotAsked, connected

_STORE: Final = "app.integrations.storage.store"
_PROOF: Final = "verify"
_DRILL_EVERY: Final = timedelta(days=8)
_LATE: Final = timedelta(hours=1)
_LAST: Final = (
    "SELECT status, finished_at, error FROM {table} WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 1"
)
_GOOD: Final = "SELECT max(finished_at) FROM {table} WHERE status IN ('stored','good')"


async def folder(context: Context) -> Sequence[Fault]:
    """Where the daily heads of the audit chains go."""
    place = context.whole.audit_checkpoint_dir
    if place is None:
        cure = "Una carpeta que el administrador de esta máquina no pueda reescribir."
        return [Fault("las cadenas de auditoría solo se anclan en la base de datos", cure, is_warning=True)]
    written = secrets.token_bytes(32)
    file = Path(place) / f".{_PROOF}-{os.getpid()}"
    try:
        file.write_bytes(written)
        read = file.read_bytes()
        file.unlink()
    except OSError as error:
        return [
            Fault(f"no se puede escribir en {place}: {error.strerror}", "Permisos, disco o montaje de esa carpeta.")
        ]
    return [] if read == written else [Fault(f"{place} no devuelve lo escrito", "Revise ese disco.")]


async def storage(context: Context) -> Sequence[Fault]:
    """An object written, read back and taken away, with the credentials that backups use."""
    url = context.environ.get("BACKUP_STORAGE_URL", "").strip()
    if find_spec(_STORE.rpartition(".")[0]) is None:
        raise NotAsked("esta versión no guarda copias")
    if not url:
        return [
            Fault("no se ha dicho dónde guardar las copias", "Otra máquina u otro proveedor.", "BACKUP_STORAGE_URL")
        ]
    settings: Any = context.whole
    store = import_module(_STORE).Storage(url, settings.backup_storage_options)
    name, written = f"{_PROOF}/{secrets.token_hex(8)}", secrets.token_bytes(64)
    await store.put(name, written)
    read = await store.get(name)
    if settings.backup_prune_options is not None:
        await import_module(_STORE).Storage(url, settings.backup_prune_options).delete(name)
    elif url.startswith("file://"):
        await store.delete(name)
    return [] if read == written else [Fault(f"{url} no devuelve lo escrito", "Cambie de almacenamiento.")]


async def backup(context: Context) -> Sequence[Fault]:
    hours = int(context.environ.get("BACKUP_HOURS", "").strip() or 6)
    return await _fresh(
        context, "backup_run", "copia de seguridad", timedelta(hours=2 * hours) + _LATE, "mostrador backup create"
    )


async def drill(context: Context) -> Sequence[Fault]:
    return await _fresh(context, "backup_drill", "restauración de prueba", _DRILL_EVERY, "mostrador backup drill")


async def _fresh(context: Context, table: str, what: str, late: timedelta, command: str) -> Sequence[Fault]:
    async with connected(context.whole.database_platform_url) as connection:
        last = await connection.fetchrow(_LAST.format(table=table))
        good: datetime | None = await connection.fetchval(_GOOD.format(table=table))
    if last is not None and last["status"] == "failed":
        return [
            Fault(
                f"la última {what} falló: {last['error'] or 'sin detalle'}"[:300],
                f"Corrija la causa y repita: {command}.",
            )
        ]
    if good is None:
        return [Fault(f"nunca se ha hecho una {what}", f"{command}.")]
    age = datetime.now(UTC) - good
    return (
        [Fault(f"la última {what} buena es de hace {age / timedelta(hours=1):.0f} horas", f"{command}.")]
        if age > late
        else []
    )


_AREA: Final = "copias"
_ASKS: Final = ("settings", "postgresql", "migrations")
CHECKS: Final = (
    Check(
        name="checkpoint-folder",
        area=_AREA,
        title="Anclas de auditoría fuera de la base",
        ask=folder,
        needs=("settings",),
    ),
    Check(name="storage", area=_AREA, title="El almacenamiento guarda y devuelve", ask=storage, needs=("settings",)),
    Check(name="backup", area=_AREA, title="Hay una copia reciente", ask=backup, needs=_ASKS),
    Check(name="restore-drill", area=_AREA, title="Y una se restauró y comparó", ask=drill, needs=_ASKS),
)
