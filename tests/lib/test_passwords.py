"""Passwords: the list of well-known ones, and hashes that take turns."""

import asyncio

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app.lib.passwords import _LEAKED, MIN_LENGTH, hash_password, verify_password


def test_the_kept_list_is_the_part_of_zxcvbns_that_is_long_enough() -> None:
    kept = _LEAKED.read_text().splitlines()
    assert kept == sorted({word for word in FREQUENCY_LISTS["passwords"] if len(word) >= MIN_LENGTH})
    assert all(word == word.lower() and not word.isspace() for word in kept)


async def test_many_at_once_are_all_hashed_and_told_apart() -> None:
    hashed = await asyncio.gather(*(hash_password(f"clave larga {n}") for n in range(6)))
    right = await asyncio.gather(*(verify_password(f"clave larga {n}", each) for n, each in enumerate(hashed)))
    assert (right, len(set(hashed))) == ([True] * 6, 6)
    assert not await verify_password("clave larga 1", hashed[0])
    assert not await verify_password("clave larga 1", None)
