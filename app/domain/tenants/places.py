"""Branches, warehouses and registers: found and opened. How they change and end is `place_changes`."""

from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Select, select
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.inventory.rows import open_shelves
from app.domain.tenants.limits import Resource, claim, take_turns
from app.domain.tenants.models import Branch, CashRegister, Warehouse
from app.domain.tenants.numbering import START_KINDS, open_numbering
from app.domain.tenants.place_schemas import (
    BranchOut,
    CreateBranch,
    CreateRegister,
    CreateWarehouse,
    RegisterOut,
    WarehouseOut,
)
from app.domain.tenants.scope import branch_refusal, check_branch
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.profile import check_municipality
from app.lib.schemas import Input, fingerprint

Place = Branch | Warehouse | CashRegister
PlaceT = TypeVar("PlaceT", Branch, Warehouse, CashRegister)

_FIRST_CODE: Final = "1"
_MISSING: Final[dict[type[Place], str]] = {
    Branch: "No existe esa sucursal.",
    Warehouse: "No existe esa bodega.",
    CashRegister: "No existe esa caja.",
}
ID_TAKEN: Final = Conflict("Ese id ya se usó con otros datos.", code="id-taken")


def _name_taken(what: str, pointer: str = "/name") -> Conflict:
    return Conflict(
        f"Ya hay {what} con ese nombre.",
        code="name-taken",
        errors=(FieldError(pointer, "name-taken", "Ya está en uso."),),
    )


BROKEN_CONSTRAINTS["uq_warehouse_tenant_id_name"] = _name_taken("una bodega")
BROKEN_CONSTRAINTS["uq_cash_register_tenant_id_name"] = _name_taken("una caja")
BROKEN_CONSTRAINTS["uq_branch_tenant_id_code"] = Conflict(
    "Ya hay una sucursal con ese código.",
    code="code-taken",
    errors=(FieldError("/code", "code-taken", "Ya está en uso."),),
)


class Places:
    """The places of the company of the transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def find(self, model: type[PlaceT], place_id: UUID) -> PlaceT:
        """One place, also a retired one. Raises `NotFound`, also for another company's; 403 for a branch not the caller's."""
        row = (
            await self._work.session.scalars(
                select(model)
                .where(model.tenant_id == self._work.tenant_id, model.id == place_id)
                .execution_options(populate_existing=True)
            )
        ).one_or_none()
        if row is None:
            raise NotFound(_MISSING[model])
        check_branch(self._work.actor, branch_of(row))
        return row

    async def create_branch(self, data: CreateBranch) -> tuple[BranchOut, bool]:
        """A branch with its consecutives; answers it and whether it is new.

        Raises 409 `code-taken` or `id-taken`, 422 `plan-limit` or for an unknown municipality.
        """
        self._refuse_limited()
        if earlier := await self._earlier(Branch, data.id, data):
            return branch_out(earlier), False
        check_municipality(data.municipality_code)
        await self._take_turns()
        if earlier := await self._earlier(Branch, data.id, data):
            return branch_out(earlier), False
        branch = await self.add_branch(
            data.code or await self._next_code(),
            data.name.strip(),
            id=data.id or uuid7(),
            address=data.address.strip(),
            municipality_code=data.municipality_code,
            phone=data.phone.strip(),
            body_hash=_hash_of(data),
        )
        answer = branch_out(branch)
        self._work.record("branch.created", branch.id, after=answer)
        return answer, True

    async def create_warehouse(self, data: CreateWarehouse) -> tuple[WarehouseOut, bool]:
        """A warehouse with a shelf for every product; answers it and whether it is new.

        Raises 409 `name-taken` or `id-taken`, 422 `plan-limit` or `unknown-reference`.
        """
        if earlier := await self._earlier(Warehouse, data.id, data):
            return warehouse_out(earlier), False
        await self._take_turns()
        if earlier := await self._earlier(Warehouse, data.id, data):
            return warehouse_out(earlier), False
        await self._check_branch(data.branch_id)
        warehouse = await self.add_warehouse(
            data.branch_id, data.name.strip(), id=data.id or uuid7(), body_hash=_hash_of(data)
        )
        answer = warehouse_out(warehouse)
        self._work.record("warehouse.created", warehouse.id, after=answer)
        return answer, True

    async def create_register(self, data: CreateRegister) -> tuple[RegisterOut, bool]:
        """A till; answers it and whether it is new.

        Raises 409 `name-taken` or `id-taken`, 422 `plan-limit`, `unknown-reference` or `warehouse-of-other-branch`.
        """
        if earlier := await self._earlier(CashRegister, data.id, data):
            return register_out(earlier), False
        await self._take_turns()
        if earlier := await self._earlier(CashRegister, data.id, data):
            return register_out(earlier), False
        await self._check_branch(data.branch_id)
        await self._check_warehouse(data.warehouse_id, data.branch_id)
        register = await self.add_register(
            data.branch_id, data.warehouse_id, data.name.strip(), id=data.id or uuid7(), body_hash=_hash_of(data)
        )
        answer = register_out(register)
        self._work.record("register.created", register.id, after=answer)
        return answer, True

    async def add_branch(self, code: str, name: str, **values: Any) -> Branch:
        """A branch with its consecutives, unrecorded; the first one's tickets carry no branch in their number."""
        await claim(self._work, Resource.BRANCHES)
        branch = Branch(tenant_id=self._work.tenant_id, code=code, name=name, **{"id": uuid7(), **values})
        self._work.session.add(branch)
        await self._work.flush()
        mark = "" if code == _FIRST_CODE else code
        for kind, letter in START_KINDS.items():
            await open_numbering(self._work, branch.id, kind, f"{letter}{mark}-")
        return branch

    async def add_warehouse(self, branch_id: UUID, name: str, *, is_default: bool = False, **values: Any) -> Warehouse:
        """A warehouse with its shelves, unrecorded. New products wait meanwhile: each gets its shelf from one of the two."""
        await claim(self._work, Resource.WAREHOUSES)
        await take_turns(self._work, Resource.PRODUCTS)
        warehouse = Warehouse(
            tenant_id=self._work.tenant_id,
            branch_id=branch_id,
            name=name,
            is_default=is_default,
            **{"id": uuid7(), **values},
        )
        self._work.session.add(warehouse)
        await self._work.flush()
        await open_shelves(self._work, warehouse.id)
        return warehouse

    async def add_register(self, branch_id: UUID, warehouse_id: UUID, name: str, **values: Any) -> CashRegister:
        """A till with the consecutive of its Z reports, unrecorded."""
        await claim(self._work, Resource.REGISTERS)
        register = CashRegister(
            tenant_id=self._work.tenant_id,
            branch_id=branch_id,
            warehouse_id=warehouse_id,
            name=name,
            **{"id": uuid7(), **values},
        )
        self._work.session.add(register)
        await self._work.flush()
        await open_numbering(self._work, register.id, "z", "Z-")
        return register

    def _mine(self, model: type[PlaceT], *, retired: bool) -> Select[PlaceT]:
        is_retired = model.retired_at.is_not(None)
        return select(model).where(model.tenant_id == self._work.tenant_id, is_retired if retired else ~is_retired)

    async def _take_turns(self) -> None:
        await take_turns(self._work, Resource.BRANCHES)

    async def _earlier(self, model: type[PlaceT], wanted: UUID | None, data: Input) -> PlaceT | None:
        """What a client-chosen id already stands for: a retry's answer, or 409 for a different body."""
        if wanted is None:
            return None
        row = (
            await self._work.session.scalars(
                select(model)
                .where(model.tenant_id == self._work.tenant_id, model.id == wanted)
                .execution_options(populate_existing=True)
            )
        ).one_or_none()
        if row is not None and row.body_hash != fingerprint(data):
            raise ID_TAKEN
        return row

    async def _next_code(self) -> str:
        codes = await self._work.session.scalars(select(Branch.code).where(Branch.tenant_id == self._work.tenant_id))
        return str(max((int(code) for code in codes if code.isdigit()), default=0) + 1)

    def _refuse_limited(self) -> None:
        """Whoever works in some branches only opens no other."""
        if self._work.actor.branches is not None:
            raise branch_refusal()

    async def _check_branch(self, branch_id: UUID) -> None:
        found = await self._work.session.scalar(self._mine(Branch, retired=False).where(Branch.id == branch_id))
        if found is None:
            raise unknown_reference("/branchId")
        check_branch(self._work.actor, branch_id)

    async def _check_warehouse(self, warehouse_id: UUID, branch_id: UUID) -> None:
        found = await self._work.session.scalar(
            self._mine(Warehouse, retired=False).where(Warehouse.id == warehouse_id)
        )
        if found is None:
            raise unknown_reference("/warehouseId")
        if found.branch_id != branch_id:
            detail = "La bodega es de otra sucursal: una caja vende de una bodega de la suya."
            raise RuleBroken(
                detail,
                code="warehouse-of-other-branch",
                errors=(FieldError("/warehouseId", "warehouse-of-other-branch", detail),),
            )


def branch_out(row: Branch) -> BranchOut:
    return BranchOut(
        id=row.id,
        code=row.code,
        name=row.name,
        address=row.address or "",
        municipality_code=row.municipality_code,
        phone=row.phone or "",
        retired_at=row.retired_at,
    )


def warehouse_out(row: Warehouse) -> WarehouseOut:
    return WarehouseOut(
        id=row.id, branch_id=row.branch_id, name=row.name, is_default=row.is_default, retired_at=row.retired_at
    )


def register_out(row: CashRegister) -> RegisterOut:
    return RegisterOut(
        id=row.id,
        branch_id=row.branch_id,
        warehouse_id=row.warehouse_id,
        name=row.name,
        retired_at=row.retired_at,
    )


def place_out(place: Place) -> BranchOut | WarehouseOut | RegisterOut:
    if isinstance(place, Branch):
        return branch_out(place)
    return warehouse_out(place) if isinstance(place, Warehouse) else register_out(place)


def branch_of(place: Place) -> UUID:
    return place.id if isinstance(place, Branch) else place.branch_id


def _hash_of(data: Any) -> bytes | None:
    return None if data.id is None else fingerprint(data)
