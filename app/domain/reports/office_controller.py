"""HTTP face of what leaves the shop by itself: scheduled reports, and figures for the bookkeeper."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter

from app.db.session import Work
from app.domain.reports.accounting import AccountsOut, Package, SetAccounts, accounts, journal, set_accounts
from app.domain.reports.asked import Asked
from app.domain.reports.params import provide_period, sent
from app.domain.reports.schedules import ChangeSchedule, MakeSchedule, ScheduleOut, SchedulePage, Schedules
from app.domain.reports.tables import ReportOut
from app.lib.access import requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

_MAY = requires("reports:read", in_read_only=True)
_WRITES = requires("reports:write")
PackageParam = Annotated[
    Package,
    QueryParameter(name="package", description="Columnas de la hoja: las propias, o las de un programa contable."),
]


class OfficeController(Controller):
    path = "/reports"
    tags = ["Informes"]
    dependencies = {"asked": Provide(provide_period)}

    @get("/schedules", operation_id="ListReportSchedules", guards=[_MAY])
    async def list_schedules(
        self, work: NamedDependency[Work], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> SchedulePage:
        """Los informes que salen por correo, con el día del próximo."""
        return await Schedules(work).page(limit, cursor)

    @post("/schedules", operation_id="MakeReportSchedule", guards=[_WRITES])
    async def make_schedule(self, data: JSONBody[MakeSchedule], work: NamedDependency[Work]) -> ScheduleOut:
        """Programa el informe de cada día, semana o mes: sale a las seis de la mañana siguiente, sin costos ni clientes."""
        return await Schedules(work).make(data)

    @patch("/schedules/{schedule_id:uuid}", operation_id="ChangeReportSchedule", guards=[_WRITES])
    async def change_schedule(
        self, schedule_id: FromPath[UUID], data: JSONBody[ChangeSchedule], work: NamedDependency[Work]
    ) -> ScheduleOut:
        """Cambia a quién llega, o lo pausa; al reanudarlo no se envía lo que faltó."""
        return await Schedules(work).change(schedule_id, data)

    @delete("/schedules/{schedule_id:uuid}", operation_id="RemoveReportSchedule", guards=[_WRITES])
    async def remove_schedule(self, schedule_id: FromPath[UUID], work: NamedDependency[Work]) -> None:
        """Deja de enviarlo."""
        await Schedules(work).remove(schedule_id)

    @get("/accounting", operation_id="GetAccountingReport", guards=[_MAY])
    async def get_accounting(
        self, work: NamedDependency[Work], asked: NamedDependency[Asked], package: PackageParam = "plain"
    ) -> Response[ReportOut]:
        """Las ventas como asientos del PUC, uno por día y sucursal, cuadrados; para importarlos en el programa contable."""
        return await sent(work, asked, await journal(work, asked, package))

    @get("/accounts", operation_id="GetAccounts", guards=[_MAY])
    async def get_accounts(self, work: NamedDependency[Work]) -> AccountsOut:
        """La cuenta del PUC de cada concepto: la usual, o la que la empresa fijó."""
        return await accounts(work)

    @put("/accounts", operation_id="SetAccounts", guards=[_WRITES])
    async def set_accounts(self, data: JSONBody[SetAccounts], work: NamedDependency[Work]) -> AccountsOut:
        """Fija cuentas propias; los conceptos que no nombre vuelven a la usual."""
        return await set_accounts(work, data)
