"""Which label a product's presentation gets."""

from collections.abc import Sequence
from typing import Final

from app.db.session import Work
from app.domain.catalog.labels import Label, symbol_of
from app.domain.catalog.rows import find_products
from app.domain.catalog.schemas import LabelLine, PrintLabels, ProductOut
from app.domain.catalog.units import unit_names
from app.lib.errors import FieldError, RuleBroken, unknown_reference

MAX_LABELS: Final = 500


async def labels_of(work: Work, data: PrintLabels) -> list[Label]:
    """The labels asked for, each as often as wanted. Raises 422 for unknown products and codes that nothing can draw."""
    if sum(line.copies for line in data.lines) > MAX_LABELS:
        raise _rule("/lines", "too-many-labels", f"Se imprimen hasta {MAX_LABELS} etiquetas a la vez.")
    if data.format == "zpl" and data.layout != "roll-50x25":
        raise _rule("/layout", "layout-not-printable", "La hoja de etiquetas solo se imprime en PDF.")
    products = await find_products(work, [line.product_id for line in data.lines])
    found: list[Label] = []
    for place, line in enumerate(data.lines):
        product = products.get(line.product_id)
        if product is None:
            raise unknown_reference(f"/lines/{place}/productId")
        found += [_label(product, line, place, show_price=data.show_price)] * line.copies
    return found


def _label(product: ProductOut, line: LabelLine, place: int, *, show_price: bool) -> Label:
    price, codes, unit = product.price, product.barcodes, ""
    if line.unit_code not in {None, product.unit_code}:
        pack = next((pack for pack in product.packs if pack.unit_code == line.unit_code), None)
        if pack is None:
            raise unknown_reference(f"/lines/{place}/unitCode", "El producto no tiene esa presentación.")
        price, codes = pack.price, [pack.barcode] if pack.barcode else []
        unit = unit_names()[pack.unit_code]
    return Label(
        name=product.name, code=_drawable([*codes, product.sku], place), price=price if show_price else None, unit=unit
    )


def _drawable(codes: Sequence[str], place: int) -> str:
    """The first code that a printer can draw; the reference stands in for a missing barcode."""
    for code in codes:
        if symbol_of(code) is not None:
            return code
    raise _rule(
        f"/lines/{place}/productId", "no-printable-code", "Ni el código de barras ni la referencia se pueden dibujar."
    )


def _rule(pointer: str, code: str, detail: str) -> RuleBroken:
    return RuleBroken(detail, code=code, errors=(FieldError(pointer, code, detail),))
