"""What a product must fulfil against the rest of the catalogue, for one or for thousands at once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Work
from app.domain.catalog.rows import IBUA
from app.domain.catalog.schemas import CreateProduct
from app.domain.catalog.units import unit_names
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, DomainError, FieldError, RuleBroken, unknown_reference

BROKEN_CONSTRAINTS["uq_product_tenant_id_sku"] = Conflict(
    "Otro producto ya usa esa referencia (SKU).", code="sku-taken"
)
BROKEN_CONSTRAINTS["pk_product_barcode"] = Conflict("Otro producto ya usa ese código de barras.", code="barcode-taken")

_TAX_CLASSES: Final = text("SELECT code, nominal_tribute FROM tax_class")
_SKUS: Final = text(
    "SELECT sku, id, retired_at IS NOT NULL AS retired FROM product "
    "WHERE tenant_id = :tenant_id AND sku = ANY(CAST(:skus AS text[]))"
)
_CODES: Final = text(
    "SELECT b.code, b.product_id, p.retired_at IS NOT NULL AS retired FROM product_barcode b "
    "JOIN product p ON p.tenant_id = b.tenant_id AND p.id = b.product_id "
    "WHERE b.tenant_id = :tenant_id AND b.code = ANY(CAST(:codes AS text[]))"
)
_CATEGORIES: Final = text(
    "SELECT id FROM category WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) AND retired_at IS NULL"
)
_IDS: Final = text("SELECT id FROM product WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))")


class Presentation(Protocol):
    """What a pack of a body and one of an answer have in common."""

    @property
    def unit_code(self) -> str: ...

    @property
    def barcode(self) -> str | None: ...


class Holder(msgspec.Struct, frozen=True):
    """The product that has a code already."""

    product_id: UUID
    retired: bool


class Known(msgspec.Struct, frozen=True):
    """What the database says about everything that some products mention."""

    nominal_tributes: dict[str, str | None]
    """Tax class to the DIAN code of its tax of pesos per unit."""
    skus: dict[str, Holder]
    barcodes: dict[str, Holder]
    categories: frozenset[UUID]
    ids: frozenset[UUID]


async def look_up(
    work: Work,
    *,
    skus: Sequence[str] = (),
    barcodes: Sequence[str] = (),
    categories: Iterable[UUID] = (),
    ids: Sequence[UUID] = (),
) -> Known:
    """Read what is known, a statement for each kind that is asked about."""
    tenant = {"tenant_id": work.tenant_id}
    wanted = list(set(categories))
    held_skus = (await work.session.execute(_SKUS, tenant | {"skus": list(skus)})).all() if skus else []
    held_codes = (await work.session.execute(_CODES, tenant | {"codes": list(barcodes)})).all() if barcodes else []
    found = (await work.session.execute(_CATEGORIES, tenant | {"ids": wanted})).scalars() if wanted else ()
    taken = (await work.session.execute(_IDS, tenant | {"ids": list(ids)})).scalars() if ids else ()
    return Known(
        nominal_tributes={row.code: row.nominal_tribute for row in await work.session.execute(_TAX_CLASSES)},
        skus={row.sku: Holder(row.id, row.retired) for row in held_skus},
        barcodes={row.code: Holder(row.product_id, row.retired) for row in held_codes},
        categories=frozenset(found),
        ids=frozenset(taken),
    )


async def refusals(work: Work, items: Sequence[CreateProduct]) -> dict[int, list[DomainError]]:
    """Why products could not be created, by their place in the list; empty when all of them can."""
    skus = Counter(item.sku for item in items)
    codes = Counter(code for item in items for code in set(codes_of(item.barcodes, item.packs)))
    known = await look_up(
        work,
        skus=sorted(skus),
        barcodes=sorted(codes),
        categories=(item.category_id for item in items if item.category_id),
        ids=[item.id for item in items if item.id],
    )
    ids = Counter(item.id for item in items if item.id)
    found: dict[int, list[DomainError]] = {}
    for place, item in enumerate(items):
        refused = [
            *check_references(known, item.tax_class, item.unit_code, item.packs, item.category_id),
            *check_content(known, item.tax_class, has_content=item.content_ml is not None),
            *check_repeats(item.unit_code, item.barcodes, item.packs),
            *check_holders(known, None, item.sku, codes_of(item.barcodes, item.packs)),
        ]
        if item.id in known.ids or (item.id and ids[item.id] > 1):
            refused.append(Conflict("Ya existe un producto con ese id y otros datos.", code="id-taken"))
        if skus[item.sku] > 1:
            refused.append(_repeated("/sku", "sku", item.sku))
        refused += [_repeated("/barcodes", "barcode", code) for code in set(item.barcodes) if codes[code] > 1]
        if refused:
            found[place] = refused
    return found


def codes_of(barcodes: Sequence[str], packs: Sequence[Presentation]) -> list[str]:
    """All codes of a product, the base unit's first."""
    return [*barcodes, *(pack.barcode for pack in packs if pack.barcode is not None)]


def check_references(
    known: Known, tax_class: str, unit_code: str, packs: Sequence[Presentation], category_id: UUID | None
) -> list[DomainError]:
    """Codes and ids that nothing answers to."""
    refused: list[DomainError] = []
    if tax_class not in known.nominal_tributes:
        refused.append(unknown_reference("/taxClass", "No es una clase de impuesto (GET /v1/tax-classes)."))
    units = [("/unitCode", unit_code), *((f"/packs/{n}/unitCode", pack.unit_code) for n, pack in enumerate(packs))]
    refused += [
        unknown_reference(pointer, "No es una unidad de medida (GET /v1/units).")
        for pointer, code in units
        if code not in unit_names()
    ]
    if category_id is not None and category_id not in known.categories:
        refused.append(unknown_reference("/categoryId"))
    return refused


def check_content(known: Known, tax_class: str, *, has_content: bool) -> list[DomainError]:
    """IBUA is pesos per 100 ml, so its products say how many they hold, and nothing else does."""
    is_drink = known.nominal_tributes.get(tax_class) == IBUA
    if is_drink == has_content:
        return []
    code, detail = (
        ("content-required", "Esta clase de impuesto se cobra por 100 ml: indique contentMl.")
        if is_drink
        else ("content-not-taxed", "Solo las bebidas azucaradas (IBUA) llevan contentMl.")
    )
    return [RuleBroken(detail, code=code, errors=(FieldError("/contentMl", code, detail),))]


def check_repeats(unit_code: str, barcodes: Sequence[str], packs: Sequence[Presentation]) -> list[DomainError]:
    """One unit, one presentation; one code, one thing."""
    refused: list[DomainError] = []
    units, codes = {unit_code}, set[str]()
    for place, code in enumerate(barcodes):
        if code in codes:
            refused.append(_repeated(f"/barcodes/{place}", "barcode", code))
        codes.add(code)
    for place, pack in enumerate(packs):
        if pack.unit_code in units:
            refused.append(_repeated(f"/packs/{place}/unitCode", "unit", pack.unit_code))
        if pack.barcode is not None and pack.barcode in codes:
            refused.append(_repeated(f"/packs/{place}/barcode", "barcode", pack.barcode))
        units.add(pack.unit_code)
        codes.add(pack.barcode or "")
    return refused


def check_holders(known: Known, own_id: UUID | None, sku: str | None, codes: Sequence[str]) -> list[DomainError]:
    """Codes that another product of the company has, a retired one too."""
    refused: list[DomainError] = []
    if sku and (holder := known.skus.get(sku)) and holder.product_id != own_id:
        refused.append(_taken("sku-taken", f"La referencia {sku} ya es de otro producto", holder))
    refused += [
        _taken("barcode-taken", f"El código {code} ya es de otro producto", holder)
        for code in codes
        if (holder := known.barcodes.get(code)) and holder.product_id != own_id
    ]
    return refused


def _taken(code: str, detail: str, holder: Holder) -> Conflict:
    retired = ", que está retirado." if holder.retired else "."
    return Conflict(detail + retired, code=code, productId=str(holder.product_id))


def _repeated(pointer: str, what: str, value: str) -> RuleBroken:
    code, detail = f"duplicate-{what}", f"{value} está repetido."
    return RuleBroken(detail, code=code, errors=(FieldError(pointer, code, detail),))
