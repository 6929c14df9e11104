"""Names and zips of what is sent (Anexo técnico FEV 1.9: names of files)."""

import io
import zipfile
from typing import Final

_OWN_SOFTWARE: Final = "000"
_STAMP: Final = (1980, 1, 1, 0, 0, 0)
"""No time of day in a zip: the same document packs into the same bytes."""
_LAST: Final = 0xFFFFFFFF
ZIP: Final = "z"
CONTAINER: Final = "ad"


def file_stem(letters: str, nit: str, year: int, consecutive: int, provider: str = _OWN_SOFTWARE) -> str:
    """Name without extension: letters of the kind, NIT in ten digits, provider, year in two, consecutive in eight hexadecimal.

    The consecutive restarts at 1 each year, one counter for each family and issuer; it is never used twice.
    """
    if not 1 <= consecutive <= _LAST:
        raise ValueError("the consecutive of a file has eight hexadecimal digits")
    return f"{letters}{nit:0>10}{provider:0>3}{year % 100:02d}{consecutive:08x}"


def pack(files: dict[str, bytes]) -> bytes:
    """Zip files without folders. For SendBillSync exactly one."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return packed.getvalue()
