"""HTTP face of webhooks."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_202_ACCEPTED
from msgspec import structs

from app.db.session import Work
from app.domain.tenants.scope import check_whole
from app.domain.webhooks.deliveries import DeliveryService
from app.domain.webhooks.endpoints import EndpointService
from app.domain.webhooks.events import TYPES
from app.domain.webhooks.schemas import (
    ChangeEndpoint,
    CreateEndpoint,
    DeliveryDetailOut,
    DeliveryPage,
    DeliveryStatus,
    EndpointOut,
    EndpointPage,
    EventTypeList,
    EventTypeOut,
    NewEndpointOut,
    ReplayedOut,
    ReplaySpan,
    RotateSecret,
)
from app.domain.webhooks.secrets import SecretVault
from app.lib.access import requires
from app.lib.etag import check_if_match
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT
from app.lib.schemas import JSON

EndpointParam = Annotated[UUID | None, QueryParameter(name="endpointId", description="De ese destino.")]
StatusParam = Annotated[DeliveryStatus | None, QueryParameter(name="status", description="Solo en ese estado.")]
TypeParam = Annotated[str | None, QueryParameter(name="eventType", max_length=60, description="Solo de ese evento.")]


def provide_endpoints(work: NamedDependency[Work]) -> EndpointService:
    check_whole(work.actor)
    return EndpointService(work, SecretVault(work.database.settings))


def provide_deliveries(work: NamedDependency[Work]) -> DeliveryService:
    check_whole(work.actor)
    return DeliveryService(work)


class WebhookController(Controller):
    path = "/webhooks"
    tags = ["Webhooks"]
    dependencies = {
        "endpoints": Provide(provide_endpoints, sync_to_thread=False),
        "deliveries": Provide(provide_deliveries, sync_to_thread=False),
    }

    @get("/event-types", operation_id="ListWebhookEventTypes", guards=[requires("webhooks:read")])
    async def list_event_types(self) -> EventTypeList:
        """Los eventos a los que un destino se puede suscribir."""
        items = [EventTypeOut(name=one.name, description=one.said) for one in TYPES.values()]
        return EventTypeList(items=items, next_cursor=None)

    @get("/endpoints", operation_id="ListWebhookEndpoints", guards=[requires("webhooks:read")])
    async def list_endpoints(
        self,
        endpoints: NamedDependency[EndpointService],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> EndpointPage:
        """Los destinos de la empresa, del más nuevo al más viejo."""
        return await endpoints.page(limit, cursor)

    @post("/endpoints", operation_id="CreateWebhookEndpoint", guards=[requires("webhooks:write")])
    async def create_endpoint(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[CreateEndpoint],
        endpoints: NamedDependency[EndpointService],
    ) -> Response[NewEndpointOut]:
        """Registra un destino y muestra una sola vez el secreto con que se firman sus entregas."""
        return _told_once(request, await endpoints.create(data), HTTP_201_CREATED)

    @get("/endpoints/{endpoint_id:uuid}", operation_id="GetWebhookEndpoint", guards=[requires("webhooks:read")])
    async def get_endpoint(
        self, endpoint_id: FromPath[UUID], endpoints: NamedDependency[EndpointService]
    ) -> EndpointOut:
        """Un destino."""
        return await endpoints.read(endpoint_id)

    @patch("/endpoints/{endpoint_id:uuid}", operation_id="ChangeWebhookEndpoint", guards=[requires("webhooks:write")])
    async def change_endpoint(
        self,
        request: Request[Any, Any, Any],
        endpoint_id: FromPath[UUID],
        data: JSONBody[ChangeEndpoint],
        endpoints: NamedDependency[EndpointService],
    ) -> EndpointOut:
        """Cambia un destino, lo desactiva o lo activa de nuevo."""
        return await endpoints.change(endpoint_id, data, lambda current: check_if_match(request, current))

    @delete(
        "/endpoints/{endpoint_id:uuid}",
        operation_id="RemoveWebhookEndpoint",
        guards=[requires("webhooks:write", in_read_only=True)],
    )
    async def remove_endpoint(self, endpoint_id: FromPath[UUID], endpoints: NamedDependency[EndpointService]) -> None:
        """Elimina un destino y sus secretos; su registro de entregas se conserva 30 días."""
        await endpoints.remove(endpoint_id)

    @post(
        "/endpoints/{endpoint_id:uuid}/rotate-secret",
        operation_id="RotateWebhookSecret",
        guards=[requires("webhooks:write", in_read_only=True)],
        status_code=HTTP_200_OK,
    )
    async def rotate_secret(
        self,
        request: Request[Any, Any, Any],
        endpoint_id: FromPath[UUID],
        data: JSONBody[RotateSecret],
        endpoints: NamedDependency[EndpointService],
    ) -> Response[NewEndpointOut]:
        """Cambia el secreto y lo muestra una sola vez; el anterior sigue firmando al lado el tiempo que se pida."""
        return _told_once(request, await endpoints.rotate(endpoint_id, data), HTTP_200_OK)

    @post(
        "/endpoints/{endpoint_id:uuid}/test",
        operation_id="TestWebhookEndpoint",
        guards=[requires("webhooks:write", heavy=True)],
        status_code=HTTP_202_ACCEPTED,
    )
    async def test_endpoint(
        self, endpoint_id: FromPath[UUID], deliveries: NamedDependency[DeliveryService]
    ) -> DeliveryDetailOut:
        """Envía un evento de prueba a este destino; cómo le fue se ve en la entrega."""
        return await deliveries.test(endpoint_id)

    @post(
        "/endpoints/{endpoint_id:uuid}/replay",
        operation_id="ReplayWebhookSpan",
        guards=[requires("webhooks:write", heavy=True)],
        status_code=HTTP_202_ACCEPTED,
    )
    async def replay_span(
        self,
        endpoint_id: FromPath[UUID],
        data: JSONBody[ReplaySpan],
        deliveries: NamedDependency[DeliveryService],
    ) -> ReplayedOut:
        """Reenvía lo que pasó en un lapso y no llegó; con `deliveredToo`, también lo que llegó."""
        return await deliveries.replay_span(endpoint_id, data)

    @get("/deliveries", operation_id="ListWebhookDeliveries", guards=[requires("webhooks:read")])
    async def list_deliveries(
        self,
        deliveries: NamedDependency[DeliveryService],
        endpoint_id: EndpointParam = None,
        status: StatusParam = None,
        event_type: TypeParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> DeliveryPage:
        """El registro de entregas de los últimos 30 días, de la más nueva a la más vieja."""
        return await deliveries.page(
            endpoint_id=endpoint_id, status=status, event_type=event_type, limit=limit, cursor=cursor
        )

    @get("/deliveries/{delivery_id:uuid}", operation_id="GetWebhookDelivery", guards=[requires("webhooks:read")])
    async def get_delivery(
        self, delivery_id: FromPath[UUID], deliveries: NamedDependency[DeliveryService]
    ) -> DeliveryDetailOut:
        """Una entrega con lo que se envió y lo que el destino respondió a cada intento."""
        return await deliveries.read(delivery_id)

    @post(
        "/deliveries/{delivery_id:uuid}/replay",
        operation_id="ReplayWebhookDelivery",
        guards=[requires("webhooks:write", heavy=True)],
        status_code=HTTP_202_ACCEPTED,
    )
    async def replay_delivery(
        self, delivery_id: FromPath[UUID], deliveries: NamedDependency[DeliveryService]
    ) -> DeliveryDetailOut:
        """Reenvía una entrega, con el mismo id y el mismo contenido."""
        return await deliveries.replay(delivery_id)


def _told_once(request: Request[Any, Any, Any], made: NewEndpointOut, status: int) -> Response[NewEndpointOut]:
    request.scope["state"]["request_work"].kept = JSON.encode(structs.replace(made, secret=None))
    return Response(made, status_code=status)
