"""HTTP face of sign-up, login and mailed links: what is done without a company, or before one is chosen."""

from functools import partial
from typing import Any

from litestar import Controller, Request, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from app.domain.accounts.links import MailedLinks
from app.domain.accounts.schemas import (
    AskForMail,
    ConfirmEmail,
    LogIn,
    Refresh,
    ResetPassword,
    SessionOut,
    SignUp,
    Switch,
    TokensOut,
    VerifyEmail,
)
from app.domain.accounts.service import AccountService, Device, normalise_email
from app.lib.access import bearer
from app.lib.edge import client_address, request_id
from app.lib.logins import LoginLimits
from app.lib.problem import refuse_nul
from app.lib.ratelimit import RateLimits


def provide_accounts(request: Request[Any, Any, Any]) -> AccountService:
    return AccountService(request.app.state.database, request.app.state.tokens)


def provide_links(request: Request[Any, Any, Any]) -> MailedLinks:
    return MailedLinks(request.app.state.database)


def provide_limits(request: Request[Any, Any, Any]) -> RateLimits:
    limits: RateLimits = request.app.state.limits
    return limits


def provide_logins(request: Request[Any, Any, Any]) -> LoginLimits:
    logins: LoginLimits = request.app.state.logins
    return logins


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
        "links": Provide(provide_links, sync_to_thread=False),
        "limits": Provide(provide_limits, sync_to_thread=False),
        "logins": Provide(provide_logins, sync_to_thread=False),
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
        logins: NamedDependency[LoginLimits],
        device: NamedDependency[Device],
    ) -> SessionOut:
        """Inicia sesión. La respuesta es la misma para un correo desconocido y una contraseña equivocada.

        Con la contraseña correcta y un segundo factor activo, 401 `totp-required` pide el código en `totp`.
        """
        account = normalise_email(data.email)
        knows = partial(accounts.knows_address, account, device.address)
        async with logins.turn(), logins.attempt(account, device.address, knows):
            return await accounts.log_in(data, device, partial(logins.code, account, device.address, knows))

    @post("/switch", operation_id="SwitchCompany", status_code=HTTP_200_OK, security=[{"bearer": []}])
    async def switch_company(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[Switch],
        accounts: NamedDependency[AccountService],
        device: NamedDependency[Device],
    ) -> SessionOut:
        """Abre una sesión de la misma persona en otra de sus empresas; la actual sigue abierta."""
        claims = request.app.state.tokens.read(bearer(request))
        await request.app.state.limits.count_request(request.scope, claims)
        return await accounts.switch(claims, data.tenant_id, device)

    @post("/refresh", operation_id="Refresh", status_code=HTTP_200_OK)
    async def refresh(
        self,
        data: JSONBody[Refresh],
        accounts: NamedDependency[AccountService],
        device: NamedDependency[Device],
    ) -> TokensOut:
        """Renueva la sesión: el token usado deja de servir pasados diez segundos."""
        return await accounts.refresh(data.refresh_token, device)

    @post("/logout", operation_id="LogOut", status_code=HTTP_204_NO_CONTENT, security=[{"bearer": []}])
    async def log_out(self, request: Request[Any, Any, Any], accounts: NamedDependency[AccountService]) -> None:
        """Termina la sesión de inmediato."""
        claims = request.app.state.tokens.read(bearer(request))
        await accounts.log_out(claims.user_id, claims.session_id)

    @post("/verify-email", operation_id="VerifyEmail", status_code=HTTP_204_NO_CONTENT)
    async def verify_email(
        self,
        data: JSONBody[VerifyEmail],
        links: NamedDependency[MailedLinks],
        limits: NamedDependency[RateLimits],
        device: NamedDependency[Device],
    ) -> None:
        """Confirma el correo con el token del enlace."""
        await limits.count_link(device.address)
        await links.verify_email(data.token)

    @post("/verify-email/resend", operation_id="ResendVerification", status_code=HTTP_204_NO_CONTENT)
    async def resend_verification(
        self,
        data: JSONBody[AskForMail],
        links: NamedDependency[MailedLinks],
        limits: NamedDependency[RateLimits],
        device: NamedDependency[Device],
    ) -> None:
        """Envía otra vez el enlace de confirmación. La respuesta es la misma exista o no la cuenta."""
        await limits.count_mail(normalise_email(data.email), device.address)
        await links.ask_verification(data.email)

    @post("/forgot-password", operation_id="ForgotPassword", status_code=HTTP_204_NO_CONTENT)
    async def forgot_password(
        self,
        data: JSONBody[AskForMail],
        links: NamedDependency[MailedLinks],
        limits: NamedDependency[RateLimits],
        device: NamedDependency[Device],
    ) -> None:
        """Envía un enlace para elegir otra contraseña. La respuesta es la misma exista o no la cuenta."""
        await limits.count_mail(normalise_email(data.email), device.address)
        await links.ask_reset(data.email)

    @post("/reset-password", operation_id="ResetPassword", status_code=HTTP_204_NO_CONTENT)
    async def reset_password(
        self,
        data: JSONBody[ResetPassword],
        links: NamedDependency[MailedLinks],
        limits: NamedDependency[RateLimits],
        device: NamedDependency[Device],
    ) -> None:
        """Elige otra contraseña con el token del enlace; todas las sesiones terminan."""
        await limits.count_link(device.address)
        await links.reset_password(data.token, data.password, device)

    @post("/change-email", operation_id="ConfirmEmailChange", status_code=HTTP_204_NO_CONTENT)
    async def change_email(
        self,
        data: JSONBody[ConfirmEmail],
        links: NamedDependency[MailedLinks],
        limits: NamedDependency[RateLimits],
        device: NamedDependency[Device],
    ) -> None:
        """Cambia el correo con el token que llegó al nuevo; se avisa al anterior."""
        await limits.count_link(device.address)
        await links.change_email(data.token, device)
