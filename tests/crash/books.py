"""Counting again: what was acknowledged against what PostgreSQL holds and what the API answers."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from email.parser import BytesHeaderParser
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import msgspec

from tests.crash.client import Account, Insistence
from tests.crash.house import ROOT, House
from tests.crash.ledger import Acknowledged, ShopRecord

JOBS_SECONDS = 150.0
"""A job whose worker was killed comes back 70 s after it began."""
_SHOWN = 5


class Found(msgspec.Struct, kw_only=True):
    """What the count found. All but `acknowledged` and `checked` should be empty."""

    acknowledged: int = 0
    lost: list[Acknowledged] = []
    doubled: list[str] = []
    """Ids that the books hold and nobody was told of, and requests that two ids answer."""
    changed: list[str] = []
    """Acknowledged with one total and kept with another."""
    differences: list[str] = []
    """Numbers, stock, drawers, reconciler, audit trail and jobs that are not what they must be."""
    checked: list[str] = []
    """What was compared, with its figures."""

    def lines(self) -> list[str]:
        """What is wrong, a few of each."""
        lost = [f"lost: {entry.kind} {entry.id} of {entry.total}" for entry in self.lost]
        kinds = (lost, [f"doubled: {one}" for one in self.doubled], self.changed, self.differences)
        return [line for kind in kinds for line in (*kind[:_SHOWN], *_rest(kind))]


def _rest(lines: Sequence[str]) -> list[str]:
    return [f"… and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []


async def lost_sales(house: House, shops: Sequence[ShopRecord], entries: Sequence[Acknowledged]) -> list[Acknowledged]:
    """Acknowledged sales that the database does not hold."""
    kept = {
        str(row[0])
        for shop in shops
        for row in await house.rows("SELECT id FROM sale WHERE tenant_id = $1", shop.tenant)
    }
    return [entry for entry in entries if entry.kind == "sale" and entry.id not in kept]


async def forged(house: House, shop: ShopRecord, entries: Sequence[Acknowledged]) -> Found:
    """The count over a ledger that lies three times: a sale kept from it, one invented, one at another price."""
    kept_back, dearer, *others = [entry for entry in entries if entry.kind == "sale"]
    invented = msgspec.structs.replace(kept_back, id=str(uuid4()), key="")
    found = Found()
    dearer = msgspec.structs.replace(dearer, total=f"{Decimal(dearer.total) + 1}")
    await _documents(house, found, 0, shop, [invented, dearer, *others], "sale")
    return found


async def count_again(house: House, shops: Sequence[ShopRecord], entries: Sequence[Acknowledged]) -> Found:
    """Compare everything; the seller has settled, so the books hold what was acknowledged and nothing else."""
    found = Found(acknowledged=len(entries))
    for number, shop in enumerate(shops):
        own = [entry for entry in entries if entry.shop == number]
        for kind, table in (("sale", "sale"), ("return", "sale_return")):
            await _documents(house, found, number, shop, [entry for entry in own if entry.kind == kind], table)
        await _stock(house, found, number, shop, own)
        await _drawer(house, found, number, shop, own)
        await _through_the_api(house, found, number, shop, own)
    found.doubled += [f"key {key} has {count} documents" for key, count in _repeated([entry.key for entry in entries])]
    found.doubled += [f"{one} answers {count} requests" for one, count in _repeated([entry.id for entry in entries])]
    await _sign_ups(house, found, [entry for entry in entries if entry.kind == "sign-up"])
    await _audit(house, found)
    return found


def _repeated(values: Sequence[str]) -> list[tuple[str, int]]:
    return [(value, count) for value, count in Counter(values).items() if count > 1]


async def _documents(
    house: House, found: Found, number: int, shop: ShopRecord, entries: Sequence[Acknowledged], table: str
) -> None:
    """Every acknowledged one once with its total, no other, numbered 1, 2, 3 … in its branch."""
    rows = await house.rows(
        f"SELECT id::text, total::text, branch_id::text, sequence FROM {table} WHERE tenant_id = $1", shop.tenant
    )
    kept = {row["id"]: row["total"] for row in rows}
    told = {entry.id for entry in entries}
    found.lost += [entry for entry in entries if entry.id not in kept]
    found.doubled += [f"{table} {one} was never acknowledged" for one in kept if one not in told]
    found.changed += [
        f"{table} {entry.id}: told {entry.total}, kept {kept[entry.id]}"
        for entry in entries
        if entry.id in kept and kept[entry.id] != entry.total
    ]
    branches: dict[str, list[int]] = {}
    for row in rows:
        branches.setdefault(row["branch_id"], []).append(row["sequence"])
    for branch, sequences in branches.items():
        if sorted(sequences) != list(range(1, len(sequences) + 1)):
            found.differences.append(f"{table}: {len(sequences)} numbers in branch {branch}, last {max(sequences)}")
    what = table.replace("_", " ")
    found.checked.append(f"shop {number + 1}, {what}: {len(rows)} kept, {len(entries)} acknowledged, numbers compared")


async def _stock(house: House, found: Found, number: int, shop: ShopRecord, entries: Sequence[Acknowledged]) -> None:
    """Shelves hold the opening units less what was acknowledged as sold, and their movements say the same."""
    left = [shop.stock] * len(shop.products)
    for entry in entries:
        for place, units in entry.lines:
            left[place] -= units if entry.kind == "sale" else -units
    rows = await house.rows(
        "SELECT s.product_id::text, s.quantity, (SELECT sum(m.quantity) FROM stock_movement m "
        "WHERE m.tenant_id = s.tenant_id AND m.product_id = s.product_id) AS moved FROM stock s WHERE s.tenant_id = $1",
        shop.tenant,
    )
    kept = {row["product_id"]: (row["quantity"], row["moved"]) for row in rows}
    for product, units in zip(shop.products, left, strict=True):
        if kept.get(product.id) != (units, units):
            found.differences.append(
                f"stock of {product.id}: {units} by the answers, kept and moved {kept.get(product.id)}"
            )
    found.checked.append(f"shop {number + 1}: stock of {len(left)} products compared with the acknowledged units")


async def _drawer(house: House, found: Found, number: int, shop: ShopRecord, entries: Sequence[Acknowledged]) -> None:
    money = {"cash": shop.opening, "nequi": 0}
    for entry in entries:
        amount = int(entry.total.removesuffix(".00"))
        money[entry.method] += amount if entry.kind == "sale" else -amount
    kept = (await house.rows("SELECT cash, nequi FROM cash_drawer WHERE tenant_id = $1", shop.tenant))[0]
    moved = dict(
        await house.rows("SELECT method, sum(amount) FROM cash_movement WHERE tenant_id = $1 GROUP BY 1", shop.tenant)
    )
    for method, pesos in money.items():
        if not kept[method] == moved.get(method, 0) == pesos:
            found.differences.append(
                f"drawer, {method}: {pesos} by the answers, kept {kept[method]}, moved {moved.get(method)}"
            )
    found.checked.append(
        f"shop {number + 1}: drawer compared with the acknowledged money, {money['cash']} pesos in cash"
    )


async def _through_the_api(
    house: House, found: Found, number: int, shop: ShopRecord, entries: Sequence[Acknowledged]
) -> None:
    """What a client reads: every sale once in the list, and a reconciler without differences."""
    account = Account(Insistence(), house.url, number)
    await account.log_in(shop.email, shop.password)
    listed: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await account.get("/v1/sales?limit=200" + (f"&cursor={quote(cursor)}" if cursor else ""))
        listed += page["items"]
        cursor = page["nextCursor"]
    told = Counter((entry.id, entry.total) for entry in entries if entry.kind == "sale")
    shown = Counter((sale["id"], sale["total"]) for sale in listed)
    if told != shown:
        found.differences.append(
            f"shop {number + 1}: the API lists {len(listed)} sales, {len(told - shown)} acknowledged ones are missing, "
            f"{len(shown - told)} are others"
        )
    books = await account.get("/v1/audit/reconciliation")
    found.differences += [f"reconciler: {difference}" for difference in books["differences"]]
    if not books["isClean"]:
        found.differences.append(f"shop {number + 1}: the reconciler finds the books unclean")
    found.checked.append(
        f"shop {number + 1}: {len(listed)} sales listed by the API; "
        f"reconciler: {len(books['checks'])} checks, difference {len(books['differences'])}"
    )
    await account.close()


async def _sign_ups(house: House, found: Found, entries: Sequence[Acknowledged]) -> None:
    """Every company there once, every job done, every mail sent; a mail may be sent twice."""
    emails = [entry.key for entry in entries]
    kept = Counter(row[0] for row in await house.rows("SELECT email FROM app_user WHERE email = ANY($1)", emails))
    found.lost += [entry for entry in entries if not kept[entry.key]]
    found.doubled += [f"company of {email}, {count} times" for email, count in kept.items() if count > 1]
    undone = await _undone_jobs(house)
    if undone:
        found.differences.append(f"jobs not done after {JOBS_SECONDS:.0f} s: {undone}")
    parser = BytesHeaderParser()
    sent: Counter[str] = Counter()
    for file in (house.data / "mail").glob("*.eml"):
        sent.update(parser.parsebytes(file.read_bytes())["X-Sink-To"].split(", "))
    found.differences += [f"no mail to {email}" for email in emails if not sent[email]]
    found.checked.append(
        f"{len(emails)} companies signed up meanwhile, {sum(sent[email] for email in emails)} mails to them, "
        f"{len(undone)} kinds of jobs not done"
    )


async def _undone_jobs(house: House) -> list[str]:
    # The next look at a company is put off for minutes on purpose.
    query = (
        "SELECT kind || ' ' || status || ', ' || count(*) FROM outbox "
        "WHERE status <> 'done' AND NOT (kind = 'alerts.look' AND due_at > now()) GROUP BY kind, status"
    )
    waited = 0.0
    while (undone := [str(row[0]) for row in await house.rows(query)]) and waited < JOBS_SECONDS:
        await asyncio.sleep(1)
        waited += 1
    return undone


async def _audit(house: House, found: Found) -> None:
    command = [sys.executable, "-m", "app.cli", "audit", "verify"]
    done = await asyncio.to_thread(
        subprocess.run, command, env=house.environment(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        found.differences.append(f"audit verify: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    links = await house.rows("SELECT action, count(*) FROM audit_entry GROUP BY action")
    sales, chained = await house.value("SELECT count(*) FROM sale"), dict(links).get("sale.posted", 0)
    if sales != chained:
        found.differences.append(f"{sales} sales, {chained} of them in the audit trail")
    found.checked.append(
        f"audit trail: {sum(count for _, count in links)} links, {done.stdout.strip().rpartition(chr(10))[2]}"
    )
