"""What a company or a customer says of itself to DIAN, against the lists of DIAN and DANE."""

from collections.abc import Sequence
from typing import Final, Literal

from app.lib.codelists import municipalities, postal_codes
from app.lib.errors import FieldError, RuleBroken, unknown_reference

Organization = Literal["company", "person"]
Tribute = Literal["01", "04", "ZA", "ZZ"]
Responsibility = Literal["O-13", "O-15", "O-23", "O-47", "R-99-PN"]
"""Gran contribuyente, autorretenedor, agente de retención de IVA, régimen simple; or none of them."""
NO_RESPONSIBILITY: Final[Literal["R-99-PN"]] = "R-99-PN"


def check_municipality(code: str | None, pointer: str = "/municipalityCode") -> None:
    """Raise 422 for what is no code of DANE; None is none."""
    if code is not None and code not in municipalities():
        raise unknown_reference(pointer, "No es un código de municipio del DANE.")


def check_postal_code(code: str) -> None:
    """Raise 422 for what is no postal code; empty is none."""
    if code and code not in postal_codes():
        raise unknown_reference("/postalCode", "No es un código postal de Colombia.")


def check_responsibilities(stated: Sequence[str]) -> list[str]:
    """Each once, in their order. Raises 422 when `none` stands beside another."""
    unique = list(dict.fromkeys(stated))
    if NO_RESPONSIBILITY in unique and len(unique) > 1:
        detail = "R-99-PN significa ninguna: no va con otras."
        raise RuleBroken(
            "Las responsabilidades fiscales se contradicen.",
            code="invalid-responsibilities",
            errors=(FieldError("/responsibilities", "invalid-responsibilities", detail),),
        )
    return unique
