"""The lists of DIAN and DANE as a form reads them."""

from app.domain.tenants.schemas import CodeOut, FiscalCodes, MunicipalityOut, MunicipalityPage
from app.lib.codelists import fiscal_codes, municipalities
from app.lib.pages import cut, decode_cursor
from app.lib.text import normalise


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
