"""Text as XML can hold it."""

import re
from typing import Final

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold."""


def clean(text: str) -> str:
    """One line of text, as XML and DIAN's comparisons want it."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    return " ".join(_FORBIDDEN.sub(" ", text).split())
