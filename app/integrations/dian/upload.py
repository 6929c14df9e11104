"""A .p12 that somebody brought: opened where it can do no harm, and made light before it is kept."""

import asyncio
import os
import secrets
import signal
import sys
from contextlib import suppress
from typing import Final

from app.integrations.dian import p12_child
from app.integrations.dian.certificate import MAX_FILE, CertificateUnusable, Credential, looks_like_p12, open_p12
from app.integrations.dian.p12_child import NOTHING_INSIDE, WRONG_PASSWORD, packed

PATIENCE: Final = 20.0
"""Seconds of the clock for one file, starting the process included; its own limit is of seconds of work."""
AT_ONCE: Final = 2
_STOPPED: Final = (-signal.SIGXCPU, -signal.SIGKILL)
"""How it ends at its limit of work."""
_PASSED: Final = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
_TURNS: Final = asyncio.Semaphore(AT_ONCE)


async def open_upload(file: bytes, password: str) -> tuple[bytes, str, Credential]:
    """Open a .p12 of unknown origin; answers the file to keep, what opens it, and what is inside.

    Raises `CertificateUnusable`, also `certificate-too-costly` for a file whose own numbers would occupy the machine.
    """
    if len(file) > MAX_FILE or not looks_like_p12(file):
        raise CertificateUnusable("El archivo no es un certificado .p12 o .pfx.")
    # A file without password is kept under one: what comes back is always encrypted.
    kept_password = password or secrets.token_urlsafe(24)
    light = await _lighten(packed(password.encode(), kept_password.encode()) + file)
    return light, kept_password, await asyncio.to_thread(open_p12, light, kept_password)


async def _lighten(given: bytes) -> bytes:
    async with _TURNS:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            p12_child.__name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # Nothing of the installation's secrets: it reads what a stranger wrote.
            env={name: os.environ[name] for name in _PASSED if name in os.environ},
        )
        try:
            async with asyncio.timeout(PATIENCE):
                light, _ = await child.communicate(given)
        except TimeoutError as error:
            raise _too_costly() from error
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
    if child.returncode == WRONG_PASSWORD:
        raise CertificateUnusable(
            "La clave no abre el certificado, o el archivo está dañado.", code="certificate-password"
        )
    if child.returncode == NOTHING_INSIDE:
        raise CertificateUnusable(
            "El archivo no trae la llave privada con su certificado: expórtelo de nuevo con la llave.",
            code="certificate-without-key",
        )
    if child.returncode in _STOPPED:
        raise _too_costly()
    if child.returncode:
        raise CertificateUnusable("El archivo no se puede leer: expórtelo de nuevo con su llave RSA.")
    return light


def _too_costly() -> CertificateUnusable:
    return CertificateUnusable(
        "El archivo pide un trabajo desmedido para abrirse: expórtelo de nuevo.", code="certificate-too-costly"
    )
