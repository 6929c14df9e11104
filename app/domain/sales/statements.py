"""The two statements of a sale: one reads, one writes everything or nothing. Each pins itself.

Order of locks, forced by data flow and not by the order of CTEs: shelves by product, drawer, numbering, end of the audit
chain, idempotency key. The row of one step feeds the next: a shelf that changed since it was read writes nothing, a drawer
closed meanwhile raises 55000.
"""

from typing import Final

from app.db.kept import PIN_IS_SET, pin_within, pinned
from app.domain.cash.fragments import MONEY_MOVED, NUMBER_TAKEN
from app.domain.inventory.fragments import GOODS_MOVED, GOODS_OUT, SHELF
from app.domain.invoicing.fragments import DOCUMENT_ISSUED, DOCUMENT_NUMBERED, ENABLED, ISSUING, NUMBERED
from app.domain.sales.approval import LIMITS
from app.domain.tenants.scope import BRANCH_ALLOWED
from app.lib.actor import ACTOR_COLUMNS
from app.lib.audit import APPEND

_ISSUING: Final = ISSUING.format(
    tenant="$1",
    register="head.register_id",
    branch="head.branch_id",
    customer="head.customer_id",
    kinds="'{01,20}'::text[]",
    day="$12::date",
    condition=ENABLED,
)

_ASKED: Final = f"""
WITH head AS MATERIALIZED (
   SELECT {ACTOR_COLUMNS}, {LIMITS}, t.cash_rounding,
          (SELECT g.is_enabled FROM dian_setting g WHERE g.tenant_id = $1) IS TRUE AS issues,
          ($10::timestamptz AT TIME ZONE t.time_zone)::date AS business_day,
          c.register_id, c.branch_id, c.warehouse_id, d.is_open, {BRANCH_ALLOWED.format(branch="c.branch_id")} AS branch_allowed,
          b.id AS customer_id, b.name AS customer_name, b.identification AS customer_identification, b.trail AS customer_trail,
          b.retired_at IS NULL AS customer_active,
          $9 = $2 OR (SELECT is_active FROM membership WHERE tenant_id = $1 AND user_id = $9) AS seller_active,
          CASE WHEN $11 THEN (SELECT body_hash FROM sale WHERE tenant_id = $1 AND id = $5) END AS earlier_hash,
          k.body_hash AS key_hash, k.status AS key_status, k.answer AS key_answer
   FROM membership m
   JOIN app_user u ON u.id = m.user_id
   JOIN tenant t ON t.tenant_id = m.tenant_id AND t.tenant_id = $1
   JOIN auth_session a ON a.user_id = m.user_id AND a.id = $3
   LEFT JOIN idempotency k ON k.tenant_id = $1 AND k.user_id = $2 AND k.key = $4
   LEFT JOIN cash_session c ON c.tenant_id = $1 AND c.id = $6
   LEFT JOIN cash_drawer d ON d.tenant_id = $1 AND d.session_id = $6
   LEFT JOIN customer b ON b.tenant_id = $1
        AND b.id = coalesce($7::uuid, (SELECT id FROM customer WHERE tenant_id = $1 AND is_final_consumer))
   WHERE m.tenant_id = $1 AND m.user_id = $2),
{SHELF.format(products="$8")}
SELECT head.*, goods.*"""
_ROWS: Final = "\nFROM head LEFT JOIN goods ON true"

READ: Final = pinned(_ASKED + _ROWS, "$1", "$2")
"""$1 tenant, $2 user, $3 login session, $4 key, $5 sale, $6 cash session, $7 customer or null, $8 products, $9 seller,
$10 instant of sale, $11 whether the client chose the sale's id. One row a product, or one with nulls for them."""

READ_TO_ISSUE: Final = pinned(
    f"{_ASKED}, CASE WHEN goods.product_id = ($8::uuid[])[1] THEN {_ISSUING} END AS issuing{_ROWS}", "$1", "$2"
)
"""The same for a company that issues documents; $12 is DIAN's day. What it issues with comes once, with the first of the
products. PostgreSQL sets up every table of a statement, asked or not: whoever issues nothing is spared these (0.07 ms)."""

PACKS: Final = pinned(
    "SELECT product_id, unit_code, factor, price FROM product_pack WHERE tenant_id = $1 AND product_id = ANY($3::uuid[])",
    "$1",
    "$2",
)

_LINES: Final = (
    "json_to_recordset($22) AS l(id uuid, position integer, product_id uuid, sku text, name text, unit_code text, "
    "factor numeric, quantity numeric, unit_price numeric, discount numeric, tax_class text, tax_rate numeric, "
    "base numeric, tax numeric, nominal_tax numeric, total numeric, cost numeric, tracks_stock boolean)"
)
_PAYMENTS: Final = "json_to_recordset($23) AS p(id uuid, position integer, method text, amount numeric, change numeric, reference text)"
_LINK: Final = APPEND.format(
    tenant="$1",
    id="$29",
    at="$13",
    action="'sale.posted'",
    subject="$2",
    number="num.no",
    content="$28",
    ipad="$26",
    opad="$27",
)


def _write(numbered: str, sources: str, issued: str, answer: str, columns: str) -> str:
    """The statement; what a document adds is given in its five places."""
    return f"""
WITH {pin_within("$1", "$11")},
{GOODS_OUT.format(goods="$19", products="$18", warehouse="$6", pinned=PIN_IS_SET)},
{NUMBER_TAKEN.format(tenders="$20", session="$3", branch="$4", shelves="cardinality($18::uuid[])")},{numbered}
 ticket AS (INSERT INTO sale (tenant_id, id, session_id, branch_id, register_id, warehouse_id, sequence, number, customer_id,
               customer_name, customer_identification, seller_id, user_id, sold_at, posted_at, business_day,
               document_wanted, line_count, subtotal, tax_total, discount_total, total, cost_total, rounding, change,
               body_hash, created_at)
            SELECT $1, $2, $3, $4, $5, $6, num.no, num.prefix || num.no, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                   t.lines, t.subtotal, t.tax, t.discount, t.total, t.cost, t.rounding, t.change, $17, $13
            FROM num, json_to_record($16) AS t(lines integer, subtotal numeric, tax numeric, discount numeric,
                 total numeric, cost numeric, rounding numeric, change numeric)),
 lines AS (INSERT INTO sale_line (tenant_id, id, sale_id, position, product_id, sku, name, unit_code, factor, quantity,
               unit_price, discount, tax_class, tax_rate, base, tax, nominal_tax, total, cost, tracks_stock, created_at)
           SELECT $1, l.id, $2, l.position, l.product_id, l.sku, l.name, l.unit_code, l.factor, l.quantity, l.unit_price,
                  l.discount, l.tax_class, l.tax_rate, l.base, l.tax, l.nominal_tax, l.total, l.cost, l.tracks_stock, $13
           FROM num, {_LINES}),
 payments AS (INSERT INTO sale_payment (tenant_id, id, sale_id, position, method, amount, change, reference, created_at)
              SELECT $1, p.id, $2, p.position, p.method, p.amount, p.change, p.reference, $13
              FROM num, {_PAYMENTS}),
{GOODS_MOVED.format(warehouse="$6", document="$2", user="$11", at="$13")},
{MONEY_MOVED.format(session="$3", document="$2", user="$11", at="$13", money="$21")},
 {issued}trail AS MATERIALIZED (SELECT {_LINK} AS seq FROM {sources}),
 kept AS (INSERT INTO idempotency (tenant_id, user_id, key, body_hash, status, answer)
          SELECT $1, $11, $30, $31, 201, {answer} FROM {sources})
SELECT num.no, num.prefix, trail.seq{columns} FROM {sources}, trail"""


_ANSWER: Final = "replace(replace($24, $25, num.prefix || num.no), $32, num.no::text)"

WRITE: Final = _write("", "num", "", _ANSWER, "")
"""Everything a sale leaves behind; no row, and nothing done, when a shelf is not as it was read. Raises 55000 for a closed
drawer and a unique violation for a ticket or a key that is there already."""

WRITE_WITH_DOCUMENT: Final = _write(
    numbered=DOCUMENT_NUMBERED.format(row="$33") + ",",
    sources="num, paper",
    issued=DOCUMENT_ISSUED.format(sale="$2", content="$34", user="$11", at="$13", request="$35").lstrip() + ",\n ",
    answer=NUMBERED.format(text=_ANSWER),
    columns=", paper.number AS document_number, paper.uuid AS document_uuid",
)
"""The same with an electronic document: its range's row is locked after the ticket's consecutive, before the audit chain."""
