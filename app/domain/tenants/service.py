"""Rules of the company and its places."""

from typing import Final
from uuid import UUID

from msgspec import UNSET, structs
from sqlalchemy import insert, select
from uuid_utils.compat import uuid7

from app.db.platform import AuditHead
from app.db.session import Work
from app.domain.tenants.models import Branch, CashRegister, Tenant, TenantStatus, Warehouse
from app.domain.tenants.numbering import START_KINDS, open_numbering
from app.domain.tenants.schemas import BranchOut, ChangeCompany, CompanyOut, RegisterOut, TenantOut, WarehouseOut
from app.lib.audit import GENESIS
from app.lib.errors import FieldError, NotFound, RuleBroken

_FIRST_BRANCH: Final = "1"


class TenantService:
    """Reads and changes the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def create(self, *, name: str, nit: str, dv: str, email: str, is_demo: bool = False) -> Tenant:
        """A company that can sell at once: one branch, one warehouse, one register, numbering, an empty audit chain.

        The transaction must already be pinned to the new company's id, which becomes its `tenant_id`.
        """
        work = self._work
        tenant = Tenant(
            tenant_id=work.tenant_id,
            name=name,
            nit=nit,
            dv=dv,
            status=TenantStatus.TRIAL,
            email=email,
            is_demo=is_demo,
        )
        work.session.add(tenant)
        await work.flush()
        await work.session.execute(insert(AuditHead).values(tenant_id=tenant.tenant_id, hash=GENESIS))
        branch = await self.add_branch(_FIRST_BRANCH, "Principal")
        warehouse = Warehouse(
            tenant_id=tenant.tenant_id, id=uuid7(), branch_id=branch.id, name="Bodega principal", is_default=True
        )
        work.session.add(warehouse)
        await work.flush()
        await self.add_register(branch.id, warehouse.id, "Caja 1")
        await work.session.refresh(tenant)
        work.record("company.created", tenant.tenant_id, after=tenant_out(tenant))
        return tenant

    async def add_branch(self, code: str, name: str) -> Branch:
        """A branch with its consecutives; the first one's tickets carry no branch in their number."""
        branch = Branch(tenant_id=self._work.tenant_id, id=uuid7(), code=code, name=name)
        self._work.session.add(branch)
        await self._work.flush()
        mark = "" if code == _FIRST_BRANCH else code
        for kind, letter in START_KINDS.items():
            await open_numbering(self._work, branch.id, kind, f"{letter}{mark}-")
        return branch

    async def add_register(self, branch_id: UUID, warehouse_id: UUID, name: str) -> CashRegister:
        """A till with the consecutive of its Z reports."""
        register = CashRegister(
            tenant_id=self._work.tenant_id, id=uuid7(), branch_id=branch_id, warehouse_id=warehouse_id, name=name
        )
        self._work.session.add(register)
        await self._work.flush()
        await open_numbering(self._work, register.id, "z", "Z-")
        return register

    async def find(self) -> Tenant:
        """The company of the request."""
        tenant = await self._work.session.scalar(select(Tenant).where(Tenant.tenant_id == self._work.tenant_id))
        if tenant is None:
            raise NotFound("La empresa no existe.")
        return tenant

    async def read(self) -> CompanyOut:
        """The company with its branches, warehouses and registers."""
        tenant = await self.find()
        branches, warehouses, registers = [
            list(
                await self._work.session.scalars(
                    select(model).where(model.tenant_id == self._work.tenant_id).order_by(model.id)
                )
            )
            for model in (Branch, Warehouse, CashRegister)
        ]
        return CompanyOut(
            id=tenant.tenant_id,
            name=tenant.name,
            nit=tenant.nit,
            dv=tenant.dv,
            status=tenant.status,
            time_zone=tenant.time_zone,
            currency=tenant.currency,
            cash_rounding=tenant.cash_rounding,
            cash_tolerance=tenant.cash_tolerance,
            discount_limit=tenant.discount_limit,
            allow_below_cost=tenant.allow_below_cost,
            ticket_footer=tenant.ticket_footer,
            address=tenant.address,
            municipality_code=tenant.municipality_code,
            phone=tenant.phone,
            email=tenant.email,
            is_demo=tenant.is_demo,
            created_at=tenant.created_at,
            branches=[
                BranchOut(id=row.id, code=row.code, name=row.name) for row in branches if isinstance(row, Branch)
            ],
            warehouses=[
                WarehouseOut(id=row.id, branch_id=row.branch_id, name=row.name, is_default=row.is_default)
                for row in warehouses
                if isinstance(row, Warehouse)
            ],
            registers=[
                RegisterOut(id=row.id, branch_id=row.branch_id, warehouse_id=row.warehouse_id, name=row.name)
                for row in registers
                if isinstance(row, CashRegister)
            ],
        )

    async def change(self, data: ChangeCompany) -> CompanyOut:
        """Change the company's settings; refuses a negative tolerance."""
        tenant = await self.find()
        before = await self.read()
        if data.cash_tolerance is not UNSET and data.cash_tolerance < 0:
            raise RuleBroken(
                "La tolerancia no puede ser negativa.",
                errors=(FieldError("/cashTolerance", "negative", "Debe ser cero o más."),),
            )
        for name, value in structs.asdict(data).items():
            if value is not UNSET:
                setattr(tenant, name, value)
        await self._work.flush()
        await self._work.session.refresh(tenant)
        after = await self.read()
        self._work.record("company.changed", tenant.tenant_id, before=before, after=after)
        return after


def tenant_out(tenant: Tenant) -> TenantOut:
    return TenantOut(
        id=tenant.tenant_id,
        name=tenant.name,
        nit=tenant.nit,
        dv=tenant.dv,
        status=tenant.status,
        time_zone=tenant.time_zone,
        currency=tenant.currency,
        is_demo=tenant.is_demo,
    )
