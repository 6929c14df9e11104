"""What the sample store is called and who buys there: invented, with documents whose digits are right."""

from typing import Any, Final

from app.domain.customers.schemas import CreateCustomer
from app.domain.tenants.schemas import ChangeCompany

NAME: Final = "Ferretería El Tornillo (empresa de muestra)"
NIT: Final = "901555123"
DV: Final = "8"

_CUSTOMERS: Final[tuple[dict[str, Any], ...]] = (
    {
        "identification_type": "31",
        "identification": "900373115",
        "name": "Constructora Los Cerros S.A.S.",
        "email": "facturas@loscerros.test",
    },
    {"identification_type": "31", "identification": "830114921", "name": "Conjunto Residencial El Nogal P.H."},
    {"identification_type": "31", "identification": "901204876", "name": "Acabados y Reformas del Norte S.A.S."},
    {
        "identification_type": "13",
        "identification": "52418903",
        "name": "Marta Lucía Peña",
        "phone": "310 555 0101",
        "email": "marta@correo.test",
    },
    {"identification_type": "13", "identification": "79865432", "name": "Jairo Quintero", "phone": "311 555 0102"},
    {"identification_type": "13", "identification": "1020765431", "name": "Andrés Felipe Mora"},
    {"identification_type": "13", "identification": "41567890", "name": "Rosalba Ñústez"},
    {"identification_type": "22", "identification": "487215", "name": "Piero Bianchi"},
)

NITS: Final = 3
"""The first of them are companies."""


def company(email: str = "") -> ChangeCompany:
    """The store's settings and what its tickets print; without an address of its own unless given."""
    return ChangeCompany(
        cash_rounding=50,
        address="Carrera 24 # 63-18",
        municipality_code="11001",
        phone="601 555 0100",
        email=email,
        ticket_footer="Cambios con este tiquete, dentro de los 8 días.",
    )


def customers() -> list[CreateCustomer]:
    return [CreateCustomer(**each) for each in _CUSTOMERS]
