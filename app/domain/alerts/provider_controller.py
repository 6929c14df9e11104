"""HTTP face of the operator's alerts, jobs and schedules."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from app.db.desk import Desk, provide_desk
from app.domain.alerts.jobs_admin import JobAdmin
from app.domain.alerts.notices import Severity
from app.domain.alerts.schemas import (
    Acknowledge,
    AlertDetailOut,
    AlertOut,
    AlertPage,
    AlertStatus,
    ChannelsOut,
    CreateSilence,
    DiscardJob,
    JobStatus,
    ProviderJobPage,
    ScheduleRunPage,
    SchedulesOut,
    SilenceOut,
    SilencePage,
    TestOut,
)
from app.domain.alerts.service import ProviderAlerts
from app.lib.access import requires_staff
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

StatusParam = Annotated[
    AlertStatus | None, QueryParameter(name="status", description="Abiertas, atendidas o resueltas.")
]
SeverityParam = Annotated[Severity | None, QueryParameter(name="severity", description="De una severidad.")]
TestSeverityParam = Annotated[Severity, QueryParameter(name="severity", description="Con qué severidad se prueba.")]
JobStatusParam = Annotated[
    JobStatus | None, QueryParameter(name="status", description="`dead`: fallaron definitivamente.")
]
KindParam = Annotated[str | None, QueryParameter(name="kind", description="De una clase, como `mail.send`.")]
CompanyParam = Annotated[UUID | None, QueryParameter(name="tenantId", description="De una empresa.")]
ScheduleParam = Annotated[str | None, QueryParameter(name="name", description="De una tarea programada.")]


def provide_alerts(desk: NamedDependency[Desk]) -> ProviderAlerts:
    return ProviderAlerts(desk)


def provide_job_admin(desk: NamedDependency[Desk]) -> JobAdmin:
    return JobAdmin(desk)


class ProviderAlertController(Controller):
    path = "/provider/alerts"
    tags = ["Operador: alertas"]
    dependencies = {"desk": Provide(provide_desk), "alerts": Provide(provide_alerts, sync_to_thread=False)}

    @get(operation_id="ListProviderAlerts", guards=[requires_staff("alerts:read")])
    async def list_alerts(
        self,
        alerts: NamedDependency[ProviderAlerts],
        status: StatusParam = None,
        severity: SeverityParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> AlertPage:
        """Lo que falló y lo que falla, de lo más nuevo a lo más viejo."""
        return await alerts.page(status=status, severity=severity, limit=limit, cursor=cursor)

    @post("/test", operation_id="TestProviderAlerts", guards=[requires_staff("alerts:write")], status_code=HTTP_200_OK)
    async def test_channels(
        self, alerts: NamedDependency[ProviderAlerts], severity: TestSeverityParam = "critical"
    ) -> TestOut:
        """Envía un aviso de verdad por cada canal configurado y dice cómo le fue a cada uno."""
        return await alerts.test(severity)

    @get("/channels", operation_id="GetProviderAlertChannels", guards=[requires_staff("alerts:write")])
    async def get_channels(self, alerts: NamedDependency[ProviderAlerts]) -> ChannelsOut:
        """Qué canales hay, qué va por cada uno, y la clave que verifica la firma del webhook."""
        return alerts.channels()

    @get("/silences", operation_id="ListProviderSilences", guards=[requires_staff("alerts:read")])
    async def list_silences(
        self, alerts: NamedDependency[ProviderAlerts], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> SilencePage:
        """Silencios, también los que terminaron."""
        return await alerts.silences(limit, cursor)

    @post(
        "/silences",
        operation_id="CreateProviderSilence",
        guards=[requires_staff("alerts:write")],
        status_code=HTTP_201_CREATED,
    )
    async def create_silence(
        self, data: JSONBody[CreateSilence], alerts: NamedDependency[ProviderAlerts]
    ) -> SilenceOut:
        """Calla una comprobación por un tiempo; lo que siga mal al terminar, se avisa."""
        return await alerts.silence(data)

    @delete(
        "/silences/{silence_id:uuid}",
        operation_id="EndProviderSilence",
        guards=[requires_staff("alerts:write")],
        status_code=HTTP_200_OK,
    )
    async def end_silence(self, silence_id: FromPath[UUID], alerts: NamedDependency[ProviderAlerts]) -> SilenceOut:
        """Termina un silencio antes de tiempo."""
        return await alerts.end_silence(silence_id)

    @get("/{alert_id:uuid}", operation_id="GetProviderAlert", guards=[requires_staff("alerts:read")])
    async def get_alert(self, alert_id: FromPath[UUID], alerts: NamedDependency[ProviderAlerts]) -> AlertDetailOut:
        """Una alerta con cada aviso, enviado o no y por qué."""
        return await alerts.read(alert_id)

    @post(
        "/{alert_id:uuid}/acknowledge",
        operation_id="AcknowledgeProviderAlert",
        guards=[requires_staff("alerts:write")],
        status_code=HTTP_200_OK,
    )
    async def acknowledge(
        self, alert_id: FromPath[UUID], data: JSONBody[Acknowledge], alerts: NamedDependency[ProviderAlerts]
    ) -> AlertOut:
        """Alguien la atiende: no se repite ni se escala. El fin se avisa igual."""
        return await alerts.acknowledge(alert_id, data)


class ProviderJobController(Controller):
    path = "/provider"
    tags = ["Operador: trabajos"]
    dependencies = {"desk": Provide(provide_desk), "admin": Provide(provide_job_admin, sync_to_thread=False)}

    @get("/jobs", operation_id="ListProviderJobs", guards=[requires_staff("jobs:read")])
    async def list_jobs(
        self,
        admin: NamedDependency[JobAdmin],
        status: JobStatusParam = None,
        kind: KindParam = None,
        tenant_id: CompanyParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> ProviderJobPage:
        """Trabajos en segundo plano de todas las empresas, sin su contenido."""
        return await admin.page(status=status, kind=kind, tenant_id=tenant_id, limit=limit, cursor=cursor)

    @post(
        "/jobs/{tenant_id:uuid}/{job_id:uuid}/retry",
        operation_id="RetryProviderJob",
        guards=[requires_staff("jobs:write")],
        status_code=HTTP_204_NO_CONTENT,
    )
    async def retry_job(
        self, tenant_id: FromPath[UUID], job_id: FromPath[UUID], admin: NamedDependency[JobAdmin]
    ) -> None:
        """Vuelve a intentar un trabajo que falló definitivamente."""
        await admin.retry(tenant_id, job_id)

    @post(
        "/jobs/{tenant_id:uuid}/{job_id:uuid}/discard",
        operation_id="DiscardProviderJob",
        guards=[requires_staff("jobs:write")],
        status_code=HTTP_204_NO_CONTENT,
    )
    async def discard_job(
        self,
        tenant_id: FromPath[UUID],
        job_id: FromPath[UUID],
        data: JSONBody[DiscardJob],
        admin: NamedDependency[JobAdmin],
    ) -> None:
        """Da por perdido un trabajo que falló definitivamente; queda en el registro y deja de contarse."""
        await admin.discard(tenant_id, job_id, data.reason)

    @get("/schedules", operation_id="ListProviderSchedules", guards=[requires_staff("jobs:read")])
    async def list_schedules(self, admin: NamedDependency[JobAdmin]) -> SchedulesOut:
        """Tareas programadas: cada cuánto, cuándo corren y cómo les fue."""
        return await admin.schedules()

    @get("/schedules/runs", operation_id="ListProviderScheduleRuns", guards=[requires_staff("jobs:read")])
    async def list_runs(
        self,
        admin: NamedDependency[JobAdmin],
        name: ScheduleParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> ScheduleRunPage:
        """Qué corrió y cuándo, en los últimos treinta días."""
        return await admin.runs(name=name, limit=limit, cursor=cursor)
