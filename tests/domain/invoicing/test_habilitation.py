"""A test set ends as DIAN ends it: with enough documents, whatever became of the others."""

from datetime import timedelta
from typing import Any

import pytest

from app.dev.dian_simulator.faults import Fault
from app.dev.dian_simulator.registry import TestSet
from app.domain.invoicing.kinds import Kind, family_of_set
from tests.domain.invoicing.issuer import Company

SOON = timedelta(minutes=16)


async def start(company: Company, **changed: Any) -> dict[str, Any]:
    body = {"family": "invoice", "testSetId": f"set-{company.nit}", "invoices": 4, "creditNotes": 1, "debitNotes": 1}
    made = await company.shop.post("/v1/dian/habilitation", body | changed)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def until_finished(company: Company) -> dict[str, Any]:
    progress: dict[str, Any] = {}
    for _ in range(12):
        await company.work(12, ahead=SOON)
        (progress,) = (await company.shop.get("/v1/dian/habilitation")).json()["items"]
        if progress["status"] != "running":
            break
    return progress


async def statuses(company: Company) -> list[str]:
    rows = await company.rows("SELECT status FROM document_state WHERE tenant_id = :t ORDER BY document_id")
    return [row.status for row in rows]


def needs(company: Company, count: int) -> None:
    company.server.service.registry.test_sets.append(
        TestSet(id=f"set-{company.nit}", nit=company.nit, needed=count, needed_by_kind={})
    )


async def test_a_set_that_dian_has_accepted_needs_nothing_more(company: Company) -> None:
    needs(company, 3)
    await start(company)
    ended = await until_finished(company)
    assert ended["status"] == "accepted", ended
    assert ended["rejected"] == 0
    assert ended["accepted"] >= 3
    assert ended["notNeeded"] == ended["wanted"] - ended["accepted"] > 0
    assert set(await statuses(company)) == {"accepted", "withdrawn"}
    # Nothing is asked for any more, and nothing can be sent again.
    assert await company.work(ahead=timedelta(days=2)) == 0
    rows = await company.rows("SELECT document_id FROM document_state WHERE tenant_id = :t AND status = 'withdrawn'")
    again = await company.shop.post(f"/v1/dian/documents/{rows[0].document_id}/resend")
    assert (again.status_code, again.json()["code"]) == (409, "document-withdrawn")


async def test_a_rejection_fails_no_set_that_has_its_minimum(company: Company) -> None:
    needs(company, 50)
    first = {"leastInvoices": 3, "leastCreditNotes": 1, "leastDebitNotes": 1}
    begun = await start(company, **first)
    assert (begun["wanted"], begun["least"]) == (6, 5)
    numbers = [f"SETP99000000{n}" for n in range(4)]
    company.server.faults.plant(Fault(kind="rule", operation="GetStatusZip", number=numbers[3], times=0))
    ended = await until_finished(company)
    assert (ended["status"], ended["accepted"], ended["rejected"]) == ("accepted", 5, 1), ended


async def test_too_few_of_one_kind_fail_a_set(company: Company) -> None:
    """And its notes, which wait for what was rejected, do not keep it open for a day."""
    needs(company, 50)
    await start(company, leastInvoices=1, leastCreditNotes=1, leastDebitNotes=0)
    company.server.faults.plant(Fault(kind="rule", operation="GetStatusZip", number="SETP990000000", times=0))
    ended = await until_finished(company)
    assert (ended["status"], ended["accepted"], ended["rejected"]) == ("failed", 3, 1), ended
    assert sorted(await statuses(company)) == ["accepted"] * 3 + ["rejected"] + ["withdrawn"] * 2
    # Nor does anybody end one of them by hand: a set with one closed would count as accepted.
    (row,) = await company.rows("SELECT document_id FROM document_state WHERE tenant_id = :t AND status = 'rejected'")
    by_hand = await company.shop.post(f"/v1/dian/documents/{row.document_id}/withdraw", {"reason": "no va más"})
    assert (by_hand.status_code, by_hand.json()["code"]) == (409, "test-document"), by_hand.text


async def test_no_set_wants_more_than_it_sends(company: Company) -> None:
    refused = await company.shop.post(
        "/v1/dian/habilitation", {"family": "invoice", "testSetId": "x", "invoices": 2, "leastInvoices": 3}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-minimum"), refused.text
    assert await company.rows("SELECT 1 FROM dian_test_set WHERE tenant_id = :t") == []


async def test_a_document_goes_to_the_set_of_its_family(company: Company) -> None:
    """What a failed set left on its way is not sent with the code of the next one, of another family."""
    needs(company, 50)
    company.server.service.registry.test_sets.append(
        TestSet(id="of-pos", nit=company.nit, needed=50, needed_by_kind={})
    )
    company.server.faults.plant(Fault(kind="status", operation="SendTestSetAsync", times=3))
    await start(company, invoices=1, creditNotes=0, debitNotes=0)
    await company.work(1)
    await company.rows(
        "UPDATE dian_test_set SET status = 'failed', finished_at = now() WHERE tenant_id = :t RETURNING 1"
    )
    await start(company, family="pos", testSetId="of-pos", invoices=1, creditNotes=0, debitNotes=0)
    await company.work(12, ahead=SOON)
    batches = company.server.service.store.batches.values()
    sets = {
        each.files[0][0][:2]: each.test_set for each in batches if each.test_set in {f"set-{company.nit}", "of-pos"}
    }
    assert sets == {"fv": f"set-{company.nit}", "ds": "of-pos"}


@pytest.mark.parametrize(("kind", "family"), [("92", "invoice"), ("94", "pos"), ("95", "support")])
def test_the_family_of_a_kind(kind: str, family: str) -> None:
    assert family_of_set(Kind(kind)) == family
