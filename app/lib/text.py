"""Text as people type it: one normal form that search compares, and what a line of text may hold."""

import unicodedata
from typing import Final

LINE: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$(?!\n)"
"""Pattern of one line: anything but control characters. The last part is for Python, whose `$` forgives a final line break."""
NAME: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f\u2028\u2029]*$(?!\n)"
"""Pattern of a line that is not blank."""
CODE: Final = r"^[^\s\x00-\x1f\x7f-\x9f]+$(?!\n)"
"""Pattern of a code without blanks, as a scanner reads it."""

LONGEST: Final = 250
"""Characters kept by `normalise`: a B-tree entry holds 2,704 bytes, and one letter can decompose into eighteen."""


def writable(text: str) -> str:
    """The text as JSON and PostgreSQL can hold it: other programs' words may carry NUL, and halves of letters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def normalise(text: str) -> str:
    """What search compares: lower case, no accents, ñ as n, compatibility forms unfolded, blanks folded, marks dropped."""
    if text.isascii():
        folded = text.lower()
    else:
        decomposed = unicodedata.normalize("NFKD", text.casefold()).casefold()
        folded = "".join(
            letter for letter in decomposed if unicodedata.category(letter) not in {"Mn", "Me", "Cf", "Cs"}
        )
    return " ".join(folded.split())[:LONGEST].rstrip()
