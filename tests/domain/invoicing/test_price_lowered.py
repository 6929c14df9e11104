"""A price that is lowered after the sale (F107): a credit note by hand, within what is left, and goods only through the sale."""

from typing import Any

import pytest

from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_sales import sold


def note(kind: str, corrects: str, price: str, concept: str = "4") -> dict[str, Any]:
    line = {"description": "Rebaja pactada", "code": "R", "quantity": "1", "unitPrice": price}
    return {"kind": kind, "correctsId": corrects, "concept": concept, "reason": "Precio acordado", "lines": [line]}


@pytest.mark.parametrize(("wanted", "kind", "other"), [("auto", "94", "91"), ("invoice", "91", "94")])
async def test_a_price_is_lowered_by_a_note(company: Company, wanted: str, kind: str, other: str) -> None:
    sale = await sold(company, document=wanted)
    await company.work()
    document, total = sale["document"]["id"], sale["total"]
    for body, code in (
        (note(other, document, "100.00"), "other-kind"),
        (note(kind, document, "100.00", "1"), "goods-by-return"),
        (note(kind, document, total, "2"), "goods-by-return"),
        (note(kind, document, str(float(total) + 1)), "note-above-document"),
    ):
        refused = await company.shop.post("/v1/dian/documents", body)
        assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    made = await company.shop.post("/v1/dian/documents", note(kind, document, "100.00"))
    assert made.status_code == 201, made.text
    await company.work()
    found = await company.document(made.json()["id"])
    assert (found["kind"], found["status"]) == (kind, "accepted"), found

    # What is left of it is less than the goods were sold for: first the note is undone, then they come back.
    void = await company.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "error"})
    assert (void.status_code, void.json()["code"]) == (422, "note-above-document"), void.text
    assert (await company.shop.get(f"/v1/sales/{sale['id']}")).json()["status"] == sale["status"], "nothing came back"
    undone = await company.shop.post(
        "/v1/dian/documents", note({"91": "92", "94": "93"}[kind], document, "100.00", {"91": "3", "94": "4"}[kind])
    )
    assert undone.status_code == 201, undone.text
    assert (await company.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "error"})).status_code == 201
    await company.work()
    states = await company.rows("SELECT status FROM document_state WHERE tenant_id = :t")
    assert [row.status for row in states] == ["accepted"] * 4
