"""Bodies of products, their codes, packs, prices, variants and labels."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.lib.money import SomeUnits, ZeroOrMorePrice, ZeroOrMoreUnits
from app.lib.schemas import Input, Output, Page
from app.lib.text import CODE, LINE, NAME

MAX_BARCODES = 20
MAX_PACKS = 20
_SKU = r"^[^\s\x00-\x1f\x7f-\x9f]+( +[^\s\x00-\x1f\x7f-\x9f]+)*$(?!\n)"

Sku = Annotated[
    str, Meta(min_length=1, max_length=40, pattern=_SKU, description="Distingue mayúsculas.", examples=["TOR-6X1"])
]
ProductName = Annotated[str, Meta(min_length=1, max_length=200, pattern=NAME, examples=['Tornillo drywall 6x1"'])]
Brand = Annotated[str, Meta(max_length=100, pattern=LINE)]
Barcode = Annotated[
    str,
    Meta(min_length=1, max_length=48, pattern=CODE, description="Lo que lee el escáner.", examples=["7709990000016"]),
]
UnitCode = Annotated[str, Meta(min_length=1, max_length=3, description="UN/ECE Rec. 20.", examples=["94"])]
TaxClassCode = Annotated[str, Meta(min_length=1, max_length=40, examples=["iva19"])]
Price = Annotated[ZeroOrMorePrice, Meta(description="Pesos que paga el cliente por una unidad, impuestos incluidos.")]
Barcodes = Annotated[list[Barcode], Meta(max_length=MAX_BARCODES, description="Códigos de la unidad base.")]


class PackIn(Input):
    """A presentation: so many base units at a price of its own."""

    unit_code: UnitCode
    factor: Annotated[SomeUnits, Meta(description="Unidades base en una presentación.")]
    price: Price
    barcode: Barcode | None = None


Packs = Annotated[list[PackIn], Meta(max_length=MAX_PACKS)]


class CreateProduct(Input):
    sku: Sku
    name: ProductName
    price: Price
    tax_class: TaxClassCode
    id: UUID | None = None
    barcodes: Barcodes = []
    unit_code: UnitCode = "94"
    packs: Packs = []
    cost: Annotated[ZeroOrMorePrice, Meta(description="Pesos sin impuestos de una unidad.")] | None = None
    min_stock: ZeroOrMoreUnits | None = None
    tracks_stock: bool = True
    category_id: UUID | None = None
    brand: Brand = ""
    content_ml: (
        Annotated[SomeUnits, Meta(description="Mililitros de la unidad base; solo bebidas con IBUA.")] | None
    ) = None


class ChangeProduct(Input):
    """What is absent stays as it is; lists are replaced whole."""

    sku: Sku | UnsetType = UNSET
    name: ProductName | UnsetType = UNSET
    price: Price | UnsetType = UNSET
    tax_class: TaxClassCode | UnsetType = UNSET
    barcodes: Barcodes | UnsetType = UNSET
    unit_code: UnitCode | UnsetType = UNSET
    packs: Packs | UnsetType = UNSET
    cost: ZeroOrMorePrice | UnsetType = UNSET
    min_stock: ZeroOrMoreUnits | UnsetType | None = UNSET
    tracks_stock: bool | UnsetType = UNSET
    category_id: UUID | UnsetType | None = UNSET
    brand: Brand | UnsetType = UNSET
    content_ml: SomeUnits | UnsetType = UNSET


class PackOut(Output):
    unit_code: str
    factor: Decimal
    price: Decimal
    barcode: str | None


class ProductOut(Output):
    id: UUID
    sku: str
    name: str
    price: Decimal
    tax_class: str
    barcodes: list[str]
    unit_code: str
    packs: list[PackOut]
    cost: Decimal | None
    """Null without `costs:read`."""
    min_stock: Decimal | None
    tracks_stock: bool
    category_id: UUID | None
    brand: str
    content_ml: Decimal | None
    variant_of: UUID | None
    variant_values: dict[str, str] | None
    retired_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ShelfOut(Output):
    warehouse_id: UUID
    quantity: Decimal


class FoundProduct(ProductOut):
    """A product in a list, with what the shelves hold: apart from the resource, whose version no sale may change."""

    stock: list[ShelfOut] | None
    """Null without `inventory:read`."""


class ProductPage(Page):
    items: list[FoundProduct]


class PriceChangeOut(Output):
    id: UUID
    at: datetime
    kind: Literal["price", "cost", "pack-price"]
    unit_code: str
    before: Decimal | None
    after: Decimal
    user_id: UUID


class PriceChangePage(Page):
    items: list[PriceChangeOut]


AxisName = Annotated[str, Meta(min_length=1, max_length=30, pattern=NAME, examples=["talla"])]
AxisValue = Annotated[str, Meta(min_length=1, max_length=40, pattern=NAME, examples=["M"])]


class VariantAxis(Input):
    name: AxisName
    values: Annotated[list[AxisValue], Meta(min_length=1, max_length=40)]


class VariantCell(Input):
    """What one combination has of its own; the rest comes from the product."""

    values: Annotated[dict[AxisName, AxisValue], Meta(min_length=1, max_length=3, examples=[{"talla": "M"}])]
    sku: Sku | None = None
    price: ZeroOrMorePrice | None = None
    cost: ZeroOrMorePrice | None = None
    barcodes: Barcodes = []


class CreateVariants(Input):
    axes: Annotated[list[VariantAxis], Meta(min_length=1, max_length=3)]
    cells: Annotated[list[VariantCell], Meta(max_length=200)] = []


class ProductList(Output):
    items: list[ProductOut]


class LabelLine(Input):
    product_id: UUID
    copies: Annotated[int, Meta(ge=1, le=500)] = 1
    unit_code: UnitCode | None = None


class PrintLabels(Input):
    lines: Annotated[list[LabelLine], Meta(min_length=1, max_length=200)]
    format: Literal["pdf", "zpl"] = "pdf"
    layout: Annotated[
        Literal["roll-50x25", "letter-30"],
        Meta(description="Etiqueta suelta de 50 × 25 mm, u hoja carta de 30 etiquetas (solo PDF)."),
    ] = "roll-50x25"
    show_price: bool = True
