"""Many documents through a DIAN that fails in every way at once: none twice, none lost, no number missing."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.dev.dian_simulator.faults import Fault
from app.domain.invoicing import transmit
from app.lib import clock
from tests.domain.invoicing.issuer import Company

KINDS: tuple[Any, ...] = (
    "timeout-after-processing",
    "timeout-before-processing",
    "garbage",
    "truncated",
    "in-process",
    "status",
)
COUNT = 40


async def test_a_storm_of_faults_duplicates_loses_and_leaves_nothing(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transmit, "PATIENCE", 0.3)
    r = random.Random(7)
    session = await company.shop.open_drawer()
    product = await company.shop.product(stock="1000")
    uuids = []
    for _ in range(COUNT):
        sold = await company.shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")
        assert sold.status_code == 201, sold.text
        uuids.append(sold.json()["document"]["uuid"])
    for n in range(1, COUNT + 1, 2):
        status = r.choice([500, 503, 507])
        company.server.faults.plant(
            Fault(kind=r.choice(KINDS), operation="SendBillSync", number=f"EPOS{n}", status=status, seconds=1)
        )
    begun = clock.now()
    try:
        for minute in range(15):
            move(company, begun + timedelta(minutes=minute))
            await company.work(3)
            await company.sweep()
    finally:
        clock.stand_at(None)
        company.server.clock.run_from(clock.now())
    rows = await company.rows(
        "SELECT d.consecutive, d.uuid, s.status FROM document d JOIN document_state s ON s.tenant_id = d.tenant_id "
        "AND s.document_id = d.id WHERE d.tenant_id = :t ORDER BY d.consecutive"
    )
    assert [row.consecutive for row in rows] == list(range(1, COUNT + 1))
    assert {row.status for row in rows} == {"accepted"}
    assert [row.uuid for row in rows] == uuids
    valid = [each.uuid for each in company.server.service.store.by_key.values() if each.key[0] == company.nit]
    assert sorted(valid) == sorted(uuids)
    assert all(company.server.service.store.sent[uuid] == 1 for uuid in uuids)


def move(company: Company, instant: datetime) -> None:
    clock.stand_at(instant)
    company.server.clock.stand_at(instant)
