"""Files as shops send them: separators, letters, workbooks, and those made to hurt."""

import io
import zipfile
from decimal import Decimal

import openpyxl
import pytest

from app.domain.imports.files import MAX_LINES, UnreadableFile, read_rows
from app.domain.imports.lines import ReadFile, read_lines
from app.domain.imports.tables import defused, table_csv, template_csv, template_xlsx
from app.domain.imports.words import tax_class_of, unit_code_of
from app.domain.imports.workbook import UnsafeWorkbook
from app.lib.errors import RuleBroken

HEADER = "sku;nombre;precio"


def read(content: bytes | str) -> ReadFile:
    return read_lines(read_rows(content.encode() if isinstance(content, str) else content), None)


def workbook(*rows: list[object]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_sheet(xml: str, **others: str) -> bytes:
    """A workbook whose first sheet is this XML."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(template_xlsx())) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            made.writestr(name, xml if name.endswith("sheet1.xml") else given.read(name))
        for name, body in others.items():
            made.writestr(name, body)
    return out.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_separators_and_letters_are_found_out(separator: str, encoding: str) -> None:
    text = f"sku{separator}nombre{separator}precio\r\nP-1{separator}Piñón «ñ»{separator}1500\r\n"
    (line,) = read(text.encode(encoding)).lines
    assert (line.sku, line.name, line.price) == ("P-1", "Piñón «ñ»", Decimal(1500))


def test_a_declared_separator_and_quoted_line_breaks_keep_line_numbers() -> None:
    found = read('sep=,\r\nsku,nombre,precio\r\nA,"Cable\r\nrojo",1\r\nB,Otro,x\r\n')
    assert [line.name for line in found.lines] == ["Cable rojo"]
    assert [(error.line, error.column, error.code) for error in found.errors] == [(5, "precio", "not-a-number")]


@pytest.mark.parametrize(
    "header",
    [
        "SKU;Nombre;Precio;Código de barras;Categoría;Costo;Existencia;Unidad;Marca;Mínimo;Impuesto",
        "code;name;price;barcode;category;cost;stock;unit;brand;minimum;tax",
        "Referencia;Descripción;Precio de venta;EAN;Grupo;Costo unitario;Cantidad;U.M.;MARCA;Stock mínimo;IVA",
        "sku;name;price;barcodes;category;cost;stock;unitCode;brand;minStock;taxClass",
    ],
)
def test_headers_are_read_in_spanish_and_english(header: str) -> None:
    (line,) = read(f"{header}\nA;Cosa;1000;770111|770222;Varios;500;2,5;kg;Acme;1;5%\n").lines
    assert line.barcodes == ["770111", "770222"]
    assert (line.category, line.unit_code, line.brand, line.tax_class) == ("Varios", "KGM", "Acme", "iva5")
    assert (line.cost, line.stock, line.min_stock) == (Decimal(500), Decimal("2.5"), Decimal(1))


def test_a_missing_column_and_a_doubled_one_are_errors_of_the_header() -> None:
    assert [(e.line, e.column, e.code) for e in read("nombre;precio\nA;1\n").errors] == [(1, "sku", "missing-column")]
    doubled = read("sku;nombre;precio;valor\nA;B;1;2\n")
    assert [(error.line, error.code) for error in doubled.errors] == [(1, "two-columns")]


def test_columns_we_do_not_know_are_told() -> None:
    assert read(f"{HEADER};Proveedor\nA;B;1;X\n").ignored == ["Proveedor"]


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        (";Cosa;1", "sku", "missing"),
        ("A;;1", "nombre", "missing"),
        ("A;Cosa;", "precio", "missing"),
        ("A;Cosa;-1", "precio", "negative"),
        ("A;Cosa;34.900", "precio", "ambiguous-number"),
        ("7,70999E+12;Cosa;1", "sku", "damaged-code"),
        (f"{'x' * 41};Cosa;1", "sku", "too-long"),
        (f"A;{'x' * 201};1", "nombre", "too-long"),
        ("A;Cosa;1;iva12", "impuesto", "unknown"),
        ("A;Cosa;1;0", "impuesto", "unknown"),
        ("A;Cosa;1;19;brazada", "unidad", "unknown"),
    ],
)
def test_each_wrong_cell_is_told_with_its_line_and_column(row: str, column: str, code: str) -> None:
    found = read(f"{HEADER};impuesto;unidad\nOK;Bien;1;19;und\n\n{row}\n")
    assert [line.sku for line in found.lines] == ["OK"]
    assert [(error.line, error.column, error.code) for error in found.errors] == [(4, column, code)]
    assert found.errors[0].detail


def test_a_repeated_code_names_the_line_that_has_it() -> None:
    found = read(f"{HEADER};ean\nA;Uno;1;111\nA;Dos;2;222\nC;Tres;3;111\n")
    assert [(error.line, error.code) for error in found.errors] == [(3, "repeated-sku"), (4, "repeated-barcode")]
    assert all("línea 2" in error.detail for error in found.errors)


def test_a_cell_that_begins_like_a_formula_is_only_a_name() -> None:
    (line,) = read(f"{HEADER}\n+57;=HYPERLINK(1);1\n").lines
    assert (line.sku, line.name) == ("+57", "=HYPERLINK(1)")


@pytest.mark.parametrize("text", ["=1+1", "+57", "-1", "@x", "\tx", "\rx"])
def test_what_we_hand_out_never_begins_a_formula(text: str) -> None:
    assert defused(text) == f"'{text}"
    assert f"'{text}".encode() in table_csv(["columna"], [[text]])


@pytest.mark.parametrize("template", [template_csv(), template_xlsx()], ids=["csv", "xlsx"])
def test_our_own_template_is_read_without_an_error(template: bytes) -> None:
    found = read(template)
    assert found.errors == []
    assert [line.sku for line in found.lines] == ["TOR-6X1", "CEM-50", "CAB-12"]
    assert found.lines[2].stock == Decimal("320.5")
    assert found.lines[0].barcodes == ["7709990000016"]


def test_a_workbook_keeps_numbers_codes_and_line_numbers() -> None:
    content = workbook(
        ["sku", "nombre", "precio", "ean", "existencia"],
        [1001, "Cemento", 34900.5, 7709990000023, 0.1 + 0.2],
        [None, None, None],
        ["B", "Sin precio", None],
    )
    found = read(content)
    (line,) = found.lines
    assert (line.sku, line.price, line.barcodes, line.stock) == (
        "1001",
        Decimal("34900.5"),
        ["7709990000023"],
        Decimal("0.3"),
    )
    assert [(error.line, error.column) for error in found.errors] == [(4, "precio")]


def test_a_code_with_more_digits_than_a_spreadsheet_keeps_is_refused() -> None:
    found = read(workbook(["sku", "nombre", "precio"], [1234567890123456789, "Largo", 1]))
    assert [(error.line, error.code) for error in found.errors] == [(2, "damaged-code")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty-file"),
        (b" \r\n ", "empty-file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "unreadable-file"),
        (b"%PDF-1.7\x00\x01", "unreadable-file"),
        (b"PK\x03\x04 and nothing of a zip", "unreadable-file"),
        (b"sku,nombre,precio\n" + b"A,B,1\n" * (MAX_LINES + 1), "too-many-lines"),
        (b"sku" + b";x" * 200 + b"\n1\n", "unreadable-file"),
    ],
    ids=["empty", "blank", "old-excel", "pdf", "broken-zip", "too-many", "too-wide"],
)
def test_what_is_no_table_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(UnreadableFile if not content.startswith(b"PK") else UnsafeWorkbook) as refusal:
        read_rows(content)
    assert refusal.value.code == code


def test_exactly_the_allowed_lines_are_read() -> None:
    assert len(read_rows(b"sku,nombre,precio\n" + b"A,B,1\n" * MAX_LINES)) == MAX_LINES + 1


@pytest.mark.parametrize(
    "content",
    [
        with_sheet("<worksheet><sheetData>" + "<row/>" * 100_000_00 + "</sheetData></worksheet>"),
        with_sheet(
            '<worksheet><sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
        ),
        with_sheet('<worksheet><sheetData><row r="1"><c r="ZZ1"><v>1</v></c></row></sheetData></worksheet>'),
        with_sheet('<!DOCTYPE x [<!ENTITY a "b">]><worksheet><sheetData/></worksheet>'),
        with_sheet("<worksheet><sheetData>"),
        with_sheet("<worksheet/>", **{f"xl/media/{number}": "" for number in range(600)}),
    ],
    ids=["unpacked-bomb", "far-cell", "wide", "doctype", "torn", "many-parts"],
)
def test_a_workbook_made_to_hurt_is_refused_before_it_is_read(content: bytes) -> None:
    with pytest.raises(RuleBroken):
        read_rows(content)


def test_a_part_that_lies_about_its_size_is_refused() -> None:
    content = bytearray(with_sheet("<worksheet><sheetData>" + " " * 5_000_000 + "</sheetData></worksheet>"))
    at = content.rindex(b"xl/worksheets/sheet1.xml") - 46
    assert content[at : at + 4] == b"PK\x01\x02"
    content[at + 24 : at + 28] = (100).to_bytes(4, "little")
    with pytest.raises(UnsafeWorkbook):
        read_rows(bytes(content))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("IVA 19 %", "iva19"),
        ("19,0%", "iva19"),
        ("0.05", "iva5"),
        ("Exento", "exempt"),
        ("EXCLUIDO", "excluded"),
        ("8", None),
    ],
)
def test_taxes_as_shops_write_them(text: str, code: str | None) -> None:
    assert tax_class_of(text) == code


@pytest.mark.parametrize(("text", "code"), [("Und.", "94"), ("Galón", "GLL"), ("mtr", "MTR"), ("cuarta", None)])
def test_units_as_shops_write_them(text: str, code: str | None) -> None:
    assert unit_code_of(text) == code
