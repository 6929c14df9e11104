"""Passwords: argon2id in a thread, two at once, and which ones are too well known."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from app.lib.errors import FieldError, RuleBroken

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 256
_FEWEST_LETTERS: Final = 4
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""m = 19 MiB, t = 2, p = 1 (OWASP)."""


_LEAKED: Final = Path(__file__).with_name("leaked_passwords.txt")
"""One a line: those of zxcvbn's list that the length rule lets through. The package itself would keep 13 MB for them."""


@cache
def _threads() -> ThreadPoolExecutor:
    """Two hashes at once: more would only evict each other's memory and starve the sale.

    Threads of their own: the allocator keeps memory for each thread that ever hashed.
    """
    return ThreadPoolExecutor(2, thread_name_prefix="password")


@cache
def _decoy() -> str:
    return _HASHER.hash("nobody's password")


@cache
def _well_known() -> frozenset[str]:
    """Passwords seen in leaks, in lower case; read when the first one is chosen."""
    return frozenset(_LEAKED.read_text().split())


def check_password(password: str, email: str, pointer: str) -> None:
    """Raise 422 for a password that is too short, too long, too simple or well known."""
    reason = None
    lowered = password.lower()
    if len(password) < MIN_LENGTH:
        reason = f"Use al menos {MIN_LENGTH} caracteres."
    elif len(password) > MAX_LENGTH:
        reason = f"Use a lo sumo {MAX_LENGTH} caracteres."
    elif len(set(lowered)) < _FEWEST_LETTERS or lowered == email.lower():
        reason = "Es demasiado fácil de adivinar."
    elif lowered in _well_known():
        reason = "Aparece en listas de claves filtradas; elija otra."
    if reason is not None:
        raise RuleBroken(
            "La contraseña no es segura.", code="weak-password", errors=(FieldError(pointer, "weak-password", reason),)
        )


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_threads(), _HASHER.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether the password is right. Takes as long for nobody's password (None) as for anybody's."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads(), _verify, stored, password) and stored is not None


def _verify(stored: str | None, password: str) -> bool:
    try:
        return _HASHER.verify(stored or _decoy(), password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
