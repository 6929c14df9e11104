"""Every check of an installation: what it asks, how bad it is, who is hit and what to do. Names are anchors of the runbook."""

from collections.abc import Sequence
from functools import partial

from app.settings import Settings
from worker.backup_looks import BackupLooks
from worker.check import Answer, Check
from worker.deadman import DeadMan
from worker.looks import Looks
from worker.probes import Probes

_DATA = frozenset({"postgresql"})
_JOBS = _DATA | {"redis"}
_WORK = _JOBS | {"worker"}


def all_checks(settings: Settings, deadman: DeadMan | None = None) -> Sequence[Check]:
    """Those every installation has, and those of what this one is configured to use."""
    looks, backups, probes = Looks(settings), BackupLooks(settings), Probes(settings)
    return (
        *_services(looks, probes),
        *_background(looks),
        *_keeping(looks, backups, probes, deadman),
        *_optional(settings, probes),
    )


def _services(looks: Looks, probes: Probes) -> Sequence[Check]:
    return (
        Check(
            name="postgresql",
            title="PostgreSQL no responde",
            severity="critical",
            ask=looks.postgresql,
            affected="A todas las empresas: no se puede vender.",
            next_step="Mire si el proceso de PostgreSQL corre, su disco y su registro; reinícielo.",
        ),
        Check(
            name="redis",
            title="Redis no responde",
            severity="critical",
            ask=looks.redis,
            affected="A todas las empresas: se vende, pero correos, documentos y demás trabajos esperan.",
            next_step="Mire si el proceso de Redis corre y si su disco acepta escrituras; reinícielo. Nada se pierde.",
        ),
        Check(
            name="api",
            title="La API no responde",
            severity="critical",
            ask=probes.api,
            affected="A todas las empresas: las cajas no pueden vender en línea.",
            next_step="Mire el proceso `mostrador api` y el proxy que está delante; reinicie el que no responda.",
            muted_by=_DATA,
        ),
    )


def _background(looks: Looks) -> Sequence[Check]:
    return (
        Check(
            name="worker",
            title="Los trabajos en segundo plano están detenidos",
            severity="critical",
            ask=looks.worker,
            affected="A todas las empresas: se vende, pero no salen correos ni documentos electrónicos.",
            next_step="Mire el proceso `mostrador worker` y su registro; reinícielo.",
            muted_by=_JOBS,
        ),
        Check(
            name="queue",
            title="Los trabajos en segundo plano se atrasan",
            severity="warning",
            ask=looks.queue,
            affected="A las empresas cuyos trabajos esperan.",
            next_step="Mire qué trabajos corren (GET /v1/provider/jobs) y si hace falta otro trabajador.",
            muted_by=_WORK,
        ),
        Check(
            name="dead-jobs",
            title="Hay trabajos que fallaron definitivamente",
            severity="warning",
            ask=looks.dead_jobs,
            next_step="Lea su error en GET /v1/provider/jobs?status=dead; reintente o descarte cada uno.",
            muted_by=_JOBS,
        ),
        Check(
            name="schedules",
            title="Las tareas programadas fallan o se atrasan",
            severity="warning",
            ask=looks.schedules,
            affected="A toda la instalación: pruebas nocturnas, limpieza, avisos.",
            next_step="Mire GET /v1/provider/schedules y el registro del trabajador.",
            muted_by=_WORK,
        ),
        Check(
            name="proofs",
            title="Una prueba nocturna encontró diferencias",
            severity="critical",
            ask=looks.findings,
            affected="A las empresas que la evidencia cuenta.",
            next_step="No repare a mano: siga la guía con la empresa que nombra la evidencia.",
            muted_by=_JOBS,
        ),
        Check(
            name="dian",
            title="La DIAN no responde",
            severity="warning",
            ask=looks.dian,
            next_step="Compruebe el estado publicado por la DIAN; los documentos se reenvían solos cuando vuelva.",
            muted_by=_WORK,
        ),
        Check(
            name="documents-rejected",
            title="La DIAN rechaza documentos",
            severity="warning",
            ask=looks.rejected,
            next_step="Avise a cada empresa: GET /v1/dian/documents?status=rejected dice la causa y cómo corregirla.",
            muted_by=_DATA,
        ),
        Check(
            name="contingency-deadline",
            title="Documentos de contingencia por vencer",
            severity="warning",
            ask=looks.deadlines,
            next_step="Mire por qué no salen (certificado, DIAN, trabajador): van dentro de las 48 horas de su fin.",
            muted_by=_DATA,
        ),
        Check(
            name="webhooks",
            title="Los webhooks de las empresas fallan",
            severity="warning",
            ask=looks.webhooks,
            next_step="Si fallan los de muchas empresas, revise la salida a internet; si son de una, el receptor es suyo.",
            muted_by=_WORK,
        ),
        Check(
            name="channels",
            title="Un canal de avisos no recibe",
            severity="warning",
            ask=looks.channels,
            affected="A quienes operan la instalación: parte de los avisos llega tarde.",
            next_step="Pruebe los canales con POST /v1/provider/alerts/test y corrija su dirección o su clave.",
            muted_by=_DATA | {"smtp"},
        ),
    )


def _keeping(looks: Looks, backups: BackupLooks, probes: Probes, deadman: DeadMan | None) -> Sequence[Check]:
    return (
        Check(
            name="backup",
            title="No hay copia de seguridad reciente",
            severity="critical",
            ask=backups.backup,
            affected="A todas las empresas, si hoy se perdiera la base de datos.",
            next_step="Lea el error de la última copia y haga una ahora con `mostrador backup create`.",
            muted_by=_DATA,
        ),
        Check(
            name="restore-drill",
            title="Ninguna copia se ha probado restaurándola",
            severity="warning",
            ask=backups.drill,
            affected="A todas las empresas, si hoy hubiera que restaurar.",
            next_step="Lea el informe de la última prueba y repítala.",
            muted_by=_DATA | {"backup"},
        ),
        Check(
            name="company-backups",
            title="Copias de empresas que fallaron",
            severity="warning",
            ask=backups.companies,
            affected="A esas empresas, si hubiera que restaurar solo la suya; la copia de toda la plataforma es aparte.",
            next_step="Lea el error de cada una y corrija el almacenamiento; la siguiente se hace sola en una hora.",
            muted_by=_DATA | {"backup"},
        ),
        Check(
            name="certificates",
            title="Certificados de firma por vencer",
            severity="warning",
            ask=looks.certificates,
            next_step="Avise a las empresas: cada una carga su certificado nuevo en su configuración.",
            muted_by=_DATA,
        ),
        Check(
            name="ranges",
            title="Rangos de numeración por agotarse",
            severity="warning",
            ask=looks.ranges,
            next_step="Avise a las empresas: cada una pide su rango a la DIAN y lo registra.",
            muted_by=_DATA,
        ),
        Check(
            name="logged-values",
            title="PostgreSQL registra los valores de las sentencias",
            severity="warning",
            ask=looks.logged_values,
            affected="A las empresas que expiden: su PIN y sus claves técnicas quedan en el registro.",
            next_step="Ponga log_parameter_max_length y log_parameter_max_length_on_error en 0 y recargue; borre el registro.",
            muted_by=_DATA,
        ),
        Check(
            name="figures",
            title="Falta una cifra legal del año",
            severity="warning",
            ask=looks.figures,
            next_step="Escríbala con `mostrador legal-figure uvt AAAA-01-01 VALOR --source …`.",
            muted_by=_DATA,
        ),
        Check(
            name="disk",
            title="El disco se llena",
            severity="critical",
            ask=probes.disk,
            affected="A todas las empresas cuando se llene: la base de datos deja de escribir.",
            next_step="Libere espacio o amplíe el disco; registros y copias viejas primero, nunca la base de datos.",
        ),
        Check(
            name="clock",
            title="El reloj de la máquina está corrido",
            severity="warning",
            ask=partial(_clock, looks, deadman),
            affected="A todas las empresas: horas de documentos y códigos de acceso equivocados.",
            next_step="Active la sincronización de hora (chrony o systemd-timesyncd).",
        ),
    )


def _optional(settings: Settings, probes: Probes) -> Sequence[Check]:
    found = []
    if settings.smtp_host:
        found.append(
            Check(
                name="smtp",
                title="El servidor de correo no responde",
                severity="critical",
                ask=probes.smtp,
                affected="A todas las empresas: no salen correos de acceso, invitaciones ni documentos.",
                next_step="Mire el servidor de SMTP_HOST y sus credenciales; lo pendiente sale solo cuando vuelva.",
            )
        )
    if settings.metrics_token:
        found.append(
            Check(
                name="traffic",
                title="La API falla o va lenta",
                severity="warning",
                ask=probes.traffic,
                affected="A parte de las solicitudes de todas las empresas.",
                next_step="Mire las rutas con error en el tablero y el registro de la API; ¿coincide con el último despliegue?",
                muted_by=_JOBS | {"api"},
            )
        )
    if settings.public_url.startswith("https://"):
        found.append(
            Check(
                name="tls",
                title="El certificado del sitio está por vencer o el sitio no atiende",
                severity="warning",
                ask=probes.tls,
                affected="A todas las empresas cuando venza o si nadie atiende: los navegadores no entran.",
                next_step="Mire el proxy que está delante de la API; renueve el certificado y recárguelo.",
            )
        )
    return found


async def _clock(looks: Looks, deadman: DeadMan | None) -> Answer:
    return await looks.clock(deadman.skew if deadman else None)
