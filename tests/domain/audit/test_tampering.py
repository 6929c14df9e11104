"""Each way to tamper with a chain has its name, also when the tamperer covers it up as far as that goes without the key."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.session import Database
from app.domain.audit.anchors import Anchor, anchor_head, append_to_file, read_file
from app.domain.audit.schemas import Verification
from app.domain.audit.verify import verify_chain
from tests.shop import Shop

Tamper = Callable[[asyncpg.Connection, UUID], Awaitable[Any]]
COLUMNS = "tenant_id, seq, id, at, action, subject_id, number, content, hash"
LENGTH = 12


async def entries(shop: Shop, count: int = LENGTH) -> UUID:
    """A chain of some length; answers its company."""
    while (await shop.get("/v1/audit/verify")).json()["headSeq"] < count:
        answer = await shop.patch("/v1/company", {"ticketFooter": f"Gracias {uuid4().hex}"})
        assert answer.status_code == 200, answer.text
    return UUID(shop.tenant_id)


async def verified(database: Database, company: UUID, anchors: list[Anchor] | None = None) -> Verification:
    async with database.job_transaction(company) as work:
        return await verify_chain(work, anchors=anchors or [])


async def anchored(database: Database, company: UUID) -> Anchor:
    async with database.job_transaction(company) as work:
        anchor = await anchor_head(work)
    assert anchor is not None
    return anchor


def breaks(found: Verification) -> list[tuple[str, int, int]]:
    assert found.intact == (found.break_count == 0)
    return [(one.kind, one.seq, one.last_seq) for one in found.breaks]


async def swap(admin: asyncpg.Connection, company: UUID, one: int, other: int) -> None:
    """Two entries change places, hashes and all."""
    statement = "UPDATE audit_entry SET seq = $3 WHERE tenant_id = $1 AND seq = $2"
    for source, target in ((one, 0), (other, one), (0, other)):
        await admin.execute(statement, company, source, target)


async def renumber(admin: asyncpg.Connection, company: UUID, behind: int, by: int) -> None:
    """Entries behind a place move, and the head with them."""
    # Far away first: no two may meet on the way.
    for step in (1_000_000, by - 1_000_000):
        await admin.execute(
            "UPDATE audit_entry SET seq = seq + $3 WHERE tenant_id = $1 AND seq > $2", company, behind, step
        )
    await admin.execute("UPDATE audit_head SET seq = seq + $2 WHERE tenant_id = $1", company, by)


async def change_content(admin: asyncpg.Connection, company: UUID) -> None:
    await admin.execute(
        "UPDATE audit_entry SET content = replace(content, 'Gracias', 'Gratias') WHERE tenant_id = $1 AND seq = 8",
        company,
    )


async def change_content_and_hash(admin: asyncpg.Connection, company: UUID) -> None:
    await change_content(admin, company)
    await change_hash(admin, company)


async def change_hash(admin: asyncpg.Connection, company: UUID) -> None:
    await admin.execute(
        "UPDATE audit_entry SET hash = sha256(content::bytea) WHERE tenant_id = $1 AND seq = 8", company
    )


async def delete(admin: asyncpg.Connection, company: UUID) -> None:
    await admin.execute("DELETE FROM audit_entry WHERE tenant_id = $1 AND seq BETWEEN 7 AND 8", company)


async def delete_and_renumber(admin: asyncpg.Connection, company: UUID) -> None:
    await delete(admin, company)
    await renumber(admin, company, 8, -2)


async def insert(admin: asyncpg.Connection, company: UUID) -> None:
    await renumber(admin, company, 7, 1)
    await admin.execute(
        f"INSERT INTO audit_entry ({COLUMNS}) SELECT tenant_id, 8, gen_random_uuid(), at, action, subject_id, number, "
        "content, sha256(content::bytea) FROM audit_entry WHERE tenant_id = $1 AND seq = 7",
        company,
    )


async def insert_two(admin: asyncpg.Connection, company: UUID) -> None:
    await insert(admin, company)
    await insert(admin, company)


async def swap_neighbours(admin: asyncpg.Connection, company: UUID) -> None:
    await swap(admin, company, 7, 8)


async def swap_far(admin: asyncpg.Connection, company: UUID) -> None:
    await swap(admin, company, 6, 10)


async def rewrite_head(admin: asyncpg.Connection, company: UUID) -> None:
    await admin.execute("UPDATE audit_head SET hash = sha256(hash) WHERE tenant_id = $1", company)


async def lose_head(admin: asyncpg.Connection, company: UUID) -> None:
    await admin.execute("DELETE FROM audit_head WHERE tenant_id = $1", company)


async def cut_front(admin: asyncpg.Connection, company: UUID) -> None:
    await admin.execute("DELETE FROM audit_entry WHERE tenant_id = $1 AND seq <= 3", company)


async def cut_end(admin: asyncpg.Connection, company: UUID) -> None:
    await admin.execute(f"DELETE FROM audit_entry WHERE tenant_id = $1 AND seq > {LENGTH - 2}", company)


KINDS: list[tuple[Tamper, list[tuple[str, int, int]]]] = [
    (change_content, [("changed", 8, 8)]),
    (change_hash, [("changed", 8, 8)]),
    # Whether 9 is as it was cannot be told: what it follows is gone. It is named all the same.
    (change_content_and_hash, [("changed", 8, 8), ("changed", 9, 9)]),
    (delete, [("missing", 7, 8), ("unknown", 9, 9)]),
    (delete_and_renumber, [("missing", 7, 7), ("unknown", 7, 7)]),
    (insert, [("inserted", 8, 8)]),
    (insert_two, [("inserted", 8, 8), ("inserted", 9, 9)]),
    (swap_neighbours, [("moved", 7, 7), ("moved", 8, 8)]),
    (swap_far, [("moved", 6, 6), ("moved", 10, 10)]),
    (rewrite_head, [("head", LENGTH, LENGTH)]),
    (lose_head, [("head", 0, 0)]),
    (cut_front, [("missing", 1, 3), ("unknown", 4, 4)]),
    (cut_end, [("missing", LENGTH - 1, LENGTH)]),
]


@pytest.mark.parametrize(("tamper", "named"), KINDS, ids=[tamper.__name__ for tamper, _ in KINDS])
async def test_what_was_done_to_a_chain_is_named_and_nothing_else(
    shop: Shop, admin: asyncpg.Connection, database: Database, tamper: Tamper, named: list[tuple[str, int, int]]
) -> None:
    company = await entries(shop)
    assert breaks(await verified(database, company)) == []
    await tamper(admin, company)
    assert breaks(await verified(database, company)) == named


async def test_several_things_done_to_one_chain_are_all_named(
    shop: Shop, admin: asyncpg.Connection, database: Database
) -> None:
    company = await entries(shop, 30)
    await swap(admin, company, 20, 21)
    await delete(admin, company)
    await admin.execute("UPDATE audit_entry SET number = 99 WHERE tenant_id = $1 AND seq IN (3, 28)", company)
    await rewrite_head(admin, company)
    assert breaks(await verified(database, company)) == [
        ("changed", 3, 3),
        ("missing", 7, 8),
        ("unknown", 9, 9),
        ("moved", 20, 20),
        ("moved", 21, 21),
        ("changed", 28, 28),
        ("head", 30, 30),
    ]


async def cut_end_with_head(admin: asyncpg.Connection, company: UUID) -> None:
    """What needs no key: the chain that is left is whole in itself."""
    await cut_end(admin, company)
    await admin.execute(
        "UPDATE audit_head h SET seq = e.seq, hash = e.hash FROM audit_entry e WHERE h.tenant_id = $1 "
        "AND e.tenant_id = $1 AND e.seq = (SELECT max(seq) FROM audit_entry WHERE tenant_id = $1)",
        company,
    )


async def test_an_end_cut_off_with_its_head_is_found_by_the_anchored_head(
    shop: Shop, admin: asyncpg.Connection, database: Database
) -> None:
    company = await entries(shop)
    await anchored(database, company)
    await cut_end_with_head(admin, company)
    assert breaks(await verified(database, company)) == [("truncated", LENGTH - 1, LENGTH)]
    async with database.job_transaction(company) as work:
        # Anchoring again does not cover it up.
        assert await anchor_head(work) is None


async def test_an_end_cut_off_with_head_and_anchors_is_found_by_the_file(
    shop: Shop, admin: asyncpg.Connection, database: Database, tmp_path: Path
) -> None:
    company = await entries(shop)
    await append_to_file(tmp_path, await anchored(database, company))
    await cut_end_with_head(admin, company)
    await admin.execute("DELETE FROM audit_checkpoint WHERE tenant_id = $1", company)
    assert breaks(await verified(database, company)) == []
    assert breaks(await verified(database, company, read_file(tmp_path, company))) == [
        ("truncated", LENGTH - 1, LENGTH)
    ]


async def test_a_chain_written_anew_with_the_key_differs_from_the_anchored_heads(
    shop: Shop, admin: asyncpg.Connection, database: Database
) -> None:
    company = await entries(shop)
    await anchored(database, company)
    rows = await admin.fetch(f"SELECT {COLUMNS} FROM audit_entry WHERE tenant_id = $1 ORDER BY seq", company)
    head = bytes(32)
    for row in rows:
        content = row["content"].replace("Gracias", "Gratias")
        head = database.audit_keys.link(company, row["id"], head, row["seq"], row["number"] or 0, content)
        await admin.execute(
            "UPDATE audit_entry SET content = $3, hash = $4 WHERE tenant_id = $1 AND seq = $2",
            company, row["seq"], content, head,
        )  # fmt: skip
    await admin.execute("UPDATE audit_head SET hash = $2 WHERE tenant_id = $1", company, head)
    assert breaks(await verified(database, company)) == [("checkpoint", LENGTH, LENGTH)]


async def test_an_anchored_head_that_we_did_not_sign_is_told(
    shop: Shop, admin: asyncpg.Connection, database: Database
) -> None:
    company = await entries(shop)
    await anchored(database, company)
    await admin.execute("UPDATE audit_checkpoint SET seq = seq + 5 WHERE tenant_id = $1", company)
    assert breaks(await verified(database, company)) == [("checkpoint", LENGTH + 5, LENGTH + 5)]


async def test_a_file_with_a_broken_line_names_it(shop: Shop, database: Database, tmp_path: Path) -> None:
    company = await entries(shop)
    await append_to_file(tmp_path, await anchored(database, company))
    path = tmp_path / f"{company}.jsonl"
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(ValueError, match="line 2"):
        read_file(tmp_path, company)


async def test_after_sales_returns_and_voids_the_chain_holds(shop: Shop, database: Database) -> None:
    product = await shop.product()
    drawer = await shop.open_drawer()
    lines = [{"productId": product["id"], "quantity": "2"}]
    sold = [(await shop.sell(drawer, lines, "23800")).json() for _ in range(4)]
    back = await shop.post(
        "/v1/returns",
        {
            "saleId": sold[0]["id"],
            "sessionId": drawer,
            "lines": [{"saleLineId": sold[0]["lines"][0]["id"], "quantity": "1"}],
            "refunds": [{"method": "cash", "amount": "11900.00"}],
            "reason": "talla",
        },
    )
    assert back.status_code == 201, back.text
    void = await shop.post(f"/v1/sales/{sold[1]['id']}/void", {"reason": "error de digitación"})
    assert void.is_success, void.text
    found = await verified(database, UUID(shop.tenant_id))
    assert (found.breaks, found.checked) == ([], found.head_seq)
    listed = (await shop.get("/v1/audit/entries", action="sale.")).json()["items"]
    assert sorted(entry["action"] for entry in listed) == ["sale.posted"] * 4 + ["sale.returned", "sale.voided"]
    assert all(entry["number"] > 0 for entry in listed)


async def test_a_part_of_a_chain_is_verified_alone(shop: Shop, admin: asyncpg.Connection, database: Database) -> None:
    company = await entries(shop)
    await anchored(database, company)
    await change_content(admin, company)
    async with database.job_transaction(company) as work:
        assert breaks(await verify_chain(work, 1, 7)) == []
        assert breaks(await verify_chain(work, 8, 8)) == [("changed", 8, 8)]
        assert breaks(await verify_chain(work, 9)) == []


async def test_of_very_many_breaks_all_are_told_and_a_thousand_listed(
    shop: Shop, admin: asyncpg.Connection, database: Database
) -> None:
    company = await entries(shop)
    await admin.execute("DELETE FROM audit_entry WHERE tenant_id = $1", company)
    await admin.execute(
        f"INSERT INTO audit_entry ({COLUMNS}) SELECT $1, n, gen_random_uuid(), now(), 'a', $1, 0, '{{}}', "
        "sha256(int8send(n)) FROM generate_series(1, 1500) n",
        company,
    )
    told: list[int] = []
    async with database.job_transaction(company) as work:
        found = await verify_chain(work, tell=lambda one: told.append(one.seq))
    # The head, too, is another.
    assert (len(told), found.break_count, len(found.breaks)) == (1501, 1501, 1000)
