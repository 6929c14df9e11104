"""SQL of the drawer for the sale's write statement. Exported for `sales/post.py` alone (ADR 0002)."""

from typing import Final

from app.lib.tenders import TENDER_COLUMNS

DRAWER_METHODS: Final = tuple(TENDER_COLUMNS)
"""Order of the array that `DRAWER_IN` adds."""

_ADDITIONS: Final = ", ".join(
    f"{column} = {column} + ({{amounts}}::numeric[])[{place}]"
    for place, column in enumerate(TENDER_COLUMNS.values(), start=1)
)

DRAWER_IN: Final = (
    """
 dr AS (UPDATE cash_drawer SET """
    + _ADDITIONS
    + """
        WHERE tenant_id = $1 AND session_id = {session} AND is_open AND (SELECT count(*) FROM st) = {shelves}
        RETURNING session_id)"""
)
"""Adds each tender to the open drawer; no row when it was closed meanwhile, or when a shelf was missing."""

MONEY_MOVED: Final = """
 money AS (INSERT INTO cash_movement (tenant_id, id, session_id, kind, method, amount, document_id, user_id, created_at)
           SELECT $1, t.id, {session}, 'sale', t.method, t.amount, {document}, {user}, {at}
           FROM num, unnest({ids}::uuid[], {methods}::text[], {amounts}::numeric[]) AS t(id, method, amount))"""
"""Writes the ledger of what was paid."""
