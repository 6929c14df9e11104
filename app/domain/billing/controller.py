"""HTTP face of a company's billing. Open in every status: whoever is behind must be able to pay."""

from typing import Any, Final

from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK

from app.db.session import Work
from app.domain.billing.flows import Flows
from app.domain.billing.plans import on_offer
from app.domain.billing.reads import invoice_page
from app.domain.billing.schemas import (
    CancelSubscription,
    ChangePreview,
    ChoosePlan,
    InvoicePage,
    PageOut,
    PlanList,
    StartCheckout,
    SubscriptionOut,
)
from app.lib.access import MOVES_VALUE, requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

_READ: Final = requires("billing:read", in_suspended=True)
_WRITE: Final = requires("billing:write", in_read_only=True, in_suspended=True)


def provide_flows(work: NamedDependency[Work], request: Request[Any, Any, Any]) -> Flows:
    return Flows(work, request)


class BillingController(Controller):
    path = "/billing"
    tags = ["Suscripción"]
    dependencies = {"flows": Provide(provide_flows, sync_to_thread=False)}

    @get("/plans", operation_id="ListPlans", guards=[requires(None, in_suspended=True)])
    async def list_plans(self, work: NamedDependency[Work]) -> PlanList:
        """Los planes a la venta, con su precio antes de impuestos."""
        return PlanList(items=await on_offer(work), next_cursor=None)

    @get("/subscription", operation_id="GetSubscription", guards=[_READ])
    async def get_subscription(self, flows: NamedDependency[Flows]) -> SubscriptionOut:
        """La suscripción de la empresa: plan, estado, período y cambios programados."""
        return await flows.read()

    @post("/checkout-session", operation_id="StartCheckout", guards=[_WRITE], status_code=HTTP_200_OK)
    async def start_checkout(self, data: JSONBody[StartCheckout], flows: NamedDependency[Flows]) -> PageOut:
        """Abre la página de pago de un plan; la página anterior deja de servir."""
        return await flows.checkout(data)

    @post("/portal-session", operation_id="OpenPortal", guards=[_WRITE], status_code=HTTP_200_OK)
    async def open_portal(self, flows: NamedDependency[Flows]) -> PageOut:
        """Abre la página donde se cambian la tarjeta y los datos de facturación."""
        return await flows.portal()

    @post("/plan-change/preview", operation_id="PreviewPlanChange", guards=[_WRITE], status_code=HTTP_200_OK)
    async def preview(self, data: JSONBody[ChoosePlan], flows: NamedDependency[Flows]) -> ChangePreview:
        """Cuánto se cobraría hoy por cambiar de plan, o desde cuándo vale el cambio."""
        return await flows.preview(data)

    @post("/plan-change", operation_id="ChangePlan", guards=[_WRITE], opt=MOVES_VALUE, status_code=HTTP_200_OK)
    async def change(self, data: JSONBody[ChoosePlan], flows: NamedDependency[Flows]) -> SubscriptionOut:
        """Cambia de plan: uno más caro, de inmediato y apenas se pague; uno más barato, al final del período."""
        return await flows.change(data)

    @delete("/plan-change", operation_id="DropPlanChange", guards=[_WRITE], status_code=HTTP_200_OK)
    async def drop_change(self, flows: NamedDependency[Flows]) -> SubscriptionOut:
        """Retira el cambio de plan programado."""
        return await flows.drop_change()

    @post("/cancel", operation_id="CancelSubscription", guards=[_WRITE], status_code=HTTP_200_OK)
    async def cancel(self, data: JSONBody[CancelSubscription], flows: NamedDependency[Flows]) -> SubscriptionOut:
        """Cancela al final del período pagado, con su motivo."""
        return await flows.cancel(data)

    @post("/resume", operation_id="ResumeSubscription", guards=[_WRITE], status_code=HTTP_200_OK)
    async def resume(self, flows: NamedDependency[Flows]) -> SubscriptionOut:
        """Retoma una suscripción cancelada que todavía no termina."""
        return await flows.resume()

    @get("/invoices", operation_id="ListInvoices", guards=[_READ])
    async def list_invoices(
        self, work: NamedDependency[Work], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> InvoicePage:
        """Las facturas de la suscripción, de la más nueva a la más vieja, con su PDF y lo pagado."""
        return await invoice_page(work, limit, cursor)
