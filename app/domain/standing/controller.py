"""HTTP face of a company's standing."""

from litestar import Controller, get
from litestar.di import NamedDependency

from app.db.session import Work
from app.domain.standing.onboarding import onboarding
from app.domain.standing.schemas import NoticeList, OnboardingOut, UseOut
from app.domain.standing.usage import notices, use_of_plan
from app.lib.access import requires


class StandingController(Controller):
    path = "/company"
    tags = ["Empresa"]

    @get("/onboarding", operation_id="GetOnboarding", guards=[requires("company:read")])
    async def get_onboarding(self, work: NamedDependency[Work]) -> OnboardingOut:
        """Los primeros pasos de la empresa y cuáles ya están hechos, según sus propios datos."""
        return await onboarding(work)

    @get("/plan", operation_id="GetPlanUse", guards=[requires("company:read", in_suspended=True)])
    async def get_plan(self, work: NamedDependency[Work]) -> UseOut:
        """El plan de la empresa, sus módulos y cuánto usa de cada límite."""
        return await use_of_plan(work)

    @get("/notices", operation_id="ListNotices", guards=[requires("company:read", in_suspended=True)])
    async def list_notices(self, work: NamedDependency[Work]) -> NoticeList:
        """Avisos de la cuenta: límites cerca de llenarse, prueba o módulos por terminar, pagos pendientes."""
        return NoticeList(items=await notices(work), next_cursor=None)
