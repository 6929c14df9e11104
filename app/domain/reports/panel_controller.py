"""HTTP face of the first page, indicators and exported files."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from app.db.session import Work
from app.domain.reports.dashboard import DashboardOut, SummaryOut, dashboard, summary
from app.domain.reports.exports import AskExport, ExportOut, ExportPage, Exports, pieces, read_link, ready_file
from app.domain.reports.indicators import HiddenOut, HideIndicator, Indicators, IndicatorsOut, ShowIndicator
from app.domain.reports.live import check_streams, events
from app.domain.reports.sheets import MEDIA
from app.domain.reports.tables import heading
from app.lib.access import requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

_MAY = requires("reports:read", in_read_only=True)


class PanelController(Controller):
    path = "/reports"
    tags = ["Informes"]

    @get("/dashboard", operation_id="GetDashboard", guards=[_MAY])
    async def get_dashboard(self, work: NamedDependency[Work]) -> DashboardOut:
        """Hoy y el mes, comparados, con lo que hay que dibujar."""
        return await dashboard(work, (await heading(work)).company)

    @get("/summary", operation_id="GetSummary", guards=[_MAY])
    async def get_summary(self, work: NamedDependency[Work]) -> SummaryOut:
        """Las cifras del tablero en frases, escritas por reglas: nada sale de la empresa."""
        return summary(await dashboard(work, (await heading(work)).company))

    @get("/live", operation_id="FollowDashboard", guards=[_MAY], media_type="text/event-stream")
    async def get_live(self, work: NamedDependency[Work]) -> Stream:
        """El tablero como eventos del servidor (SSE): uno al abrir y uno con cada cambio."""
        check_streams(work.actor)
        database = work.database
        return Stream(
            events(database, work.actor, database.settings.live_seconds),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @get("/indicators", operation_id="ListIndicators", guards=[_MAY])
    async def list_indicators(self, work: NamedDependency[Work]) -> IndicatorsOut:
        """Lo que pide que alguien haga algo: qué, por qué, cuánto y qué mirar."""
        return await Indicators(work).read((await heading(work)).company)

    @post("/indicators/hide", operation_id="HideIndicator", guards=[requires("reports:write")], status_code=HTTP_200_OK)
    async def hide_indicator(self, data: JSONBody[HideIndicator], work: NamedDependency[Work]) -> HiddenOut:
        """Descarta un indicador, o un producto suyo; con `until`, lo pospone hasta ese día."""
        return await Indicators(work).hide(data)

    @post("/indicators/show", operation_id="ShowIndicator", guards=[requires("reports:write")], status_code=HTTP_200_OK)
    async def show_indicator(self, data: JSONBody[ShowIndicator], work: NamedDependency[Work]) -> HiddenOut:
        """Vuelve a mostrar un indicador descartado o pospuesto."""
        return await Indicators(work).show(data)

    @post(
        "/exports",
        operation_id="AskExport",
        guards=[requires("reports:read", writes=True, in_read_only=True, heavy=True)],
        status_code=HTTP_202_ACCEPTED,
    )
    async def ask_export(self, data: JSONBody[AskExport], work: NamedDependency[Work]) -> ExportOut:
        """Pide un archivo con todas las líneas, o todos los documentos, de un período; se escribe en segundo plano."""
        return await Exports(work).ask(data)

    @get("/exports", operation_id="ListExports", guards=[_MAY])
    async def list_exports(
        self, work: NamedDependency[Work], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> ExportPage:
        """Los archivos que usted pidió, el último primero."""
        return await Exports(work).page(limit, cursor)

    @get("/exports/{export_id:uuid}", operation_id="GetExport", guards=[_MAY])
    async def get_export(self, export_id: FromPath[UUID], work: NamedDependency[Work]) -> ExportOut:
        """Cuánto va de un archivo; listo, con un enlace que dura quince minutos."""
        return await Exports(work).find(export_id)

    @delete(
        "/exports/{export_id:uuid}",
        operation_id="RemoveExport",
        guards=[requires("reports:read", writes=True, in_read_only=True)],
    )
    async def remove_export(self, export_id: FromPath[UUID], work: NamedDependency[Work]) -> None:
        """Detiene o borra un archivo; no queda nada de él."""
        await Exports(work).remove(export_id)


class PublicExportController(Controller):
    path = "/public/exports"
    tags = ["Informes"]

    @get("/{token:str}", operation_id="DownloadExport", opt={"answers_file": sorted(MEDIA.values())[1:]})
    async def download(self, token: FromPath[str], request: Request[Any, Any, Any]) -> Stream:
        """El archivo de un enlace firmado; no pide iniciar sesión."""
        database = request.app.state.database
        tenant_id, export_id = read_link(database.settings, token)
        row = await ready_file(database, tenant_id, export_id)
        name = f"{row.report}-{row.asked['first']}-{row.asked['last']}.{row.format}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(row.size)}
        return Stream(pieces(database, tenant_id, export_id), media_type=MEDIA[row.format], headers=headers)
