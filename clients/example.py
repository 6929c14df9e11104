"""A sale through the generated Python client: `python clients/example.py http://127.0.0.1:8000`, after `make clients`."""

import sys
from uuid import uuid4

from mostrador_client import AuthenticatedClient, Client
from mostrador_client.api.acceso import sign_up
from mostrador_client.api.caja import list_cash_registers, open_cash_session
from mostrador_client.api.inventario import post_adjustment
from mostrador_client.api.productos import create_product
from mostrador_client.api.ventas import post_sale
from mostrador_client.models import (
    CreateProduct,
    OpenSession,
    Payment,
    PostAdjustment,
    PostSale,
    PostSaleLine,
    Problem,
    SignUp,
)
from mostrador_client.types import Unset


def done(answer):
    """The answer, or an end with what the API said."""
    if answer is None or isinstance(answer, Problem):
        sys.exit(f"refused: {answer}")
    return answer


def main(url: str) -> None:
    company = SignUp.from_dict(
        {
            "company": {"name": "Tienda de Python", "nit": "901555123-8"},
            "owner": {"name": "Ana", "email": "ana@python.test", "password": "una clave larga y propia"},
        }
    )
    signed_up = done(sign_up.sync(client=Client(base_url=url), body=company))
    client = AuthenticatedClient(base_url=url, token=signed_up.access_token)

    product = done(
        create_product.sync(
            client=client, body=CreateProduct(sku="CEM-50", name="Cemento gris 50 kg", price="34900", tax_class="iva19")
        )
    )
    stock = PostAdjustment.from_dict(
        {"reason": "opening", "lines": [{"productId": str(product.id), "quantity": "20", "unitCost": "27500"}]}
    )
    done(post_adjustment.sync(client=client, body=stock, idempotency_key=uuid4().hex))
    register = done(list_cash_registers.sync(client=client)).items[0]
    session = done(
        open_cash_session.sync(
            client=client,
            body=OpenSession(register_id=register.id, opening_amount="100000"),
            idempotency_key=uuid4().hex,
        )
    )
    ticket = PostSale(
        session_id=session.id,
        lines=[PostSaleLine(product_id=product.id, quantity="2")],
        payments=[Payment.from_dict({"method": "cash", "amount": "100000"})],
    )
    key = uuid4().hex
    sale = done(post_sale.sync(client=client, body=ticket, idempotency_key=key))
    # A lost answer is asked for again with the same key: no second sale.
    again = done(post_sale.sync(client=client, body=ticket, idempotency_key=key))
    assert again.id == sale.id
    assert not isinstance(sale.total, Unset)
    print(f"{sale.number}: {sale.total}, cambio {sale.change}")


if __name__ == "__main__":
    main(sys.argv[1])
