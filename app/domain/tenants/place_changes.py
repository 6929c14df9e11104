"""Places that change: renamed, retired, brought back.

All of a company's changes of places take turns (`_take_turns`), so that "the last one stays" holds for two at once. What
uses a place holds its row while it does: opening a drawer the register's, changing stock the warehouse's. Retiring locks
the same row first and looks for users after, so neither can slip past the other.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import func, select

from app.domain.cash.doors import count_open_drawers
from app.domain.inventory.rows import holds_stock, is_being_counted
from app.domain.tenants.limits import Resource, claim, release
from app.domain.tenants.models import Branch, CashRegister, Warehouse
from app.domain.tenants.place_schemas import (
    BranchOut,
    ChangeBranch,
    ChangeRegister,
    ChangeWarehouse,
    RegisterOut,
    WarehouseOut,
)
from app.domain.tenants.places import (
    Place,
    Places,
    PlaceT,
    branch_of,
    branch_out,
    place_out,
    register_out,
    warehouse_out,
)
from app.lib import clock
from app.lib.errors import Conflict, FieldError, RuleBroken
from app.lib.profile import check_municipality
from app.lib.schemas import Input, Output

_RESOURCES: Final[dict[type[Place], Resource]] = {
    Branch: Resource.BRANCHES,
    Warehouse: Resource.WAREHOUSES,
    CashRegister: Resource.REGISTERS,
}
_NOUNS: Final[dict[type[Place], str]] = {Branch: "branch", Warehouse: "warehouse", CashRegister: "register"}
"""As the audit trail names them."""


class PlaceChanges(Places):
    """Changes, retires and brings back the places of the company of the transaction."""

    async def change_branch(self, branch_id: UUID, data: ChangeBranch, check: Callable[[BranchOut], None]) -> BranchOut:
        """Rename a branch or say where it is. `check` may refuse the version that is being changed."""
        branch = await self._lock(Branch, branch_id)
        values = _given(data)
        check_municipality(values.get("municipality_code"))
        return cast("BranchOut", await self._change(branch, values, check, branch_out))

    async def change_warehouse(
        self, warehouse_id: UUID, data: ChangeWarehouse, check: Callable[[WarehouseOut], None]
    ) -> WarehouseOut:
        """Rename a warehouse, or make it the company's default one.

        Raises 409 `name-taken` or `place-retired`, 422 for taking the mark away: another one gets it instead.
        """
        warehouse = await self._lock(Warehouse, warehouse_id)
        values = _given(data)
        if values.get("is_default") is False and warehouse.is_default:
            detail = "Siempre hay una bodega principal: marque otra como principal."
            raise RuleBroken(
                detail, code="default-needed", errors=(FieldError("/isDefault", "default-needed", detail),)
            )
        if values.get("is_default") and not warehouse.is_default:
            if warehouse.retired_at is not None:
                raise _retired("La bodega está retirada.")
            check(warehouse_out(warehouse))
            old = await self._work.session.scalars(
                self._mine(Warehouse, retired=False).where(Warehouse.is_default).with_for_update(key_share=True)
            )
            for other in old:
                other.is_default = False
            await self._work.flush()
        return cast("WarehouseOut", await self._change(warehouse, values, check, warehouse_out))

    async def change_register(
        self, register_id: UUID, data: ChangeRegister, check: Callable[[RegisterOut], None]
    ) -> RegisterOut:
        """Rename a till, or let it sell from another warehouse of its branch.

        Raises 409 `name-taken`, or `register-busy` for another warehouse while a shift is open, 422 `unknown-reference`.
        """
        register = await self._lock(CashRegister, register_id)
        values = _given(data)
        wanted = values.get("warehouse_id", register.warehouse_id)
        if wanted != register.warehouse_id:
            await self._check_warehouse(wanted, register.branch_id)
            await self._refuse_open_drawers([register.id])
        return cast("RegisterOut", await self._change(register, values, check, register_out))

    async def retire(self, model: type[PlaceT], place_id: UUID) -> PlaceT:
        """Take a place out of use; what happened in it stays. Twice is once.

        Raises 409 `last-one`, `default-warehouse`, `register-busy`, `warehouse-in-use`, `warehouse-has-stock`,
        `branch-in-use`.
        """
        place = await self._lock(model, place_id)
        if place.retired_at is not None:
            return place
        await self._refuse_last(model)
        if isinstance(place, CashRegister):
            await self._refuse_open_drawers([place.id])
        elif isinstance(place, Warehouse):
            await self._refuse_used_warehouse(place)
        else:
            await self._refuse_used_branch(place)
        await release(self._work, _RESOURCES[model])
        return await self._set_retired(model, place, retired=True)

    async def unretire(self, model: type[PlaceT], place_id: UUID) -> PlaceT:
        """Bring a place back into use. Twice is once. Raises 422 `plan-limit`, 409 while what it stands in is retired."""
        place = await self._lock(model, place_id)
        if place.retired_at is None:
            return place
        if not isinstance(place, Branch):
            await self._refuse_retired(Branch, branch_of(place), "Su sucursal está retirada.")
        if isinstance(place, CashRegister):
            await self._refuse_retired(Warehouse, place.warehouse_id, "Su bodega está retirada.")
        await claim(self._work, _RESOURCES[model])
        return await self._set_retired(model, place, retired=False)

    async def _set_retired(self, model: type[PlaceT], place: PlaceT, *, retired: bool) -> PlaceT:
        before = place_out(place)
        place.retired_at = clock.now() if retired else None
        await self._work.flush()
        noun = _NOUNS[model]
        self._work.record(
            f"{noun}.{'retired' if retired else 'unretired'}", place.id, before=before, after=place_out(place)
        )
        return place

    async def _change(
        self, place: Place, values: dict[str, Any], check: Callable[[Any], None], out: Callable[[Any], Output]
    ) -> Output:
        before = out(place)
        if "is_default" not in values:
            check(before)
        for name, value in values.items():
            setattr(place, name, value.strip() if isinstance(value, str) and name != "municipality_code" else value)
        if not self._work.session.is_modified(place):
            return before
        await self._work.flush()
        answer = out(place)
        noun = _NOUNS[type(place)]
        self._work.record(f"{noun}.changed", place.id, before=before, after=answer)
        return answer

    async def _lock(self, model: type[PlaceT], place_id: UUID) -> PlaceT:
        """A place, held against others who change or use it."""
        await self.find(model, place_id)
        await self._take_turns()
        return (
            await self._work.session.scalars(
                select(model)
                .where(model.tenant_id == self._work.tenant_id, model.id == place_id)
                .with_for_update(key_share=True)
                .execution_options(populate_existing=True)
            )
        ).one()

    async def _refuse_last(self, model: type[PlaceT]) -> None:
        others = await self._work.session.scalar(
            select(func.count())
            .select_from(model)
            .where(model.tenant_id == self._work.tenant_id, model.retired_at.is_(None))
        )
        if (others or 0) <= 1:
            raise Conflict("Es la última: la empresa necesita al menos una.", code="last-one")

    async def _refuse_open_drawers(self, register_ids: Sequence[UUID]) -> None:
        if await count_open_drawers(self._work, register_ids):
            raise Conflict("La caja tiene un turno abierto; ciérrelo antes.", code="register-busy")

    async def _refuse_used_warehouse(self, warehouse: Warehouse) -> None:
        if warehouse.is_default:
            raise Conflict("Es la bodega principal; marque otra como principal antes.", code="default-warehouse")
        if await self._count(CashRegister, CashRegister.warehouse_id == warehouse.id):
            raise Conflict("Hay cajas que venden de esta bodega; cámbielas antes.", code="warehouse-in-use")
        if await holds_stock(self._work, warehouse.id):
            raise Conflict("La bodega tiene existencias o traslados en camino.", code="warehouse-has-stock")
        if await is_being_counted(self._work, warehouse.id):
            raise Conflict("La bodega tiene un conteo abierto; ciérrelo antes.", code="warehouse-in-use")

    async def _refuse_used_branch(self, branch: Branch) -> None:
        for model, what in ((CashRegister, "cajas"), (Warehouse, "bodegas")):
            if await self._count(model, model.branch_id == branch.id):
                raise Conflict(f"La sucursal tiene {what}; retírelas antes.", code="branch-in-use")

    async def _count(self, model: type[CashRegister] | type[Warehouse], condition: Any) -> int:
        found = await self._work.session.scalar(
            select(func.count())
            .select_from(model)
            .where(model.tenant_id == self._work.tenant_id, model.retired_at.is_(None), condition)
        )
        return found or 0

    async def _refuse_retired(self, model: type[PlaceT], place_id: UUID, detail: str) -> None:
        if await self._work.session.scalar(self._mine(model, retired=False).where(model.id == place_id)) is None:
            raise _retired(detail)


def _given(data: Input) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}


def _retired(detail: str) -> Conflict:
    return Conflict(detail, code="place-retired")
