"""Words cut into pieces: how search forgives a typing mistake with nothing but equality.

A word gives its groups of three letters, edges marked by a blank, and its letters in alphabetical order: two letters that
changed places break up to four groups of three, but leave the second form as it was.
"""

import re
from functools import lru_cache
from typing import Final

from app.lib.text import normalise

_WORD: Final = re.compile(r"[^\W_]+")
_LONGEST: Final = 40
"""Letters of a word that count."""
_SORTED: Final = range(4, 13)
"""Lengths of words that have a sorted form: shorter ones collide, in longer ones three groups survive."""
_SIZE: Final = 3


def words_of(normalised: str) -> list[str]:
    """Words of a text that `normalise` made, in their order."""
    return [word[:_LONGEST] for word in _WORD.findall(normalised)]


@lru_cache(maxsize=8192)
def grams_of(word: str) -> frozenset[str]:
    """Pieces of one word."""
    edged = f" {word} "
    pieces = {edged[at : at + _SIZE] for at in range(len(edged) - _SIZE + 1)}
    if len(word) in _SORTED and word.isalpha():
        pieces.add("=" + "".join(sorted(word)))
    return frozenset(pieces)


def product_words(name_norm: str, sku: str, brand: str) -> list[str]:
    """What a product can be found by."""
    return words_of(f"{name_norm} {normalise(f'{sku} {brand}')}") if sku or brand else words_of(name_norm)


def product_grams(name_norm: str, sku: str, brand: str) -> frozenset[str]:
    """Rows of `product_gram` for one product."""
    return frozenset[str]().union(*(grams_of(word) for word in product_words(name_norm, sku, brand)))


def likeness(asked: str, word: str) -> float:
    """How much a word looks like the one typed, 0 to 1: the same, its beginning, one slip away, or shared pieces."""
    if word == asked:
        return 1.0
    if word.startswith(asked):
        return 0.9
    mine, theirs = grams_of(asked), grams_of(word)
    shared = len(mine & theirs)
    if not shared:
        return 0.0
    if _is_one_slip(asked, word):
        return 0.85
    return 0.8 * 2 * shared / (len(mine) + len(theirs))


def _is_one_slip(one: str, other: str) -> bool:
    """Whether one letter too many, too few, wrong, or a pair that changed places, tells two words apart. Not for figures."""
    if abs(len(one) - len(other)) > 1 or min(len(one), len(other)) < _SORTED[0] or not one.isalpha():
        return False
    at = 0
    while at < min(len(one), len(other)) and one[at] == other[at]:
        at += 1
    rest, remains = one[at:], other[at:]
    return (
        rest[1:] == remains[1:]
        or rest[1:] == remains
        or rest == remains[1:]
        or (rest[:2] == remains[1::-1] and rest[2:] == remains[2:])
    )
