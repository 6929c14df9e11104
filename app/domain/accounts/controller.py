"""HTTP face of people and sessions."""

from typing import Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT
from sqlalchemy import select

from app.db.session import Work
from app.domain.accounts.models import AppUser
from app.domain.accounts.schemas import LogIn, MeOut, Refresh, SessionOut, SignUp, TokensOut, VerifyEmail
from app.domain.accounts.service import AccountService, Device, normalise_email, user_out
from app.domain.standing.usage import limits_of
from app.domain.tenants.service import TenantService, tenant_out
from app.lib import clock
from app.lib.access import bearer, requires
from app.lib.edge import client_address, request_id
from app.lib.modules import active, read_spans
from app.lib.problem import refuse_nul
from app.lib.ratelimit import RateLimits


def provide_accounts(request: Request[Any, Any, Any]) -> AccountService:
    return AccountService(request.app.state.database, request.app.state.tokens)


def provide_limits(request: Request[Any, Any, Any]) -> RateLimits:
    limits: RateLimits = request.app.state.limits
    return limits


def provide_device(request: Request[Any, Any, Any]) -> Device:
    return Device(client_address(request.scope), request.headers.get("user-agent", ""), request_id(request.scope))


async def refuse_nul_in_body(request: Request[Any, Any, Any]) -> None:
    """Before a company is chosen no unit of work looks at the body."""
    refuse_nul(await request.body())


class AuthController(Controller):
    path = "/auth"
    tags = ["Acceso"]
    security = [{}]
    before_request = staticmethod(refuse_nul_in_body)
    dependencies = {
        "accounts": Provide(provide_accounts, sync_to_thread=False),
        "limits": Provide(provide_limits, sync_to_thread=False),
        "device": Provide(provide_device, sync_to_thread=False),
    }

    @post("/signup", operation_id="SignUp", status_code=HTTP_201_CREATED)
    async def sign_up(
        self,
        data: JSONBody[SignUp],
        accounts: NamedDependency[AccountService],
        limits: NamedDependency[RateLimits],
        device: NamedDependency[Device],
    ) -> SessionOut:
        """Registra una empresa y a su dueño; queda lista para vender."""
        await limits.count_signup(device.address)
        return await accounts.sign_up(data, device)

    @post("/login", operation_id="LogIn", status_code=HTTP_200_OK)
    async def log_in(
        self,
        data: JSONBody[LogIn],
        accounts: NamedDependency[AccountService],
        limits: NamedDependency[RateLimits],
        device: NamedDependency[Device],
    ) -> SessionOut:
        """Inicia sesión. La respuesta es la misma para un correo desconocido y una contraseña equivocada."""
        await limits.count_login(normalise_email(data.email), device.address)
        return await accounts.log_in(data, device)

    @post("/refresh", operation_id="Refresh", status_code=HTTP_200_OK)
    async def refresh(self, data: JSONBody[Refresh], accounts: NamedDependency[AccountService]) -> TokensOut:
        """Renueva la sesión: el token usado deja de servir pasados diez segundos."""
        return await accounts.refresh(data.refresh_token)

    @post("/logout", operation_id="LogOut", status_code=HTTP_204_NO_CONTENT, security=[{"bearer": []}])
    async def log_out(self, request: Request[Any, Any, Any], accounts: NamedDependency[AccountService]) -> None:
        """Termina la sesión de inmediato."""
        claims = request.app.state.tokens.read(bearer(request))
        await accounts.log_out(claims.user_id, claims.session_id)

    @post("/verify-email", operation_id="VerifyEmail", status_code=HTTP_204_NO_CONTENT)
    async def verify_email(self, data: JSONBody[VerifyEmail], accounts: NamedDependency[AccountService]) -> None:
        """Confirma el correo con el token del enlace."""
        await accounts.verify_email(data.token)


class MeController(Controller):
    path = "/me"
    tags = ["Acceso"]

    @get(operation_id="GetMe", guards=[requires(None, in_suspended=True)])
    async def get_me(self, work: NamedDependency[Work]) -> MeOut:
        """Quién llama, en qué empresa, y qué puede hacer."""
        user = (await work.session.scalars(select(AppUser).where(AppUser.id == work.actor.user_id))).one()
        tenant = await TenantService(work).find()
        return MeOut(
            user=user_out(user),
            tenant=tenant_out(tenant),
            role=work.actor.role,
            permissions=sorted(work.actor.permissions),
            modules=active(read_spans(tenant.modules), clock.now()),
            limits=await limits_of(work, tenant),
        )
