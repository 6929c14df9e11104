"""HTTP face of electronic documents."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_202_ACCEPTED

from app.db.session import Work
from app.domain.invoicing.by_hand import ByHand
from app.domain.invoicing.contingencies import Contingencies
from app.domain.invoicing.documents import DocumentFilters, DocumentReader
from app.domain.invoicing.habilitation import Habilitation
from app.domain.invoicing.owed import Withdrawal, ask_owed, refuse_withdrawn
from app.domain.invoicing.ranges import Ranges
from app.domain.invoicing.readiness import Readiness
from app.domain.invoicing.resend import Resend
from app.domain.invoicing.schemas import (
    CertificateOut,
    ChangeRange,
    ContingencyOut,
    ContingencyPage,
    CreateRange,
    DeclareContingency,
    DianSettingsOut,
    DocumentDetailOut,
    DocumentPage,
    EventPage,
    HabilitationOut,
    HabilitationPage,
    ImportOut,
    ImportRanges,
    IssueDocument,
    PutCertificate,
    PutDianSettings,
    RangeOut,
    RangePage,
    ReadinessOut,
    StartHabilitation,
    WithdrawDocument,
)
from app.domain.invoicing.setup import Setup
from app.domain.invoicing.test_sets import test_set_page
from app.lib.access import MOVES_VALUE, requires
from app.lib.etag import check_if_match
from app.lib.file_answer import file_answer
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

MODULE = "invoicing"
StatusParam = Annotated[
    Literal["pending", "signed", "sent", "accepted", "rejected", "unknown", "withdrawn"] | None,
    QueryParameter(name="status"),
]
KindParam = Annotated[str | None, QueryParameter(name="kind", max_length=2, description="Tipo de la DIAN: 01, 20, …")]
FromDayParam = Annotated[date | None, QueryParameter(name="from", description="Primer día.")]
ToDayParam = Annotated[date | None, QueryParameter(name="to", description="Último día, inclusive.")]
SaleParam = Annotated[UUID | None, QueryParameter(name="saleId", description="De una venta.")]
NumberParam = Annotated[str | None, QueryParameter(name="number", max_length=20)]
FileParam = Annotated[
    Literal["xml", "response"],
    QueryParameter(name="file", description="El documento firmado, o la respuesta de la DIAN."),
]


def provide_setup(request: Request[Any, Any, Any], work: NamedDependency[Work]) -> Setup:
    return Setup(work, request.app.state.vault)


def provide_ranges(request: Request[Any, Any, Any], work: NamedDependency[Work]) -> Ranges:
    return Ranges(work, request.app.state.vault)


def provide_documents(work: NamedDependency[Work]) -> DocumentReader:
    return DocumentReader(work)


class DianController(Controller):
    path = "/dian"
    tags = ["Documentos electrónicos"]
    dependencies = {
        "setup": Provide(provide_setup, sync_to_thread=False),
        "ranges": Provide(provide_ranges, sync_to_thread=False),
    }

    @get("/settings", operation_id="GetDianSettings", guards=[requires("dian:read", module=MODULE)])
    async def get_settings(self, setup: NamedDependency[Setup]) -> DianSettingsOut:
        """Cómo expide la empresa; el PIN no se muestra."""
        return await setup.read()

    @put("/settings", operation_id="PutDianSettings", guards=[requires("dian:write", module=MODULE)])
    async def put_settings(
        self, request: Request[Any, Any, Any], data: JSONBody[PutDianSettings], setup: NamedDependency[Setup]
    ) -> DianSettingsOut:
        """Guarda cómo expide la empresa, y la habilita cuando tiene todo."""
        return await setup.put(data, lambda current: check_if_match(request, current))

    @put("/certificate", operation_id="PutDianCertificate", guards=[requires("dian:write", module=MODULE, heavy=True)])
    async def put_certificate(self, data: JSONBody[PutCertificate], setup: NamedDependency[Setup]) -> CertificateOut:
        """Instala el certificado digital, después de revisarlo; reemplaza el anterior."""
        return await setup.put_certificate(data)

    @get("/readiness", operation_id="GetDianReadiness", guards=[requires("dian:read", module=MODULE)])
    async def get_readiness(self, work: NamedDependency[Work]) -> ReadinessOut:
        """Qué falta para expedir."""
        return await Readiness(work).ask()

    @get("/ranges", operation_id="ListDianRanges", guards=[requires("dian:read", module=MODULE)])
    async def list_ranges(
        self, ranges: NamedDependency[Ranges], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> RangePage:
        """Numeración: cuántos números quedan y hasta cuándo alcanzan."""
        return await ranges.page(limit, cursor)

    @post(
        "/ranges",
        operation_id="CreateDianRange",
        guards=[requires("dian:write", module=MODULE)],
        status_code=HTTP_201_CREATED,
    )
    async def create_range(self, data: JSONBody[CreateRange], ranges: NamedDependency[Ranges]) -> Response[RangeOut]:
        """Escribe una resolución de numeración, o el consecutivo propio de una clase de nota."""
        made, is_new = await ranges.create(data)
        return Response(made, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @patch("/ranges/{range_id:uuid}", operation_id="ChangeDianRange", guards=[requires("dian:write", module=MODULE)])
    async def change_range(
        self,
        request: Request[Any, Any, Any],
        range_id: FromPath[UUID],
        data: JSONBody[ChangeRange],
        ranges: NamedDependency[Ranges],
    ) -> RangeOut:
        """Dice qué sucursal o caja usa un rango, o lo cierra."""
        return await ranges.change(range_id, data, lambda current: check_if_match(request, current))

    @post(
        "/ranges/import",
        operation_id="ImportDianRanges",
        guards=[requires("dian:write", module=MODULE)],
        status_code=HTTP_202_ACCEPTED,
    )
    async def import_ranges(self, data: JSONBody[ImportRanges], ranges: NamedDependency[Ranges]) -> ImportOut:
        """Pide a la DIAN la numeración autorizada; llega por sí sola a la lista."""
        return await ranges.ask_import(data)

    @get("/contingencies", operation_id="ListDianContingencies", guards=[requires("dian:read", module=MODULE)])
    async def list_contingencies(
        self, work: NamedDependency[Work], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> ContingencyPage:
        """Contingencias de la DIAN, de la más nueva a la más vieja."""
        return await Contingencies(work).page(limit, cursor)

    @post(
        "/contingencies",
        operation_id="DeclareDianContingency",
        guards=[requires("dian:write", module=MODULE)],
        status_code=HTTP_201_CREATED,
    )
    async def declare_contingency(
        self, data: JSONBody[DeclareContingency], work: NamedDependency[Work]
    ) -> Response[ContingencyOut]:
        """Declara que la DIAN está en contingencia: lo que se expide adentro se envía como tipo 04 u 08."""
        made, is_new = await Contingencies(work).declare(data)
        return Response(made, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @post(
        "/contingencies/{contingency_id:uuid}/end",
        operation_id="EndDianContingency",
        guards=[requires("dian:write", module=MODULE)],
        status_code=HTTP_200_OK,
    )
    async def end_contingency(self, contingency_id: FromPath[UUID], work: NamedDependency[Work]) -> ContingencyOut:
        """Termina la contingencia: lo que espera se envía dentro de las 48 horas siguientes."""
        return await Contingencies(work).end(contingency_id)

    @get("/habilitation", operation_id="ListHabilitations", guards=[requires("dian:read", module=MODULE)])
    async def list_habilitations(
        self, work: NamedDependency[Work], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> HabilitationPage:
        """Sets de pruebas con su avance, del más nuevo al más viejo."""
        return await test_set_page(work, limit, cursor)

    @post(
        "/habilitation",
        operation_id="StartHabilitation",
        guards=[requires("dian:write", module=MODULE)],
        status_code=HTTP_201_CREATED,
    )
    async def start_habilitation(
        self, data: JSONBody[StartHabilitation], work: NamedDependency[Work]
    ) -> Response[HabilitationOut]:
        """Envía el set de pruebas del portal de la DIAN y lo sigue hasta el final."""
        made, is_new = await Habilitation(work).start(data)
        return Response(made, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)


class DocumentController(Controller):
    path = "/dian/documents"
    tags = ["Documentos electrónicos"]
    dependencies = {"documents": Provide(provide_documents, sync_to_thread=False)}

    @get(operation_id="ListDocuments", guards=[requires("dian:read", module=MODULE)])
    async def list_documents(
        self,
        documents: NamedDependency[DocumentReader],
        status: StatusParam = None,
        kind: KindParam = None,
        day_from: FromDayParam = None,
        day_to: ToDayParam = None,
        sale_id: SaleParam = None,
        number: NumberParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> DocumentPage:
        """Documentos electrónicos, del más nuevo al más viejo."""
        filters = DocumentFilters(
            status=status, kind=kind, day_from=day_from, day_to=day_to, sale_id=sale_id, number=number
        )
        return await documents.page(filters, limit, cursor)

    @post(
        operation_id="IssueDocument",
        guards=[requires("dian:issue", module=MODULE)],
        opt=MOVES_VALUE,
        status_code=HTTP_201_CREATED,
    )
    async def issue_document(
        self,
        data: JSONBody[IssueDocument],
        work: NamedDependency[Work],
        documents: NamedDependency[DocumentReader],
    ) -> Response[DocumentDetailOut]:
        """Expide un documento que no sale de una venta: exportación, contingencia de papel, soporte, notas 92, 93 y 95."""
        document_id, is_new = await ByHand(work).issue(data)
        return Response(await documents.read(document_id), status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get("/{document_id:uuid}", operation_id="GetDocument", guards=[requires("dian:read", module=MODULE)])
    async def get_document(
        self, document_id: FromPath[UUID], documents: NamedDependency[DocumentReader]
    ) -> DocumentDetailOut:
        """Un documento: dónde va, qué dijo la DIAN y cómo arreglarlo."""
        return await documents.read(document_id)

    @get("/{document_id:uuid}/events", operation_id="ListDocumentEvents", guards=[requires("dian:read", module=MODULE)])
    async def list_events(
        self,
        document_id: FromPath[UUID],
        documents: NamedDependency[DocumentReader],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> EventPage:
        """La historia de un documento, paso a paso."""
        return await documents.events(document_id, limit, cursor)

    @get(
        "/{document_id:uuid}/xml",
        operation_id="GetDocumentXml",
        guards=[requires("dian:read", module=MODULE)],
        media_type="application/xml",
    )
    async def get_xml(
        self,
        request: Request[Any, Any, Any],
        document_id: FromPath[UUID],
        documents: NamedDependency[DocumentReader],
        file: FileParam = "xml",
    ) -> Response[bytes]:
        """El documento firmado, o la respuesta de la DIAN, byte por byte."""
        found = await documents.file(document_id, file)
        return file_answer(request, found.content, found.name, "application/xml", digest=found.sha256)

    @post(
        "/{document_id:uuid}/resend",
        operation_id="ResendDocument",
        guards=[requires("dian:issue", module=MODULE)],
        status_code=HTTP_200_OK,
    )
    async def resend_document(
        self,
        document_id: FromPath[UUID],
        work: NamedDependency[Work],
        documents: NamedDependency[DocumentReader],
    ) -> DocumentDetailOut:
        """Envía otra vez un documento; uno rechazado se rehace con los datos de hoy y el mismo número."""
        row = await documents.find(document_id)
        refuse_withdrawn((await documents.read(document_id)).status)
        await Resend(work).run(row)
        # Its returns, meanwhile, are owed their notes.
        await ask_owed(work)
        return await documents.read(document_id)

    @post(
        "/{document_id:uuid}/withdraw",
        operation_id="WithdrawDocument",
        guards=[requires("dian:issue", module=MODULE)],
        status_code=HTTP_200_OK,
    )
    async def withdraw_document(
        self,
        document_id: FromPath[UUID],
        data: JSONBody[WithdrawDocument],
        work: NamedDependency[Work],
        documents: NamedDependency[DocumentReader],
    ) -> DocumentDetailOut:
        """Retira un documento rechazado que ya no se enviará, con las notas que lo esperan."""
        await Withdrawal(work).run(await documents.find(document_id), data)
        return await documents.read(document_id)
