"""A store's doors: its people and places, and each thing they do, through the same services as the API."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import msgspec

from app.db.session import Work
from app.domain.catalog.schemas import CreateProduct, PackIn
from app.domain.catalog.service.categories import CategoryService
from app.domain.catalog.service.creating import ProductCreation
from app.domain.catalog.tree_schemas import CreateCategory
from app.domain.sales.schemas import PostSale
from app.domain.sample.goods import GOODS, Good, barcode
from app.lib.money import SomeUnits, ZeroOrMorePrice, ZeroOrMoreUnits
from app.lib.tokens import Claims

Numbered = tuple[int, Good]
"""A good with its place among all, which its barcodes are made from."""


class Product(msgspec.Struct):
    """A good with its id and what is on the shelf."""

    id: UUID
    left: Decimal


class Stage(Protocol):
    """A company that history is lived in. `owner` is first of its people; each cashier has the till of the same place."""

    owner: Claims
    cashiers: list[Claims]
    registers: list[UUID]
    customers: list[UUID]
    products: dict[str, Product]

    def work(self, who: Claims) -> AbstractAsyncContextManager[Work]:
        """A transaction in somebody's name."""
        ...

    async def sell(self, who: Claims, sale: PostSale, at: datetime) -> Any:
        """Post a ticket at an instant; answers it decoded."""
        ...


async def create_categories(work: Work) -> dict[str, UUID]:
    """The shelves' headings, by name."""
    made: dict[str, UUID] = {}
    for name in dict.fromkeys(good.category for good in GOODS):
        category, _ = await CategoryService(work).create(CreateCategory(name=name))
        made[name] = category.id
    return made


def numbered() -> list[Numbered]:
    return list(enumerate(GOODS, start=1))


def batches(goods: Sequence[Numbered], size: int) -> Iterator[Sequence[Numbered]]:
    """Goods a few at a time, so that no transaction is long."""
    for first in range(0, len(goods), size):
        yield goods[first : first + size]


async def create_products(work: Work, goods: Sequence[Numbered], categories: Mapping[str, UUID]) -> dict[str, UUID]:
    """Goods as products without stock; answers their ids by sku."""
    made: dict[str, UUID] = {}
    for number, good in goods:
        pack = good.pack
        created, _ = await ProductCreation(work).create(
            CreateProduct(
                sku=good.sku,
                name=good.name,
                price=ZeroOrMorePrice(good.price),
                tax_class=good.tax_class,
                barcodes=[barcode(number)],
                unit_code=good.unit_code,
                packs=[
                    PackIn(
                        unit_code=pack.unit_code,
                        factor=SomeUnits(pack.factor),
                        price=ZeroOrMorePrice(pack.price),
                        barcode=barcode(900 + number),
                    )
                ]
                if pack
                else [],
                cost=ZeroOrMorePrice(good.cost),
                min_stock=ZeroOrMoreUnits(good.stock // 10),
                category_id=categories[good.category],
                brand=good.brand,
            )
        )
        made[good.sku] = created.id
    return made
