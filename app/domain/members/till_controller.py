"""HTTP face of PINs, operators, approvals and API keys."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT
from msgspec import structs

from app.db.session import Work
from app.db.unit_of_work import RequestWork, provide_work
from app.domain.accounts.controller import provide_device, provide_limits, provide_logins, refuse_nul_in_body
from app.domain.accounts.service import Device
from app.domain.members.approvals import ApprovalService, parties
from app.domain.members.keys import KeyService
from app.domain.members.operators import take_over
from app.domain.members.pins import PinService, check_pin
from app.domain.members.schemas import (
    ApprovalOut,
    ApprovalPage,
    Approve,
    CreateKey,
    KeyPage,
    NewKeyOut,
    OperatorOut,
    OperatorPage,
    SetPin,
    TakeOver,
)
from app.lib.access import UNKEPT, requires
from app.lib.logins import LoginLimits
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT
from app.lib.ratelimit import RateLimits
from app.lib.schemas import JSON


def provide_pins(work: NamedDependency[Work], logins: NamedDependency[LoginLimits]) -> PinService:
    return PinService(work, logins)


def provide_keys(work: NamedDependency[Work]) -> KeyService:
    return KeyService(work)


def entered(request: Request[Any, Any, Any]) -> Work:
    """The transaction that the guard began, before its idempotency key is claimed."""
    request_work: RequestWork = request.scope["state"]["request_work"]
    assert request_work.work is not None
    return request_work.work


class PinController(Controller):
    path = ""
    tags = ["Personas"]
    dependencies = {
        "logins": Provide(provide_logins, sync_to_thread=False),
        "pins": Provide(provide_pins, sync_to_thread=False),
    }

    @put("/me/pin", operation_id="SetPin", guards=[requires(None)], status_code=HTTP_204_NO_CONTENT, opt=UNKEPT)
    async def set_pin(self, data: JSONBody[SetPin], pins: NamedDependency[PinService]) -> None:
        """Pone o cambia el PIN propio en esta empresa, confirmado con la contraseña."""
        await pins.set(data)

    @delete("/me/pin", operation_id="RemovePin", guards=[requires(None)])
    async def remove_pin(self, pins: NamedDependency[PinService]) -> None:
        """Quita el PIN propio en esta empresa."""
        await pins.remove()

    @get("/operators", operation_id="ListOperators", guards=[requires("cash:read")])
    async def list_operators(
        self,
        pins: NamedDependency[PinService],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> OperatorPage:
        """Quiénes pueden tomar la caja con su PIN, y qué puede aprobar cada quien."""
        return await pins.operators(limit, cursor)


class OperatorController(Controller):
    path = "/auth"
    tags = ["Acceso"]
    before_request = staticmethod(refuse_nul_in_body)
    dependencies = {
        "limits": Provide(provide_limits, sync_to_thread=False),
        "device": Provide(provide_device, sync_to_thread=False),
    }

    @post("/operator", operation_id="TakeOver", guards=[requires(None)], status_code=HTTP_200_OK)
    async def enter(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[TakeOver],
        limits: NamedDependency[RateLimits],
        device: NamedDependency[Device],
    ) -> OperatorOut:
        """Cambia de operador en una caja donde ya hay sesión: PIN por un token corto, solo para el mostrador."""
        return await take_over(entered(request), request.app.state.tokens, limits, data, device)


class ApprovalController(Controller):
    path = "/approvals"
    tags = ["Personas"]
    dependencies = {"limits": Provide(provide_limits, sync_to_thread=False)}

    @post(
        operation_id="Approve",
        guards=[requires(None, for_all_entries=True)],
        status_code=HTTP_201_CREATED,
        opt=UNKEPT,
    )
    async def approve(
        self, request: Request[Any, Any, Any], data: JSONBody[Approve], limits: NamedDependency[RateLimits]
    ) -> ApprovalOut:
        """Aprueba una sola operación de una persona: con el PIN del supervisor en la caja, o desde su propia sesión."""
        approver, _ = parties(data, entered(request).actor.user_id)
        if data.pin is not None:
            # Before the key is claimed: a counted attempt is committed at once.
            await check_pin(entered(request), limits, approver, data.pin)
        return await ApprovalService(await provide_work(request)).approve(data)

    @get(operation_id="ListApprovals", guards=[requires("sales:approve", writes=False)])
    async def list_approvals(
        self, work: NamedDependency[Work], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> ApprovalPage:
        """Aprobaciones dadas, de la más nueva a la más vieja, y si se usaron."""
        return await ApprovalService(work).page(limit, cursor)


class KeyController(Controller):
    path = "/api-keys"
    tags = ["Llaves de API"]
    dependencies = {"keys": Provide(provide_keys, sync_to_thread=False)}

    @get(operation_id="ListApiKeys", guards=[requires("keys:write", writes=False)])
    async def list_keys(
        self, keys: NamedDependency[KeyService], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> KeyPage:
        """Llaves de API, de la más nueva a la más vieja, también las revocadas."""
        return await keys.page(limit, cursor)

    @post(operation_id="CreateApiKey", guards=[requires("keys:write")])
    async def create_key(
        self, request: Request[Any, Any, Any], data: JSONBody[CreateKey], keys: NamedDependency[KeyService]
    ) -> Response[NewKeyOut]:
        """Crea una llave y la muestra una sola vez; no puede más que quien la crea."""
        made = await keys.create(data)
        request.scope["state"]["request_work"].kept = JSON.encode(structs.replace(made, key=None))
        return Response(made, status_code=HTTP_201_CREATED)

    @delete("/{key_id:uuid}", operation_id="RevokeApiKey", guards=[requires("keys:write", in_read_only=True)])
    async def revoke_key(self, key_id: FromPath[UUID], keys: NamedDependency[KeyService]) -> None:
        """Revoca una llave; su siguiente solicitud se rechaza."""
        await keys.revoke(key_id)
