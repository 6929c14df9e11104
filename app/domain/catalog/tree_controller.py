"""HTTP face of categories, tax classes, units and the feed of changes."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.catalog.service.categories import CategoryService
from app.domain.catalog.service.feed import ChangeFeed
from app.domain.catalog.service.taxes import tax_classes
from app.domain.catalog.tree_schemas import (
    CatalogChanges,
    CategoryOut,
    CategoryPage,
    ChangeCategory,
    CreateCategory,
    MovedOut,
    MoveToCategory,
    TaxClassPage,
    UnitOut,
    UnitPage,
)
from app.domain.catalog.units import unit_names
from app.lib.access import requires
from app.lib.etag import check_if_match
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

SinceParam = Annotated[
    str | None, QueryParameter(name="since", description="`nextCursor` de la última vez; sin él, todo.")
]


def provide_categories(work: NamedDependency[Work]) -> CategoryService:
    return CategoryService(work)


class CategoryController(Controller):
    path = "/categories"
    tags = ["Categorías"]
    dependencies = {"categories": Provide(provide_categories, sync_to_thread=False)}

    @get(operation_id="ListCategories", guards=[requires("products:read")])
    async def list_categories(
        self,
        categories: NamedDependency[CategoryService],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> CategoryPage:
        """Todas las categorías; el árbol se arma con `parentId`."""
        return await categories.page(limit, cursor)

    @post(operation_id="CreateCategory", guards=[requires("products:write")])
    async def create_category(
        self, data: JSONBody[CreateCategory], categories: NamedDependency[CategoryService]
    ) -> Response[CategoryOut]:
        """Crea una categoría, en la raíz o dentro de otra."""
        category, is_new = await categories.create(data)
        return Response(category, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get("/{category_id:uuid}", operation_id="GetCategory", guards=[requires("products:read")])
    async def get_category(
        self, category_id: FromPath[UUID], categories: NamedDependency[CategoryService]
    ) -> CategoryOut:
        """Una categoría con su camino desde la raíz."""
        return await categories.find(category_id)

    @patch("/{category_id:uuid}", operation_id="ChangeCategory", guards=[requires("products:write")])
    async def change_category(
        self,
        request: Request[Any, Any, Any],
        category_id: FromPath[UUID],
        data: JSONBody[ChangeCategory],
        categories: NamedDependency[CategoryService],
    ) -> CategoryOut:
        """Cambia el nombre de una categoría o de quién cuelga."""
        return await categories.change(category_id, data, lambda current: check_if_match(request, current))

    @delete("/{category_id:uuid}", operation_id="RemoveCategory", guards=[requires("products:write")])
    async def remove_category(self, category_id: FromPath[UUID], categories: NamedDependency[CategoryService]) -> None:
        """Quita una categoría vacía."""
        await categories.remove(category_id)

    @post("/move", operation_id="MoveToCategory", guards=[requires("products:write")], status_code=HTTP_200_OK)
    async def move(self, data: JSONBody[MoveToCategory], categories: NamedDependency[CategoryService]) -> MovedOut:
        """Mueve categorías y productos, todos o ninguno, a otra categoría."""
        return await categories.move(data)


class CatalogController(Controller):
    path = ""
    tags = ["Catálogo"]

    @get("/tax-classes", operation_id="ListTaxClasses", guards=[requires("products:read")])
    async def list_tax_classes(self, work: NamedDependency[Work]) -> TaxClassPage:
        """Clases de impuesto con la tarifa y el valor por unidad de hoy, y su norma."""
        return await tax_classes(work)

    @get("/units", operation_id="ListUnits", guards=[requires("products:read")])
    async def list_units(self) -> UnitPage:
        """Unidades de medida (UN/ECE) que puede tener un producto o una presentación."""
        return UnitPage(items=[UnitOut(code=code, name=name) for code, name in unit_names().items()], next_cursor=None)

    @get("/catalog/changes", operation_id="ListCatalogChanges", guards=[requires("products:read")])
    async def list_changes(
        self, work: NamedDependency[Work], since: SinceParam = None, limit: LimitParam = DEFAULT_LIMIT
    ) -> CatalogChanges:
        """Productos, precios, códigos, existencias y clientes que cambiaron, para quien guarda una copia."""
        return await ChangeFeed(work).read(since, limit)
