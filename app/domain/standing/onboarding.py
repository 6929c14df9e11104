"""The checklist of a new company: each step is done when the company's own facts say so, and nobody ticks it."""

from typing import Final

from sqlalchemy import text

from app.db.session import Work
from app.domain.standing.schemas import OnboardingOut, StepOut
from app.domain.tenants.models import Tenant
from app.domain.tenants.service import TenantService

_FACTS: Final = text(
    "SELECT (SELECT count(*) > 1 FROM membership WHERE tenant_id = :tenant_id AND is_active) AS team, "
    "EXISTS (SELECT FROM product WHERE tenant_id = :tenant_id AND retired_at IS NULL) AS products, "
    "EXISTS (SELECT FROM stock WHERE tenant_id = :tenant_id AND moves > 0) AS stock, "
    "EXISTS (SELECT FROM cash_session WHERE tenant_id = :tenant_id) AS cash, "
    "EXISTS (SELECT FROM sale WHERE tenant_id = :tenant_id) AS sale"
)
_TITLES: Final = {
    "team": "Invite a su equipo",
    "products": "Cree o importe sus productos",
    "stock": "Registre sus existencias",
    "cash": "Abra su primer turno de caja",
    "sale": "Haga su primera venta",
}
_PROFILE: Final = ("address", "phone", "email", "ciiu")
"""What a ticket and a DIAN document need of the company beyond what signing up asks."""


async def onboarding(work: Work) -> OnboardingOut:
    """The steps in the order a shop takes them."""
    tenant = await TenantService(work).find()
    facts = (await work.session.execute(_FACTS, {"tenant_id": work.tenant_id})).mappings().one()
    steps = [
        _profile(tenant),
        *(
            StepOut(code=code, title=title, is_done=bool(facts[code]), missing=[] if facts[code] else [code])
            for code, title in _TITLES.items()
        ),
    ]
    done = sum(step.is_done for step in steps)
    return OnboardingOut(steps=steps, done=done, total=len(steps), is_complete=done == len(steps))


def _profile(tenant: Tenant) -> StepOut:
    missing = [name for name in _PROFILE if not getattr(tenant, name)]
    return StepOut(code="company", title="Complete los datos de su empresa", is_done=not missing, missing=missing)
