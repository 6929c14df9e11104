"""A sale issues its document in its own transaction; the worker brings it to DIAN."""

from decimal import Decimal
from hashlib import sha384
from typing import Any

import msgspec
import pytest

from app.domain.invoicing.identify import Keys, identify
from app.domain.invoicing.model import thaw
from tests.dev.dian_simulator.house import TEST_KEY
from tests.domain.invoicing.issuer import PIN, Company

KEYS = Keys(pin=PIN, technical_key=TEST_KEY)


async def sold(company: Company, price: str = "11900.00", **body: Any) -> dict[str, Any]:
    product = await company.shop.product(price=price, **body.pop("product", {}))
    session = body.pop("session", None) or await company.shop.open_drawer()
    answer = await company.shop.sell(session, [{"productId": product["id"], "quantity": "2"}], "10000000", **body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found | {"session": session}


async def test_a_small_sale_issues_a_pos_document_that_dian_accepts(company: Company) -> None:
    sale = await sold(company)
    document = sale["document"]
    assert document["kind"] == "20"
    assert document["number"] == "EPOS1"
    assert document["status"] == "pending"
    assert document["uuid"] in document["qr"]
    assert "NumFac: EPOS1\n" in document["qr"]
    assert [each["code"] for each in sale["warnings"]] == ["dian-test-environment"]
    assert (await company.shop.get(f"/v1/sales/{sale['id']}")).json()["warnings"] == sale["warnings"]
    assert await company.work() == 2
    now = (await company.shop.get(f"/v1/sales/{sale['id']}")).json()["document"]
    assert now == document | {"status": "accepted"}
    detail = await company.document(document["id"])
    assert detail["hasXml"]
    assert detail["hasResponse"]
    assert detail["rules"] == [] or not any(rule["rejects"] for rule in detail["rules"])


async def test_what_postgresql_computed_is_what_the_law_says(company: Company) -> None:
    sale = await sold(company, document="invoice")
    (row,) = await company.rows("SELECT number, uuid, qr, content FROM document WHERE tenant_id = :t")
    paper = msgspec.structs.replace(thaw(row.content.encode()), number=row.number)
    identity = identify(paper, KEYS)
    assert (row.uuid, row.qr) == (identity.uuid, identity.qr)
    assert (sale["document"]["uuid"], sale["document"]["qr"]) == (identity.uuid, identity.qr)
    assert len(row.uuid) == len(sha384().hexdigest())


@pytest.mark.parametrize(
    ("price", "wanted", "kind"),
    [
        ("11900.00", "auto", "20"),
        ("11900.00", "pos", "20"),
        ("11900.00", "invoice", "01"),
        ("1190000.00", "auto", "01"),
        # 2 × 155,812.95 are 261,870 before taxes: five UVT of 2026, and not one peso more.
        ("155812.65", "auto", "20"),
        ("155812.66", "auto", "01"),
    ],
)
async def test_the_kind_is_chosen_by_law_and_by_wish(company: Company, price: str, wanted: str, kind: str) -> None:
    sale = await sold(company, price, document=wanted)
    assert sale["document"]["kind"] == kind
    await company.work()
    assert (await company.document(sale["document"]["id"]))["status"] == "accepted"


async def test_issuing_begins_and_ends_with_the_very_next_sale(company: Company) -> None:
    kinds = []
    session = await company.shop.open_drawer()
    for issues in (True, False, False, True, True):
        answer = await company.put("/v1/dian/settings", company.settings(is_enabled=issues))
        assert answer.status_code == 200, answer.text
        document = (await sold(company, session=session))["document"]
        kinds.append(document and document["number"])
    assert kinds == ["EPOS1", None, None, "EPOS2", "EPOS3"]


async def test_above_the_limit_a_pos_document_is_refused(company: Company) -> None:
    product = await company.shop.product(price="1190000.00")
    session = await company.shop.open_drawer()
    lines = [{"productId": product["id"], "quantity": "1"}]
    answer = await company.shop.sell(session, lines, "2000000", document="pos")
    assert answer.status_code == 422
    assert answer.json()["code"] == "pos-above-limit"
    none = await company.shop.sell(session, lines, "2000000", document="none")
    assert none.json()["document"] is None
    assert [each["code"] for each in none.json()["warnings"]] == ["no-document"]
    trail = await company.rows("SELECT content FROM audit_entry WHERE tenant_id = :t AND action = 'sale.posted'")
    assert "no-document" in trail[-1].content
    read = (await company.shop.get(f"/v1/sales/{none.json()['id']}")).json()
    assert read["warnings"] == none.json()["warnings"]


async def test_only_who_may_sells_without_document(company: Company) -> None:
    product = await company.shop.product()
    session = await company.shop.open_drawer()
    lines = [{"productId": product["id"], "quantity": "1"}]
    owner = company.shop.token
    await company.rows("UPDATE membership SET role = 'cashier' WHERE tenant_id = :t RETURNING 1")
    refused = await company.shop.sell(session, lines, "2000000", document="none")
    assert (refused.status_code, refused.json()["permission"]) == (403, "sales:undocumented"), refused.text
    sold_with = await company.shop.sell(session, lines, "2000000")
    assert (sold_with.status_code, company.shop.token) == (201, owner)
    # A company that issues nothing has nothing to withhold.
    await company.rows("UPDATE dian_setting SET is_enabled = false WHERE tenant_id = :t RETURNING 1")
    assert (await company.shop.sell(session, lines, "2000000", document="none")).status_code == 201


async def test_numbers_have_no_gap_also_after_a_refused_sale(company: Company) -> None:
    session = await company.shop.open_drawer()
    numbers = []
    for n in range(4):
        sale = await sold(company, session=session)
        numbers.append(sale["document"]["number"])
        if n == 1:
            product = await company.shop.product(stock="1")
            short = await company.shop.sell(session, [{"productId": product["id"], "quantity": "2"}], "100000")
            assert short.json()["code"] == "insufficient-stock"
    assert numbers == [f"EPOS{n}" for n in range(1, 5)]


async def test_a_return_and_a_void_issue_their_notes(company: Company) -> None:
    sale = await sold(company, document="invoice")
    line = sale["lines"][0]
    back = await company.shop.post(
        "/v1/returns",
        {
            "saleId": sale["id"],
            "lines": [{"saleLineId": line["id"], "quantity": "1"}],
            "refunds": [{"method": "cash", "amount": "11900.00"}],
            "reason": "no le gustó",
        },
    )
    assert back.status_code == 201, back.text
    note = back.json()["document"]
    assert (note["kind"], note["number"], note["status"]) == ("91", "NC1", "pending")
    void = await company.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "se equivocó"})
    assert void.json()["document"]["number"] == "NC2"
    await company.work()
    for each in (sale["document"], note, void.json()["document"]):
        detail = await company.document(each["id"])
        assert detail["status"] == "accepted", detail
    assert Decimal((await company.document(note["id"]))["payable"]) == Decimal("11900.00")


async def test_a_voided_pos_document_gets_its_adjustment_note(company: Company) -> None:
    sale = await sold(company)
    void = await company.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "se equivocó"})
    assert void.status_code == 201, void.text
    assert void.json()["document"]["kind"] == "94"
    await company.work()
    detail = await company.document(void.json()["document"]["id"])
    assert detail["status"] == "accepted", detail


async def test_a_note_waits_for_what_it_corrects(company: Company) -> None:
    sale = await sold(company)
    void = await company.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "se equivocó"})
    note = void.json()["document"]["id"]
    jobs = await company.rows(
        "SELECT id, kind, payload FROM outbox WHERE tenant_id = :t AND kind = 'invoicing.transmit'"
    )
    (mine,) = [job for job in jobs if job.payload["documentId"] == note]
    await company.run_job(mine.id, mine.kind, mine.payload)
    waiting = await company.document(note)
    assert waiting["status"] == "pending"
    assert "Espera" in waiting["message"]
    await company.work()
    assert (await company.document(note))["status"] == "accepted"


async def test_a_spent_range_gives_way_to_the_next_and_then_refuses(company: Company) -> None:
    first = await company.add_range(kind="20", prefix="EPO", first=1, last=2, validTo="2029-01-01")
    session = await company.shop.open_drawer()
    numbers = [(await sold(company, session=session))["document"]["number"] for _ in range(3)]
    assert numbers == ["EPO1", "EPO2", "EPOS1"]
    listed = (await company.shop.get("/v1/dian/ranges")).json()["items"]
    spent = next(each for each in listed if each["id"] == first["id"])
    assert spent["left"] == 0
    assert spent["warnings"]
    for each in listed:
        if each["kind"] in {"01", "20"}:
            closed = await company.shop.patch(f"/v1/dian/ranges/{each['id']}", {"isOpen": False})
            assert closed.status_code == 200, closed.text
    product = await company.shop.product()
    refused = await company.shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")
    assert refused.status_code == 422
    assert refused.json()["code"] == "no-document-range"


async def test_a_sale_that_dian_would_reject_spends_no_number(company: Company) -> None:
    told = await company.shop.patch("/v1/company", {"email": ""})
    assert told.status_code == 200, told.text
    product = await company.shop.product()
    session = await company.shop.open_drawer()
    lines = [{"productId": product["id"], "quantity": "1"}]
    refused = await company.shop.sell(session, lines, "20000")
    assert refused.status_code == 422, refused.text
    assert refused.json()["code"] == "document-invalid"
    assert refused.json()["errors"][0]["pointer"] == "/issuer/email"
    await company.shop.patch("/v1/company", {"email": "caja@tienda.test"})
    sale = await company.shop.sell(session, lines, "20000")
    assert sale.json()["document"]["number"] == "EPOS1"
