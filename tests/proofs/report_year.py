"""A year of a shop for the proofs of reports: real tickets, cut to till size, drawn again and again over the days.

Rows are written set-based, as the API would have left them; the links of the audit chain carry no hashes, since reports
read only their order.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from uuid_utils.compat import uuid7

REAL = Path(__file__).resolve().parents[1] / "data"
"""Three days of a real shop (SOURCE.md beside them)."""
LINES = 4
"""Of a ticket."""
PESOS = 5_000
"""Of a pound."""


@dataclass
class Templates:
    """What tickets are drawn from."""

    products: list[tuple[str, str, Decimal]]
    customers: list[str]
    tickets: list[tuple[int, int, int]]
    """Number, customer (0: nobody), second of the day."""
    lines: list[tuple[int, int, int, int]]
    """Ticket, position, product, units."""


def _rows() -> Iterator[dict[str, str]]:
    for file in sorted(REAL.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)


def templates() -> Templates:
    """Goods sold in the real days, by tickets of at most four lines."""
    products: dict[str, tuple[str, Decimal]] = {}
    customers: dict[str, int] = {}
    baskets: dict[tuple[str, int], list[tuple[int, int]]] = {}
    when: dict[tuple[str, int], tuple[int, int]] = {}
    places: dict[str, int] = {}
    seen: dict[str, int] = {}
    for row in _rows():
        price, units = Decimal(row["UnitPrice"]) * PESOS, int(row["Quantity"])
        if row["InvoiceNo"].startswith("C") or units <= 0 or price <= 0 or not row["Description"].strip():
            continue
        sku = row["StockCode"]
        products.setdefault(sku, (row["Description"].strip(), price))
        place = places.setdefault(sku, len(places) + 1)
        number = seen[row["InvoiceNo"]] = seen.get(row["InvoiceNo"], -1) + 1
        key = row["InvoiceNo"], number // LINES
        baskets.setdefault(key, []).append((place, min(units, 12)))
        buyer = row["CustomerID"]
        who = customers.setdefault(buyer, len(customers) + 1) if buyer and number // LINES == 0 else 0
        clock = row["InvoiceDate"].split(" ")[1].split(":")
        when.setdefault(key, (who, int(clock[0]) * 3600 + int(clock[1]) * 60))
    tickets, lines = [], []
    for number, (key, basket) in enumerate(baskets.items(), start=1):
        tickets.append((number, *when[key]))
        lines += [(number, place, product, units) for place, (product, units) in enumerate(basket, start=1)]
    return Templates([(sku, name, price) for sku, (name, price) in products.items()], list(customers), tickets, lines)


_FILL = (
    # One row a ticket: which template, which day, when.
    """create temp table t_sale as
       select k, gen_random_uuid() as id, w.n as template, w.customer, d.day,
              ((d.day + make_interval(secs => w.second + k % 59)) at time zone 'America/Bogota') as at
         from generate_series(1, {sales}) k
         cross join lateral (select date '{first}' + ((k - 1) * {days}::bigint / {sales})::int as day) d
         join t_ticket w on w.n = 1 + (k::bigint * 7919 + extract(doy from d.day)::int * 31) % {templates}""",
    """create temp table t_line as
       select s.k, s.id as sale_id, s.day, s.at, gen_random_uuid() as id, l.position, p.id as product_id, p.sku, p.name,
              l.units::numeric as quantity, p.price, p.tax_class, p.rate, p.cost,
              round(l.units * p.price, 2) as total
         from t_sale s join t_pick l on l.n = s.template join t_product p on p.n = l.product""",
    """insert into sale_line (tenant_id, id, sale_id, position, product_id, sku, name, unit_code, factor, quantity, unit_price,
              discount, tax_class, tax_rate, base, tax, nominal_tax, total, cost, tracks_stock, created_at)
       select '{tenant}', id, sale_id, position, product_id, sku, name, '94', 1, quantity, price, 0, tax_class, rate,
              round(total / (1 + rate), 2), total - round(total / (1 + rate), 2), 0, total, round(quantity * cost, 2), true, at
         from t_line""",
    """insert into sale (tenant_id, id, session_id, branch_id, register_id, warehouse_id, sequence, number, customer_id,
              customer_name, customer_identification, seller_id, user_id, sold_at, posted_at, business_day, document_wanted,
              line_count, subtotal, tax_total, discount_total, total, cost_total, rounding, change, body_hash, created_at)
       select '{tenant}', s.id, '{session}', '{branch}', '{register}', '{warehouse}', s.k, 'V-' || s.k,
              coalesce(c.id, '{nobody}'), '', '', u.id, u.id, s.at, s.at, s.day, 'none', l.lines, l.base, l.tax, 0, l.total,
              l.cost, 0, 0, null, s.at
         from t_sale s
         left join t_customer c on c.n = s.customer
         join t_seller u on u.n = s.k % {sellers}
         join (select sale_id, count(*) as lines, sum(base) as base, sum(tax) as tax, sum(total) as total, sum(cost) as cost
                 from sale_line where tenant_id = '{tenant}' group by 1) l on l.sale_id = s.id""",
    """insert into sale_payment (tenant_id, id, sale_id, position, method, amount, change, reference, created_at)
       select '{tenant}', gen_random_uuid(), id, 1, (array['cash','debit-card','nequi'])[1 + sequence % 3], total, 0, '', posted_at
         from sale where tenant_id = '{tenant}'""",
    """create temp table t_back as
       select s.id as sale_id, s.sequence, gen_random_uuid() as id, s.posted_at + interval '2 hours' as at, s.seller_id,
              row_number() over (order by s.sequence) as k
         from sale s where s.tenant_id = '{tenant}' and s.sequence % 50 = 7""",
    """insert into sale_return_line (tenant_id, id, return_id, sale_line_id, position, quantity, base, tax, nominal_tax, total, cost,
              created_at)
       select '{tenant}', gen_random_uuid(), b.id, l.id, 1, l.quantity, l.base, l.tax, 0, l.total, l.cost, b.at
         from t_back b join sale_line l on l.tenant_id = '{tenant}' and l.sale_id = b.sale_id and l.position = 1""",
    """insert into sale_return (tenant_id, id, sale_id, session_id, branch_id, kind, sequence, number, reason, user_id, posted_at,
              business_day, subtotal, tax_total, total, cost_total, body_hash, created_at)
       select '{tenant}', b.id, b.sale_id, '{session}', '{branch}', 'return', b.k, 'D-' || b.k, 'no le gustó', b.seller_id, b.at,
              (b.at at time zone 'America/Bogota')::date, l.base, l.tax, l.total, l.cost, null, b.at
         from t_back b join sale_return_line l on l.tenant_id = '{tenant}' and l.return_id = b.id""",
    """insert into sale_refund (tenant_id, id, return_id, method, amount, reference, created_at)
       select '{tenant}', gen_random_uuid(), id, 'cash', total, '', posted_at from sale_return where tenant_id = '{tenant}'""",
    """create temp table t_move as
       select product_id, kind, document_id, quantity, value, at,
              row_number() over w + 1 as position, sum(quantity) over w as q, sum(value) over w as v
         from (select product_id, 'sale' as kind, sale_id as document_id, -sum(quantity) as quantity,
                      -sum(round(quantity * cost, 2)) as value, min(at) as at from t_line group by product_id, sale_id
               union all
               select l.product_id, 'return', r.return_id, r.quantity, r.cost, r.created_at
                 from sale_return_line r join sale_line l on l.tenant_id = '{tenant}' and l.id = r.sale_line_id
                where r.tenant_id = '{tenant}') m
       window w as (partition by product_id order by at, document_id rows unbounded preceding)""",
    """insert into stock_movement (tenant_id, id, product_id, warehouse_id, position, kind, document_id, quantity, value,
              balance_quantity, balance_value, user_id, created_at)
       select '{tenant}'::uuid, gen_random_uuid(), p.id, '{warehouse}'::uuid, 1, 'opening', gen_random_uuid(), 1000000,
              round(1000000 * p.cost, 2), 1000000, round(1000000 * p.cost, 2), '{user}'::uuid,
              (date '{first}')::timestamp at time zone 'America/Bogota' from t_product p
       union all
       select '{tenant}'::uuid, gen_random_uuid(), m.product_id, '{warehouse}'::uuid, m.position, m.kind, m.document_id, m.quantity,
              m.value,
              1000000 + m.q, round(1000000 * p.cost, 2) + m.v, '{user}'::uuid, m.at
         from t_move m join t_product p on p.id = m.product_id""",
    """insert into stock (tenant_id, product_id, warehouse_id, quantity, value, moves)
       select tenant_id, product_id, warehouse_id, sum(quantity), sum(value), count(*) from stock_movement
        where tenant_id = '{tenant}' group by 1, 2, 3""",
    """create temp table t_link as
       select row_number() over (order by at, id) as n, id, at, action from (
          select id, posted_at as at, 'sale.posted' as action from sale where tenant_id = '{tenant}'
          union all select id, posted_at, 'sale.returned' from sale_return where tenant_id = '{tenant}') x""",
    """insert into audit_entry (tenant_id, seq, id, at, action, subject_id, number, content, hash)
       select '{tenant}', h.seq + n, gen_random_uuid(), t.at, t.action, t.id, 0, '', ''
         from t_link t, audit_head h where h.tenant_id = '{tenant}'""",
    "update audit_head set seq = seq + (select count(*) from t_link) where tenant_id = '{tenant}'",
)

_FILLED = "sale sale_line sale_payment sale_return sale_return_line sale_refund stock_movement stock audit_entry product customer"


async def fill(admin_url: str, tenant: str, user: str, sales: int, first: date, days: int) -> None:
    """Give a shop without sales a year of them."""
    found = templates()
    connection = await asyncpg.connect(admin_url)
    try:
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute("set local work_mem = '256MB'")
            place = await _place(connection, UUID(tenant), UUID(user))
            await _templates(connection, UUID(tenant), found)
            words = place | {
                "tenant": tenant,
                "user": user,
                "sales": sales,
                "first": first,
                "days": days,
                "templates": len(found.tickets),
                "sellers": 5,
            }
            for statement in _FILL:
                await connection.execute(statement.format(**words))
        for table in _FILLED.split():
            await connection.execute(f"vacuum analyze {table}")
    finally:
        await connection.close()


async def _place(connection: Any, tenant: UUID, user: UUID) -> dict[str, Any]:
    register = await connection.fetchrow("select * from cash_register where tenant_id = $1", tenant)
    session = uuid7()
    await connection.execute(
        "insert into cash_session (tenant_id, id, register_id, branch_id, warehouse_id, opened_by, opened_at, opening_amount) "
        "values ($1, $2, $3, $4, $5, $6, now(), 0)",
        tenant,
        session,
        register["id"],
        register["branch_id"],
        register["warehouse_id"],
        user,
    )
    nobody = await connection.fetchval("select id from customer where tenant_id = $1 and is_final_consumer", tenant)
    return {
        "session": session,
        "register": register["id"],
        "branch": register["branch_id"],
        "warehouse": register["warehouse_id"],
        "nobody": nobody,
    }


async def _templates(connection: Any, tenant: UUID, found: Templates) -> None:
    await connection.execute("create temp table t_ticket (n int primary key, customer int, second int)")
    await connection.execute("create temp table t_pick (n int, position int, product int, units int)")
    await connection.execute(
        "create temp table t_product (n int primary key, id uuid, sku text, name text, price numeric, tax_class text, "
        "rate numeric, cost numeric)"
    )
    await connection.execute("create temp table t_customer (n int primary key, id uuid)")
    await connection.execute("create temp table t_seller (n int primary key, id uuid)")
    await connection.copy_records_to_table("t_ticket", records=found.tickets)
    await connection.copy_records_to_table("t_pick", records=found.lines)
    await connection.execute("create index on t_pick (n)")
    kinds = (("iva19", Decimal("0.19")), ("iva5", Decimal("0.05")), ("exempt", Decimal(0)))
    goods = [
        (n, uuid7(), sku, name, price, *kinds[n % 3], (price * Decimal("0.6")).quantize(Decimal("0.01")))
        for n, (sku, name, price) in enumerate(found.products, start=1)
    ]
    await connection.copy_records_to_table("t_product", records=goods)
    await connection.copy_records_to_table(
        "t_customer", records=[(n, uuid7()) for n in range(1, len(found.customers) + 1)]
    )
    await connection.copy_records_to_table("t_seller", records=[(n, uuid4()) for n in range(5)])
    for statement in (
        "insert into category (tenant_id, id, name) select $1::uuid, gen_random_uuid(), 'Categoría ' || n from generate_series(1, 20) n",
        "insert into product (tenant_id, id, sku, name, name_norm, price, tax_class, brand, category_id) "
        "select $1::uuid, t.id, t.sku, t.name, lower(t.name), t.price, t.tax_class, 'Marca ' || t.n % 30, "
        "(select k.id from category k where k.tenant_id = $1::uuid order by k.name offset t.n % 20 limit 1) from t_product t",
        "insert into customer (tenant_id, id, organization, identification_type, identification, name, name_norm) "
        "select $1::uuid, id, 'person', '13', (10000000 + n)::text, 'Cliente ' || n, 'cliente ' || n from t_customer",
        "insert into membership (tenant_id, id, user_id, role, display_name) "
        "select $1::uuid, gen_random_uuid(), id, 'seller', 'Vendedora ' || n from t_seller",
    ):
        await connection.execute(statement, tenant)
    for table in ("t_ticket", "t_pick", "t_product", "t_customer", "t_seller"):
        await connection.execute(f"analyze {table}")
