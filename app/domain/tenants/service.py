"""Rules of the company: its birth, and its profile. Its places are `places`, its life `lifecycle`, its plan `plans`."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from msgspec import UNSET, structs
from sqlalchemy import insert, select

from app.db.platform import AuditHead
from app.db.session import Work
from app.domain.tenants import lifecycle
from app.domain.tenants.limits import open_usage
from app.domain.tenants.logo import find_logo
from app.domain.tenants.models import Branch, CashRegister, Tenant, TenantStatus, Warehouse
from app.domain.tenants.places import Places, branch_out, register_out, warehouse_out
from app.domain.tenants.plans import TRIAL_PLAN, find_plan, refresh
from app.domain.tenants.schemas import ChangeCompany, CompanyOut, TenantOut
from app.lib.audit import GENESIS
from app.lib.codelists import municipalities
from app.lib.errors import FieldError, NotFound, RuleBroken
from app.lib.profile import check_municipality, check_postal_code, check_responsibilities

_FIRST_BRANCH: Final = "1"
_TEXTS: Final = ("name", "trade_name", "address", "phone", "ticket_footer")


class TenantService:
    """Makes, reads and changes the company of the transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def create(
        self,
        *,
        name: str,
        nit: str,
        dv: str,
        email: str,
        plan: str | None = None,
        is_demo: bool = False,
        is_sample: bool = False,
        reason: str | None = None,
    ) -> Tenant:
        """A company that can sell at once: one branch, one warehouse, one register, numbering, an empty audit chain.

        The transaction must already be pinned to the new company's id, which becomes its `tenant_id`. It begins with a
        trial; a demonstration or a sample is simply active. Raises 422 `unknown-plan`.
        """
        work = self._work
        chosen = await find_plan(work, plan or TRIAL_PLAN)
        status = TenantStatus.ACTIVE if is_demo or is_sample else TenantStatus.TRIAL
        said = reason or ("Demostración." if is_demo else "Registro de la empresa.")
        begun_at = await lifecycle.begin(work, status, said)
        days = work.database.settings.trial_days
        tenant = Tenant(
            tenant_id=work.tenant_id,
            name=name,
            nit=nit,
            dv=dv,
            status=status,
            status_seq=1,
            status_since=begun_at,
            trial_ends_at=None if is_demo or is_sample else lifecycle.trial_end(begun_at, days),
            plan=chosen.code,
            email=email,
            is_demo=is_demo,
            is_sample=is_sample,
        )
        work.session.add(tenant)
        await work.flush()
        await refresh(work, tenant, chosen)
        await work.session.execute(insert(AuditHead).values(tenant_id=tenant.tenant_id, hash=GENESIS))
        await open_usage(work)
        places = Places(work)
        branch = await places.add_branch(_FIRST_BRANCH, "Principal")
        warehouse = await places.add_warehouse(branch.id, "Bodega principal", is_default=True)
        await places.add_register(branch.id, warehouse.id, "Caja 1")
        await work.session.refresh(tenant)
        work.record("company.created", tenant.tenant_id, after=tenant_out(tenant))
        return tenant

    async def add_register(self, branch_id: UUID, warehouse_id: UUID, name: str) -> CashRegister:
        """A till with the consecutive of its Z reports. Raises 422 `plan-limit`."""
        return await Places(self._work).add_register(branch_id, warehouse_id, name)

    async def find(self) -> Tenant:
        """The company of the request."""
        tenant = await self._work.session.scalar(select(Tenant).where(Tenant.tenant_id == self._work.tenant_id))
        if tenant is None:
            raise NotFound("La empresa no existe.")
        return tenant

    async def read(self) -> CompanyOut:
        """The company with its branches, warehouses and registers."""
        return await self._read(await self.find())

    async def change(self, data: ChangeCompany, check: Callable[[CompanyOut], None] = lambda _: None) -> CompanyOut:
        """Change the company's profile and settings. `check` may refuse the version that is being changed.

        Raises 422 for a negative tolerance, an unknown municipality or postal code, responsibilities that contradict.
        """
        tenant = await lifecycle.lock(self._work)
        before = await self._read(tenant)
        check(before)
        values = {name: value for name, value in structs.asdict(data).items() if value is not UNSET}
        for name, value in _checked(values).items():
            setattr(tenant, name, value)
        if not self._work.session.is_modified(tenant):
            return before
        await self._work.flush()
        await self._work.session.refresh(tenant)
        after = await self._read(tenant)
        self._work.record("company.changed", tenant.tenant_id, before=before, after=after)
        return after

    async def _read(self, tenant: Tenant) -> CompanyOut:
        session, tenant_id = self._work.session, tenant.tenant_id
        branches = await session.scalars(
            select(Branch).where(Branch.tenant_id == tenant_id, Branch.retired_at.is_(None)).order_by(Branch.id)
        )
        warehouses = await session.scalars(
            select(Warehouse)
            .where(Warehouse.tenant_id == tenant_id, Warehouse.retired_at.is_(None))
            .order_by(Warehouse.id)
        )
        registers = await session.scalars(
            select(CashRegister)
            .where(CashRegister.tenant_id == tenant_id, CashRegister.retired_at.is_(None))
            .order_by(CashRegister.id)
        )
        return CompanyOut(
            id=tenant_id,
            name=tenant.name,
            trade_name=tenant.trade_name,
            nit=tenant.nit,
            dv=tenant.dv,
            organization=tenant.organization,
            regime=tenant.regime,
            tribute=tenant.tribute,
            responsibilities=tenant.responsibilities,
            ciiu=tenant.ciiu,
            merchant_registration=tenant.merchant_registration,
            status=tenant.status,
            status_since=tenant.status_since,
            trial_ends_at=tenant.trial_ends_at,
            plan=tenant.plan,
            time_zone=tenant.time_zone,
            currency=tenant.currency,
            cash_rounding=tenant.cash_rounding,
            cash_tolerance=tenant.cash_tolerance,
            totp_required=tenant.totp_required,
            discount_limit=tenant.discount_limit,
            allow_below_cost=tenant.allow_below_cost,
            ticket_footer=tenant.ticket_footer,
            address=tenant.address,
            municipality_code=tenant.municipality_code,
            municipality=municipalities()[tenant.municipality_code].full_name,
            postal_code=tenant.postal_code,
            phone=tenant.phone,
            email=tenant.email,
            logo=await find_logo(self._work),
            is_demo=tenant.is_demo,
            is_sample=tenant.is_sample,
            created_at=tenant.created_at,
            branches=[branch_out(row) for row in branches],
            warehouses=[warehouse_out(row) for row in warehouses],
            registers=[register_out(row) for row in registers],
        )


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
        is_sample=tenant.is_sample,
        plan=tenant.plan,
        trial_ends_at=tenant.trial_ends_at,
    )


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Changes as they are stored. Raises the first rule that they break."""
    if values.get("cash_tolerance", 0) < 0:
        raise RuleBroken(
            "La tolerancia no puede ser negativa.",
            errors=(FieldError("/cashTolerance", "negative", "Debe ser cero o más."),),
        )
    check_municipality(values.get("municipality_code"))
    check_postal_code(values.get("postal_code", ""))
    if "responsibilities" in values:
        values["responsibilities"] = check_responsibilities(values["responsibilities"])
    if "ciiu" in values:
        values["ciiu"] = list(dict.fromkeys(values["ciiu"]))
    return {name: value.strip() if name in _TEXTS else value for name, value in values.items()}
