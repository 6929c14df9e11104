"""One line of a file as a product, or what is wrong with it, cell by cell."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import msgspec

from app.domain.imports.amounts import DecimalMark, NotANumber, read_number, shown
from app.domain.imports.columns import TITLES, Columns, Field, TwoColumns, read_header
from app.domain.imports.files import Cell, Row
from app.domain.imports.words import DEFAULT_TAX, DEFAULT_UNIT, tax_class_of, unit_code_of
from app.lib.text import CODE, NAME

_LONGEST: Final[dict[Field, int]] = {"sku": 40, "name": 200, "brand": 100, "category": 100, "barcodes": 48}
_MOST_BARCODES: Final = 20
_BARCODE_BREAK: Final = re.compile(r"[|;/\s]+|,")
_DAMAGED: Final = re.compile(r"^[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+$")
"""What a spreadsheet makes of a long code: its last digits are gone."""
_TRUSTED_DIGITS: Final = 15
_NAME: Final = re.compile(NAME)
_CODE: Final = re.compile(CODE)
_SKU: Final = re.compile(r"^[^\s\x00-\x1f\x7f-\x9f]+( +[^\s\x00-\x1f\x7f-\x9f]+)*$(?!\n)")
"""A code that may have blanks inside, as the catalogue takes it."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class LineError(msgspec.Struct, frozen=True):
    """What is wrong with one cell, in Spanish for the shop."""

    line: int
    column: str
    code: str
    detail: str


@dataclass(frozen=True)
class ProductLine:
    """A line that can become a product. Amounts in pesos, quantities in base units."""

    line: int
    sku: str
    name: str
    price: Decimal
    tax_class: str
    unit_code: str
    barcodes: list[str] = field(default_factory=list)
    category: str | None = None
    cost: Decimal | None = None
    stock: Decimal | None = None
    brand: str = ""
    min_stock: Decimal | None = None


@dataclass(frozen=True)
class ReadFile:
    """A file's lines, good and bad, before the catalogue is asked."""

    lines: list[ProductLine]
    errors: list[LineError]
    count: int
    ignored: list[str]


def read_lines(rows: Sequence[Row], mark: DecimalMark | None) -> ReadFile:
    """Read every line; one that has an error is not among the products. Nothing raises: a bad header is an error too."""
    (header_line, header), *body = rows
    try:
        columns = read_header(header)
    except TwoColumns as error:
        return ReadFile([], [LineError(header_line, error.title, "two-columns", str(error))], len(body), [])
    if missing := columns.missing():
        errors = [
            LineError(header_line, TITLES[name], "missing-column", f"Falta la columna «{TITLES[name]}».")
            for name in missing
        ]
        return ReadFile([], errors, len(body), columns.ignored)
    lines: list[ProductLine] = []
    errors = []
    seen: dict[str, int] = {}
    for number, cells in body:
        reader = _LineReader(number, cells, columns, mark)
        product = reader.product()
        reader.refuse_repeated(seen, product)
        errors += reader.errors
        if product is not None and not reader.errors:
            lines.append(product)
    return ReadFile(lines, errors, len(body), columns.ignored)


class _LineReader:
    """Reads the cells of one line and gathers its errors."""

    def __init__(self, line: int, cells: Sequence[Cell], columns: Columns, mark: DecimalMark | None) -> None:
        self.errors: list[LineError] = []
        self._line = line
        self._cells = cells
        self._columns = columns
        self._mark: DecimalMark | None = mark

    def product(self) -> ProductLine | None:
        sku = self._sku()
        name = self._text("name", required=True)
        price = self._amount("price", required=True)
        tax_class = self._word("taxClass")
        unit_code = self._word("unitCode")
        barcodes = self._barcodes()
        category = self._text("category")
        cost, stock, min_stock = (self._amount("cost"), self._amount("stock"), self._amount("minStock"))
        brand = self._text("brand")
        if sku is None or name is None or price is None:
            return None
        return ProductLine(
            line=self._line,
            sku=sku,
            name=name,
            price=price,
            tax_class=tax_class or DEFAULT_TAX,
            unit_code=unit_code or DEFAULT_UNIT,
            barcodes=barcodes,
            category=category,
            cost=cost,
            stock=stock,
            brand=brand or "",
            min_stock=min_stock,
        )

    def refuse_repeated(self, seen: dict[str, int], product: ProductLine | None) -> None:
        """Refuse a code that an earlier line, or this one, has already."""
        if product is None:
            return
        if (earlier := seen.setdefault(f"sku {product.sku}", self._line)) != self._line:
            self._refuse("sku", "repeated-sku", f"El código «{product.sku}» ya está en la línea {earlier}.")
        for code in product.barcodes:
            if (earlier := seen.setdefault(f"barcode {code}", self._line)) != self._line:
                self._refuse(
                    "barcodes", "repeated-barcode", f"El código de barras «{code}» ya está en la línea {earlier}."
                )

    def _cell(self, name: Field) -> Cell:
        place = self._columns.places.get(name)
        return self._cells[place] if place is not None and place < len(self._cells) else None

    def _refuse(self, name: Field, code: str, detail: str) -> None:
        self.errors.append(LineError(self._line, TITLES[name], code, detail))

    def _text(self, name: Field, *, required: bool = False) -> str | None:
        cell = self._cell(name)
        if cell is None:
            if required:
                self._refuse(name, "missing", f"Falta {TITLES[name]}.")
            return None
        text = " ".join(_CONTROL.sub(" ", f"{cell:f}" if isinstance(cell, Decimal) else cell).split())
        if not _NAME.match(text):
            self._refuse(name, "invalid", f"«{shown(text)}» no sirve de {TITLES[name]}.")
            return None
        if len(text) > _LONGEST[name]:
            self._refuse(name, "too-long", f"Tiene {len(text)} caracteres; el máximo es {_LONGEST[name]}.")
            return None
        return text

    def _sku(self) -> str | None:
        """The code as written: case counts."""
        cell = self._cell("sku")
        if cell is None:
            self._refuse("sku", "missing", f"Falta {TITLES['sku']}.")
            return None
        return self._checked_code("sku", self._digits("sku", cell), _SKU)

    def _barcodes(self) -> list[str]:
        cell = self._cell("barcodes")
        if cell is None:
            return []
        text = self._digits("barcodes", cell)
        found = [part for part in _BARCODE_BREAK.split(text or "") if part]
        if len(found) > _MOST_BARCODES:
            self._refuse("barcodes", "too-many", f"Un producto puede tener {_MOST_BARCODES} códigos de barras.")
            return []
        return list(dict.fromkeys(code for part in found if (code := self._checked_code("barcodes", part, _CODE))))

    def _digits(self, name: Field, cell: str | Decimal) -> str | None:
        """A code as text. Raises nothing: one that a spreadsheet has rounded becomes an error."""
        if isinstance(cell, Decimal):
            text = f"{cell:f}" if cell.adjusted() < _TRUSTED_DIGITS else None
        else:
            text = None if _DAMAGED.match(cell) else cell
        if text is None:
            self._refuse(
                name,
                "damaged-code",
                f"La hoja de cálculo convirtió «{shown(str(cell))}» en número y perdió cifras: dé formato de texto a la columna.",
            )
        return text

    def _checked_code(self, name: Field, code: str | None, shape: re.Pattern[str]) -> str | None:
        if code is None:
            return None
        if not shape.match(code):
            self._refuse(name, "invalid", f"«{shown(code)}» no sirve de {TITLES[name]}.")
            return None
        if len(code) > _LONGEST[name]:
            self._refuse(name, "too-long", f"Tiene {len(code)} caracteres; el máximo es {_LONGEST[name]}.")
            return None
        return code

    def _amount(self, name: Field, *, required: bool = False) -> Decimal | None:
        cell = self._cell(name)
        if cell is None:
            if required:
                self._refuse(name, "missing", f"Falta {TITLES[name]}.")
            return None
        try:
            amount = read_number(cell, self._mark)
        except NotANumber as error:
            self._refuse(name, error.code, error.detail)
            return None
        if amount < 0:
            self._refuse(name, "negative", f"No puede ser negativo: {shown(str(cell))}.")
            return None
        return amount

    def _word(self, name: Field) -> str | None:
        cell = self._cell(name)
        if cell is None:
            return None
        text = f"{cell:f}" if isinstance(cell, Decimal) else cell
        read, what = _WORDS[name]
        found = read(text)
        if found is None:
            self._refuse(name, "unknown", f"«{shown(text)}» no se reconoce como {what}.")
        return found


_WORDS: Final[dict[Field, tuple[Callable[[str], str | None], str]]] = {
    "taxClass": (tax_class_of, "impuesto: escriba IVA 19, IVA 5, exento, excluido o INC 8"),
    "unitCode": (unit_code_of, "unidad de medida: escriba unidad, metro, kilo, caja…"),
}
