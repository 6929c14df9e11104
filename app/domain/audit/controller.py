"""HTTP face of the audit trail."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter
from litestar.response import Stream

from app.db.session import Work
from app.domain.audit.entries import AuditFilter, export_entries, list_entries
from app.domain.audit.schemas import AuditPage, Verification
from app.domain.audit.verify import verify_chain
from app.domain.tenants.scope import check_whole
from app.lib.access import requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

ActionParam = Annotated[
    str | None, QueryParameter(name="action", description="Como `sale.posted`, o `sale.` para todas las de un asunto.")
]
SubjectParam = Annotated[UUID | None, QueryParameter(name="subjectId", description="Lo que se creó o cambió.")]
UserParam = Annotated[UUID | None, QueryParameter(name="userId", description="Quién lo hizo.")]
FromParam = Annotated[date | None, QueryParameter(name="from", description="Primer día, en la zona de la tienda.")]
ToParam = Annotated[date | None, QueryParameter(name="to", description="Último día, incluido.")]
FormatParam = Annotated[Literal["csv", "json"], QueryParameter(name="format", description="Formato del archivo.")]
FirstParam = Annotated[int, QueryParameter(name="fromSeq", ge=1, description="Primera entrada.")]
LastParam = Annotated[int | None, QueryParameter(name="toSeq", ge=1, description="Última entrada; sin ella, todas.")]


def provide_filter(
    work: NamedDependency[Work],
    action: ActionParam = None,
    subject_id: SubjectParam = None,
    user_id: UserParam = None,
    from_day: FromParam = None,
    to_day: ToParam = None,
) -> AuditFilter:
    # An entry tells the whole of what was done, wherever it was.
    check_whole(work.actor)
    return AuditFilter(action=action, subject_id=subject_id, user_id=user_id, from_day=from_day, to_day=to_day)


class AuditController(Controller):
    path = "/audit"
    tags = ["Auditoría"]
    dependencies = {"wanted": Provide(provide_filter, sync_to_thread=False)}

    @get("/entries", operation_id="ListAuditEntries", guards=[requires("audit:read")])
    async def list_audit_entries(
        self,
        work: NamedDependency[Work],
        wanted: NamedDependency[AuditFilter],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> AuditPage:
        """Quién hizo qué, lo más reciente primero."""
        return await list_entries(work, wanted, limit, cursor)

    @get("/export", operation_id="ExportAuditEntries", guards=[requires("audit:read")])
    async def export_audit_entries(
        self, work: NamedDependency[Work], wanted: NamedDependency[AuditFilter], file_format: FormatParam = "csv"
    ) -> Stream:
        """Lo mismo como archivo, completo."""
        # The answer's first byte ends the request's transaction; the file reads on in its own.
        rows = export_entries(work.database, work.actor, wanted, file_format)
        return Stream(
            rows,
            media_type="text/csv; charset=utf-8" if file_format == "csv" else "application/json",
            headers={"Content-Disposition": f'attachment; filename="auditoria.{file_format}"'},
        )

    @get("/verify", operation_id="VerifyAuditChain", guards=[requires("audit:read")])
    async def verify_audit_chain(
        self, work: NamedDependency[Work], from_seq: FirstParam = 1, to_seq: LastParam = None
    ) -> Verification:
        """Vuelve a calcular la cadena entre dos entradas y dice todo lo que no coincide."""
        return await verify_chain(work, from_seq, to_seq)
