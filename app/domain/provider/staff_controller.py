"""HTTP face of the operator's staff: how they come in, their own account, each other, and their trail."""

from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, Request, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from app.db.desk import Desk, provide_desk
from app.domain.accounts.controller import provide_device, provide_limits, provide_logins, refuse_nul_in_body
from app.domain.accounts.service import Device, normalise_email
from app.domain.provider.logins import StaffLogins
from app.domain.provider.staff import OwnAccount, StaffService
from app.domain.provider.staff_schemas import (
    ChangeStaff,
    CreateStaff,
    NewStaffOut,
    StaffLogIn,
    StaffMeOut,
    StaffOut,
    StaffPage,
    StaffPassword,
    StaffRefresh,
    StaffSessionOut,
    StaffTotp,
    StaffTotpCode,
    StaffTotpOut,
    TrailPage,
)
from app.domain.provider.trail import list_trail
from app.lib.access import UNKEPT, bearer, requires_staff
from app.lib.actor import PASSWORD_CHANGE, TOTP_ENROLMENT
from app.lib.logins import LoginLimits
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT
from app.lib.ratelimit import RateLimits

OWN: Final = requires_staff(None, despite=[PASSWORD_CHANGE, TOTP_ENROLMENT])
ENROLLING: Final = requires_staff(None, despite=[TOTP_ENROLMENT])
"""What somebody may do before what they must do first."""

StaffParam = Annotated[UUID | None, QueryParameter(name="staffId", description="De una persona del personal.")]
CompanyParam = Annotated[UUID | None, QueryParameter(name="tenantId", description="De una empresa.")]


def provide_staff_logins(request: Request[Any, Any, Any]) -> StaffLogins:
    return StaffLogins(request.app.state.database, request.app.state.tokens)


def provide_staff(desk: NamedDependency[Desk]) -> StaffService:
    return StaffService(desk)


def provide_own(desk: NamedDependency[Desk], logins: NamedDependency[LoginLimits]) -> OwnAccount:
    return OwnAccount(desk, logins)


class StaffAuthController(Controller):
    path = "/auth/provider"
    tags = ["Operador"]
    security = [{}]
    before_request = staticmethod(refuse_nul_in_body)
    dependencies = {
        "staff_logins": Provide(provide_staff_logins, sync_to_thread=False),
        "limits": Provide(provide_limits, sync_to_thread=False),
        "logins": Provide(provide_logins, sync_to_thread=False),
        "device": Provide(provide_device, sync_to_thread=False),
    }

    @post("/login", operation_id="StaffLogIn", status_code=HTTP_200_OK)
    async def log_in(
        self,
        data: JSONBody[StaffLogIn],
        staff_logins: NamedDependency[StaffLogins],
        logins: NamedDependency[LoginLimits],
        device: NamedDependency[Device],
    ) -> StaffSessionOut:
        """Inicia sesión del personal del operador; sus tokens no abren nada de ninguna empresa, ni al revés.

        Con la contraseña correcta y un segundo factor activo, 401 `totp-required` pide el código en `totp`.
        """
        email = normalise_email(data.email)
        # A name that no e-mail address has: the same address may be somebody's of a company.
        account = f"provider {email}"
        knows = partial(staff_logins.knows_address, email, device.address)
        async with logins.turn(), logins.attempt(account, device.address, knows):
            return await staff_logins.log_in(data, device, partial(logins.code, account, device.address, knows))

    @post("/refresh", operation_id="StaffRefresh", status_code=HTTP_200_OK)
    async def refresh(
        self,
        data: JSONBody[StaffRefresh],
        staff_logins: NamedDependency[StaffLogins],
        limits: NamedDependency[RateLimits],
        device: NamedDependency[Device],
    ) -> StaffSessionOut:
        """Renueva la sesión, hasta doce horas después de iniciada: el token usado deja de servir pasados diez segundos."""
        await limits.count_link(device.address)
        return await staff_logins.refresh(data.refresh_token)

    @post("/logout", operation_id="StaffLogOut", status_code=HTTP_204_NO_CONTENT, security=[{"bearer": []}])
    async def log_out(self, request: Request[Any, Any, Any], staff_logins: NamedDependency[StaffLogins]) -> None:
        """Termina la sesión de inmediato."""
        claims = request.app.state.tokens.read(bearer(request), "staff")
        await staff_logins.log_out(claims.user_id, claims.session_id)


class StaffMeController(Controller):
    path = "/provider/me"
    tags = ["Operador"]
    dependencies = {
        "desk": Provide(provide_desk),
        "logins": Provide(provide_logins, sync_to_thread=False),
        "own": Provide(provide_own, sync_to_thread=False),
    }

    @get(operation_id="GetStaffMe", guards=[OWN])
    async def get_me(self, own: NamedDependency[OwnAccount]) -> StaffMeOut:
        """Quién llama y qué puede hacer."""
        return await own.read()

    @post("/password", operation_id="ChangeStaffPassword", guards=[OWN], status_code=HTTP_204_NO_CONTENT, opt=UNKEPT)
    async def change_password(self, data: JSONBody[StaffPassword], own: NamedDependency[OwnAccount]) -> None:
        """Cambia la contraseña; las demás sesiones terminan."""
        await own.change_password(data)

    @post("/totp", operation_id="BeginStaffTotp", guards=[ENROLLING], status_code=HTTP_200_OK, opt=UNKEPT)
    async def begin_totp(self, data: JSONBody[StaffTotp], own: NamedDependency[OwnAccount]) -> StaffTotpOut:
        """Entrega el secreto para la aplicación de códigos; vale cuando se confirma el primero."""
        return await own.begin_totp(data.current_password)

    @post(
        "/totp/confirm",
        operation_id="ConfirmStaffTotp",
        guards=[ENROLLING],
        status_code=HTTP_204_NO_CONTENT,
        opt=UNKEPT,
    )
    async def confirm_totp(self, data: JSONBody[StaffTotpCode], own: NamedDependency[OwnAccount]) -> None:
        """Activa el segundo factor y cierra las demás sesiones."""
        await own.confirm_totp(data.code)


class StaffController(Controller):
    path = "/provider"
    tags = ["Operador"]
    dependencies = {"desk": Provide(provide_desk), "staff": Provide(provide_staff, sync_to_thread=False)}

    @get("/staff", operation_id="ListStaff", guards=[requires_staff("staff:read")])
    async def list_staff(
        self, staff: NamedDependency[StaffService], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> StaffPage:
        """El personal del operador, por nombre, también quienes se retiraron."""
        return await staff.page(limit, cursor)

    @post(
        "/staff",
        operation_id="CreateStaff",
        guards=[requires_staff("staff:write")],
        status_code=HTTP_201_CREATED,
        opt=UNKEPT,
    )
    async def create_staff(self, data: JSONBody[CreateStaff], staff: NamedDependency[StaffService]) -> NewStaffOut:
        """Agrega una persona; su primera contraseña se muestra una sola vez y debe cambiarla."""
        return await staff.create(data)

    @patch("/staff/{staff_id:uuid}", operation_id="ChangeStaff", guards=[requires_staff("staff:write")])
    async def change_staff(
        self, staff_id: FromPath[UUID], data: JSONBody[ChangeStaff], staff: NamedDependency[StaffService]
    ) -> StaffOut:
        """Cambia el nombre o el rol de una persona, la retira o la recibe de nuevo; vale desde su siguiente solicitud."""
        return await staff.change(staff_id, data)

    @post(
        "/staff/{staff_id:uuid}/reset",
        operation_id="ResetStaff",
        guards=[requires_staff("staff:write")],
        status_code=HTTP_200_OK,
        opt=UNKEPT,
    )
    async def reset_staff(self, staff_id: FromPath[UUID], staff: NamedDependency[StaffService]) -> NewStaffOut:
        """Da una primera contraseña nueva a quien perdió la suya o su segundo factor; sus sesiones terminan."""
        return await staff.reset(staff_id)

    @get("/trail", operation_id="ListProviderTrail", guards=[requires_staff("trail:read")])
    async def list_trail(
        self,
        desk: NamedDependency[Desk],
        staff_id: StaffParam = None,
        tenant_id: CompanyParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> TrailPage:
        """Lo que hizo el personal del operador, de lo más nuevo a lo más viejo."""
        return await list_trail(desk.database, staff_id=staff_id, company_id=tenant_id, limit=limit, cursor=cursor)
