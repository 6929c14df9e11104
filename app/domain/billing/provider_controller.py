"""HTTP face of billing for the operator's staff."""

from datetime import date
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from app.db.desk import Desk, provide_desk
from app.db.outside import outside
from app.domain.billing import panel
from app.domain.billing.collector import refusal
from app.domain.billing.provider_schemas import (
    EventOut,
    EventPage,
    ExtendTrial,
    MetricsOut,
    PublishVersion,
    ReportOut,
    ReportPage,
    SubscriptionDetail,
    SubscriptionList,
)
from app.domain.billing.reconcile import reconcile
from app.domain.billing.schemas import PlanList, PlanOut
from app.lib import clock
from app.lib.access import requires_staff
from app.lib.errors import Conflict
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT
from app.lib.payments import PaymentsUnavailable

StateName = Literal["trialing", "active", "past_due", "read_only", "suspended", "cancelled", "blocked", "closed"]
Outcome = Literal["queued", "done", "dead", "unknown-customer", "unknown-kind"]
StateParam = Annotated[StateName | None, QueryParameter(name="state", description="Estado de la suscripción.")]
OutcomeParam = Annotated[Outcome | None, QueryParameter(name="outcome", description="Qué pasó con el evento.")]
FromParam = Annotated[date | None, QueryParameter(name="from", description="Primer mes; sin él, hace doce.")]
ToParam = Annotated[date | None, QueryParameter(name="to", description="Último mes; sin él, el actual.")]

_READ: Final = requires_staff("billing:read")
_WRITE: Final = requires_staff("billing:write")
_OLDEST: Final = date(2020, 1, 1)
_NEWEST: Final = date(2100, 1, 1)


class ProviderBillingController(Controller):
    path = "/provider"
    tags = ["Operador"]
    dependencies = {"desk": Provide(provide_desk)}

    @get("/plans/{code:str}/versions", operation_id="ListPlanVersions", guards=[_READ])
    async def list_versions(self, code: FromPath[str], desk: NamedDependency[Desk]) -> PlanList:
        """Las versiones de un plan, de la más nueva a la más vieja."""
        return PlanList(items=await panel.versions(desk.database, code), next_cursor=None)

    @post("/plans/{code:str}/versions", operation_id="PublishPlanVersion", guards=[requires_staff("plans:write")])
    async def publish(
        self, code: FromPath[str], data: JSONBody[PublishVersion], desk: NamedDependency[Desk]
    ) -> PlanOut:
        """Publica una versión nueva de un plan; quien compró otra la conserva."""
        return await panel.publish(desk, code, data)

    @get("/subscriptions", operation_id="ListSubscriptions", guards=[_READ])
    async def list_subscriptions(
        self,
        desk: NamedDependency[Desk],
        standing: StateParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> SubscriptionList:
        """Las suscripciones de todas las empresas."""
        return await panel.subscriptions(desk.database, standing, limit, cursor)

    @get("/subscriptions/{tenant_id:uuid}", operation_id="GetCompanySubscription", guards=[_READ])
    async def get_subscription(self, tenant_id: FromPath[UUID], desk: NamedDependency[Desk]) -> SubscriptionDetail:
        """La suscripción de una empresa, su historia y lo que viene si debe."""
        return await panel.detail(await desk.enter(tenant_id))

    @post(
        "/subscriptions/{tenant_id:uuid}/sync",
        operation_id="SyncCompanySubscription",
        guards=[_WRITE],
        status_code=HTTP_202_ACCEPTED,
    )
    async def sync(self, tenant_id: FromPath[UUID], desk: NamedDependency[Desk]) -> SubscriptionDetail:
        """Pide comparar de nuevo una empresa con la pasarela de pagos."""
        return await panel.compare(desk, tenant_id)

    @post(
        "/subscriptions/{tenant_id:uuid}/extend-trial",
        operation_id="ExtendTrial",
        guards=[_WRITE],
        status_code=HTTP_200_OK,
    )
    async def extend(
        self, tenant_id: FromPath[UUID], data: JSONBody[ExtendTrial], desk: NamedDependency[Desk]
    ) -> SubscriptionDetail:
        """Alarga la prueba de una empresa, con su motivo."""
        return await panel.extend(desk, tenant_id, data)

    @get("/billing/events", operation_id="ListPaymentEvents", guards=[_READ])
    async def list_events(
        self,
        desk: NamedDependency[Desk],
        outcome: OutcomeParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> EventPage:
        """Los eventos de la pasarela de pagos; `dead` son los que no se pudieron atender."""
        return await panel.event_page(desk.database, outcome, limit, cursor)

    @post(
        "/billing/events/{event_id:str}/replay",
        operation_id="ReplayPaymentEvent",
        guards=[_WRITE],
        status_code=HTTP_202_ACCEPTED,
    )
    async def replay(self, event_id: FromPath[str], desk: NamedDependency[Desk]) -> EventOut:
        """Atiende otra vez un evento."""
        return await panel.replay(desk, event_id)

    @get("/billing/reconciliations", operation_id="ListReconciliations", guards=[_READ])
    async def list_reports(
        self, desk: NamedDependency[Desk], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> ReportPage:
        """Las comparaciones diarias con la pasarela y sus diferencias."""
        return await panel.report_page(desk.database, limit, cursor)

    @post("/billing/reconciliations", operation_id="Reconcile", guards=[_WRITE])
    async def reconcile(self, desk: NamedDependency[Desk], request: Request[Any, Any, Any]) -> ReportOut:
        """Compara ahora todas las suscripciones con la pasarela y pide reparar lo que difiera."""
        async with outside(request):
            try:
                report = await reconcile(desk.database)
            except PaymentsUnavailable as error:
                raise refusal(error) from error
        if report is None:
            raise Conflict("Esta instalación no cobra suscripciones.", code="billing-not-enabled")
        await desk.note("billing.compared", report.id, after={"differences": len(report.differences)})
        return msgspec.convert(report, ReportOut, from_attributes=True)

    @get("/billing/metrics", operation_id="GetBillingMetrics", guards=[_READ])
    async def metrics(self, desk: NamedDependency[Desk], first: FromParam = None, last: ToParam = None) -> MetricsOut:
        """Ingreso mensual recurrente y sus movimientos, por mes; pruebas que llegaron a pagar."""
        today = clock.business_day(clock.now(), "America/Bogota")
        until = min(max(last or today, _OLDEST), _NEWEST)
        since = min(max(first or until.replace(year=until.year - 1, day=1), _OLDEST), until)
        return await panel.metrics(desk.database, since, until)
