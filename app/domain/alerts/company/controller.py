"""HTTP face of a company's own alerts."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK

from app.db.session import Work
from app.domain.alerts.company.kinds import KindCode
from app.domain.alerts.company.rules import RuleService
from app.domain.alerts.company.schemas import (
    AcknowledgeAlert,
    AlertPreferencesOut,
    AlertSettingsOut,
    ChangeRule,
    CompanyAlertDetailOut,
    CompanyAlertOut,
    CompanyAlertPage,
    CompanyAlertStatus,
    PutAlertPreferences,
    PutAlertSettings,
    RuleList,
    RuleOut,
)
from app.domain.alerts.company.service import CompanyAlerts, everywhere
from app.lib.access import requires
from app.lib.etag import check_if_match
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

StatusParam = Annotated[
    CompanyAlertStatus | None, QueryParameter(name="status", description="Abiertas, atendidas o resueltas.")
]
KindParam = Annotated[KindCode | None, QueryParameter(name="kind", description="De una clase.")]


def provide_alerts(work: NamedDependency[Work]) -> CompanyAlerts:
    return CompanyAlerts(everywhere(work))


def provide_rules(work: NamedDependency[Work]) -> RuleService:
    return RuleService(everywhere(work))


class CompanyAlertController(Controller):
    path = "/alerts"
    tags = ["Alertas"]
    dependencies = {
        "alerts": Provide(provide_alerts, sync_to_thread=False),
        "rules": Provide(provide_rules, sync_to_thread=False),
    }

    @get(operation_id="ListAlerts", guards=[requires("alerts:read")])
    async def list_alerts(
        self,
        alerts: NamedDependency[CompanyAlerts],
        status: StatusParam = None,
        kind: KindParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> CompanyAlertPage:
        """Lo que está o estuvo mal en la tienda, de lo más nuevo a lo más viejo."""
        return await alerts.page(status=status, kind=kind, limit=limit, cursor=cursor)

    @get("/rules", operation_id="ListAlertRules", guards=[requires("alerts:read")])
    async def list_rules(self, rules: NamedDependency[RuleService]) -> RuleList:
        """De qué avisa, con qué umbrales y si está encendido."""
        return await rules.page()

    @get("/rules/{kind:str}", operation_id="GetAlertRule", guards=[requires("alerts:read")])
    async def get_rule(self, kind: FromPath[str], rules: NamedDependency[RuleService]) -> RuleOut:
        """Una clase de alerta."""
        return await rules.read(kind)

    @patch("/rules/{kind:str}", operation_id="ChangeAlertRule", guards=[requires("alerts:write")])
    async def change_rule(
        self,
        request: Request[Any, Any, Any],
        kind: FromPath[str],
        data: JSONBody[ChangeRule],
        rules: NamedDependency[RuleService],
    ) -> RuleOut:
        """Enciende o apaga una clase de alerta, o cambia su severidad y sus umbrales."""
        return await rules.change(kind, data, lambda current: check_if_match(request, current))

    @get("/settings", operation_id="GetAlertSettings", guards=[requires("alerts:read")])
    async def get_settings(self, alerts: NamedDependency[CompanyAlerts]) -> AlertSettingsOut:
        """Las horas sin correos de la empresa."""
        return await alerts.settings()

    @put("/settings", operation_id="PutAlertSettings", guards=[requires("alerts:write")])
    async def put_settings(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[PutAlertSettings],
        alerts: NamedDependency[CompanyAlerts],
    ) -> AlertSettingsOut:
        """Dice en qué horas no se envían correos; lo que pase entonces se avisa al terminar."""
        return await alerts.put_settings(data, lambda current: check_if_match(request, current))

    @get("/preferences", operation_id="GetAlertPreferences", guards=[requires("alerts:read")])
    async def get_preferences(self, alerts: NamedDependency[CompanyAlerts]) -> AlertPreferencesOut:
        """Cómo se entera quien llama."""
        return await alerts.preferences()

    @put("/preferences", operation_id="PutAlertPreferences", guards=[requires("alerts:read")])
    async def put_preferences(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[PutAlertPreferences],
        alerts: NamedDependency[CompanyAlerts],
    ) -> AlertPreferencesOut:
        """Cambia cómo se entera quien llama: al momento, una vez al día o nunca, desde qué severidad y en qué horas."""
        return await alerts.put_preferences(data, lambda current: check_if_match(request, current))

    @get("/{alert_id:uuid}", operation_id="GetAlert", guards=[requires("alerts:read")])
    async def get_alert(
        self, alert_id: FromPath[UUID], alerts: NamedDependency[CompanyAlerts]
    ) -> CompanyAlertDetailOut:
        """Una alerta con cada aviso, enviado o no y por qué."""
        return await alerts.read(alert_id)

    @post(
        "/{alert_id:uuid}/acknowledge",
        operation_id="AcknowledgeAlert",
        guards=[requires("alerts:write")],
        status_code=HTTP_200_OK,
    )
    async def acknowledge(
        self, alert_id: FromPath[UUID], data: JSONBody[AcknowledgeAlert], alerts: NamedDependency[CompanyAlerts]
    ) -> CompanyAlertOut:
        """Alguien la atiende: deja de repetirse. El fin se avisa igual."""
        return await alerts.acknowledge(alert_id, data)
