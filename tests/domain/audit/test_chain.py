"""The trail cannot be changed without being found out."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from app.db.jobs import JobContext
from app.db.session import Database
from app.domain.audit.findings import tell
from app.domain.audit.jobs import verify_chain_nightly
from app.domain.audit.verify import Wanted, verify_companies
from app.lib.jobs import NoPayload
from tests.shop import Shop


async def _busy(shop: Shop) -> int:
    """Some business; answers the last entry's place."""
    for name in ("Uno", "Dos", "Tres"):
        answer = await shop.patch("/v1/company", {"ticketFooter": f"Gracias {name}"})
        assert answer.status_code == 200, answer.text
    found = (await shop.get("/v1/audit/verify")).json()
    assert found["intact"], found
    return int(found["headSeq"])


async def _breaks(shop: Shop, **params: Any) -> list[tuple[str, int]]:
    answer = await shop.get("/v1/audit/verify", **params)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["intact"] == (not body["breaks"])
    return [(one["kind"], one["seq"]) for one in body["breaks"]]


async def test_an_untouched_chain_is_intact_whole_and_in_parts(shop: Shop) -> None:
    product = await shop.product()
    drawer = await shop.open_drawer()
    sale = await shop.sell(drawer, [{"productId": product["id"], "quantity": 2}], "23800")
    assert sale.status_code == 201, sale.text
    last = await _busy(shop)
    body = (await shop.get("/v1/audit/verify")).json()
    assert (body["fromSeq"], body["toSeq"], body["checked"]) == (1, last, last)
    part = (await shop.get("/v1/audit/verify", fromSeq=2, toSeq=3)).json()
    assert (part["checked"], part["breaks"]) == (2, [])
    beyond = (await shop.get("/v1/audit/verify", fromSeq=last + 50)).json()
    assert (beyond["checked"], beyond["breaks"]) == (0, [])


@pytest.mark.parametrize(
    "change",
    [
        "content = replace(content, 'Gracias', 'Gratias')",
        "action = 'sale.posted'",
        "subject_id = gen_random_uuid()",
        "number = number + 1",
        "at = at - interval '1 microsecond'",
        "id = gen_random_uuid()",
    ],
)
async def test_one_changed_row_is_found(shop: Shop, admin: asyncpg.Connection, change: str) -> None:
    last = await _busy(shop)
    place = UUID(shop.tenant_id), last - 1
    await admin.execute(f"UPDATE audit_entry SET {change} WHERE tenant_id = $1 AND seq = $2", *place)
    assert await _breaks(shop) == [("changed", last - 1)]
    assert await _breaks(shop, toSeq=last - 2) == []


async def test_all_breaks_are_told_and_not_only_the_first(shop: Shop, admin: asyncpg.Connection) -> None:
    last = await _busy(shop)
    places = [1, last]
    await admin.execute(
        "UPDATE audit_entry SET content = content || ' ' WHERE tenant_id = $1 AND seq = ANY($2)",
        UUID(shop.tenant_id), places,
    )  # fmt: skip
    assert await _breaks(shop) == [("changed", 1), ("changed", last)]


async def test_a_removed_row_is_found(shop: Shop, admin: asyncpg.Connection) -> None:
    last = await _busy(shop)
    await admin.execute("DELETE FROM audit_entry WHERE tenant_id = $1 AND seq = $2", UUID(shop.tenant_id), last - 1)
    assert await _breaks(shop) == [("missing", last - 1), ("unknown", last)]


async def test_a_removed_end_is_found(shop: Shop, admin: asyncpg.Connection) -> None:
    last = await _busy(shop)
    await admin.execute("DELETE FROM audit_entry WHERE tenant_id = $1 AND seq > $2", UUID(shop.tenant_id), last - 2)
    body = (await shop.get("/v1/audit/verify")).json()
    assert [(one["kind"], one["seq"], one["lastSeq"]) for one in body["breaks"]] == [("missing", last - 1, last)]


async def test_an_end_removed_with_its_head_leaves_the_head_that_does_not_fit(
    shop: Shop, admin: asyncpg.Connection
) -> None:
    last = await _busy(shop)
    company = UUID(shop.tenant_id)
    await admin.execute("DELETE FROM audit_entry WHERE tenant_id = $1 AND seq = $2", company, last)
    await admin.execute("UPDATE audit_head SET seq = seq - 1 WHERE tenant_id = $1", company)
    assert await _breaks(shop) == [("head", last - 1)]


async def test_a_row_behind_the_head_is_found(shop: Shop, admin: asyncpg.Connection) -> None:
    last = await _busy(shop)
    await admin.execute("UPDATE audit_head SET seq = seq - 1 WHERE tenant_id = $1", UUID(shop.tenant_id))
    assert ("head", last - 1) in await _breaks(shop)


async def test_a_company_sees_its_own_trail_only(shop: Shop, other_shop: Shop) -> None:
    mine = (await shop.get("/v1/audit/entries")).json()["items"]
    theirs = (await other_shop.get("/v1/audit/entries", subjectId=mine[0]["subjectId"])).json()["items"]
    assert mine
    assert theirs == []


async def test_the_trail_is_paged_newest_first_and_filtered(shop: Shop) -> None:
    await _busy(shop)
    pages: list[int] = []
    cursor = None
    while True:
        body = (await shop.get("/v1/audit/entries", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        pages += [entry["seq"] for entry in body["items"]]
        cursor = body["nextCursor"]
        if cursor is None:
            break
    assert pages == list(range(len(pages), 0, -1))
    (entry, *_) = (await shop.get("/v1/audit/entries", limit=1)).json()["items"]
    assert (entry["actor"]["userId"], entry["before"] != entry["after"]) == (shop.user["id"], True)
    for wanted, some in (
        ({"action": entry["action"]}, True),
        ({"action": entry["action"].split(".")[0] + "."}, True),
        ({"action": "company"}, False),
        ({"userId": shop.user["id"]}, True),
        ({"userId": shop.tenant_id}, False),
        ({"from": "2000-01-01", "to": "2000-01-02"}, False),
        ({"from": "2000-01-01"}, True),
    ):
        items = (await shop.get("/v1/audit/entries", **wanted)).json()["items"]
        assert bool(items) == some, wanted


async def test_the_file_holds_everything_and_no_formula(shop: Shop) -> None:
    assert (await shop.patch("/v1/company", {"name": "=HYPERLINK(1)"})).status_code == 200
    listed = (await shop.get("/v1/audit/entries", limit=200)).json()["items"]
    as_json = await shop.get("/v1/audit/export", format="json")
    assert as_json.json() == listed
    lines = (await shop.get("/v1/audit/export")).text.splitlines()
    assert len(lines) == 1 + len(listed)
    assert not any(cell.startswith(("=", "+", "@")) for line in lines for cell in line.split(","))


async def test_the_nightly_proof_tells_the_operator_until_it_is_mended(
    shop: Shop, admin: asyncpg.Connection, database: Database
) -> None:
    last = await _busy(shop)
    company = UUID(shop.tenant_id)
    context = JobContext(database=database, tenant_id=company, job_id=company, attempt=1, request_id="")
    open_findings = "SELECT count(*) FROM monitor_alert WHERE fingerprint = $1 AND resolved_at IS NULL"
    fingerprint = f"audit-chain:{company}"
    place = company, last
    await admin.execute("UPDATE audit_entry SET number = number + 1 WHERE tenant_id = $1 AND seq = $2", *place)
    for _ in range(2):
        await verify_chain_nightly.run(context, NoPayload())
    assert await admin.fetchval(open_findings, fingerprint) == 1
    await admin.execute("UPDATE audit_entry SET number = number - 1 WHERE tenant_id = $1 AND seq = $2", *place)
    await verify_chain_nightly.run(context, NoPayload())
    assert await admin.fetchval(open_findings, fingerprint) == 0
    await tell(database, "audit-chain", company, None)


async def test_the_command_verifies_one_company_or_all(shop: Shop, other_shop: Shop, database: Database) -> None:
    seen: list[UUID] = []
    one = UUID(shop.tenant_id)
    assert await verify_companies(
        database, Wanted(tenant_id=one), lambda company, found, _place, _of: seen.append(company)
    )
    assert seen == [one]
    await verify_companies(database, Wanted(), lambda company, found, _place, _of: seen.append(company))
    assert {one, UUID(other_shop.tenant_id)} <= set(seen[1:])


async def test_without_login_there_is_no_trail(http: httpx.AsyncClient) -> None:
    for path in ("entries", "export", "verify"):
        assert (await http.get(f"/v1/audit/{path}")).status_code == 401
