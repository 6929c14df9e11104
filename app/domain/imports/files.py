"""From a file's bytes to rows of cells: CSV in its usual disguises, and XLSX. The content says which, never the name."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from app.domain.imports.workbook import is_zip, workbook_rows
from app.lib.errors import RuleBroken

Cell = str | Decimal | None
"""A number only where the file itself says so (XLSX); CSV has texts alone."""
Row = tuple[int, Sequence[Cell]]
"""Line number as a spreadsheet shows it, and the cells."""

MAX_LINES: Final = 20_000
MAX_COLUMNS: Final = 100
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"
_SEPARATORS: Final = (";", ",", "\t")
_DECLARED: Final = re.compile(r"^sep=(.)\r?\n", re.IGNORECASE)
"""Excel writes the separator on a line before the header."""


class UnreadableFile(RuleBroken):
    """Not a table that we read; the detail says what to do."""

    code = "unreadable-file"


def read_rows(content: bytes) -> list[Row]:
    """Rows that hold anything, the header first. Raises 422 for another format, or for more than 20,000 lines."""
    if not content.strip():
        raise UnreadableFile("El archivo está vacío.", code="empty-file")
    if content.startswith(_OLD_OFFICE):
        raise UnreadableFile("Es un archivo de Excel antiguo (.xls) o con contraseña: guárdelo como .xlsx o CSV.")
    rows = list(workbook_rows(content, MAX_LINES + 1, MAX_COLUMNS) if is_zip(content) else _text_rows(content))
    if not rows:
        raise UnreadableFile("El archivo está vacío.", code="empty-file")
    return rows


def _text_rows(content: bytes) -> Iterator[Row]:
    text = _decode(content)
    if declared := _DECLARED.match(text):
        text = text[declared.end() :]
    separator = declared[1] if declared else _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    skipped = 1 if declared else 0
    begins, found = 1 + skipped, 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found += 1
                if found > MAX_LINES + 1:
                    raise too_many_lines()
                if len(cells) > MAX_COLUMNS:
                    raise UnreadableFile(f"La línea {begins} tiene más de {MAX_COLUMNS} columnas.")
                yield begins, [cell.strip() or None for cell in cells]
            begins = reader.line_num + 1 + skipped
    except csv.Error as error:
        raise UnreadableFile(f"La línea {begins} no es CSV válido: revise las comillas.") from error


def too_many_lines() -> UnreadableFile:
    return UnreadableFile(f"El archivo tiene más de {MAX_LINES} líneas: divídalo.", code="too-many-lines")


def _decode(content: bytes) -> str:
    """UTF-8 with or without its mark, UTF-16 with it, else the Latin letters of Windows."""
    encodings = ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise UnreadableFile("No es un archivo de texto ni de Excel: envíe CSV o .xlsx.")


def _separator(text: str) -> str:
    """The one that cuts the first line into the most columns; a semicolon wins a tie, as it never stands in a number."""
    first = next(line for line in text.splitlines() if line.strip())
    bare = re.sub(r'"[^"]*"', "", first)
    return max(_SEPARATORS, key=bare.count)
