"""What the monitor asks of PostgreSQL and Redis, and of what stands in them: directly, for it must still speak without them."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import asyncpg
from redis.exceptions import RedisError

from app.db.session import SERVER_SETTINGS
from app.domain.audit.findings import PREFIXES
from app.domain.invoicing.contingencies import DEADLINE
from app.lib import clock
from app.lib.driver import POSTGRES_AWAY
from app.lib.jobs import QUEUES
from app.lib.redis import connect_redis
from app.settings import Settings
from worker.check import Answer, Finding, Unknown
from worker.pace import beat_seconds

_POSTGRES_LIMIT: Final = 3
_REDIS_LIMIT: Final = 2.0
_SILENT_AFTER: Final = 60.0
"""Seconds without a worker's sign of life, at the usual ten between two."""
_MISSED_BEATS: Final = 4
_OVERDUE_AFTER: Final = 300.0
"""Seconds a job may wait for a worker."""
_STANDING_AFTER: Final = 1800.0
"""Seconds after which it no longer is a queue that is slow: whatever the workers' signs of life say, it stands."""
_LATE_SCHEDULE: Final = timedelta(minutes=15)
_SKEW: Final = 5.0
"""Seconds our clock may differ from a server's."""
_OUTSIDE_SKEW: Final = 30.0
_ENDING: Final = timedelta(days=15)
_DECEMBER: Final = 12
"""In which DIAN has published the UVT of the next year."""
_SHORT: Final = 12 * 3600.0
"""Seconds before a deadline that leave no night to wait."""
_STUCK: Final = timedelta(minutes=10)
_ENOUGH_ATTEMPTS: Final = 20
_FAILED_SHARE: Final = 0.5
_MANY: Final = 10
"""Dead jobs in 24 hours that are no longer single mishaps."""

_BEATS = "SELECT queue, extract(epoch FROM now() - max(beat_at))::float8 AS age FROM worker_heartbeat GROUP BY queue"
_OLDEST = (
    "SELECT extract(epoch FROM $1::timestamptz - min(coalesce(due_since, due_at)))::float8 FROM outbox "
    "WHERE status IN ('pending','queued') AND coalesce(due_since, due_at) <= $1"
)
# Of any age: what nobody retried or gave up is not resolved by a day that passed.
_DEAD = (
    "SELECT count(*) AS jobs, count(DISTINCT tenant_id) AS companies, array_agg(DISTINCT kind) AS kinds, "
    "count(*) FILTER (WHERE finished_at > $1::timestamptz - interval '24 hours') AS fresh FROM outbox WHERE status = 'dead'"
)
_LATE = (
    "SELECT name, last_error FROM schedule s WHERE (next_run_at < $1::timestamptz - $2::interval "
    # A run that an outage took along has its own alert; it is repeated a minute later.
    "OR last_error IS NOT NULL AND 2 = (SELECT count(error) FROM (SELECT error FROM schedule_run r WHERE r.name = s.name "
    "AND r.finished_at IS NOT NULL ORDER BY r.started_at DESC LIMIT 2) AS two)) "
    # What others were run an hour past, no worker knows any more: an older release's.
    "AND next_run_at >= coalesce((SELECT max(last_run_at) FROM schedule), '-infinity') "
    "- interval '1 hour' ORDER BY name"
)
_DIAN_AWAY = (
    "SELECT count(*) AS companies, extract(epoch FROM $1::timestamptz - min(opened_at))::float8 AS age "
    "FROM dian_circuit WHERE opened_at <= $1"
)
_ON_ITS_WAY = (
    "FROM document_state x JOIN document d ON d.tenant_id = x.tenant_id AND d.id = x.document_id AND NOT d.is_test "
    "JOIN tenant t ON t.tenant_id = x.tenant_id AND t.status NOT IN ('closed','suspended') "
)
# By when it was issued: whoever puts a document off writes a later `next_at`, time and again.
_DIAN_LATE = (
    "SELECT count(*) AS documents, count(DISTINCT x.tenant_id) AS companies, "
    "extract(epoch FROM $1::timestamptz - min(d.issued_at))::float8 AS age, "
    f"mode() WITHIN GROUP (ORDER BY x.message) AS why {_ON_ITS_WAY}"
    "WHERE x.status IN ('pending','signed','sent','unknown') AND d.issued_at < $1::timestamptz - interval '30 minutes'"
)
_REJECTED = (
    f"SELECT count(*) AS documents, count(DISTINCT x.tenant_id) AS companies {_ON_ITS_WAY}"
    "WHERE x.status = 'rejected' AND x.decided_at > $1::timestamptz - interval '24 hours'"
)
_DEADLINES = (
    "SELECT count(DISTINCT (x.tenant_id, x.document_id)) AS documents, count(DISTINCT x.tenant_id) AS companies, "
    f"extract(epoch FROM min(c.ended_at) + $2::interval - $1::timestamptz)::float8 AS left {_ON_ITS_WAY}"
    "JOIN dian_contingency c ON c.tenant_id = x.tenant_id AND d.issued_at BETWEEN c.started_at AND c.ended_at "
    "WHERE x.status IN ('pending','signed','sent','unknown') AND c.ended_at < $1::timestamptz - $2::interval / 2"
)
_FINDINGS = (
    "SELECT detail FROM monitor_alert WHERE resolved_at IS NULL AND split_part(fingerprint, ':', 1) = ANY($1) "
    "AND fingerprint LIKE '%:%' ORDER BY opened_at"
)
_OPEN_COMPANIES = "JOIN tenant t ON t.tenant_id = x.tenant_id AND t.status NOT IN ('closed','suspended')"
_CERTIFICATES = (
    f"SELECT count(DISTINCT x.tenant_id) AS companies, min(x.not_after) AS first FROM dian_certificate x {_OPEN_COMPANIES} "
    "WHERE x.retired_at IS NULL AND x.not_after < $1::timestamptz + $2::interval"
)
_RANGES = (
    "SELECT count(DISTINCT x.tenant_id) AS companies FROM document_range x "
    f"JOIN document_counter c ON c.tenant_id = x.tenant_id AND c.range_id = x.id {_OPEN_COMPANIES} "
    "WHERE x.retired_at IS NULL AND c.is_open AND x.environment = '1' AND (x.valid_to < $1::date + 15 "
    "OR c.last_no - c.next_no + 1 < greatest(1, (x.last_no - x.first_no + 1) / 20))"
)
_UVT = "SELECT count(*) AS known FROM legal_figure WHERE name = 'uvt' AND extract(year FROM valid_from) = $1::integer"
_LOGGED = (
    # By pg_settings: `current_setting` answers with a unit.
    "SELECT ((SELECT setting <> '0' FROM pg_settings WHERE name = 'log_parameter_max_length') "
    "AND (current_setting('log_statement') IN "
    "('mod','all') OR current_setting('log_min_duration_statement') <> '-1' "
    "OR current_setting('log_min_duration_sample') <> '-1' OR current_setting('log_transaction_sample_rate')::float8 > 0)) "
    "OR (SELECT setting <> '0' FROM pg_settings WHERE name = 'log_parameter_max_length_on_error') AS logged"
)
_WAITING = (
    "SELECT channel, count(*) AS messages, max(reason) AS reason FROM alert_delivery WHERE status = 'pending' "
    "AND created_at < $1::timestamptz - $2::interval GROUP BY channel ORDER BY channel"
)
_ATTEMPTS = (
    "SELECT count(*) AS attempts, count(*) FILTER (WHERE status_code IS NULL OR status_code >= 300) AS failed, "
    "count(DISTINCT tenant_id) FILTER (WHERE status_code IS NULL OR status_code >= 300) AS companies "
    "FROM webhook_attempt WHERE at > $1::timestamptz - interval '1 hour'"
)
"""Of companies' own webhooks."""


class Looks:
    """The questions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis_key = f"mostrador:monitor:{secrets.token_hex(8)}"
        self._silent_after = min(_SILENT_AFTER, _MISSED_BEATS * beat_seconds(settings))

    async def postgresql(self) -> Answer:
        try:
            async with self._connected() as connection:
                await connection.fetchval("SELECT 1")
        except POSTGRES_AWAY as error:
            return f"PostgreSQL no responde: {_reason(error)}."
        return None

    async def redis(self) -> Answer:
        redis = connect_redis(self._settings, read_timeout=_REDIS_LIMIT)
        written = secrets.token_bytes(8)
        try:
            async with asyncio.timeout(_REDIS_LIMIT):
                await redis.set(self._redis_key, written, px=60_000)
                read = await redis.get(self._redis_key)
        except (RedisError, OSError, TimeoutError) as error:
            return f"Redis no responde: {_reason(error)}."
        finally:
            await redis.aclose()
        return None if read == written else "Redis no guarda lo que se le escribe."

    async def worker(self) -> Answer:
        ages = {row["queue"]: row["age"] for row in await self.fetch(_BEATS)}
        silent = [queue for queue in QUEUES if ages.get(queue, self._silent_after) >= self._silent_after]
        if not silent:
            return None
        return f"Ningún trabajador da señales de vida en: {', '.join(silent)}."

    async def queue(self) -> Answer:
        age = (await self.fetch(_OLDEST, clock.now()))[0][0]
        if age is None or age < _OVERDUE_AFTER:
            return None
        return Finding(
            f"Un trabajo espera desde hace {round(age / 60)} minutos.",
            severity="critical" if age >= _STANDING_AFTER else None,
        )

    async def dead_jobs(self) -> Answer:
        row = (await self.fetch(_DEAD, clock.now()))[0]
        if not row["jobs"]:
            return None
        return Finding(
            f"Trabajos que fallaron definitivamente y nadie ha atendido: {row['jobs']}, en las últimas 24 horas "
            f"{row['fresh']} ({', '.join(row['kinds'])}).",
            severity="critical" if row["fresh"] > _MANY else None,
            affected=f"A {row['companies']} empresas.",
        )

    async def schedules(self) -> Answer:
        rows = await self.fetch(_LATE, clock.now(), _LATE_SCHEDULE)
        if not rows:
            return None
        named = [f"{row['name']} ({row['last_error'] or 'no corrió a su hora'})" for row in rows]
        return f"Tareas programadas que fallan o se atrasan: {'; '.join(named)[:500]}."

    async def dian(self) -> Answer:
        away = (await self.fetch(_DIAN_AWAY, clock.now()))[0]
        if away["companies"]:
            minutes = round(away["age"] / 60)
            return Finding(
                f"La DIAN no responde desde hace {minutes} minutos; empresas que esperan: {away['companies']}.",
                affected=f"A {away['companies']} empresas: sus documentos salen cuando vuelva; la venta sigue.",
            )
        late = (await self.fetch(_DIAN_LATE, clock.now()))[0]
        if not late["documents"]:
            return None
        return Finding(
            f"Documentos electrónicos detenidos: {late['documents']}; el más viejo, hace {round(late['age'] / 60)} minutos. "
            f"{late['why'][:200]}".strip(),
            affected=f"A {late['companies']} empresas.",
        )

    async def rejected(self) -> Answer:
        row = (await self.fetch(_REJECTED, clock.now()))[0]
        if not row["documents"]:
            return None
        return Finding(
            f"Documentos que la DIAN rechazó en las últimas 24 horas y nadie ha corregido: {row['documents']}.",
            affected=f"A {row['companies']} empresas.",
        )

    async def deadlines(self) -> Answer:
        """What was issued inside a contingency, once half of its 48 hours are over."""
        row = (await self.fetch(_DEADLINES, clock.now(), DEADLINE))[0]
        if not row["documents"]:
            return None
        hours = round(row["left"] / 3600)
        until = f"el plazo vence en {hours} horas" if hours > 0 else "el plazo de 48 horas ya venció"
        return Finding(
            f"Documentos expedidos en contingencia que la DIAN no tiene: {row['documents']}; {until}.",
            severity="critical" if row["left"] < _SHORT else None,
            affected=f"A {row['companies']} empresas.",
        )

    async def findings(self) -> Answer:
        details = [row["detail"] for row in await self.fetch(_FINDINGS, list(PREFIXES))]
        return f"Empresas con diferencias: {len(details)}. {details[0]}" if details else None

    async def certificates(self) -> Answer:
        row = (await self.fetch(_CERTIFICATES, clock.now(), _ENDING))[0]
        if not row["companies"]:
            return None
        return Finding(
            f"Certificados de firma que vencen en 15 días o ya vencieron; el primero, {row['first']:%Y-%m-%d}.",
            affected=f"A {row['companies']} empresas: sin certificado no se firma ningún documento.",
        )

    async def ranges(self) -> Answer:
        companies = (await self.fetch(_RANGES, clock.now().date()))[0]["companies"]
        if not companies:
            return None
        return Finding(
            "Rangos de numeración que vencen en 15 días o a los que les queda menos del 5 %.",
            affected=f"A {companies} empresas: sin rango no se expiden documentos.",
        )

    async def figures(self) -> Answer:
        today = clock.now().date()
        wanted = today.year + 1 if today.month == _DECEMBER else today.year
        if (await self.fetch(_UVT, wanted))[0]["known"]:
            return None
        return Finding(
            f"Falta la UVT de {wanted}: el límite del tiquete P.O.S. se calcula con la anterior.",
            affected="A todas las empresas que expiden: tiquetes donde ya va factura, o al revés.",
        )

    async def logged_values(self) -> Answer:
        if not (await self.fetch(_LOGGED))[0]["logged"]:
            return None
        return (
            "PostgreSQL escribe en su registro los valores de las sentencias, entre ellos el PIN y las claves técnicas."
        )

    async def channels(self) -> Answer:
        rows = await self.fetch(_WAITING, clock.now(), _STUCK)
        if not rows:
            return None
        named = [f"{row['channel']}: {row['messages']} ({row['reason'] or 'sin intentar'})" for row in rows]
        return f"Avisos que esperan hace más de 10 minutos: {'; '.join(named)[:500]}."

    async def webhooks(self) -> Answer:
        row = (await self.fetch(_ATTEMPTS, clock.now()))[0]
        if row["attempts"] < _ENOUGH_ATTEMPTS or row["failed"] < _FAILED_SHARE * row["attempts"]:
            return None
        return Finding(
            f"Fallaron {row['failed']} de {row['attempts']} entregas de webhooks en la última hora.",
            affected=f"A {row['companies']} empresas: sus sistemas se enteran tarde.",
        )

    async def clock(self, outside: float | None) -> Answer:
        """`outside` is how far we are ahead of a clock beyond this machine, seconds."""
        skews = {"el reloj de otra máquina": (outside, _OUTSIDE_SKEW)}
        try:
            async with self._connected() as connection:
                asked = time.time()
                theirs: Any = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
                skews["PostgreSQL"] = ((asked + time.time()) / 2 - theirs, _SKEW)
        except POSTGRES_AWAY:
            if outside is None:
                raise Unknown("no clock to compare with") from None
        wrong = [
            f"{skew:+.1f} s de {name}" for name, (skew, most) in skews.items() if skew is not None and abs(skew) > most
        ]
        return f"El reloj de esta máquina difiere {' y '.join(wrong)}." if wrong else None

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        """Rows. Raises `Unknown` while PostgreSQL is away."""
        try:
            async with self._connected() as connection:
                return list(await connection.fetch(statement, *values))
        except POSTGRES_AWAY as error:
            raise Unknown(_reason(error)) from error

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        url = self._settings.database_platform_url
        async with asyncio.timeout(_POSTGRES_LIMIT):
            connection = await asyncpg.connect(url, timeout=_POSTGRES_LIMIT, server_settings=SERVER_SETTINGS)
            try:
                yield connection
            finally:
                # Closing politely would wait for a server that does not answer.
                connection.terminate()


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip().rstrip(".")
