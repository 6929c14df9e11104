"""Which column is which: Spanish and English headers, accents, case and signs aside."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from app.domain.imports.files import Cell
from app.lib.text import normalise

Field = Literal[
    "sku", "name", "price", "taxClass", "barcodes", "category", "cost", "stock", "unitCode", "brand", "minStock"
]

TITLES: Final[dict[Field, str]] = {
    "sku": "sku",
    "name": "nombre",
    "price": "precio",
    "taxClass": "impuesto",
    "barcodes": "código de barras",
    "category": "categoría",
    "cost": "costo",
    "stock": "existencia",
    "unitCode": "unidad",
    "brand": "marca",
    "minStock": "mínimo",
}
"""Field to its Spanish header, as the template has it and as errors name it."""

REQUIRED: Final[tuple[Field, ...]] = ("sku", "name", "price")

_ALIASES: Final[dict[Field, tuple[str, ...]]] = {
    "sku": ("sku", "codigo", "referencia", "ref", "code", "reference", "codigo interno", "item"),
    "name": ("nombre", "producto", "descripcion", "name", "product", "description", "articulo", "nombre del producto"),
    "price": ("precio", "precio de venta", "precio venta", "price", "valor", "precio con iva", "pvp", "sale price"),
    "taxClass": ("impuesto", "iva", "tax", "tax class", "tarifa", "tarifa iva", "clase de impuesto", "impuestos"),
    "barcodes": (
        "codigo de barras",
        "codigos de barras",
        "codigo barras",
        "barras",
        "ean",
        "gtin",
        "barcode",
        "barcodes",
    ),
    "category": ("categoria", "category", "linea", "grupo", "familia"),
    "cost": ("costo", "coste", "cost", "costo unitario", "precio de compra", "unit cost", "costo sin iva"),
    "stock": ("existencia", "existencias", "stock", "cantidad", "inventario", "saldo", "quantity", "stock inicial"),
    "unitCode": ("unidad", "unidad de medida", "unit", "unit code", "medida", "um", "u m"),
    "brand": ("marca", "brand", "fabricante"),
    "minStock": ("minimo", "stock minimo", "existencia minima", "min", "min stock", "minimum", "minimum stock"),
}
_FIELDS: Final[dict[str, Field]] = {alias: field for field, aliases in _ALIASES.items() for alias in aliases}
_SIGNS: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Columns:
    """Places of the columns we know, and the headers we do not."""

    places: dict[Field, int]
    ignored: list[str]

    def missing(self) -> list[Field]:
        return [field for field in REQUIRED if field not in self.places]


class TwoColumns(ValueError):
    """Two headers mean the same thing."""

    def __init__(self, field: Field, first: str, second: str) -> None:
        super().__init__(f"Las columnas «{first}» y «{second}» son ambas {TITLES[field]}: deje una.")
        self.title = TITLES[field]


def read_header(cells: Sequence[Cell]) -> Columns:
    """Raises `TwoColumns`."""
    places: dict[Field, int] = {}
    names: dict[Field, str] = {}
    ignored: list[str] = []
    for place, cell in enumerate(cells):
        if cell is None:
            continue
        title = str(cell)
        field = _field_of(title)
        if field is None:
            ignored.append(title[:100])
        elif field in places:
            raise TwoColumns(field, names[field], title)
        else:
            places[field] = place
            names[field] = title
    return Columns(places, ignored)


def _field_of(title: str) -> Field | None:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title)
    return _FIELDS.get(" ".join(_SIGNS.sub(" ", normalise(spaced)).split()))
