"""What the profile checks against the lists of DIAN and DANE, and the lists as a form reads them."""

from app.domain.tenants.schemas import CodeOut, FiscalCodes, MunicipalityOut, MunicipalityPage
from app.lib.codelists import fiscal_codes, municipalities, postal_codes
from app.lib.errors import FieldError, RuleBroken, unknown_reference
from app.lib.pages import cut, decode_cursor
from app.lib.text import normalise

NO_RESPONSIBILITY = "R-99-PN"


def check_municipality(code: str | None, pointer: str = "/municipalityCode") -> None:
    """Raise 422 for what is no code of DANE; None is none."""
    if code is not None and code not in municipalities():
        raise unknown_reference(pointer, "No es un código de municipio del DANE.")


def check_postal_code(code: str) -> None:
    """Raise 422 for what is no postal code; empty is none."""
    if code and code not in postal_codes():
        raise unknown_reference("/postalCode", "No es un código postal de Colombia.")


def check_responsibilities(stated: list[str]) -> list[str]:
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


def find_municipalities(search: str | None, limit: int, cursor: str | None) -> MunicipalityPage:
    """Municipalities in the order of their codes; `search` finds a part of the name, or the beginning of the code."""
    last = decode_cursor(cursor, tuple[str])[0] if cursor else ""
    wanted = normalise(search or "")
    found = [
        MunicipalityOut(code=place.code, name=place.name, department=place.department)
        for place in municipalities().values()
        if place.code > last and (place.code.startswith(wanted) or wanted in normalise(place.full_name))
    ]
    page, next_cursor = cut(found[: limit + 1], limit, lambda place: (place.code,))
    return MunicipalityPage(items=list(page), next_cursor=next_cursor)


def short_lists() -> FiscalCodes:
    """The lists that a form offers whole."""
    lists = {
        name: [CodeOut(code=code, name=said) for code, said in codes.items()] for name, codes in fiscal_codes().items()
    }
    return FiscalCodes(
        organizations=lists["organizations"],
        regimes=lists["regimes"],
        responsibilities=lists["responsibilities"],
        tributes=lists["tributes"],
        identification_types=lists["identificationTypes"],
    )
