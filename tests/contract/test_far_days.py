"""Days at both ends of the calendar are days: no list fails on them."""

import pytest

from tests.contract.company import Company


@pytest.mark.parametrize("path", ["/v1/dian/documents", "/v1/audit/entries", "/v1/sales", "kardex"])
@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
async def test_a_list_bears_any_day(company: Company, path: str, name: str, day: str) -> None:
    if path == "kardex":
        path = f"/v1/products/{company.ids['product']}/kardex"
    answer = await company.shop.get(path, **{name: day})
    assert answer.status_code == 200, answer.text
