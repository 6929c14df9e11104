"""Numbering that was typed wrong, renewed, or written twice at once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from app.dev.dian_simulator.registry import Range
from tests.dev.dian_simulator.house import TEST_KEY
from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_sales import sold

VALID = {"validFrom": "2019-01-19", "validTo": "2030-01-19"}


def at_dian(company: Company, prefix: str) -> Range:
    return next(
        each for each in company.server.service.registry.ranges if each.nit == company.nit and each.prefix == prefix
    )


async def range_of(company: Company, kind: str) -> dict[str, Any]:
    page = (await company.shop.get("/v1/dian/ranges")).json()
    found: dict[str, Any] = next(each for each in page["items"] if each["kind"] == kind and each["isOpen"])
    return found


async def test_a_rejected_document_goes_with_the_resolution_put_right(company: Company) -> None:
    at_dian(company, "EPOS").authorization = "18760000077"
    sale = await sold(company)
    await company.work()
    paper = await company.document(sale["document"]["id"])
    assert paper["status"] == "rejected"
    mine = await range_of(company, "20")
    changed = await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", {"authorization": "18760000077"})
    assert (changed.status_code, changed.json()["authorization"]) == (200, "18760000077"), changed.text
    assert (await company.shop.post(f"/v1/dian/documents/{paper['id']}/resend")).status_code == 200
    await company.work()
    now = await company.document(paper["id"])
    assert (now["status"], now["number"]) == ("accepted", paper["number"])
    trail = await company.rows("SELECT content FROM audit_entry WHERE tenant_id = :t AND action = 'dian.range-changed'")
    assert "18760000077" in trail[-1].content


async def test_the_import_puts_right_what_was_typed_wrong(company: Company) -> None:
    at_dian(company, "EPOS").authorization = "18760000077"
    at_dian(company, "EPOS").last = 6000
    asked = await company.shop.post("/v1/dian/ranges/import", {"kinds": [{"prefix": "EPOS", "kind": "20"}]})
    assert asked.status_code == 202
    await company.work()
    mine = await range_of(company, "20")
    assert (mine["authorization"], mine["last"], mine["left"]) == ("18760000077", 6000, 6000)
    assert "Ya estaban: 2" in (await company.shop.get("/v1/dian/ranges")).json()["importMessage"]


async def test_a_renewed_range_takes_the_numbers_that_the_closed_one_never_used(company: Company) -> None:
    await sold(company)
    old = await range_of(company, "20")
    renewed = {"kind": "20", "prefix": "EPOS", "last": 5000, "authorization": "18760009999", **VALID}
    crossing = await company.shop.post("/v1/dian/ranges", renewed | {"first": 2})
    assert (crossing.status_code, crossing.json()["code"]) == (409, "range-taken")
    closed = await company.shop.patch(f"/v1/dian/ranges/{old['id']}", {"isOpen": False})
    assert closed.status_code == 200
    used = await company.shop.post("/v1/dian/ranges", renewed | {"first": 1})
    assert (used.status_code, used.json()["code"]) == (409, "range-taken")
    made = await company.shop.post("/v1/dian/ranges", renewed | {"first": 2})
    assert made.status_code == 201, made.text
    again = await company.shop.patch(f"/v1/dian/ranges/{old['id']}", {"isOpen": True})
    assert (again.status_code, again.json()["code"]) == (409, "range-taken")


async def test_a_range_typed_wrong_is_closed_and_written_again(company: Company) -> None:
    wrong = await company.add_range(kind="05", prefix="DS", first=1, last=1000, authorization="18760000099")
    assert (await company.shop.patch(f"/v1/dian/ranges/{wrong['id']}", {"isOpen": False})).status_code == 200
    right = await company.add_range(kind="05", prefix="DS", first=1, last=1000)
    assert right["authorization"] == "18760000004"


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("20", {"validTo": "2018-01-01"}, 422, "invalid-range"),
        ("20", {"technicalKey": "abc"}, 422, "invalid-range"),
        ("01", {"last": 1}, 422, "invalid-range"),
        ("20", {"first": 5001}, 422, "invalid-range"),
        ("91", {"authorization": "1"}, 422, "invalid-range"),
    ],
)
async def test_a_change_that_makes_no_sense_is_refused(
    company: Company, kind: str, body: dict[str, Any], status: int, code: str
) -> None:
    mine = await range_of(company, kind)
    refused = await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", body)
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    assert await range_of(company, kind) == mine


async def test_a_range_never_ends_before_a_number_that_it_gave(company: Company) -> None:
    session = (await sold(company))["session"]
    await sold(company, session=session)
    mine = await range_of(company, "20")
    refused = await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", {"last": 1})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-range")
    spent = await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", {"last": 2})
    assert (spent.status_code, spent.json()["left"]) == (200, 0), spent.text


async def test_a_first_number_typed_wrong_is_put_right(company: Company) -> None:
    mine = await range_of(company, "20")
    later = await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", {"first": 10})
    assert (later.json()["first"], later.json()["next"]) == (10, 10), later.text
    await sold(company)
    refused = await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", {"first": 11})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-range")
    at_dian(company, "EPOS").first = 1
    back = await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", {"first": 1})
    assert (back.json()["first"], back.json()["next"]) == (1, 11), back.text


async def test_ranges_written_at_once_do_not_overlap(company: Company) -> None:
    for turn in range(6):
        answers = await asyncio.gather(
            *(
                company.shop.post(
                    "/v1/dian/ranges",
                    {
                        "kind": "05",
                        "prefix": "RC",
                        "first": 1000 * turn + number,
                        "last": 1000 * turn + 100,
                        "authorization": "18760000004",
                        **VALID,
                    },
                )
                for number in range(1, 5)
            )
        )
        assert sorted(each.status_code for each in answers) == [201, 409, 409, 409]


async def test_a_legal_number_exists_once_whatever_range_it_came_from(company: Company) -> None:
    await sold(company)
    # As a race would have left it: another range of the same kind, prefix and number.
    copy = (
        "INSERT INTO document (tenant_id, id, kind, environment, range_id, consecutive, number, counterpart_name, "
        "counterpart_identification, payable, issued_at, uuid, qr, content, user_id) "
        "SELECT tenant_id, gen_random_uuid(), kind, environment, "
        "(SELECT id FROM document_range r WHERE r.tenant_id = :t AND r.kind = '01'), consecutive, number, "
        "counterpart_name, counterpart_identification, payable, issued_at, 'x', qr, content, user_id "
        "FROM document WHERE tenant_id = :t RETURNING 1"
    )
    with pytest.raises(IntegrityError, match="uq_document_number"):
        await company.rows(copy)


async def test_two_prefixes_that_read_alike_do_not_make_a_sale_fail_unheard(company: Company) -> None:
    """`EPOS` 1 and `EPO` … cannot collide; `E1` 1 and `E` 11 can."""
    shop, first = company.shop, await range_of(company, "20")
    assert (await shop.patch(f"/v1/dian/ranges/{first['id']}", {"isOpen": False})).status_code == 200
    one = await company.add_range(kind="20", prefix="E1", first=1, last=9)
    session = (await sold(company))["session"]
    assert (await shop.patch(f"/v1/dian/ranges/{one['id']}", {"isOpen": False})).status_code == 200
    await company.add_range(kind="20", prefix="E", first=11, last=19)
    product = await shop.product()
    refused = await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "100000")
    assert (refused.status_code, refused.json()["code"]) == (409, "number-used"), refused.text


async def test_a_new_technical_key_is_taken(company: Company) -> None:
    mine = await range_of(company, "01")
    changed = await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", {"technicalKey": "0" * 40})
    assert changed.status_code == 200, changed.text
    back = await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", {"technicalKey": TEST_KEY})
    assert back.status_code == 200, back.text
    await sold(company, document="invoice")
    await company.work(ahead=timedelta(minutes=20))
    (state,) = await company.rows("SELECT status FROM document_state WHERE tenant_id = :t")
    assert state.status == "accepted"
