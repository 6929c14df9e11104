"""HTTP face of branches, warehouses and registers."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.tenants.models import Branch, CashRegister, Warehouse
from app.domain.tenants.place_changes import PlaceChanges
from app.domain.tenants.place_lists import list_branches, list_warehouses
from app.domain.tenants.place_schemas import (
    BranchOut,
    BranchPage,
    ChangeBranch,
    ChangeRegister,
    ChangeWarehouse,
    CreateBranch,
    CreateRegister,
    CreateWarehouse,
    RegisterOut,
    WarehouseOut,
    WarehousePage,
)
from app.domain.tenants.places import branch_out, register_out, warehouse_out
from app.lib.access import requires
from app.lib.etag import check_if_match
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

RetiredParam = Annotated[bool, QueryParameter(name="retired", description="Las retiradas en lugar de las activas.")]
BranchParam = Annotated[UUID | None, QueryParameter(name="branchId", description="Solo de esta sucursal.")]


def provide_places(work: NamedDependency[Work]) -> PlaceChanges:
    return PlaceChanges(work)


class BranchController(Controller):
    path = "/branches"
    tags = ["Empresa"]
    dependencies = {"places": Provide(provide_places, sync_to_thread=False)}

    @get(operation_id="ListBranches", guards=[requires("company:read")])
    async def list_branches(
        self,
        work: NamedDependency[Work],
        retired: RetiredParam = False,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> BranchPage:
        """Las sucursales en que trabaja quien pregunta."""
        return await list_branches(work, limit, cursor, retired=retired)

    @post(operation_id="CreateBranch", guards=[requires("company:write")])
    async def create_branch(
        self, data: JSONBody[CreateBranch], places: NamedDependency[PlaceChanges]
    ) -> Response[BranchOut]:
        """Abre una sucursal con sus consecutivos. Después se crean su bodega y sus cajas."""
        branch, is_new = await places.create_branch(data)
        return Response(branch, status_code=_made(is_new=is_new))

    @get("/{branch_id:uuid}", operation_id="GetBranch", guards=[requires("company:read")])
    async def get_branch(self, branch_id: FromPath[UUID], places: NamedDependency[PlaceChanges]) -> BranchOut:
        """Una sucursal."""
        return branch_out(await places.find(Branch, branch_id))

    @patch("/{branch_id:uuid}", operation_id="ChangeBranch", guards=[requires("company:write")])
    async def change_branch(
        self,
        request: Request[Any, Any, Any],
        branch_id: FromPath[UUID],
        data: JSONBody[ChangeBranch],
        places: NamedDependency[PlaceChanges],
    ) -> BranchOut:
        """Cambia el nombre o la dirección de una sucursal."""
        return await places.change_branch(branch_id, data, lambda current: check_if_match(request, current))

    @post(
        "/{branch_id:uuid}/retire",
        operation_id="RetireBranch",
        guards=[requires("company:write")],
        status_code=HTTP_200_OK,
    )
    async def retire_branch(self, branch_id: FromPath[UUID], places: NamedDependency[PlaceChanges]) -> BranchOut:
        """Cierra una sucursal que ya no tiene cajas ni bodegas; lo que pasó en ella se conserva."""
        return branch_out(await places.retire(Branch, branch_id))

    @post(
        "/{branch_id:uuid}/unretire",
        operation_id="UnretireBranch",
        guards=[requires("company:write")],
        status_code=HTTP_200_OK,
    )
    async def unretire_branch(self, branch_id: FromPath[UUID], places: NamedDependency[PlaceChanges]) -> BranchOut:
        """Reabre una sucursal."""
        return branch_out(await places.unretire(Branch, branch_id))


class WarehouseController(Controller):
    path = "/warehouses"
    tags = ["Empresa"]
    dependencies = {"places": Provide(provide_places, sync_to_thread=False)}

    @get(operation_id="ListWarehouses", guards=[requires("company:read")])
    async def list_warehouses(
        self,
        work: NamedDependency[Work],
        branch_id: BranchParam = None,
        retired: RetiredParam = False,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> WarehousePage:
        """Las bodegas de las sucursales en que trabaja quien pregunta."""
        return await list_warehouses(work, branch_id, limit, cursor, retired=retired)

    @post(operation_id="CreateWarehouse", guards=[requires("company:write")])
    async def create_warehouse(
        self, data: JSONBody[CreateWarehouse], places: NamedDependency[PlaceChanges]
    ) -> Response[WarehouseOut]:
        """Abre una bodega en una sucursal; todos los productos tienen lugar en ella."""
        warehouse, is_new = await places.create_warehouse(data)
        return Response(warehouse, status_code=_made(is_new=is_new))

    @get("/{warehouse_id:uuid}", operation_id="GetWarehouse", guards=[requires("company:read")])
    async def get_warehouse(self, warehouse_id: FromPath[UUID], places: NamedDependency[PlaceChanges]) -> WarehouseOut:
        """Una bodega."""
        return warehouse_out(await places.find(Warehouse, warehouse_id))

    @patch("/{warehouse_id:uuid}", operation_id="ChangeWarehouse", guards=[requires("company:write")])
    async def change_warehouse(
        self,
        request: Request[Any, Any, Any],
        warehouse_id: FromPath[UUID],
        data: JSONBody[ChangeWarehouse],
        places: NamedDependency[PlaceChanges],
    ) -> WarehouseOut:
        """Cambia el nombre de una bodega, o la hace la principal de la empresa."""
        return await places.change_warehouse(warehouse_id, data, lambda current: check_if_match(request, current))

    @post(
        "/{warehouse_id:uuid}/retire",
        operation_id="RetireWarehouse",
        guards=[requires("company:write")],
        status_code=HTTP_200_OK,
    )
    async def retire_warehouse(
        self, warehouse_id: FromPath[UUID], places: NamedDependency[PlaceChanges]
    ) -> WarehouseOut:
        """Retira una bodega vacía de la que ninguna caja vende; su historia se conserva."""
        return warehouse_out(await places.retire(Warehouse, warehouse_id))

    @post(
        "/{warehouse_id:uuid}/unretire",
        operation_id="UnretireWarehouse",
        guards=[requires("company:write")],
        status_code=HTTP_200_OK,
    )
    async def unretire_warehouse(
        self, warehouse_id: FromPath[UUID], places: NamedDependency[PlaceChanges]
    ) -> WarehouseOut:
        """Vuelve a usar una bodega retirada."""
        return warehouse_out(await places.unretire(Warehouse, warehouse_id))


class RegisterController(Controller):
    path = "/cash/registers"
    tags = ["Caja"]
    dependencies = {"places": Provide(provide_places, sync_to_thread=False)}

    @post(operation_id="CreateRegister", guards=[requires("company:write")])
    async def create_register(
        self, data: JSONBody[CreateRegister], places: NamedDependency[PlaceChanges]
    ) -> Response[RegisterOut]:
        """Agrega una caja a una sucursal."""
        register, is_new = await places.create_register(data)
        return Response(register, status_code=_made(is_new=is_new))

    @get("/{register_id:uuid}", operation_id="GetRegister", guards=[requires("cash:read")])
    async def get_register(self, register_id: FromPath[UUID], places: NamedDependency[PlaceChanges]) -> RegisterOut:
        """Una caja."""
        return register_out(await places.find(CashRegister, register_id))

    @patch("/{register_id:uuid}", operation_id="ChangeRegister", guards=[requires("company:write")])
    async def change_register(
        self,
        request: Request[Any, Any, Any],
        register_id: FromPath[UUID],
        data: JSONBody[ChangeRegister],
        places: NamedDependency[PlaceChanges],
    ) -> RegisterOut:
        """Cambia el nombre de una caja, o la bodega de la que vende."""
        return await places.change_register(register_id, data, lambda current: check_if_match(request, current))

    @post(
        "/{register_id:uuid}/retire",
        operation_id="RetireRegister",
        guards=[requires("company:write")],
        status_code=HTTP_200_OK,
    )
    async def retire_register(self, register_id: FromPath[UUID], places: NamedDependency[PlaceChanges]) -> RegisterOut:
        """Retira una caja sin turno abierto; sus cierres se conservan."""
        return register_out(await places.retire(CashRegister, register_id))

    @post(
        "/{register_id:uuid}/unretire",
        operation_id="UnretireRegister",
        guards=[requires("company:write")],
        status_code=HTTP_200_OK,
    )
    async def unretire_register(
        self, register_id: FromPath[UUID], places: NamedDependency[PlaceChanges]
    ) -> RegisterOut:
        """Vuelve a usar una caja retirada."""
        return register_out(await places.unretire(CashRegister, register_id))


def _made(*, is_new: bool) -> int:
    return HTTP_201_CREATED if is_new else HTTP_200_OK
