"""Sizes and colours: one child product for each combination."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product as combinations
from math import prod
from typing import Final
from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.catalog.models import Product
from app.domain.catalog.rows import as_seen_by, find_product, find_products
from app.domain.catalog.schemas import CreateProduct, CreateVariants, ProductList, ProductOut, VariantAxis, VariantCell
from app.domain.catalog.service.checking import refusals
from app.domain.catalog.service.creating import ProductCreation, Seed
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, RuleBroken
from app.lib.money import SomeUnits, ZeroOrMorePrice, ZeroOrMoreUnits
from app.lib.text import normalise

MAX_VARIANTS: Final = 200
"""Children of one product."""
_MAX_SKU: Final = 40
_MAX_NAME: Final = 200

BROKEN_CONSTRAINTS["uq_product_variant"] = Conflict("Esa variante ya existe.", code="variant-exists")

Values = dict[str, str]


class VariantCreation:
    """Makes the children of a product in the request's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def create(self, product_id: UUID, data: CreateVariants) -> ProductList:
        """Create the combinations that are missing; answers those. Asking again makes only what was added.

        Raises 404, 409 for taken codes, 422 for a product that is a variant itself, repeated or unknown values, or more
        than 200 children.
        """
        parent = await find_product(self._work, product_id, lock=True)
        if parent.variant_of is not None:
            raise _rule("", "variant-of-variant", "Una variante no tiene variantes: use el producto de origen.")
        if parent.retired_at is not None:
            raise Conflict("El producto está retirado.", code="product-retired")
        axes = _checked(data.axes)
        cells = _cells(axes, data.cells)
        existing = await self._existing(product_id)
        missing = [values for values in _matrix(axes) if values not in existing]
        if len(existing) + len(missing) > MAX_VARIANTS:
            raise _rule("/axes", "too-many-variants", f"Un producto puede tener hasta {MAX_VARIANTS} variantes.")
        bodies = [_body(parent, values, cells.get(_frozen(values))) for values in missing]
        refused = await refusals(self._work, bodies)
        if refused:
            raise refused[min(refused)][0]
        seeds = [
            Seed(id=uuid7(), data=body, variant_of=product_id, variant_values=values)
            for body, values in zip(bodies, missing, strict=True)
        ]
        await ProductCreation(self._work).write(seeds)
        made = await find_products(self._work, [seed.id for seed in seeds])
        for seed in seeds:
            self._work.record("product.created", seed.id, after=made[seed.id])
        return ProductList(items=[as_seen_by(made[seed.id], self._work.actor) for seed in seeds])

    async def _existing(self, product_id: UUID) -> list[Values]:
        rows = await self._work.session.scalars(
            select(Product.variant_values).where(
                Product.tenant_id == self._work.tenant_id, Product.variant_of == product_id
            )
        )
        return [row for row in rows if row is not None]


def _checked(axes: Sequence[VariantAxis]) -> dict[str, list[str]]:
    """Axis to its values, trimmed. Raises 422 for repeats and for a matrix that is too large."""
    found: dict[str, list[str]] = {}
    for place, axis in enumerate(axes):
        name, values = axis.name.strip(), [value.strip() for value in axis.values]
        if name in found:
            raise _rule(f"/axes/{place}/name", "duplicate-axis", f"El eje {name} está repetido.")
        if len({normalise(value) for value in values}) < len(values):
            raise _rule(f"/axes/{place}/values", "duplicate-value", "Hay valores repetidos.")
        found[name] = values
    if prod(map(len, found.values())) > MAX_VARIANTS:
        raise _rule("/axes", "too-many-variants", f"Un producto puede tener hasta {MAX_VARIANTS} variantes.")
    return found


def _matrix(axes: Mapping[str, Sequence[str]]) -> Iterator[Values]:
    for values in combinations(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _cells(
    axes: Mapping[str, Sequence[str]], cells: Sequence[VariantCell]
) -> dict[frozenset[tuple[str, str]], VariantCell]:
    """Combination to what it has of its own. Raises 422 for one that the axes do not make."""
    found: dict[frozenset[tuple[str, str]], VariantCell] = {}
    for place, cell in enumerate(cells):
        values = {name.strip(): value.strip() for name, value in cell.values.items()}
        if values.keys() != axes.keys() or any(value not in axes[name] for name, value in values.items()):
            raise _rule(f"/cells/{place}/values", "unknown-variant", "No es una combinación de los ejes.")
        if _frozen(values) in found:
            raise _rule(f"/cells/{place}/values", "duplicate-variant", "La combinación está repetida.")
        found[_frozen(values)] = cell
    return found


def _frozen(values: Values) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


def _body(parent: ProductOut, values: Values, cell: VariantCell | None) -> CreateProduct:
    """A child: the parent's data, a reference and a name that say which one it is, and what its cell states."""
    sku = cell.sku if cell and cell.sku else "-".join([parent.sku, *map(_suffix, values.values())])
    name = " ".join([parent.name, *values.values()])
    if len(sku) > _MAX_SKU:
        raise _rule("/cells", "sku-too-long", f"La referencia {sku} pasa de {_MAX_SKU} caracteres: indíquela en cells.")
    if len(name) > _MAX_NAME:
        raise _rule("/axes", "name-too-long", f"El nombre de la variante pasa de {_MAX_NAME} caracteres.")
    cost = cell.cost if cell and cell.cost is not None else parent.cost
    return CreateProduct(
        sku=sku,
        name=name,
        price=ZeroOrMorePrice(cell.price if cell and cell.price is not None else parent.price),
        tax_class=parent.tax_class,
        barcodes=cell.barcodes if cell else [],
        unit_code=parent.unit_code,
        cost=None if cost is None else ZeroOrMorePrice(cost),
        min_stock=None if parent.min_stock is None else ZeroOrMoreUnits(parent.min_stock),
        tracks_stock=parent.tracks_stock,
        category_id=parent.category_id,
        brand=parent.brand,
        content_ml=None if parent.content_ml is None else SomeUnits(parent.content_ml),
    )


def _suffix(value: str) -> str:
    """A value as part of a reference: `Azul rey` gives `AZUL-REY`."""
    return "-".join(normalise(value).upper().split())


def _rule(pointer: str, code: str, detail: str) -> RuleBroken:
    return RuleBroken(detail, code=code, errors=(FieldError(pointer, code, detail),))
