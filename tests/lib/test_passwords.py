"""Which passwords will do, and what a full queue of hashes answers."""

import asyncio

import pytest
from argon2 import PasswordHasher

from app.lib import passwords
from app.lib.errors import Unavailable
from app.lib.passwords import hash_password, is_outdated, verify_password, weakness

WORDS = ("Gloria Torres", "Ferretería El Tornillo S.A.S.")


@pytest.mark.parametrize(
    "password",
    ["una clave larga y propia", "correct horse battery staple", "ñandú verde corre 8", "el tornillo azul gira"],
)
def test_a_long_password_of_ones_own_will_do(password: str) -> None:
    assert weakness(password, "gloria@tienda.test", WORDS) is None


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("corta", "al menos 12"),
        ("x" * 257, "a lo sumo 256"),
        ("123456789012", "filtradas"),
        ("password1234", "filtradas"),
        ("P@ssw0rd1234", "filtradas"),
        ("qwertyuiop12", "filtradas"),
        ("q1w2e3r4t5y6", "filtradas"),
        ("Contraseña123", "filtradas"),
        ("Colombia2026!", "filtradas"),
        ("aaaaaaaaaaaab", "filtradas"),
        ("gloria-torres-1", "No use"),
        ("GLORIA@tienda.test", "No use"),
        ("Tornillo2026!", "No use"),
        ("FerreteriaElTornilloSAS9", "No use"),
    ],
)
def test_a_password_that_others_guess_is_refused_with_its_reason(password: str, reason: str) -> None:
    said = weakness(password, "gloria@tienda.test", WORDS)
    assert said is not None
    assert reason in said


async def test_a_hash_of_former_parameters_still_counts_and_is_known_as_outdated() -> None:
    former = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("una clave larga")
    assert await verify_password("una clave larga", former)
    assert is_outdated(former)
    assert not is_outdated(await hash_password("una clave larga"))


async def test_nobodys_password_is_never_right() -> None:
    assert not await verify_password("nobody's password", None)


async def test_a_queue_that_is_too_long_is_refused_at_once_and_the_rest_served(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords._hashing.cache_clear()
    monkeypatch.setattr(passwords, "LONGEST_QUEUE", 6)
    answers = await asyncio.gather(*(verify_password("x", None) for _ in range(20)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert len(refused) == 20 - passwords.AT_ONCE - 6
    assert all(refusal.headers["Retry-After"] for refusal in refused)
    assert [answer for answer in answers if not isinstance(answer, Unavailable)] == [False] * (passwords.AT_ONCE + 6)
    assert not await verify_password("x", None), "there is room again"
    passwords._hashing.cache_clear()
