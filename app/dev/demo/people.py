"""Who works in the demo shop: invented, with addresses that lead nowhere."""

from typing import Final

from app.domain.accounts.schemas import SignUp, SignUpCompany, SignUpOwner
from app.domain.sample.people import DV, NIT

SHOP: Final = "Ferretería El Tornillo Demo S.A.S."
EMAIL: Final = "demo@mostrador.test"
MAILBOX: Final = "facturacion@mostrador.test"
CASHIERS: Final = (("caja1@mostrador.test", "Yuly Pardo"), ("caja2@mostrador.test", "Wilson Rojas"))
"""E-mail and name; each has a till."""


def sign_up(password: str) -> SignUp:
    return SignUp(
        company=SignUpCompany(name=SHOP, nit=f"{NIT}-{DV}"),
        owner=SignUpOwner(name="Gloria Torres", email=EMAIL, password=password),
    )
