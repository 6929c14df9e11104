"""Creating products: one through the API, hundreds through an import, by the same few statements."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.catalog.grams import product_grams
from app.domain.catalog.rows import as_seen_by, find_product
from app.domain.catalog.schemas import CreateProduct, ProductOut
from app.domain.catalog.service.checking import Presentation, refusals
from app.domain.inventory.rows import open_stock
from app.domain.tenants.limits import Resource, claim
from app.lib.errors import Conflict
from app.lib.schemas import fingerprint
from app.lib.text import normalise

BarcodeRow = tuple[str, UUID, str, int]
"""Code, product, unit, place among the codes of that unit."""

_BATCH: Final = 500
"""Products a statement: arrays of one statement stay below a few megabytes."""

_PRODUCTS: Final = text(
    "INSERT INTO product (tenant_id, id, sku, name, name_norm, price, tax_class, nominal_factor, unit_code, "
    "category_id, brand, min_stock, tracks_stock, last_cost, variant_of, variant_values, body_hash) "
    "SELECT :tenant_id, n.id, n.sku, n.name, n.name_norm, n.price, n.tax_class, n.nominal_factor, n.unit_code, "
    "n.category_id, n.brand, n.min_stock, n.tracks_stock, n.last_cost, n.variant_of, CAST(n.variant_values AS jsonb), "
    "n.body_hash FROM unnest(CAST(:ids AS uuid[]), CAST(:skus AS text[]), CAST(:names AS text[]), "
    "CAST(:norms AS text[]), CAST(:prices AS numeric[]), CAST(:tax_classes AS text[]), CAST(:factors AS numeric[]), "
    "CAST(:units AS text[]), CAST(:categories AS uuid[]), CAST(:brands AS text[]), CAST(:minima AS numeric[]), "
    "CAST(:tracks AS boolean[]), CAST(:costs AS numeric[]), CAST(:parents AS uuid[]), CAST(:variants AS text[]), "
    "CAST(:hashes AS bytea[])) AS n (id, sku, name, name_norm, price, tax_class, nominal_factor, unit_code, "
    "category_id, brand, min_stock, tracks_stock, last_cost, variant_of, variant_values, body_hash)"
)
_PACKS: Final = text(
    "INSERT INTO product_pack (tenant_id, id, product_id, unit_code, factor, price) SELECT :tenant_id, n.* "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:products AS uuid[]), CAST(:units AS text[]), CAST(:factors AS numeric[]), "
    "CAST(:prices AS numeric[])) AS n"
)
_BARCODES: Final = text(
    "INSERT INTO product_barcode (tenant_id, code, product_id, unit_code, position) SELECT :tenant_id, n.* "
    "FROM unnest(CAST(:codes AS text[]), CAST(:products AS uuid[]), CAST(:units AS text[]), "
    "CAST(:positions AS bigint[])) AS n"
)
_PRICES: Final = text(
    "INSERT INTO price_change (tenant_id, id, product_id, kind, unit_code, before, after, user_id) "
    "SELECT :tenant_id, n.*, :user_id FROM unnest(CAST(:ids AS uuid[]), CAST(:products AS uuid[]), "
    "CAST(:kinds AS text[]), CAST(:units AS text[]), CAST(:befores AS numeric[]), CAST(:afters AS numeric[])) AS n"
)
_GRAMS: Final = text(
    "INSERT INTO product_gram (tenant_id, gram, product_id) SELECT :tenant_id, n.* "
    "FROM unnest(CAST(:grams AS text[]), CAST(:products AS uuid[])) AS n ORDER BY 2, 3 ON CONFLICT DO NOTHING"
)


class Seed(msgspec.Struct, frozen=True, kw_only=True):
    """A product about to be written."""

    id: UUID
    data: CreateProduct
    body_hash: bytes | None = None
    variant_of: UUID | None = None
    variant_values: dict[str, str] | None = None


class PriceStep(msgspec.Struct, frozen=True):
    """One line of the price history."""

    product_id: UUID
    kind: str
    unit_code: str
    before: Decimal | None
    after: Decimal


class ProductCreation:
    """Creates products in the request's or the job's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def create(self, data: CreateProduct) -> tuple[ProductOut, bool]:
        """Create one product; answers it and whether it is new: the same id with the same body gives the stored one.

        Raises 409 `id-taken`, `sku-taken`, `barcode-taken` and 422 for what does not fit.
        """
        if data.id is not None and await self._is_stored(data.id, fingerprint(data)):
            return as_seen_by(await find_product(self._work, data.id), self._work.actor), False
        (product_id,) = await self.create_many([data])
        product = await find_product(self._work, product_id)
        self._work.record("product.created", product_id, after=product)
        return as_seen_by(product, self._work.actor), True

    async def create_many(self, items: Sequence[CreateProduct], *, subject: UUID | None = None) -> list[UUID]:
        """Create products in few statements; answers their ids in the order of the list.

        Raises the first refusal; `checking.refusals` tells all of them beforehand. With a `subject` (an import) one
        audit link covers all of them with their whole content; without one the caller records.
        """
        if not items:
            return []
        refused = await refusals(self._work, items)
        if refused:
            raise refused[min(refused)][0]
        seeds = [
            Seed(id=item.id or uuid7(), data=item, body_hash=fingerprint(item) if item.id else None) for item in items
        ]
        await self.write(seeds)
        if subject is not None:
            written = [{"productId": seed.id, "body": seed.data} for seed in seeds]
            self._work.record("products.imported", subject, after=written)
        return [seed.id for seed in seeds]

    async def write(self, seeds: Sequence[Seed]) -> None:
        """Insert checked products with codes, packs, search pieces, first prices and stock rows. Raises 422 `plan-limit`."""
        for start in range(0, len(seeds), _BATCH):
            await self._write_batch(seeds[start : start + _BATCH])
        # Last: until the end of the transaction it holds back whoever creates products, or opens a warehouse.
        await claim(self._work, Resource.PRODUCTS, len(seeds))
        for start in range(0, len(seeds), _BATCH):
            await open_stock(self._work, [seed.id for seed in seeds[start : start + _BATCH]])

    async def _is_stored(self, product_id: UUID, body_hash: bytes) -> bool:
        stored = await self._work.session.execute(
            text("SELECT body_hash FROM product WHERE tenant_id = :tenant_id AND id = :id"),
            {"tenant_id": self._work.tenant_id, "id": product_id},
        )
        row = stored.one_or_none()
        if row is None:
            return False
        if row.body_hash != body_hash:
            raise Conflict("Ya existe un producto con ese id y otros datos.", code="id-taken")
        return True

    async def _write_batch(self, seeds: Sequence[Seed]) -> None:
        names = [seed.data.name.strip() for seed in seeds]
        norms = [normalise(name) for name in names]
        items = [seed.data for seed in seeds]
        await self._insert(
            _PRODUCTS,
            ids=[seed.id for seed in seeds],
            skus=[item.sku for item in items],
            names=names,
            norms=norms,
            prices=[item.price for item in items],
            tax_classes=[item.tax_class for item in items],
            factors=[nominal_factor(item.content_ml) for item in items],
            units=[item.unit_code for item in items],
            categories=[item.category_id for item in items],
            brands=[item.brand.strip() for item in items],
            minima=[item.min_stock for item in items],
            tracks=[item.tracks_stock for item in items],
            costs=[item.cost for item in items],
            parents=[seed.variant_of for seed in seeds],
            variants=[
                msgspec.json.encode(seed.variant_values).decode() if seed.variant_values else None for seed in seeds
            ],
            hashes=[seed.body_hash for seed in seeds],
        )
        await self._write_packs(seeds)
        await write_barcodes(self._work, [row for seed in seeds for row in _seed_codes(seed)])
        await write_prices(self._work, [step for seed in seeds for step in _first_prices(seed)])
        pieces = [
            (piece, seed.id)
            for seed, norm in zip(seeds, norms, strict=True)
            for piece in product_grams(norm, seed.data.sku, seed.data.brand)
        ]
        await write_grams(self._work, pieces)

    async def _write_packs(self, seeds: Sequence[Seed]) -> None:
        packs = [(seed.id, pack) for seed in seeds for pack in seed.data.packs]
        if packs:
            await self._insert(
                _PACKS,
                ids=[uuid7() for _ in packs],
                products=[product_id for product_id, _ in packs],
                units=[pack.unit_code for _, pack in packs],
                factors=[pack.factor for _, pack in packs],
                prices=[pack.price for _, pack in packs],
            )

    async def _insert(self, statement: Any, **columns: list[Any]) -> None:
        await self._work.session.execute(statement, {"tenant_id": self._work.tenant_id, **columns})


def nominal_factor(content_ml: Decimal | None) -> Decimal:
    """Times the tax class's pesos per unit: hundreds of millilitres of a sugary drink, else one."""
    return Decimal(1) if content_ml is None else Decimal(content_ml).scaleb(-2)


def barcode_rows(product: ProductOut) -> list[BarcodeRow]:
    """Every code of a product, as stored."""
    return [*_barcode_rows(product.id, product.unit_code, product.barcodes, product.packs)]


def _barcode_rows(
    product_id: UUID, unit_code: str, barcodes: Sequence[str], packs: Sequence[Presentation]
) -> Iterator[BarcodeRow]:
    for place, code in enumerate(barcodes):
        yield code, product_id, unit_code, place
    for pack in packs:
        if pack.barcode is not None:
            yield pack.barcode, product_id, pack.unit_code, 0


def _seed_codes(seed: Seed) -> Iterator[BarcodeRow]:
    return _barcode_rows(seed.id, seed.data.unit_code, seed.data.barcodes, seed.data.packs)


def _first_prices(seed: Seed) -> Iterator[PriceStep]:
    data = seed.data
    yield PriceStep(seed.id, "price", data.unit_code, None, data.price)
    if data.cost is not None:
        yield PriceStep(seed.id, "cost", data.unit_code, None, data.cost)
    for pack in data.packs:
        yield PriceStep(seed.id, "pack-price", pack.unit_code, None, pack.price)


async def write_barcodes(work: Work, rows: Sequence[BarcodeRow]) -> None:
    """Insert codes in their own order: two writers of the same ones then wait for each other instead of locking up."""
    if not rows:
        return
    ordered = sorted(rows)
    await work.session.execute(
        _BARCODES,
        {
            "tenant_id": work.tenant_id,
            "codes": [code for code, _, _, _ in ordered],
            "products": [product_id for _, product_id, _, _ in ordered],
            "units": [unit for _, _, unit, _ in ordered],
            "positions": [place for _, _, _, place in ordered],
        },
    )


async def write_prices(work: Work, steps: Sequence[PriceStep]) -> None:
    """Append to the price history."""
    if not steps:
        return
    await work.session.execute(
        _PRICES,
        {
            "tenant_id": work.tenant_id,
            "user_id": work.actor.user_id,
            "ids": [uuid7() for _ in steps],
            "products": [step.product_id for step in steps],
            "kinds": [step.kind for step in steps],
            "units": [step.unit_code for step in steps],
            "befores": [step.before for step in steps],
            "afters": [step.after for step in steps],
        },
    )


async def write_grams(work: Work, pieces: Sequence[tuple[str, UUID]]) -> None:
    """Insert search pieces."""
    if pieces:
        await work.session.execute(
            _GRAMS,
            {
                "tenant_id": work.tenant_id,
                "grams": [piece for piece, _ in pieces],
                "products": [product_id for _, product_id in pieces],
            },
        )
