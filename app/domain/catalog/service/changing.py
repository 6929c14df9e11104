"""Changing, retiring and bringing back a product."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.catalog.grams import product_grams
from app.domain.catalog.rows import IBUA, as_seen_by, find_product
from app.domain.catalog.schemas import ChangeProduct, PackOut, ProductOut
from app.domain.catalog.service.checking import (
    check_content,
    check_holders,
    check_references,
    check_repeats,
    codes_of,
    look_up,
)
from app.domain.catalog.service.creating import (
    PriceStep,
    barcode_rows,
    nominal_factor,
    write_barcodes,
    write_grams,
    write_prices,
)
from app.domain.inventory.rows import lock_holding
from app.domain.tenants.limits import Resource, claim, release
from app.lib import clock
from app.lib.errors import Conflict, FieldError, RuleBroken
from app.lib.text import normalise

_CHANGE: Final = text(
    "UPDATE product SET sku = :sku, name = :name, name_norm = :name_norm, price = :price, tax_class = :tax_class, "
    "nominal_factor = :nominal_factor, unit_code = :unit_code, category_id = CAST(:category_id AS uuid), "
    "brand = :brand, min_stock = CAST(:min_stock AS numeric), tracks_stock = :tracks_stock, "
    "last_cost = CAST(:cost AS numeric), updated_at = now(), changed_xid = (pg_current_xact_id()::text)::bigint "
    "WHERE tenant_id = :tenant_id AND id = :product_id"
)
_RETIRE: Final = text(
    "UPDATE product SET retired_at = CAST(:at AS timestamptz), updated_at = now(), "
    "changed_xid = (pg_current_xact_id()::text)::bigint WHERE tenant_id = :tenant_id AND id = :product_id"
)
_FORGET_BARCODES: Final = text("DELETE FROM product_barcode WHERE tenant_id = :tenant_id AND product_id = :product_id")
_FORGET_PACKS: Final = text(
    "DELETE FROM product_pack WHERE tenant_id = :tenant_id AND product_id = :product_id "
    "AND unit_code <> ALL(CAST(:units AS text[]))"
)
_KEEP_PACKS: Final = text(
    "INSERT INTO product_pack AS k (tenant_id, id, product_id, unit_code, factor, price) "
    "SELECT :tenant_id, n.id, :product_id, n.unit_code, n.factor, n.price "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:units AS text[]), CAST(:factors AS numeric[]), CAST(:prices AS numeric[])) "
    "AS n (id, unit_code, factor, price) ON CONFLICT (tenant_id, product_id, unit_code) "
    "DO UPDATE SET factor = excluded.factor, price = excluded.price, updated_at = now()"
)
_FORGET_GRAMS: Final = text(
    "DELETE FROM product_gram WHERE tenant_id = :tenant_id AND gram = ANY(CAST(:grams AS text[])) "
    "AND product_id = :product_id"
)


class ProductChange:
    """Changes products in the request's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def change(
        self, product_id: UUID, data: ChangeProduct, check: Callable[[ProductOut], None] = lambda _: None
    ) -> ProductOut:
        """Change what `data` names, with price history and audit link; answers the product as the caller may see it.

        `check` may refuse by the version it is given, as the caller sees it. Raises `NotFound`, 409 for codes of other
        products, 422 for what does not fit.
        """
        before = await find_product(self._work, product_id, lock=True)
        check(as_seen_by(before, self._work.actor))
        wanted = await self._wanted(before, data)
        if wanted == before:
            return as_seen_by(before, self._work.actor)
        await self._write(before, wanted)
        after = await find_product(self._work, product_id)
        self._work.record("product.changed", product_id, before=before, after=after)
        return as_seen_by(after, self._work.actor)

    async def retire(self, product_id: UUID, *, retired: bool) -> ProductOut:
        """Take a product off the counter, or bring it back; what it sold, its codes and its stock stay. Twice is once.

        A retired product does not count for the plan, so bringing one back may raise 422 `plan-limit`.
        """
        before = await find_product(self._work, product_id, lock=True)
        if (before.retired_at is not None) == retired:
            return as_seen_by(before, self._work.actor)
        await self._execute(_RETIRE, before.id, at=clock.now() if retired else None)
        await (release if retired else claim)(self._work, Resource.PRODUCTS)
        after = await find_product(self._work, product_id)
        self._work.record("product.retired" if retired else "product.unretired", product_id, before=before, after=after)
        return as_seen_by(after, self._work.actor)

    async def _wanted(self, before: ProductOut, data: ChangeProduct) -> ProductOut:
        """The product as it shall be. Raises the first rule that it breaks."""
        wanted = merged(before, data)
        packs = wanted.packs
        moved = wanted.category_id if wanted.category_id != before.category_id else None
        codes = codes_of(wanted.barcodes, packs)
        known = await look_up(self._work, skus=[wanted.sku], barcodes=codes, categories=[moved] if moved else [])
        if data.content_ml is UNSET and known.nominal_tributes.get(wanted.tax_class) != IBUA:
            wanted = msgspec.structs.replace(wanted, content_ml=None)
        for refusal in (
            *check_references(known, wanted.tax_class, wanted.unit_code, packs, moved),
            *check_content(known, wanted.tax_class, has_content=wanted.content_ml is not None),
            *check_repeats(wanted.unit_code, wanted.barcodes, packs),
            *check_holders(known, before.id, wanted.sku, codes),
        ):
            raise refusal
        if (wanted.unit_code, wanted.tracks_stock) != (before.unit_code, before.tracks_stock):
            await self._refuse_by_stock(before, wanted)
        return wanted

    async def _refuse_by_stock(self, before: ProductOut, wanted: ProductOut) -> None:
        """The kardex counts in the base unit, and what lies on a shelf cannot stop being counted."""
        holding = await lock_holding(self._work, before.id)
        if wanted.unit_code != before.unit_code and holding.moves:
            raise Conflict(
                "El producto ya tiene movimientos: su unidad base no puede cambiar. Cree otro producto o una presentación.",
                code="product-has-movements",
            )
        if not wanted.tracks_stock and holding.quantity:
            detail = "Quedan existencias: ajústelas a cero antes de dejar de llevar inventario."
            raise RuleBroken(
                detail, code="product-has-stock", errors=(FieldError("/tracksStock", "product-has-stock", detail),)
            )

    async def _write(self, before: ProductOut, wanted: ProductOut) -> None:
        norm = normalise(wanted.name)
        await self._execute(
            _CHANGE,
            before.id,
            sku=wanted.sku,
            name=wanted.name,
            name_norm=norm,
            price=wanted.price,
            tax_class=wanted.tax_class,
            nominal_factor=nominal_factor(wanted.content_ml),
            unit_code=wanted.unit_code,
            category_id=wanted.category_id,
            brand=wanted.brand,
            min_stock=wanted.min_stock,
            tracks_stock=wanted.tracks_stock,
            cost=wanted.cost,
        )
        codes = barcode_rows(wanted)
        if codes != barcode_rows(before):
            await self._execute(_FORGET_BARCODES, before.id)
            await write_barcodes(self._work, codes)
        if before.packs != wanted.packs:
            await self._write_packs(wanted)
        await write_prices(self._work, price_steps(before, wanted))
        old = product_grams(normalise(before.name), before.sku, before.brand)
        new = product_grams(norm, wanted.sku, wanted.brand)
        if old - new:
            await self._execute(_FORGET_GRAMS, before.id, grams=sorted(old - new))
        await write_grams(self._work, [(gram, before.id) for gram in new - old])

    async def _write_packs(self, wanted: ProductOut) -> None:
        await self._execute(_FORGET_PACKS, wanted.id, units=[pack.unit_code for pack in wanted.packs])
        await self._execute(
            _KEEP_PACKS,
            wanted.id,
            ids=[uuid7() for _ in wanted.packs],
            units=[pack.unit_code for pack in wanted.packs],
            factors=[pack.factor for pack in wanted.packs],
            prices=[pack.price for pack in wanted.packs],
        )

    async def _execute(self, statement: Any, product_id: UUID, **values: Any) -> None:
        await self._work.session.execute(
            statement, {"tenant_id": self._work.tenant_id, "product_id": product_id, **values}
        )


def merged(before: ProductOut, data: ChangeProduct) -> ProductOut:
    """The product with what the change names; text trimmed as at creation."""
    changes: dict[str, Any] = {
        name: value for name in data.__struct_fields__ if (value := getattr(data, name)) is not UNSET
    }
    for name in changes.keys() & {"name", "brand"}:
        changes[name] = changes[name].strip()
    if isinstance(data.packs, list):
        changes["packs"] = sorted(
            (
                PackOut(unit_code=pack.unit_code, factor=pack.factor, price=pack.price, barcode=pack.barcode)
                for pack in data.packs
            ),
            key=lambda pack: (pack.factor, pack.unit_code),
        )
    return msgspec.structs.replace(before, **changes)


def price_steps(before: ProductOut, after: ProductOut) -> list[PriceStep]:
    """Lines of the price history between two states."""
    steps: list[PriceStep] = []
    if after.price != before.price:
        steps.append(PriceStep(after.id, "price", after.unit_code, before.price, after.price))
    if after.cost is not None and after.cost != before.cost:
        steps.append(PriceStep(after.id, "cost", after.unit_code, before.cost, after.cost))
    earlier = {pack.unit_code: pack.price for pack in before.packs}
    steps += [
        PriceStep(after.id, "pack-price", pack.unit_code, earlier.get(pack.unit_code), pack.price)
        for pack in after.packs
        if earlier.get(pack.unit_code) != pack.price
    ]
    return steps
