"""What a figure is: the one definition, in SQL, of what tickets, returns and voids add to it.

A figure is the sum of facts. `DOCUMENTS` has one fact a ticket, `LINES` one a line, `TENDERS` one a payment; what came
back is negative on the day it came back. The roll-ups are sums of the same facts, folded in by `folding`; what is not
folded yet is added when a report is read, in the same statement, so that every report is exact at its instant.
"""

from typing import Final

import msgspec

MONEY: Final = ("base", "tax", "total", "cost", "discount", "returned")

_ACTIONS: Final = "('sale.posted', 'sale.returned', 'sale.voided')"

UNFOLDED: Final = (
    "tail AS MATERIALIZED (SELECT e.subject_id AS id, e.action FROM audit_entry e WHERE e.tenant_id = :tenant_id "
    "AND e.seq > coalesce((SELECT m.seq FROM report_mark m WHERE m.tenant_id = :tenant_id), 0) "
    "AND e.seq <= (SELECT h.seq FROM audit_head h WHERE h.tenant_id = :tenant_id) "
    f"AND e.action IN {_ACTIONS})"
)
"""Tickets that the roll-ups do not have yet. The upper end, which is all there is, tells the planner that they are few."""
FOLDING: Final = (
    "tail AS MATERIALIZED (SELECT e.subject_id AS id, e.action FROM audit_entry e WHERE e.tenant_id = :tenant_id "
    f"AND e.seq > :since AND e.seq <= :until AND e.action IN {_ACTIONS})"
)
"""Tickets of a stretch of the chain."""
LATER: Final = (
    "later AS MATERIALIZED (SELECT e.subject_id AS id FROM audit_entry e WHERE e.tenant_id = :tenant_id "
    f"AND e.seq > :until AND e.action IN {_ACTIONS})"
)
"""Tickets that a stretch up to an entry does not have."""

_TAIL_SOLD: Final = (
    "(SELECT x.* FROM tail t JOIN sale x ON x.tenant_id = :tenant_id AND x.id = t.id WHERE t.action = 'sale.posted')"
)
_TAIL_BACK: Final = (
    "(SELECT x.* FROM tail t JOIN sale_return x ON x.tenant_id = :tenant_id AND x.id = t.id "
    "WHERE t.action <> 'sale.posted')"
)
_DAYS_SOLD: Final = (
    "(SELECT x.* FROM sale x WHERE x.tenant_id = :tenant_id AND x.posted_at >= CAST(:begins AS timestamptz) "
    "AND x.posted_at < CAST(:ends AS timestamptz) AND x.business_day BETWEEN :first AND :last)"
)
_DAYS_BACK: Final = (
    "(SELECT x.* FROM sale_return x WHERE x.tenant_id = :tenant_id AND x.posted_at >= CAST(:begins AS timestamptz) "
    "AND x.posted_at < CAST(:ends AS timestamptz) AND x.business_day BETWEEN :first AND :last)"
)
_ALL_SOLD: Final = "(SELECT x.* FROM sale x WHERE x.tenant_id = :tenant_id)"
_ALL_BACK: Final = "(SELECT x.* FROM sale_return x WHERE x.tenant_id = :tenant_id)"
_EARLIER: Final = (
    "(SELECT x.* FROM {table} x WHERE x.tenant_id = :tenant_id AND NOT EXISTS (SELECT FROM later t WHERE t.id = x.id))"
)

_HOUR: Final = "CAST(extract(hour FROM {at} AT TIME ZONE CAST(:zone AS text)) AS bigint)"
_SOLD_HOUR: Final = _HOUR.format(at="s.sold_at")
_BACK_HOUR: Final = _HOUR.format(at="r.posted_at")
_MONTH: Final = "CAST(date_trunc('month', CAST({day} AS timestamp)) AS date)"
_OF_SALE: Final = (
    f"s.business_day AS day, {_MONTH.format(day='s.business_day')} AS month, {_SOLD_HOUR} AS hour, "
    "s.branch_id, s.register_id, s.seller_id, s.customer_id, "
    "'sale' AS kind, s.id AS document_id, s.number, s.posted_at AS at"
)
_OF_RETURN: Final = (
    f"r.business_day AS day, {_MONTH.format(day='r.business_day')} AS month, {_BACK_HOUR} AS hour, "
    "r.branch_id, c.register_id, s.seller_id, s.customer_id, "
    "r.kind, r.id AS document_id, r.number, r.posted_at AS at"
)
_RETURNED_FROM: Final = (
    "{back} r JOIN sale s ON s.tenant_id = :tenant_id AND s.id = r.sale_id "
    "JOIN cash_session c ON c.tenant_id = :tenant_id AND c.id = r.session_id"
)

_DOCUMENTS: Final = f"""
SELECT {_OF_SALE}, 1 AS tickets, s.subtotal AS base, s.tax_total AS tax, s.total, s.cost_total AS cost,
       s.discount_total AS discount, 0.00 AS returned
FROM {{sold}} s
UNION ALL
SELECT {_OF_RETURN}, CASE r.kind WHEN 'void' THEN -1 ELSE 0 END, -r.subtotal, -r.tax_total, -r.total, -r.cost_total,
       0.00, r.total
FROM {_RETURNED_FROM}"""

_LINES: Final = f"""
SELECT {_OF_SALE}, l.product_id, l.tax_class, l.tax_rate, l.quantity * l.factor AS quantity, l.base, l.tax,
       l.nominal_tax AS nominal, l.total, l.cost, l.discount, 0.00 AS returned
FROM {{sold}} s JOIN sale_line l ON l.tenant_id = :tenant_id AND l.sale_id = s.id
UNION ALL
SELECT {_OF_RETURN}, l.product_id, l.tax_class, l.tax_rate, -b.quantity * l.factor, -b.base, -b.tax,
       -b.nominal_tax, -b.total, -b.cost, 0.00, b.total
FROM {_RETURNED_FROM} JOIN sale_return_line b ON b.tenant_id = :tenant_id AND b.return_id = r.id
JOIN sale_line l ON l.tenant_id = :tenant_id AND l.id = b.sale_line_id"""

_TENDERS: Final = f"""
SELECT {_OF_SALE}, p.method, p.amount - p.change AS total, 0.00 AS returned
FROM {{sold}} s JOIN sale_payment p ON p.tenant_id = :tenant_id AND p.sale_id = s.id
UNION ALL
SELECT {_OF_SALE}, 'rounding', -s.rounding, 0.00 FROM {{sold}} s WHERE s.rounding <> 0
UNION ALL
SELECT {_OF_RETURN}, f.method, -f.amount, f.amount
FROM {_RETURNED_FROM} JOIN sale_refund f ON f.tenant_id = :tenant_id AND f.return_id = r.id"""

_SUMS: Final = ", ".join(f"sum({name}) AS {name}" for name in MONEY)
_DISTINCT: Final = "count(DISTINCT document_id) FILTER (WHERE kind = '{kind}')"
DISTINCT_TICKETS: Final = f"{_DISTINCT.format(kind='sale')} - {_DISTINCT.format(kind='void')}"


class Cube(msgspec.Struct, frozen=True):
    """A roll-up: its table, its key, and its sums over facts."""

    table: str
    keys: tuple[str, ...]
    facts: str
    sums: str
    measures: tuple[str, ...]

    def grouped(self, sold: str, back: str) -> str:
        """The roll-up's rows as these tickets make them."""
        keys = ", ".join(self.keys)
        return f"SELECT {keys}, {self.sums} FROM ({self.facts.format(sold=sold, back=back)}) fact GROUP BY {keys}"

    def live(self) -> str:
        """Rows of the period: what is folded, and what is not yet. Needs `UNFOLDED` as a CTE; binds `:first`, `:last`."""
        columns = ", ".join((*self.keys, *self.measures))
        return (
            f"SELECT {columns} FROM {self.table} c WHERE c.tenant_id = :tenant_id AND c.day BETWEEN :first AND :last "
            f"UNION ALL SELECT {columns} FROM ({self.grouped(_TAIL_SOLD, _TAIL_BACK)}) t "
            "WHERE t.day BETWEEN :first AND :last"
        )

    def unfolded(self) -> str:
        """The rows of what is not folded yet. Needs `UNFOLDED` as a CTE."""
        return self.grouped(_TAIL_SOLD, _TAIL_BACK)

    def fold(self) -> str:
        """Add the tickets of a stretch to the table. Binds `:since`, `:until`, `:zone`."""
        adds = ", ".join(f"{name} = {self.table}.{name} + excluded.{name}" for name in self.measures)
        rows = self.grouped(_TAIL_SOLD, _TAIL_BACK)
        return (
            f"WITH {FOLDING} {self._insert(rows)} ON CONFLICT (tenant_id, {', '.join(self.keys)}) DO UPDATE SET {adds}"
        )

    def refill(self) -> str:
        """Fill the empty table from the tickets themselves, but for those after an entry. Binds `:until`, `:zone`."""
        rows = self.grouped(_EARLIER.format(table="sale"), _EARLIER.format(table="sale_return"))
        return f"WITH {LATER} {self._insert(rows)}"

    def _insert(self, rows: str) -> str:
        columns = ", ".join((*self.keys, *self.measures))
        return f"INSERT INTO {self.table} (tenant_id, {columns}) SELECT CAST(:tenant_id AS uuid), {columns} FROM ({rows}) t"

    def anew(self) -> str:
        """The same rows computed from all tickets, which is what the live ones must be."""
        return self.grouped(_ALL_SOLD, _ALL_BACK)

    def live_ever(self) -> str:
        """`live` without a period."""
        columns = ", ".join((*self.keys, *self.measures))
        return (
            f"SELECT {columns} FROM {self.table} c WHERE c.tenant_id = :tenant_id "
            f"UNION ALL SELECT {columns} FROM ({self.grouped(_TAIL_SOLD, _TAIL_BACK)}) t"
        )


_MEASURES: Final = ("tickets", *MONEY)
SALES: Final = Cube(
    "report_sales",
    ("day", "hour", "branch_id", "register_id", "seller_id"),
    _DOCUMENTS,
    f"sum(tickets) AS tickets, {_SUMS}",
    _MEASURES,
)
CUSTOMERS: Final = Cube(
    "report_customer", ("day", "customer_id", "branch_id"), _DOCUMENTS, f"sum(tickets) AS tickets, {_SUMS}", _MEASURES
)
PRODUCTS: Final = Cube(
    "report_product",
    ("day", "product_id", "branch_id"),
    _LINES,
    f"{DISTINCT_TICKETS} AS tickets, sum(quantity) AS quantity, {_SUMS}",
    ("tickets", "quantity", *MONEY),
)
PRODUCT_MONTHS: Final = msgspec.structs.replace(
    PRODUCTS, table="report_product_month", keys=("month", "product_id", "branch_id")
)
TENDERS: Final = Cube(
    "report_tender",
    ("day", "branch_id", "register_id", "seller_id", "method"),
    _TENDERS,
    f"{DISTINCT_TICKETS} AS tickets, sum(total) AS total, sum(returned) AS returned",
    ("tickets", "total", "returned"),
)
TAXES: Final = Cube(
    "report_tax",
    ("day", "branch_id", "kind", "tax_class", "tax_rate"),
    _LINES,
    "sum(base) AS base, sum(tax) AS tax, sum(nominal) AS nominal, sum(total) AS total",
    ("base", "tax", "nominal", "total"),
)
CUBES: Final = (SALES, CUSTOMERS, PRODUCTS, PRODUCT_MONTHS, TENDERS, TAXES)

_SPAN_COLUMNS: Final = ", ".join(("product_id", "branch_id", *PRODUCTS.measures))
PRODUCT_SPAN: Final = f"""
SELECT {_SPAN_COLUMNS} FROM report_product_month c
WHERE c.tenant_id = :tenant_id AND c.month >= :months_begin AND c.month < :months_end
UNION ALL SELECT {_SPAN_COLUMNS} FROM report_product c
WHERE c.tenant_id = :tenant_id AND c.day >= :first AND c.day < :months_begin
UNION ALL SELECT {_SPAN_COLUMNS} FROM report_product c
WHERE c.tenant_id = :tenant_id AND c.day >= :months_end AND c.day <= :last
UNION ALL SELECT {_SPAN_COLUMNS} FROM ({PRODUCTS.grouped(_TAIL_SOLD, _TAIL_BACK)}) t
WHERE t.day BETWEEN :first AND :last"""
"""`PRODUCTS.live()` without its days: whole months by the month, the rest by the day. Binds `:months_begin`, `:months_end`."""

RAW_DOCUMENTS: Final = _DOCUMENTS.format(sold=_DAYS_SOLD, back=_DAYS_BACK)
"""Facts of the period themselves, for what no roll-up keeps apart. Bind `:begins`, `:ends`, `:first`, `:last`, `:zone`."""
RAW_LINES: Final = _LINES.format(sold=_DAYS_SOLD, back=_DAYS_BACK)
RAW_TENDERS: Final = _TENDERS.format(sold=_DAYS_SOLD, back=_DAYS_BACK)
