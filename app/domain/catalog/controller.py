"""HTTP face of products."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.catalog.labels import pdf, zpl
from app.domain.catalog.schemas import (
    ChangeProduct,
    CreateProduct,
    CreateVariants,
    PriceChangePage,
    PrintLabels,
    ProductList,
    ProductOut,
    ProductPage,
)
from app.domain.catalog.service.changing import ProductChange
from app.domain.catalog.service.creating import ProductCreation
from app.domain.catalog.service.labelling import labels_of
from app.domain.catalog.service.reading import ProductReading
from app.domain.catalog.service.searching import Filters, ProductSearch
from app.domain.catalog.service.variants import VariantCreation
from app.lib.access import requires
from app.lib.encoded import Encoded, LeanRoute
from app.lib.errors import Malformed
from app.lib.etag import check_if_match
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

SearchParam = Annotated[
    str | None,
    QueryParameter(
        name="search", max_length=100, description="Código, nombre o parte; perdona tildes, mayúsculas y errores."
    ),
]
BarcodeParam = Annotated[
    str | None, QueryParameter(name="barcode", max_length=100, description="Código de barras exacto.")
]
SkuParam = Annotated[str | None, QueryParameter(name="sku", max_length=100, description="Referencia exacta.")]
CategoryParam = Annotated[
    UUID | None, QueryParameter(name="categoryId", description="De esta categoría y las que están dentro.")
]
VariantParam = Annotated[UUID | None, QueryParameter(name="variantOf", description="Variantes de este producto.")]
RetiredParam = Annotated[bool, QueryParameter(name="retired", description="Los retirados en vez de los activos.")]


def provide_reading(work: NamedDependency[Work]) -> ProductReading:
    return ProductReading(work)


def provide_creation(work: NamedDependency[Work]) -> ProductCreation:
    return ProductCreation(work)


def provide_change(work: NamedDependency[Work]) -> ProductChange:
    return ProductChange(work)


def provide_variants(work: NamedDependency[Work]) -> VariantCreation:
    return VariantCreation(work)


class ProductController(Controller):
    path = "/products"
    tags = ["Productos"]
    dependencies = {
        "reading": Provide(provide_reading, sync_to_thread=False),
        "creation": Provide(provide_creation, sync_to_thread=False),
        "changing": Provide(provide_change, sync_to_thread=False),
        "variants": Provide(provide_variants, sync_to_thread=False),
    }

    @post(operation_id="CreateProduct", guards=[requires("products:write")])
    async def create_product(
        self, data: JSONBody[CreateProduct], creation: NamedDependency[ProductCreation]
    ) -> Response[ProductOut]:
        """Crea un producto; el mismo `id` con los mismos datos responde 200 con el que ya está."""
        product, is_new = await creation.create(data)
        return Response(product, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @LeanRoute(http_method="GET", operation_id="ListProducts", guards=[requires("products:read", lane=True)])
    async def list_products(
        self,
        request: Request[Any, Any, Any],
        search: SearchParam = None,
        barcode: BarcodeParam = None,
        sku: SkuParam = None,
        category_id: CategoryParam = None,
        variant_of: VariantParam = None,
        retired: RetiredParam = False,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> Response[ProductPage]:
        """Productos por código, por búsqueda o en orden de nombre; cada uno con sus existencias por bodega."""
        finding = ProductSearch(request.app.state.quick, request.scope["state"]["claims"])
        if sum(given is not None for given in (search, barcode, sku)) > 1:
            await finding.refuse_stranger()
            raise Malformed("Use uno solo de search, barcode y sku.")
        filters = Filters(retired=retired, category_id=category_id, variant_of=variant_of)
        if barcode is not None:
            found = await finding.by_code("barcode", barcode, filters)
        elif sku is not None:
            found = await finding.by_code("sku", sku, filters)
        elif search is not None and search.strip():
            found = await finding.search(search, filters, limit, cursor)
        else:
            found = await finding.page(filters, limit, cursor)
        return Encoded(found)

    @get("/{product_id:uuid}", operation_id="GetProduct", guards=[requires("products:read")])
    async def get_product(self, product_id: FromPath[UUID], reading: NamedDependency[ProductReading]) -> ProductOut:
        """Un producto con sus códigos y presentaciones."""
        return await reading.find(product_id)

    @patch("/{product_id:uuid}", operation_id="ChangeProduct", guards=[requires("products:write")])
    async def change_product(
        self,
        request: Request[Any, Any, Any],
        product_id: FromPath[UUID],
        data: JSONBody[ChangeProduct],
        changing: NamedDependency[ProductChange],
    ) -> ProductOut:
        """Cambia lo que se envía; lo demás queda igual y las listas se reemplazan enteras."""
        return await changing.change(product_id, data, lambda current: check_if_match(request, current))

    @post(
        "/{product_id:uuid}/retire",
        operation_id="RetireProduct",
        guards=[requires("products:write")],
        status_code=HTTP_200_OK,
    )
    async def retire_product(self, product_id: FromPath[UUID], changing: NamedDependency[ProductChange]) -> ProductOut:
        """Retira un producto del mostrador; conserva sus ventas, códigos y existencias."""
        return await changing.retire(product_id, retired=True)

    @post(
        "/{product_id:uuid}/unretire",
        operation_id="UnretireProduct",
        guards=[requires("products:write")],
        status_code=HTTP_200_OK,
    )
    async def unretire_product(
        self, product_id: FromPath[UUID], changing: NamedDependency[ProductChange]
    ) -> ProductOut:
        """Devuelve al mostrador un producto retirado."""
        return await changing.retire(product_id, retired=False)

    @get("/{product_id:uuid}/prices", operation_id="ListPriceChanges", guards=[requires("products:read")])
    async def list_prices(
        self,
        product_id: FromPath[UUID],
        reading: NamedDependency[ProductReading],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> PriceChangePage:
        """Historia de precios y costos, del más reciente al primero."""
        return await reading.prices(product_id, limit, cursor)

    @post("/{product_id:uuid}/variants", operation_id="CreateVariants", guards=[requires("products:write")])
    async def create_variants(
        self,
        product_id: FromPath[UUID],
        data: JSONBody[CreateVariants],
        variants: NamedDependency[VariantCreation],
    ) -> ProductList:
        """Crea un producto por cada combinación de tallas, colores… que falte, y responde los creados."""
        return await variants.create(product_id, data)

    @post(
        "/labels",
        operation_id="PrintLabels",
        guards=[requires("products:read")],
        status_code=HTTP_200_OK,
        responses={HTTP_200_OK: ResponseSpec(bytes, media_type="application/pdf", description="PDF o ZPL.")},
    )
    async def print_labels(self, request: Request[Any, Any, Any], data: JSONBody[PrintLabels]) -> Response[bytes]:
        """Etiquetas de estante con código de barras, en PDF o en ZPL para impresoras de etiquetas."""
        # Without the `work` dependency: nothing is written, so there is no answer to keep under an Idempotency-Key.
        labels = await labels_of(request.scope["state"]["request_work"].work, data)
        if data.format == "zpl":
            return Response(zpl(labels), media_type="application/vnd.zebra-zpl")
        made = await asyncio.to_thread(pdf, labels, data.layout)
        return Response(made, media_type="application/pdf")
