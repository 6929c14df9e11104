"""What the bench knows of the product's tables: years of sales, a big catalogue, and whether every sum agrees.

Past sales are real ones, posted through the API, copied set-based into the tables they fill: copy `k` of them all lies
`k` hours earlier, with ids, numbers, kardex positions and audit links of its own, so that the books agree as if each
had been sold.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
from uuid_utils.compat import uuid7

from app.domain.catalog.grams import product_grams
from app.lib.audit import AuditKeys
from app.lib.schemas import JSON
from app.lib.text import normalise
from tests.bench.house import House, Server
from tests.bench.names import barcode, product_name, sku
from tests.bench.report import say
from tests.bench.shops import TAX_CLASSES, Shop, call, keep_fresh

TEMPLATE = 200
"""Tickets sold for real before copying."""

_HOUR_MS = 3_600_000
_SET_UP = (
    f"""create function pg_temp.earlier(id uuid, k bigint) returns uuid language sql immutable return (
            lpad(to_hex(('x' || replace(left(id::text, 13), '-', ''))::bit(48)::bigint - k * {_HOUR_MS}), 12, '0')
            || substr(id::text, 15))::uuid""",
    """create temp table moved on commit drop as
       select product_id, warehouse_id, count(*) as moves, sum(quantity) as quantity, sum(value) as value
         from stock_movement where tenant_id = '{tenant}' and kind = 'sale' group by 1, 2""",
)
_SUMS = (
    """update stock s set quantity = s.quantity + {copies} * m.quantity, value = s.value + {copies} * m.value,
              moves = s.moves + {copies} * m.moves, changed_xid = pg_current_xact_id()::text::bigint
         from moved m
        where s.tenant_id = '{tenant}' and s.product_id = m.product_id and s.warehouse_id = m.warehouse_id""",
    """update cash_drawer d set cash = d.cash + {copies} * (
              select sum(amount) from cash_movement c
               where c.tenant_id = d.tenant_id and c.kind = 'sale' and c.method = 'cash')
        where d.tenant_id = '{tenant}' and d.is_open""",
    "update numbering set next_no = next_no + {copies} * {sold} where tenant_id = '{tenant}' and kind = 'sale'",
)
_ID = "pg_temp.earlier(t.id, k)"
_SALE_ID = "pg_temp.earlier(t.sale_id, k)"
_DOCUMENT_ID = "pg_temp.earlier(t.document_id, k)"
_COPIES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "sale": (
        "sale t where true",
        {
            "id": _ID,
            "sequence": "t.sequence + k * {sold}",
            "number": "left(t.number, -length(t.sequence::text)) || (t.sequence + k * {sold})",
            "business_day": "((t.sold_at - k * interval '1 hour') at time zone 'America/Bogota')::date",
        },
    ),
    "sale_line": ("sale_line t where true", {"id": _ID, "sale_id": _SALE_ID}),
    "sale_payment": ("sale_payment t where true", {"id": _ID, "sale_id": _SALE_ID}),
    "stock_movement": (
        "stock_movement t join moved m using (product_id, warehouse_id) where t.kind = 'sale'",
        {
            "id": _ID,
            "document_id": _DOCUMENT_ID,
            "position": "t.position + k * m.moves",
            "balance_quantity": "t.balance_quantity + k * m.quantity",
            "balance_value": "t.balance_value + k * m.value",
        },
    ),
    "cash_movement": ("cash_movement t where t.kind = 'sale'", {"id": _ID, "document_id": _DOCUMENT_ID}),
}
"""Table to its rows and to the columns that a copy does not take over; instants move back on their own."""
_COLUMNS = """select column_name, data_type = 'timestamp with time zone' from information_schema.columns
               where table_schema = 'public' and table_name = $1"""
_LINKS = "select * from audit_entry where tenant_id = $1 and action = 'sale.posted' order by seq"

CHECKS: Mapping[str, str] = {
    "stock rows against the sum of their movements": """
        select count(*), count(*) filter (
               where (s.quantity, s.value, s.moves) is distinct from
                     (coalesce(m.quantity, 0), coalesce(m.value, 0), coalesce(m.moves, 0)))
          from stock s
          left join (select tenant_id, product_id, warehouse_id,
                            sum(quantity) as quantity, sum(value) as value, count(*) as moves
                       from stock_movement group by 1, 2, 3) m using (tenant_id, product_id, warehouse_id)""",
    "kardex balances, movement by movement": """
        select count(*), count(*) filter (
               where (balance_quantity, balance_value, position) is distinct from (quantities, amounts, place))
          from (select balance_quantity, balance_value, position, sum(quantity) over w as quantities,
                       sum(value) over w as amounts, row_number() over w as place
                  from stock_movement
                window w as (partition by tenant_id, product_id, warehouse_id order by position)) k""",
    "drawers against the sum of their movements": """
        select count(*), count(*) filter (where d.cash is distinct from m.cash)
          from cash_drawer d
          left join (select tenant_id, session_id, sum(amount) as cash
                       from cash_movement where method = 'cash' group by 1, 2) m using (tenant_id, session_id)""",
    "ticket numbers without gap or repeat": """
        select coalesce(sum(s.sold), 0)::bigint, count(*) filter (
               where (s.first, s.last, n.next_no) is distinct from (1::bigint, s.sold, s.sold + 1))
          from (select tenant_id, branch_id, min(sequence) as first, max(sequence) as last,
                       count(distinct sequence) as sold
                  from sale group by 1, 2) s
          left join numbering n on n.tenant_id = s.tenant_id and n.place_id = s.branch_id and n.kind = 'sale'""",
    "tickets against their lines and payments": """
        select count(*), count(*) filter (
               where (s.total, s.line_count, s.total + s.rounding) is distinct from (l.total, l.lines, p.paid))
          from sale s
          left join (select tenant_id, sale_id, sum(total) as total, count(*) as lines from sale_line group by 1, 2) l
                 on (l.tenant_id, l.sale_id) = (s.tenant_id, s.id)
          left join (select tenant_id, sale_id, sum(amount - change) as paid from sale_payment group by 1, 2) p
                 on (p.tenant_id, p.sale_id) = (s.tenant_id, s.id)""",
    "sold lines against the stock that left": """
        select count(*), count(*) filter (where (l.quantity, l.cost) is distinct from (-m.quantity, -m.value))
          from (select tenant_id, sale_id, product_id, sum(quantity * factor) as quantity, sum(cost) as cost
                  from sale_line where tracks_stock group by 1, 2, 3) l
          full join (select tenant_id, document_id as sale_id, product_id,
                            sum(quantity) as quantity, sum(value) as value
                       from stock_movement where kind = 'sale' group by 1, 2, 3) m
                    using (tenant_id, sale_id, product_id)""",
}
"""Each gives the rows looked at and those that differ: written here, apart from the product's own reconciler."""


async def past_sales(house: House, server: Server, shop: Shop, count: int) -> None:
    """Give a shop that has sold nothing yet `count` past sales, a multiple of `TEMPLATE`."""
    await _sell(server, shop)
    tenant, copies = UUID(shop.tenant), count // TEMPLATE - 1
    connection = await asyncpg.connect(house.postgres.admin_url("mostrador"))
    try:
        async with connection.transaction():
            # Keys hold by construction; checking millions of them one by one would only take time.
            await connection.execute("set local session_replication_role = replica")
            for statement in (*_SET_UP, *_SUMS):
                await connection.execute(statement.format(tenant=tenant, copies=copies, sold=TEMPLATE))
            for table in _COPIES:
                await _copy(connection, table, tenant, copies)
            await _chain(connection, AuditKeys(house.secret_key), tenant, copies)
    finally:
        await connection.close()
    say(f"{shop.name}: {count:,} past sales")


async def _sell(server: Server, shop: Shop) -> None:
    payments = [{"method": "cash", "amount": "50000.00"}]
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        for number in range(TEMPLATE):
            lines = [
                {"productId": shop.products[(3 * number + place) % len(shop.products)], "quantity": str(1 + place % 2)}
                for place in range(3)
            ]
            await call(
                http, "/v1/sales", {"sessionId": shop.session, "lines": lines, "payments": payments}, shop.headers()
            )


async def _copy(connection: asyncpg.Connection, table: str, tenant: UUID, copies: int) -> None:
    rows, own = _COPIES[table]
    columns: dict[str, str] = {}
    for name, is_instant in await connection.fetch(_COLUMNS, table):
        columns[name] = own.get(name) or (f"t.{name} - k * interval '1 hour'" if is_instant else f"t.{name}")
    values = ", ".join(columns.values()).format(sold=TEMPLATE)
    await connection.execute(
        f"insert into {table} ({', '.join(columns)}) select {values} "
        f"from generate_series({copies}, 1, -1) k cross join {rows} and t.tenant_id = '{tenant}'"
    )


async def _chain(connection: asyncpg.Connection, keys: AuditKeys, tenant: UUID, copies: int) -> None:
    """Link every copied sale into the shop's audit chain."""
    template = await connection.fetch(_LINKS, tenant)
    head = await connection.fetchrow("select seq, hash from audit_head where tenant_id = $1", tenant)
    assert head is not None
    seq, link = head["seq"], head["hash"]

    def links() -> Iterator[Sequence[object]]:
        nonlocal seq, link
        for k in range(copies, 0, -1):
            for row in template:
                seq += 1
                entry_id, subject, number = uuid7(), earlier(row["subject_id"], k), row["number"] + k * TEMPLATE
                at = row["at"] - timedelta(hours=k)
                content = row["content"].replace(str(row["subject_id"]), str(subject))
                content = content.replace(JSON.encode(row["at"]).decode(), JSON.encode(at).decode())
                link = keys.link(tenant, entry_id, link, seq, number, content)
                yield (
                    tenant,
                    seq,
                    entry_id,
                    at,
                    row["action"],
                    subject,
                    number,
                    content,
                    link,
                )

    columns = ["tenant_id", "seq", "id", "at", "action", "subject_id", "number", "content", "hash"]
    await connection.copy_records_to_table("audit_entry", records=links(), columns=columns)
    await connection.execute("update audit_head set seq = $2, hash = $3 where tenant_id = $1", tenant, seq, link)


def earlier(identifier: UUID, hours: int) -> UUID:
    """The same UUIDv7 made so many hours before, as `pg_temp.earlier` gives it."""
    return UUID(int=identifier.int - (hours * _HOUR_MS << 80))


async def many_products(house: House, shop: Shop, count: int) -> None:
    """Put `count` products into a shop: what the catalogue writes for one, as rows, at a hundred times its pace."""
    tenant = UUID(shop.tenant)
    connection = await asyncpg.connect(house.postgres.admin_url("mostrador"))
    ids = [uuid7() for _ in range(count)]
    names = [product_name(number) for number in range(count)]
    norms = [normalise(name) for name in names]

    async def load(table: str, columns: str, rows: Iterable[Sequence[object]]) -> None:
        await connection.copy_records_to_table(table, records=rows, columns=columns.split())

    try:
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            warehouse = await connection.fetchval("select id from warehouse where tenant_id = $1", tenant)
            products = (
                (tenant, ids[n], sku(n), names[n], norms[n], 1000 + 50 * (n % 900), TAX_CLASSES[n % len(TAX_CLASSES)])
                for n in range(count)
            )
            await load("product", "tenant_id id sku name name_norm price tax_class", products)
            barcodes = ((tenant, barcode(n), ids[n], "94", 1) for n in range(count))
            await load("product_barcode", "tenant_id code product_id unit_code position", barcodes)
            grams = ((tenant, gram, ids[n]) for n in range(count) for gram in product_grams(norms[n], sku(n), ""))
            await load("product_gram", "tenant_id gram product_id", grams)
            await load("stock", "tenant_id product_id warehouse_id", ((tenant, each, warehouse) for each in ids))
            await connection.execute(
                "update tenant_usage set used = used + $2 where tenant_id = $1 and resource = 'products'", tenant, count
            )
    finally:
        await connection.close()


async def analyse(house: House) -> None:
    """Let the planner know what was filled, and write it out, before anything is timed."""
    await house.postgres_do("mostrador", "vacuum analyze", "checkpoint")


async def differences(house: House) -> list[tuple[str, int, int]]:
    """Every check with the rows it looked at and how many of them differ."""
    connection = await asyncpg.connect(house.postgres.admin_url("mostrador"))
    try:
        found: list[tuple[str, int, int]] = []
        for name, query in CHECKS.items():
            rows, wrong = await connection.fetchrow(query)
            found.append((name, rows, wrong))
            say(f"books: {name}: {wrong} differences in {rows:,} rows")
        return found
    finally:
        await connection.close()


async def reconciled(server: Server, shops: Sequence[Shop]) -> list[tuple[str, int, int]]:
    """The product's own reconciler over every shop: each of its checks with the shops asked and its differences."""
    await keep_fresh(server, shops)
    wrong: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=server.url, timeout=180) as http:
        for shop in shops:
            answer = await http.get("/v1/audit/reconciliation", headers=shop.headers())
            for check in answer.raise_for_status().json()["checks"]:
                wrong[check["name"]] += check["differences"]
    return [(f"the reconciler's `{name}`, by shop", len(shops), found) for name, found in wrong.items()]


async def verified(house: House) -> tuple[str, int, int]:
    """Every audit chain recomputed by `mostrador audit verify`: entries and breaks."""
    told = await asyncio.to_thread(house.run, ["app.cli", "audit", "verify"])
    found = re.findall(r"(\d+) entries[^\n]*?(\d+) breaks", told)
    return "audit entries, chain recomputed", sum(int(entries) for entries, _ in found), sum(int(b) for _, b in found)
