"""What does not reach DIAN is told to whoever runs the installation, however often it is put off."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from app.dev.dian_simulator.faults import Fault
from app.domain.invoicing.circuit import count_failure
from app.lib import clock
from tests.db.catalogue import Admin
from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_sales import sold
from worker.check import Finding
from worker.looks import Looks


@pytest.fixture
def moved(company: Company) -> Iterator[Any]:
    def to(instant: Any) -> None:
        clock.stand_at(instant)
        company.server.clock.stand_at(instant)

    yield to
    clock.stand_at(None)
    company.server.clock.run_from(clock.now())


@pytest.fixture
async def looks(company: Company, admin: Admin) -> Looks:
    """Over all companies: those of other tests have no circuit open."""
    await admin.execute("UPDATE dian_circuit SET opened_at = NULL, probe_at = NULL")
    return Looks(company.database.settings)


def count(found: Any) -> int:
    """Documents that a finding speaks of."""
    if found is None:
        return 0
    assert isinstance(found, Finding), found
    return int(found.detail.partition(": ")[2].split(";")[0].split(".")[0])


async def test_a_document_that_is_put_off_time_and_again_is_late(company: Company, looks: Looks, moved: Any) -> None:
    begun = clock.now()
    # What other tests left is late by then, too.
    moved(begun + timedelta(minutes=48, seconds=1))
    before = count(await looks.dian())
    moved(begun)
    await sold(company)
    await company.rows("UPDATE dian_certificate SET sealed = NULL, retired_at = now() WHERE tenant_id = :t RETURNING 1")
    for minutes in (0, 16, 32, 48):
        moved(begun + timedelta(minutes=minutes, seconds=1))
        await company.sweep()
        await company.work(3)
    late = await looks.dian()
    assert count(late) == before + 1


async def test_a_rejection_is_told(company: Company, looks: Looks) -> None:
    before = count(await looks.rejected())
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="rule", operation="SendBillSync", code="DEAD06"))
    await company.work()
    assert count(await looks.rejected()) == before + 1
    again = await company.shop.post(f"/v1/dian/documents/{sale['document']['id']}/resend")
    assert again.status_code == 200
    await company.work()
    assert count(await looks.rejected()) == before


async def test_the_end_of_the_48_hours_is_told_before_it_comes(company: Company, looks: Looks, moved: Any) -> None:
    declared = await company.shop.post(
        "/v1/dian/contingencies",
        {"reason": "La DIAN lo anunció", "startedAt": (clock.now() - timedelta(minutes=5)).isoformat()},
    )
    await sold(company)
    await company.rows("UPDATE dian_certificate SET sealed = NULL, retired_at = now() WHERE tenant_id = :t RETURNING 1")
    await company.work()
    await company.shop.post(f"/v1/dian/contingencies/{declared.json()['id']}/end")
    ended = clock.now()
    assert await looks.deadlines() is None
    moved(ended + timedelta(hours=30))
    soon = await looks.deadlines()
    assert isinstance(soon, Finding)
    assert (soon.severity, "vence en 18 horas" in soon.detail) == (None, True), soon
    moved(ended + timedelta(hours=40))
    last = await looks.deadlines()
    assert isinstance(last, Finding)
    assert last.severity == "critical"
    moved(ended + timedelta(hours=50))
    over = await looks.deadlines()
    assert isinstance(over, Finding)
    assert "ya venció" in over.detail
    # The other tests of this database look over all companies.
    await company.rows("UPDATE document_state SET status = 'rejected' WHERE tenant_id = :t RETURNING 1")


async def test_an_old_failure_is_no_beginning_of_todays(company: Company) -> None:
    """One 503 two days ago and one now: neither does the circuit open, nor would a contingency begin back then."""
    now = clock.now()
    for began, opened in ((now - timedelta(days=2), False), (now, False), (now + timedelta(seconds=5), False)):
        async with company.database.job_transaction(company.tenant_id) as work:
            assert await count_failure(work, began=began, now=began, silent=False, error="503") is opened
    (row,) = await company.rows("SELECT * FROM dian_circuit WHERE tenant_id = :t")
    assert (row.failures, row.failing_since, row.theirs_since) == (2, now, now)
