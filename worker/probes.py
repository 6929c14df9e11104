"""What the monitor asks of everything that is neither PostgreSQL nor Redis: the API, the mail server, disks, certificates."""

import asyncio
import os
import re
import shutil
import ssl
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiosmtplib
import httpx

from app.settings import Settings
from worker.check import Answer, Finding, Unknown

_API_LIMIT: Final = 3.0
_SMTP_LIMIT: Final = 5.0
_TLS_LIMIT: Final = 5.0
_ARRIVAL: Final = 60.0
"""Seconds after our own start in which the API, which starts last, need not have answered yet."""
_LEAST_FREE: Final = 0.05
"""Share of a disk, and `_LEAST_BYTES` beside it: small disks fill by share, large ones by size."""
_LEAST_BYTES: Final = 1_000_000_000
_LEAST_FILES: Final = 0.01
"""Share of the files a disk can hold; some count none."""
_SOON_FULL: Final = 2
"""Times the least: a warning."""
_CRITICAL_DAYS: Final = 7
_WARNING_DAYS: Final = 21
_ENOUGH: Final = 50
"""Requests between two looks, below which a share says nothing."""
_ERROR_SHARE: Final = 0.02
_CRITICAL_SHARE: Final = 0.2
_SLOW: Final = 1.0
"""Seconds of the 95th percentile."""
_FIRST_SERVER_ERROR: Final = 500
_OWN_ROUTES: Final = ("/health", "/metrics")

_SAMPLE: Final = re.compile(r"^mostrador_request_seconds_bucket\{(.*)\} ([0-9.e+]+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Buckets = dict[tuple[bool, float], float]
"""By whether it was a server error and by upper edge, seconds: requests up to there, cumulative."""


class Probes:
    """The questions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started = time.monotonic()
        self._answered = False
        self._counted: dict[str, Buckets] = {}

    async def api(self) -> Answer:
        """Ask it as its users do."""
        url = f"{self._settings.monitor_api_url}/health/ready"
        try:
            async with self._client() as client:
                answer = await client.get(url)
        except httpx.HTTPError as error:
            if not self._answered and time.monotonic() - self._started < _ARRIVAL:
                raise Unknown("the API has not started yet") from error
            return f"La API no responde en {url}: {type(error).__name__} {error}".rstrip() + "."
        self._answered = True
        if answer.is_success:
            return None
        return f"La API responde {answer.status_code} en {url}: {answer.text[:200]}"

    async def traffic(self) -> Answer:
        """Share of errors and 95th percentile since the last look at the same process."""
        try:
            async with self._client() as client:
                headers = {"Authorization": f"Bearer {self._settings.metrics_token}"}
                answer = await client.get(f"{self._settings.monitor_api_url}/metrics", headers=headers)
        except httpx.HTTPError as error:
            raise Unknown("the API does not answer") from error
        if not answer.is_success:
            return f"Las métricas responden {answer.status_code}: revise METRICS_TOKEN."
        process, counted = read_buckets(answer.text)
        before = self._counted.get(process)
        self._counted = {**self._counted, process: counted}
        return None if before is None else judge(subtract(counted, before))

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=_API_LIMIT, follow_redirects=False, trust_env=False)

    async def smtp(self) -> Answer:
        """Connect, greet, encrypt and log in, as a message would."""
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user,
            password=settings.smtp_pass,
            local_hostname="localhost",
            use_tls=settings.smtp_tls == "tls",
            start_tls=settings.smtp_tls == "starttls",
            tls_context=ssl.create_default_context() if settings.smtp_tls != "none" else None,
            timeout=_SMTP_LIMIT,
        )
        try:
            async with asyncio.timeout(_SMTP_LIMIT):
                await client.connect()
                await client.noop()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return f"El servidor de correo no responde: {type(error).__name__} {error}".rstrip(". ") + "."
        finally:
            client.close()
        return None

    async def disk(self) -> Answer:
        # In a thread: a hanging file system must not hold the other checks up.
        folders = {Path.cwd(), Path(tempfile.gettempdir()), *map(Path, self._settings.monitor_disks)}
        return await asyncio.to_thread(_fullest, folders)

    async def tls(self) -> Answer:
        """The certificate that browsers see."""
        address = urlsplit(self._settings.public_url)
        host, port = address.hostname or "", address.port or 443
        context = ssl.create_default_context()
        try:
            async with asyncio.timeout(_TLS_LIMIT):
                _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            return Finding(f"El certificado de {host} no vale: {error.verify_message}.", severity="critical")
        except (OSError, TimeoutError) as error:
            if self._settings.monitor_api_url.startswith(self._settings.public_url):
                raise Unknown(f"no TLS at {host}:{port}") from error
            # The check of the API looks at another address, behind the proxy: nobody else would notice.
            return Finding(f"Nadie atiende en {host}:{port}: {type(error).__name__}.", severity="critical")
        try:
            certificate: Mapping[str, Any] = writer.get_extra_info("peercert") or {}
        finally:
            writer.close()
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        days = (ends - datetime.now(UTC)).days
        if days >= _WARNING_DAYS:
            return None
        return Finding(
            f"El certificado de {host} vence el {ends:%Y-%m-%d}, en {days} días.",
            severity="critical" if days < _CRITICAL_DAYS else "warning",
        )


def _fullest(folders: set[Path]) -> Answer:
    worst: Answer = None
    for folder in sorted(folders):
        try:
            usage, numbers = shutil.disk_usage(folder), os.statvfs(folder)
        except OSError as error:
            return Finding(f"No se puede mirar el disco de {folder}: {error.strerror}.", severity="critical")
        if numbers.f_flag & os.ST_RDONLY:
            return Finding(f"El disco de {folder} no acepta escrituras.", severity="critical")
        if numbers.f_files and numbers.f_favail < _LEAST_FILES * numbers.f_files:
            return Finding(f"En el disco de {folder} ya casi no caben más archivos.", severity="critical")
        least = min(_LEAST_FREE * usage.total, _LEAST_BYTES)
        said = f"Quedan {usage.free // 1_000_000} MB en el disco de {folder}."
        if usage.free < least:
            return Finding(said, severity="critical")
        if usage.free < _SOON_FULL * least:
            worst = Finding(said, severity="warning")
    return worst


def read_buckets(text: str) -> tuple[str, Buckets]:
    """Name of the process that answered, and its histogram of the shops' requests."""
    process, counted = "", Buckets()
    for labels, value in _SAMPLE.findall(text):
        named = dict(_LABEL.findall(labels))
        process = named["process"]
        if named["route"].startswith(_OWN_ROUTES):
            continue
        key = (int(named["status"]) >= _FIRST_SERVER_ERROR, float(named["le"]))
        counted[key] = counted.get(key, 0.0) + float(value)
    return process, counted


def subtract(now: Buckets, before: Buckets) -> Buckets:
    return {key: value - before.get(key, 0.0) for key, value in now.items()}


def judge(counted: Buckets) -> Answer:
    """What these requests say of the service."""
    edges = sorted({edge for _, edge in counted})
    if not edges:
        return None
    total = sum(counted.get((failed, edges[-1]), 0.0) for failed in (False, True))
    if total < _ENOUGH:
        return None
    share = counted.get((True, edges[-1]), 0.0) / total
    if share > _ERROR_SHARE:
        return Finding(
            f"{share:.1%} de {total:.0f} solicitudes fallaron.",
            severity="critical" if share > _CRITICAL_SHARE else "warning",
        )
    slow = next(
        (edge for edge in edges if sum(counted.get((failed, edge), 0.0) for failed in (False, True)) >= 0.95 * total),
        edges[-1],
    )
    if slow > _SLOW:
        return Finding(f"El 5 % más lento de {total:.0f} solicitudes tardó más de {_SLOW:g} s.", severity="warning")
    return None
