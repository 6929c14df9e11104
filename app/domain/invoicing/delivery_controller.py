"""HTTP face of what buyers get: printed form, container, archive, mailings."""

from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.invoicing.archive import ArchiveReader
from app.domain.invoicing.controller import MODULE
from app.domain.invoicing.deliveries import Deliveries
from app.domain.invoicing.delivery_schemas import (
    ArchivedFilePage,
    DeliverDocument,
    DeliveryOut,
    DeliveryPage,
    DeliverySettingsOut,
    PutDeliverySettings,
)
from app.domain.invoicing.drawing import PdfWidth
from app.lib.access import requires
from app.lib.etag import check_if_match
from app.lib.file_answer import file_answer
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

WidthParam = Annotated[PdfWidth, QueryParameter(name="width", description="Carta, o rollo de 80 mm.")]

StatusParam = Annotated[
    Literal["pending", "sending", "sent", "refused", "failed", "uncertain", "bounced"] | None,
    QueryParameter(name="status"),
]


def provide_archive(work: NamedDependency[Work]) -> ArchiveReader:
    return ArchiveReader(work)


def provide_deliveries(work: NamedDependency[Work]) -> Deliveries:
    return Deliveries(work)


class DeliveryController(Controller):
    path = "/dian"
    tags = ["Documentos electrónicos"]
    dependencies = {
        "archive": Provide(provide_archive, sync_to_thread=False),
        "deliveries": Provide(provide_deliveries, sync_to_thread=False),
    }

    @get("/delivery-settings", operation_id="GetDeliverySettings", guards=[requires("dian:read", module=MODULE)])
    async def get_settings(self, deliveries: NamedDependency[Deliveries]) -> DeliverySettingsOut:
        """Cómo se entregan los documentos a los clientes."""
        return await deliveries.settings()

    @put("/delivery-settings", operation_id="PutDeliverySettings", guards=[requires("dian:write", module=MODULE)])
    async def put_settings(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[PutDeliverySettings],
        deliveries: NamedDependency[Deliveries],
    ) -> DeliverySettingsOut:
        """Dice qué documentos se envían por correo al validarlos la DIAN, y con qué."""
        return await deliveries.put_settings(data, lambda current: check_if_match(request, current))

    @get("/deliveries", operation_id="ListAllDeliveries", guards=[requires("dian:read", module=MODULE)])
    async def list_all_deliveries(
        self,
        deliveries: NamedDependency[Deliveries],
        status: StatusParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> DeliveryPage:
        """Envíos de documentos por correo, del más nuevo al más viejo: los que no llegaron, por ejemplo."""
        return await deliveries.page(status, limit, cursor)

    @get(
        "/documents/{document_id:uuid}/pdf",
        operation_id="GetDocumentPdf",
        guards=[requires("dian:read", module=MODULE)],
        media_type="application/pdf",
    )
    async def get_pdf(
        self,
        request: Request[Any, Any, Any],
        document_id: FromPath[UUID],
        archive: NamedDependency[ArchiveReader],
        width: WidthParam = "letter",
    ) -> Response[bytes]:
        """La representación gráfica, en carta o en rollo de 80 mm."""
        name, content = await archive.pdf(document_id, width)
        return file_answer(request, content, name, "application/pdf", shown="inline")

    @get(
        "/documents/{document_id:uuid}/attached-document",
        operation_id="GetAttachedDocument",
        guards=[requires("dian:read", module=MODULE)],
        media_type="application/xml",
    )
    async def get_container(
        self, request: Request[Any, Any, Any], document_id: FromPath[UUID], archive: NamedDependency[ArchiveReader]
    ) -> Response[bytes]:
        """El contenedor que recibe el cliente: el documento firmado con la respuesta de la DIAN."""
        found = await archive.container(document_id)
        return file_answer(request, found.content, found.name, "application/xml", digest=found.sha256)

    @get(
        "/documents/{document_id:uuid}/files",
        operation_id="ListDocumentFiles",
        guards=[requires("dian:read", module=MODULE)],
    )
    async def list_files(
        self,
        document_id: FromPath[UUID],
        archive: NamedDependency[ArchiveReader],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> ArchivedFilePage:
        """Lo que se guarda del documento, con su huella SHA-256."""
        return await archive.page(document_id, limit, cursor)

    @get(
        "/documents/{document_id:uuid}/archive",
        operation_id="GetDocumentArchive",
        guards=[requires("dian:read", module=MODULE)],
        media_type="application/zip",
    )
    async def get_archive(
        self, request: Request[Any, Any, Any], document_id: FromPath[UUID], archive: NamedDependency[ArchiveReader]
    ) -> Response[bytes]:
        """Todo lo que se guarda del documento en un zip, con sus huellas y su historia."""
        name, content = await archive.everything(document_id)
        return file_answer(request, content, name, "application/zip")

    @get(
        "/documents/{document_id:uuid}/deliveries",
        operation_id="ListDeliveries",
        guards=[requires("dian:read", module=MODULE)],
    )
    async def list_deliveries(
        self,
        document_id: FromPath[UUID],
        deliveries: NamedDependency[Deliveries],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> DeliveryPage:
        """Envíos del documento por correo, del más nuevo al más viejo, y cómo terminó cada uno."""
        return await deliveries.of(document_id, limit, cursor)

    @post(
        "/documents/{document_id:uuid}/deliver",
        operation_id="DeliverDocument",
        guards=[requires("dian:issue", module=MODULE)],
        status_code=HTTP_201_CREATED,
    )
    async def deliver_document(
        self, document_id: FromPath[UUID], data: JSONBody[DeliverDocument], deliveries: NamedDependency[Deliveries]
    ) -> Response[DeliveryOut]:
        """Envía el documento por correo otra vez, al mismo cliente o a otra dirección."""
        made, is_new = await deliveries.ask(document_id, data)
        return Response(made, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)
