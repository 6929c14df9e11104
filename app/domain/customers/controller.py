"""HTTP face of customers."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.customers.schemas import ChangeCustomer, CreateCustomer, CustomerOut, CustomerPage, MergeCustomer
from app.domain.customers.service import CustomerService, customer_out
from app.lib.access import requires
from app.lib.etag import check_if_match
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT


def provide_customers(work: NamedDependency[Work]) -> CustomerService:
    return CustomerService(work)


class CustomerController(Controller):
    path = "/customers"
    tags = ["Clientes"]
    dependencies = {"customers": Provide(provide_customers, sync_to_thread=False)}

    @post(operation_id="CreateCustomer", guards=[requires("customers:write")])
    async def create_customer(
        self, data: JSONBody[CreateCustomer], customers: NamedDependency[CustomerService]
    ) -> Response[CustomerOut]:
        """Crea un cliente. Si su identificación ya existe, responde 409 con el `customerId` de quien la tiene."""
        answer, is_new = await customers.create(data)
        return Response(answer, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get(operation_id="ListCustomers", guards=[requires("customers:read")])
    async def list_customers(
        self,
        customers: NamedDependency[CustomerService],
        search: Annotated[
            str | None,
            QueryParameter(max_length=100, description="Comienzo del nombre, de un apellido o del documento."),
        ] = None,
        identification: Annotated[
            str | None, QueryParameter(max_length=40, description="Número exacto; el NIT, con o sin dígito.")
        ] = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> CustomerPage:
        """Los clientes por nombre, sin los retirados. La búsqueda perdona tildes y mayúsculas."""
        return await customers.page(search=search, identification=identification, limit=limit, cursor=cursor)

    @get("/{customer_id:uuid}", operation_id="GetCustomer", guards=[requires("customers:read")])
    async def get_customer(
        self, customer_id: FromPath[UUID], customers: NamedDependency[CustomerService]
    ) -> CustomerOut:
        """Un cliente, también retirado; `mergedInto` dice con quién se unió."""
        return customer_out(await customers.find(customer_id))

    @patch("/{customer_id:uuid}", operation_id="ChangeCustomer", guards=[requires("customers:write")])
    async def change_customer(
        self,
        request: Request[Any, Any, Any],
        customer_id: FromPath[UUID],
        data: JSONBody[ChangeCustomer],
        customers: NamedDependency[CustomerService],
    ) -> CustomerOut:
        """Cambia los datos enviados; con `If-Match`, solo si nadie lo cambió antes."""
        return await customers.change(customer_id, data, lambda current: check_if_match(request, current))

    @delete("/{customer_id:uuid}", operation_id="RetireCustomer", guards=[requires("customers:write")])
    async def retire_customer(
        self,
        request: Request[Any, Any, Any],
        customer_id: FromPath[UUID],
        customers: NamedDependency[CustomerService],
    ) -> None:
        """Retira un cliente de las listas; sus ventas lo conservan."""
        await customers.retire(customer_id, lambda current: check_if_match(request, current))

    @post(
        "/{customer_id:uuid}/merge",
        operation_id="MergeCustomer",
        guards=[requires("customers:write")],
        status_code=HTTP_200_OK,
    )
    async def merge_customer(
        self,
        customer_id: FromPath[UUID],
        data: JSONBody[MergeCustomer],
        customers: NamedDependency[CustomerService],
    ) -> CustomerOut:
        """Une un cliente repetido con otro; responde el que queda."""
        return await customers.merge(customer_id, data.into)
