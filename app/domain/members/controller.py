"""HTTP face of the people of a company: members, roles, invitations."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from app.db.session import Work
from app.domain.accounts.controller import provide_device, refuse_nul_in_body
from app.domain.accounts.service import Device
from app.domain.members.accept import Acceptance
from app.domain.members.invitations import InvitationService, invitation_out
from app.domain.members.people import MemberService
from app.domain.members.roles import RoleService, role_out
from app.domain.members.schemas import (
    AcceptedOut,
    AcceptInvitation,
    ChangeMember,
    ChangeRole,
    CreateRole,
    InvitationOut,
    InvitationPage,
    Invite,
    MemberOut,
    MemberPage,
    RoleList,
    RoleOut,
)
from app.lib.access import requires
from app.lib.etag import check_if_match
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

ActiveParam = Annotated[bool | None, QueryParameter(name="active", description="Solo activas, o solo retiradas.")]


def provide_members(work: NamedDependency[Work]) -> MemberService:
    return MemberService(work)


def provide_roles(work: NamedDependency[Work]) -> RoleService:
    return RoleService(work)


def provide_invitations(work: NamedDependency[Work]) -> InvitationService:
    return InvitationService(work)


def provide_acceptance(request: Request[Any, Any, Any]) -> Acceptance:
    state = request.app.state
    return Acceptance(state.database, state.tokens, state.limits, state.logins)


class MemberController(Controller):
    path = "/members"
    tags = ["Personas"]
    dependencies = {"members": Provide(provide_members, sync_to_thread=False)}

    @get(operation_id="ListMembers", guards=[requires("members:read")])
    async def list_members(
        self,
        members: NamedDependency[MemberService],
        active: ActiveParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> MemberPage:
        """Las personas de la empresa por nombre, también las retiradas."""
        return await members.page(active=active, limit=limit, cursor=cursor)

    @get("/{user_id:uuid}", operation_id="GetMember", guards=[requires("members:read")])
    async def get_member(self, user_id: FromPath[UUID], members: NamedDependency[MemberService]) -> MemberOut:
        """Una persona de la empresa."""
        return await members.find(user_id)

    @patch("/{user_id:uuid}", operation_id="ChangeMember", guards=[requires("members:write", in_read_only=True)])
    async def change_member(
        self,
        request: Request[Any, Any, Any],
        user_id: FromPath[UUID],
        data: JSONBody[ChangeMember],
        members: NamedDependency[MemberService],
    ) -> MemberOut:
        """Cambia el rol o el nombre de una persona, la retira o la readmite; rige desde su siguiente solicitud."""
        return await members.change(user_id, data, lambda current: check_if_match(request, current))

    @post(
        "/{user_id:uuid}/require-password-change",
        operation_id="RequirePasswordChange",
        guards=[requires("members:write", in_read_only=True)],
        status_code=HTTP_204_NO_CONTENT,
    )
    async def require_password_change(self, user_id: FromPath[UUID], members: NamedDependency[MemberService]) -> None:
        """Obliga a una persona a cambiar su contraseña: hasta entonces no puede hacer nada más."""
        await members.require_password_change(user_id)


class RoleController(Controller):
    path = "/roles"
    tags = ["Personas"]
    dependencies = {"roles": Provide(provide_roles, sync_to_thread=False)}

    @get(operation_id="ListRoles", guards=[requires("members:read")])
    async def list_roles(self, roles: NamedDependency[RoleService]) -> RoleList:
        """Los roles de la casa y los propios de la empresa, con sus permisos."""
        return await roles.all()

    @post(operation_id="CreateRole", guards=[requires("roles:write")])
    async def create_role(self, data: JSONBody[CreateRole], roles: NamedDependency[RoleService]) -> Response[RoleOut]:
        """Crea un rol propio, con permisos que quien lo crea tiene."""
        role, is_new = await roles.create(data)
        return Response(role, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get("/{role_id:uuid}", operation_id="GetRole", guards=[requires("members:read")])
    async def get_role(self, role_id: FromPath[UUID], roles: NamedDependency[RoleService]) -> RoleOut:
        """Un rol propio de la empresa."""
        return role_out(await roles.find(role_id))

    @patch("/{role_id:uuid}", operation_id="ChangeRole", guards=[requires("roles:write")])
    async def change_role(
        self,
        request: Request[Any, Any, Any],
        role_id: FromPath[UUID],
        data: JSONBody[ChangeRole],
        roles: NamedDependency[RoleService],
    ) -> RoleOut:
        """Cambia un rol propio; rige para quienes lo tienen desde su siguiente solicitud."""
        return await roles.change(role_id, data, lambda current: check_if_match(request, current))

    @delete("/{role_id:uuid}", operation_id="DeleteRole", guards=[requires("roles:write")])
    async def delete_role(
        self, request: Request[Any, Any, Any], role_id: FromPath[UUID], roles: NamedDependency[RoleService]
    ) -> None:
        """Borra un rol propio que nadie tiene."""
        await roles.delete(role_id, lambda current: check_if_match(request, current))


class InvitationController(Controller):
    path = "/invitations"
    tags = ["Personas"]
    dependencies = {"invitations": Provide(provide_invitations, sync_to_thread=False)}

    @get(operation_id="ListInvitations", guards=[requires("members:read")])
    async def list_invitations(
        self,
        invitations: NamedDependency[InvitationService],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> InvitationPage:
        """Invitaciones, de la más nueva a la más vieja."""
        return await invitations.page(limit, cursor)

    @post(operation_id="Invite", guards=[requires("members:write")])
    async def invite(
        self, data: JSONBody[Invite], invitations: NamedDependency[InvitationService]
    ) -> Response[InvitationOut]:
        """Invita a una persona por correo; ocupa un cupo mientras esté pendiente, siete días."""
        invitation, is_new = await invitations.invite(data)
        return Response(invitation, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get("/{invitation_id:uuid}", operation_id="GetInvitation", guards=[requires("members:read")])
    async def get_invitation(
        self, invitation_id: FromPath[UUID], invitations: NamedDependency[InvitationService]
    ) -> InvitationOut:
        """Una invitación y en qué va."""
        return invitation_out(await invitations.find(invitation_id))

    @post(
        "/{invitation_id:uuid}/resend",
        operation_id="ResendInvitation",
        guards=[requires("members:write")],
        status_code=HTTP_200_OK,
    )
    async def resend_invitation(
        self, invitation_id: FromPath[UUID], invitations: NamedDependency[InvitationService]
    ) -> InvitationOut:
        """Envía de nuevo el correo, con otro enlace y otros siete días; el anterior deja de servir."""
        return await invitations.resend(invitation_id)

    @delete(
        "/{invitation_id:uuid}",
        operation_id="RevokeInvitation",
        guards=[requires("members:write", in_read_only=True)],
    )
    async def revoke_invitation(
        self, invitation_id: FromPath[UUID], invitations: NamedDependency[InvitationService]
    ) -> None:
        """Retira una invitación que nadie ha aceptado; su cupo queda libre."""
        await invitations.revoke(invitation_id)


class AcceptanceController(Controller):
    path = "/auth"
    tags = ["Acceso"]
    security = [{}]
    before_request = staticmethod(refuse_nul_in_body)
    dependencies = {
        "acceptance": Provide(provide_acceptance, sync_to_thread=False),
        "device": Provide(provide_device, sync_to_thread=False),
    }

    @post("/accept-invitation", operation_id="AcceptInvitation", status_code=HTTP_201_CREATED)
    async def accept_invitation(
        self,
        data: JSONBody[AcceptInvitation],
        acceptance: NamedDependency[Acceptance],
        device: NamedDependency[Device],
    ) -> AcceptedOut:
        """Acepta la invitación del enlace. Quien ya tiene cuenta da su contraseña, y luego inicia sesión como siempre."""
        return await acceptance.accept(data, device)
