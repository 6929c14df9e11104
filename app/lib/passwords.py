"""Passwords: argon2id in a thread, two at once, and which ones are too well known."""

import asyncio
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from app.lib.errors import FieldError, RuleBroken

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 256
_FEWEST_LETTERS: Final = 4
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""m = 19 MiB, t = 2, p = 1 (OWASP)."""


@cache
def _turns() -> asyncio.Semaphore:
    """Two hashes at once: more would only evict each other's memory and starve the sale."""
    return asyncio.Semaphore(2)


@cache
def _decoy() -> str:
    return _HASHER.hash("nobody's password")


@cache
def _well_known() -> frozenset[str]:
    """Passwords seen in leaks, long enough to pass the length rule; loaded when the first one is chosen."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= MIN_LENGTH)


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
    async with _turns():
        return await asyncio.to_thread(_HASHER.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether the password is right. Takes as long for nobody's password (None) as for anybody's."""
    async with _turns():
        return await asyncio.to_thread(_verify, stored or _decoy(), password) and stored is not None


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
