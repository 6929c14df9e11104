"""Tables that we hand out: the template to fill in, and what is wrong with a file."""

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from typing import Final
from xml.sax.saxutils import escape

from app.domain.imports.columns import TITLES

XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV_TYPE: Final = "text/csv; charset=utf-8"

_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")
_MARK: Final = "\ufeff"
"""Tells Excel that the text is UTF-8."""

_EXAMPLES: Final[tuple[tuple[str, ...], ...]] = (
    (
        "TOR-6X1",
        'Tornillo drywall 6x1"',
        "80",
        "IVA 19",
        "7709990000016",
        "Tornillería",
        "35",
        "5000",
        "unidad",
        "",
        "500",
    ),
    (
        "CEM-50",
        "Cemento gris 50 kg",
        "34900",
        "IVA 19",
        "7709990000023",
        "Construcción",
        "27500",
        "80",
        "bolsa",
        "",
        "10",
    ),
    (
        "CAB-12",
        "Cable THHN 12 AWG",
        "2600",
        "IVA 19",
        "7709990000030",
        "Eléctricos",
        "1650",
        "320,5",
        "metro",
        "",
        "50",
    ),
)
_TEXT_COLUMNS: Final = frozenset({"sku", "código de barras"})

_PARTS: Final = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/xl/workbook.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/styles.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        '<sheets><sheet name="Productos" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
        'Target="worksheets/sheet1.xml"/><Relationship Id="rId2" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/>'
        "</Relationships>"
    ),
    # Format 49 is text: a long code typed under it keeps all its digits.
    "xl/styles.xml": (
        '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        '<fonts count="1"><font/></fonts><fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
        '<borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
        '<cellXfs count="2"><xf/><xf numFmtId="49" applyNumberFormat="1"/></cellXfs></styleSheet>'
    ),
}
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def template_csv() -> bytes:
    """Header and three examples; semicolons, as a spreadsheet in Spanish expects."""
    return table_csv(list(TITLES.values()), _EXAMPLES)


def table_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table that a spreadsheet opens as it is: nothing in it can become a formula."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([defused(str(cell)) for cell in row] for row in rows)
    return (_MARK + text.getvalue()).encode()


def defused(cell: str) -> str:
    """A text that no spreadsheet runs: what would begin a formula gets an apostrophe before it."""
    return f"'{cell}" if cell.startswith(_FORMULA_SIGNS) else cell


def template_xlsx() -> bytes:
    """The same as a workbook, with code columns formatted as text."""
    header = list(TITLES.values())
    codes = [title in _TEXT_COLUMNS for title in header]
    columns = "".join(
        f'<col min="{place}" max="{place}" width="22" style="{int(is_code)}" customWidth="1"/>'
        for place, is_code in enumerate(codes, start=1)
    )
    rows = "".join(_row(number, cells, codes) for number, cells in enumerate([header, *_EXAMPLES], start=1))
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<cols>{columns}</cols><sheetData>{rows}</sheetData></worksheet>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        for name, body in (_PARTS | {"xl/worksheets/sheet1.xml": sheet}).items():
            parts.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), f"{_HEAD}{body}", zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _row(number: int, cells: Sequence[str], codes: Sequence[bool]) -> str:
    return f'<row r="{number}">{"".join(_cell(*cell) for cell in zip(cells, codes, strict=True))}</row>'


def _cell(text: str, is_code: bool) -> str:
    number = text.replace(",", ".")
    if not is_code and number.replace(".", "", 1).isdigit():
        return f"<c><v>{number}</v></c>"
    return f'<c t="inlineStr" s="{int(is_code)}"><is><t xml:space="preserve">{escape(text)}</t></is></c>'
