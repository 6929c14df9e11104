"""HTTP face of the caller's own account."""

from typing import Any, Final
from uuid import UUID

from litestar import Controller, Request, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from app.db.session import Work
from app.domain.accounts.controller import provide_logins
from app.domain.accounts.me import MeService
from app.domain.accounts.schemas import (
    BeginTotp,
    ChangeEmail,
    ChangeMe,
    ChangePassword,
    ConfirmTotp,
    DevicePage,
    MeOut,
    RecoveryCodesOut,
    RevokedOut,
    TotpOut,
    TotpSecretOut,
    WithTotp,
)
from app.lib.access import UNKEPT, requires
from app.lib.actor import PASSWORD_CHANGE, TOTP_ENROLMENT
from app.lib.etag import check_if_match
from app.lib.logins import LoginLimits
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

ANYONE: Final = requires(None, in_suspended=True)
ENROLLING: Final = requires(None, in_suspended=True, despite=[TOTP_ENROLMENT])
FIRST: Final = requires(None, in_suspended=True, despite=[PASSWORD_CHANGE, TOTP_ENROLMENT])
"""What a person may do before what they must do first. Their account is theirs, whatever the state of the company."""
EVERYBODY: Final = requires(None, in_suspended=True, despite=[PASSWORD_CHANGE, TOTP_ENROLMENT], for_all_entries=True)


def provide_me(work: NamedDependency[Work], logins: NamedDependency[LoginLimits]) -> MeService:
    return MeService(work, logins)


class MeController(Controller):
    path = "/me"
    tags = ["Mi cuenta"]
    dependencies = {
        "logins": Provide(provide_logins, sync_to_thread=False),
        "me": Provide(provide_me, sync_to_thread=False),
    }

    @get(operation_id="GetMe", guards=[EVERYBODY])
    async def get_me(self, me: NamedDependency[MeService]) -> MeOut:
        """Quién llama, en qué empresa, qué puede hacer y a qué otras empresas pertenece."""
        return await me.read()

    @patch(operation_id="ChangeMe", guards=[ANYONE])
    async def change_me(
        self, request: Request[Any, Any, Any], data: JSONBody[ChangeMe], me: NamedDependency[MeService]
    ) -> MeOut:
        """Cambia el nombre de la persona; lo que no se envía se queda igual."""
        check_if_match(request, await me.read())
        return await me.change(data)

    @post("/password", operation_id="ChangePassword", guards=[FIRST], status_code=HTTP_204_NO_CONTENT, opt=UNKEPT)
    async def change_password(self, data: JSONBody[ChangePassword], me: NamedDependency[MeService]) -> None:
        """Cambia la contraseña; las demás sesiones terminan."""
        await me.change_password(data)

    @post("/email", operation_id="AskEmailChange", guards=[ANYONE], status_code=HTTP_204_NO_CONTENT, opt=UNKEPT)
    async def ask_email_change(self, data: JSONBody[ChangeEmail], me: NamedDependency[MeService]) -> None:
        """Envía al correo nuevo el enlace que confirma el cambio; hasta entonces vale el actual."""
        await me.ask_email_change(data)

    @get("/totp", operation_id="GetTotp", guards=[ENROLLING])
    async def get_totp(self, me: NamedDependency[MeService]) -> TotpOut:
        """Si hay segundo factor, si la empresa lo exige y cuántos códigos de recuperación quedan."""
        return await me.totp()

    @post("/totp", operation_id="BeginTotp", guards=[ENROLLING], status_code=HTTP_200_OK, opt=UNKEPT)
    async def begin_totp(self, data: JSONBody[BeginTotp], me: NamedDependency[MeService]) -> TotpSecretOut:
        """Entrega el secreto para la aplicación de códigos; vale cuando se confirma el primero."""
        return await me.begin_totp(data.current_password)

    @post("/totp/confirm", operation_id="ConfirmTotp", guards=[ENROLLING], status_code=HTTP_200_OK, opt=UNKEPT)
    async def confirm_totp(self, data: JSONBody[ConfirmTotp], me: NamedDependency[MeService]) -> RecoveryCodesOut:
        """Activa el segundo factor; entrega los códigos de recuperación y cierra las demás sesiones."""
        return await me.confirm_totp(data.code)

    @post("/totp/disable", operation_id="DisableTotp", guards=[ANYONE], status_code=HTTP_204_NO_CONTENT, opt=UNKEPT)
    async def disable_totp(self, data: JSONBody[WithTotp], me: NamedDependency[MeService]) -> None:
        """Quita el segundo factor."""
        await me.disable_totp(data)

    @post(
        "/totp/recovery-codes",
        operation_id="RenewRecoveryCodes",
        guards=[ANYONE],
        status_code=HTTP_200_OK,
        opt=UNKEPT,
    )
    async def renew_recovery_codes(self, data: JSONBody[WithTotp], me: NamedDependency[MeService]) -> RecoveryCodesOut:
        """Entrega códigos de recuperación nuevos; los anteriores dejan de servir."""
        return await me.renew_recovery_codes(data)

    @get("/sessions", operation_id="ListMySessions", guards=[ANYONE])
    async def list_sessions(
        self, me: NamedDependency[MeService], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> DevicePage:
        """Dónde tiene sesión abierta, en todas sus empresas."""
        return await me.sessions(cursor, limit)

    @delete("/sessions/{login_session_id:uuid}", operation_id="RevokeMySession", guards=[ANYONE])
    async def revoke_session(self, login_session_id: FromPath[UUID], me: NamedDependency[MeService]) -> None:
        """Cierra una sesión; sus tokens dejan de servir con la siguiente solicitud."""
        await me.revoke(login_session_id)

    @post("/sessions/revoke-all", operation_id="RevokeMySessions", guards=[ANYONE], status_code=HTTP_200_OK)
    async def revoke_sessions(self, me: NamedDependency[MeService]) -> RevokedOut:
        """Cierra todas las demás sesiones; esta termina con `POST /v1/auth/logout`."""
        return RevokedOut(revoked=await me.revoke_others())
