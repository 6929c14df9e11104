"""A chain of a million entries: proven in bounded memory, searched by its indexes, tampering named."""

import asyncio
import gc
import json
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import psutil
import pytest
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.domain.audit.verify import verify_chain
from app.lib import clock
from app.lib.schemas import canonical
from tests.shop import Shop

COLUMNS = ["tenant_id", "seq", "id", "at", "action", "subject_id", "number", "content", "hash"]
SMALL, FULL = 3_000, 1_000_000
MOST_MEMORY = 64
"""Megabytes that a proof may take besides what the process had."""


async def lengthen(shop: Shop, database: Database, admin: asyncpg.Connection, count: int) -> UUID:
    """Put entries behind a company's chain, each as large as a sale's of three lines, until it has `count`."""
    company = UUID(shop.tenant_id)
    (head,) = await admin.fetch("SELECT seq, hash FROM audit_head WHERE tenant_id = $1", company)
    last: list[Any] = [head["seq"], head["hash"]]
    lines = [{"sku": f"SKU{n:07}", "name": f"Producto número {n}", "total": "11900.00"} for n in range(3)]
    began = clock.now() - timedelta(days=300)

    def links() -> Iterator[tuple[Any, ...]]:
        for seq in range(last[0] + 1, count + 1):
            entry_id, subject, at = uuid7(), uuid7(), began + timedelta(seconds=20 * seq)
            action = "sale.voided" if seq % 50_000 == 0 else "sale.posted"
            user = shop.user["id"] if seq % 100_000 == 0 else str(UUID(int=seq % 8 + 1))
            content = canonical(
                {
                    "action": action,
                    "actor": {"userId": user, "role": "cashier"},
                    "address": "10.0.0.1",
                    "after": {"lines": lines, "total": "35700.00", "id": subject},
                    "at": at,
                    "before": None,
                    "requestId": str(entry_id),
                    "subject": subject,
                }
            ).decode()
            last[:] = seq, database.audit_keys.link(company, entry_id, last[1], seq, seq, content)
            yield company, seq, entry_id, at, action, subject, seq, content, last[1]

    await admin.copy_records_to_table("audit_entry", records=links(), columns=COLUMNS)
    await admin.execute("UPDATE audit_head SET seq = $2, hash = $3 WHERE tenant_id = $1", company, *last)
    await admin.execute("ANALYZE audit_entry")
    return company


async def prove(shop: Shop, database: Database, admin: asyncpg.Connection, count: int) -> None:
    began = time.perf_counter()
    company = await lengthen(shop, database, admin, count)
    print(f"\naudit: {count:,} entries written in {time.perf_counter() - began:.1f} s")
    process = psutil.Process(os.getpid())
    gc.collect()
    sizes = [process.memory_info().rss]

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.02)
            sizes.append(process.memory_info().rss)

    watching, began = asyncio.create_task(watch()), time.perf_counter()
    async with database.job_transaction(company) as work:
        found = await verify_chain(work)
    took = time.perf_counter() - began
    watching.cancel()
    grown = (max(sizes) - sizes[0]) / 1e6
    assert (found.breaks, found.checked) == ([], count)
    print(
        f"audit: {count:,} entries verified in {took:.1f} s ({count / took:,.0f}/s), {grown:.1f} MB more memory at most"
    )
    assert grown < MOST_MEMORY
    middle = count // 2
    await admin.execute(
        "UPDATE audit_entry SET content = replace(content, '35700.00', '35700.01') WHERE tenant_id = $1 AND seq = $2",
        company, middle,
    )  # fmt: skip
    await admin.execute("DELETE FROM audit_entry WHERE tenant_id = $1 AND seq = $2", company, count - 10)
    async with database.job_transaction(company) as work:
        found = await verify_chain(work)
    assert [(one.kind, one.seq) for one in found.breaks] == [
        ("changed", middle),
        ("missing", count - 10),
        ("unknown", count - 9),
    ]


async def test_a_chain_is_proven_in_bounded_memory(shop: Shop, database: Database, admin: asyncpg.Connection) -> None:
    await prove(shop, database, admin, SMALL)


@pytest.mark.proof
@pytest.mark.timeout(1_800)
async def test_a_million_entries_are_proven_in_bounded_memory(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    await prove(shop, database, admin, FULL)
    day = (clock.now() - timedelta(days=200)).date().isoformat()
    content = await admin.fetchval(
        "SELECT content FROM audit_entry WHERE tenant_id = $1 AND seq = $2", UUID(shop.tenant_id), FULL // 3
    )
    subject = json.loads(str(content))["subject"]
    slow: list[str] = []
    for what, wanted in (
        ("newest", {}),
        ("entity", {"subjectId": subject}),
        ("person", {"userId": shop.user["id"]}),
        ("day", {"from": day, "to": day}),
        ("person and day", {"userId": str(UUID(int=3)), "from": day, "to": day}),
        ("action", {"action": "sale.voided"}),
        ("action of nothing", {"action": "stock.counted"}),
    ):
        began = time.perf_counter()
        answer = await shop.get("/v1/audit/entries", **wanted)
        took = 1000 * (time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
        print(f"audit: page by {what}: {len(answer.json()['items'])} entries in {took:.0f} ms")
        slow += [what] if took > 1_000 else []
    assert slow == []
