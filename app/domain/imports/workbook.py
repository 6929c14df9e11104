"""The first sheet of an XLSX file, read only after its size is known: compressed, unpacked, and in cells."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from xml.parsers import expat

from app.lib.errors import RuleBroken

_MAGIC: Final = b"PK\x03\x04"
_MAX_PARTS: Final = 500
_MAX_UNPACKED: Final = 64 * 1_048_576
"""Bytes of all parts we read; 20,000 lines of twelve columns take about 15 MB."""
_CHUNK: Final = 1_048_576
_WANTED: Final = (
    "[Content_Types].xml",
    "_rels/",
    "xl/workbook.xml",
    "xl/_rels/",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
)
_SHEETS: Final = "xl/worksheets/"
_LETTERS: Final = 26
_MAX_EXACT: Final = 10**15
"""A spreadsheet keeps fifteen digits."""


class UnsafeWorkbook(RuleBroken):
    """A workbook that is broken, or that would unpack into more than any import needs."""

    code = "unreadable-file"


def is_zip(content: bytes) -> bool:
    return content.startswith(_MAGIC)


def workbook_rows(
    content: bytes, max_rows: int, max_columns: int
) -> Iterator[tuple[int, Sequence[str | Decimal | None]]]:
    """Rows of the first sheet that hold anything, by the numbers the spreadsheet shows.

    Raises 422 for a file that is no workbook, is broken, or is larger than an import may be.
    """
    # Loaded when the first workbook comes: the till never needs it.
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(_bounded(content, max_rows, max_columns))) as workbook:
            if not workbook.sheet_names:
                return
            sheet = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise UnsafeWorkbook(
            "El archivo .xlsx está dañado: ábralo en la hoja de cálculo y guárdelo de nuevo."
        ) from error
    for number, cells in enumerate(sheet, start=1):
        read = [_cell(cell) for cell in cells]
        if any(cell is not None for cell in read):
            yield number, read


def _bounded(content: bytes, max_rows: int, max_columns: int) -> bytes:
    """The same workbook with only the parts we read, unpacked: what a part claims to be no longer matters."""
    kept = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as out:
            parts = given.infolist()
            if "xl/workbook.xml" not in given.NameToInfo:
                raise UnsafeWorkbook("No es un archivo de Excel: envíe CSV o .xlsx.")
            if len(parts) > _MAX_PARTS:
                raise UnsafeWorkbook("El archivo .xlsx tiene demasiadas partes.")
            left = _MAX_UNPACKED
            for part in parts:
                if not part.filename.startswith((*_WANTED, _SHEETS)):
                    continue
                body = _unpack(given, part, left)
                left -= len(body)
                _inspect(body, part.filename.startswith(_SHEETS), max_rows, max_columns)
                out.writestr(part.filename, body)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        # RuntimeError: an encrypted part; NotImplementedError: a compression no spreadsheet uses.
        raise UnsafeWorkbook("El archivo .xlsx está dañado o tiene contraseña.") from error
    return kept.getvalue()


def _unpack(given: zipfile.ZipFile, part: zipfile.ZipInfo, most: int) -> bytes:
    if part.file_size > most:
        raise UnsafeWorkbook("El archivo .xlsx es demasiado grande al descomprimirlo.")
    chunks: list[bytes] = []
    with given.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            chunks.append(chunk)
    return b"".join(chunks)


def _inspect(body: bytes, sheet: bool, max_rows: int, max_columns: int) -> None:
    """Refuse a part with a document type, and a sheet whose cells lie further out than an import may reach."""
    row = column = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal row, column
        match name.rpartition(":")[2]:
            case "row":
                row = _number(attributes.get("r"), row + 1)
                column = 0
            case "c":
                column, row = _place(attributes.get("r"), column + 1, row)
            case _:
                return
        if row > max_rows:
            raise UnsafeWorkbook(
                f"La hoja llega a la línea {row}: son más de las {max_rows - 1} que se pueden importar.",
                code="too-many-lines",
            )
        if column > max_columns:
            raise UnsafeWorkbook(f"La hoja tiene más de {max_columns} columnas.")

    def refuse(*_: Any) -> None:
        raise UnsafeWorkbook("El archivo .xlsx contiene una definición de tipo (DOCTYPE), que no se acepta.")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    if sheet:
        parser.StartElementHandler = start
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise UnsafeWorkbook("El archivo .xlsx está dañado.") from error


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text else otherwise


def _place(reference: str | None, column: int, row: int) -> tuple[int, int]:
    """Column and row of a reference such as `AB12`; the next ones when the cell names none."""
    if not reference:
        return column, row
    letters = reference.rstrip("0123456789")
    found = 0
    for letter in letters.upper():
        found = found * _LETTERS + ord(letter) - ord("A") + 1
    return found, int(reference[len(letters) :])


def _cell(value: object) -> str | Decimal | None:
    match value:
        case bool():
            return "verdadero" if value else "falso"
        case int() | float():
            return _decimal(value)
        case datetime() | date() | time() | timedelta():
            return str(value)
        case str():
            return value.strip() or None
    return None


def _decimal(value: float) -> Decimal:
    """The digits a spreadsheet shows: fifteen, not the seventeen of the binary number behind them."""
    number = Decimal(f"{value:.15g}")
    return number.quantize(Decimal(1)) if number == number.to_integral_value() and abs(number) < _MAX_EXACT else number
