"""HTTP face of data protection."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.accounts.leaving import forget_member, read_member
from app.domain.customers.forgetting import forget_customer
from app.domain.members.company import find_membership, refuse_to_manage
from app.domain.members.leaving import forget_invitations
from app.domain.photos.service import forget_photo
from app.domain.privacy.consents import ConsentService
from app.domain.privacy.exports import export_customer, export_member, read_customer
from app.domain.privacy.schemas import Anonymise, AnonymisedOut, ConsentOut, ConsentPage, RecordConsent
from app.lib.access import requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT
from app.lib.permissions import permissions_of

CustomerParam = Annotated[UUID | None, QueryParameter(name="customerId", description="De ese cliente.")]
UserParam = Annotated[UUID | None, QueryParameter(name="userId", description="De esa persona de la empresa.")]


def provide_consents(work: NamedDependency[Work]) -> ConsentService:
    return ConsentService(work)


class PrivacyController(Controller):
    path = "/privacy"
    tags = ["Protección de datos"]
    dependencies = {"consents": Provide(provide_consents, sync_to_thread=False)}

    @post("/consents", operation_id="RecordConsent", guards=[requires("privacy:write", in_read_only=True)])
    async def record_consent(
        self, data: JSONBody[RecordConsent], consents: NamedDependency[ConsentService]
    ) -> Response[ConsentOut]:
        """Anota que alguien autorizó, o revocó, un uso de sus datos. Lo anotado no se cambia: otra decisión es otra línea."""
        answer, is_new = await consents.record(data)
        return Response(answer, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get("/consents", operation_id="ListConsents", guards=[requires("privacy:read")])
    async def list_consents(
        self,
        consents: NamedDependency[ConsentService],
        customer_id: CustomerParam = None,
        user_id: UserParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> ConsentPage:
        """Autorizaciones y revocaciones, la última anotada primero."""
        return await consents.page(customer_id=customer_id, user_id=user_id, limit=limit, cursor=cursor)

    @get("/customers/{customer_id:uuid}/export", operation_id="ExportCustomer", guards=[requires("privacy:read")])
    async def export_customer(self, customer_id: FromPath[UUID], work: NamedDependency[Work]) -> Stream:
        """Todo lo que la empresa guarda de un cliente: perfil, autorizaciones, compras y cambios, en JSON."""
        record = await read_customer(work, customer_id)
        return _file(export_customer(work.database, work.actor, record), f"cliente-{customer_id}")

    @post(
        "/customers/{customer_id:uuid}/anonymise",
        operation_id="AnonymiseCustomer",
        guards=[requires("privacy:write", in_read_only=True)],
        status_code=HTTP_200_OK,
    )
    async def anonymise_customer(
        self, customer_id: FromPath[UUID], data: JSONBody[Anonymise], work: NamedDependency[Work]
    ) -> AnonymisedOut:
        """Suprime los datos de un cliente para siempre; sus ventas conservan el comprador que la ley obliga a guardar."""
        at, ids = await forget_customer(work, customer_id, data.reason)
        return AnonymisedOut(at=at, ids=ids)

    @get("/members/{user_id:uuid}/export", operation_id="ExportMember", guards=[requires("privacy:read")])
    async def export_member(self, user_id: FromPath[UUID], work: NamedDependency[Work]) -> Stream:
        """Todo lo que la empresa guarda de una persona que trabaja o trabajó en ella, en JSON."""
        record = await read_member(work, user_id)
        return _file(export_member(work.database, work.actor, record), f"persona-{user_id}")

    @post(
        "/members/{user_id:uuid}/anonymise",
        operation_id="AnonymiseMember",
        guards=[requires("privacy:write", in_read_only=True)],
        status_code=HTTP_200_OK,
    )
    async def anonymise_member(
        self, user_id: FromPath[UUID], data: JSONBody[Anonymise], work: NamedDependency[Work]
    ) -> AnonymisedOut:
        """Retira de la empresa a una persona y suprime su nombre; su cuenta, si es de otras empresas, sigue."""
        member = await find_membership(work, user_id)
        if member is not None and user_id != work.actor.user_id:
            # It puts the person out, which nobody does to somebody above them.
            refuse_to_manage(work, member.role, permissions_of(member.role, member.permissions))
        at = await forget_member(work, user_id, data.reason)
        await forget_invitations(work, user_id)
        await forget_photo(work, user_id)
        return AnonymisedOut(at=at, ids=[user_id])


def _file(pieces: AsyncIterator[bytes], name: str) -> Stream:
    # The answer's first byte ends the request's transaction; the file reads on in its own.
    headers = {"Content-Disposition": f'attachment; filename="{name}.json"'}
    return Stream(pieces, media_type="application/json", headers=headers)
