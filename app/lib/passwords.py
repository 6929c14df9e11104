"""Passwords: argon2id in two threads beside the event loop, and which ones are too easy to guess."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from app.lib.errors import FieldError, RuleBroken
from app.lib.threads import BoundedThreads

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 256
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""m = 19 MiB, t = 2, p = 1 (OWASP)."""

AT_ONCE: Final = 2
"""More hashes at once would only evict each other's memory and starve the sale."""
LONGEST_QUEUE: Final = 128
"""Hashes that may wait for their turn: some two seconds of them."""

POLICY_SINCE: Final = datetime(2026, 11, 24, tzinfo=UTC)
"""When `weakness` last became stricter: a password chosen before is looked at when it is used, and may have to be changed."""

_FEWEST_GUESSES: Final = 1e8
"""Below, an attacker without access to the hash gets there (zxcvbn's score 3)."""
_ESTIMATED: Final = 72
"""Letters that are estimated; the estimate's time grows with the cube of the length."""
_WORD: Final = re.compile(r"[^\W_]+")
_SHORT_WORD: Final = 4
_SHORT_NAME: Final = 5
"""Shorter names are found by chance in passwords that have nothing to do with them."""
_LEFT_OVER: Final = 8
"""Letters that must remain of a password beside the person's and the company's own words."""

_SPANISH: Final = """
contrasena contraseña clave claves secreto secreta acceso entrar usuario administrador admin sistema mostrador
tienda negocio caja cajero cajera ventas venta factura empresa colombia bogota bogotá medellin medellín cali
barranquilla cartagena bucaramanga pereira cucuta cúcuta nacional millonarios america santafe junior teamo
tequiero amor familia mama papa hijos jesus jesús dios diosito bendicion princesa corazon corazón enero febrero
marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre lunes martes miercoles jueves viernes
sabado domingo hola buenos dias cambiar cambiame nuevo nueva prueba temporal inicial bienvenido bienvenida
"""
"""Words that open many Colombian doors, beside the library's lists of leaked passwords, names and English words."""


@cache
def _hashing() -> BoundedThreads:
    return BoundedThreads(
        "argon2",
        at_once=AT_ONCE,
        longest_queue=LONGEST_QUEUE,
        refusal="Hay demasiados ingresos a la vez; intente de nuevo.",
    )


@cache
def _decoy() -> str:
    return _HASHER.hash("nobody's password")


async def hash_password(password: str) -> str:
    """Raises `Unavailable` when too many wait already, as do all that hash."""
    return await _hashing().run(_HASHER.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether the password is right. Takes as long for nobody's password (None) as for anybody's."""
    return await _hashing().run(_verify, stored, password)


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


def _verify(stored: str | None, password: str) -> bool:
    decoy = _decoy()
    try:
        return _HASHER.verify(stored or decoy, password) and stored is not None
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def check_password(password: str, email: str, pointer: str, *own_words: str) -> None:
    """Raise 422 for a password that is too short, too long or too easy to guess, as for whoever knows these words.

    `own_words` are names of the person and the companies. Takes milliseconds; the first call loads the lists.
    """
    if (reason := weakness(password, email, own_words)) is not None:
        raise weak_password(reason, pointer)


async def is_weak(password: str, email: str) -> bool:
    """Whether a password that was accepted once would be refused today; off the event loop."""
    return await _hashing().run(weakness, password, email) is not None


def weak_password(reason: str, pointer: str) -> RuleBroken:
    """The refusal of a password, with its reason in Spanish."""
    return RuleBroken(
        "La contraseña no es segura.", code="weak-password", errors=(FieldError(pointer, "weak-password", reason),)
    )


def weakness(password: str, email: str, own_words: Iterable[str] = ()) -> str | None:
    """What is wrong with a password, in Spanish; None when it will do."""
    if len(password) < MIN_LENGTH:
        return f"Use al menos {MIN_LENGTH} caracteres."
    if len(password) > MAX_LENGTH:
        return f"Use a lo sumo {MAX_LENGTH} caracteres."
    names = [email.partition("@")[0], *own_words]
    if _is_about(password, email, names):
        return "No use su correo, su nombre ni el de la empresa."
    if _guesses(password, [email, *names]) < _FEWEST_GUESSES:
        return "Es fácil de adivinar o aparece en listas de claves filtradas; elija otra."
    return None


def _is_about(password: str, email: str, names: Iterable[str]) -> bool:
    plain = _plain(password)
    whole = [_plain(name) for name in (email, *names)]
    if any(name in plain for name in whole if len(name) >= _SHORT_NAME):
        return True
    words = {_plain(word) for name in names for word in _WORD.findall(name)}
    rest = plain
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _SHORT_WORD:
            rest = rest.replace(word, "")
    return rest != plain and len(rest) < _LEFT_OVER


def _plain(text: str) -> str:
    """Letters and digits alone, without accents or case."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if letter.isalnum())


def _guesses(password: str, names: Iterable[str]) -> float:
    """How many guesses an attacker needs (zxcvbn 4: leaked passwords, names, words, keyboards, dates, repetitions)."""
    from zxcvbn import zxcvbn

    own = [word for name in names for word in (name, *_WORD.findall(name)) if len(word) >= _SHORT_WORD]
    return float(zxcvbn(password[:_ESTIMATED], user_inputs=[*own, *_SPANISH.split()])["guesses"])
