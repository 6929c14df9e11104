"""SQL of the drawer for the sale's write statement. Exported for `sales/post.py` alone (ADR 0002)."""

from typing import Final

from app.lib.tenders import TENDER_COLUMNS

_COLUMNS: Final = tuple(TENDER_COLUMNS.values())
_ADDITIONS: Final = ", ".join(f"{column} = d.{column} + coalesce(t.{column}, 0)" for column in _COLUMNS)
_RECORD: Final = ", ".join(f"{column} numeric" for column in _COLUMNS)

DRAWER_IN: Final = (
    """
 dr AS (UPDATE cash_drawer d SET """
    + _ADDITIONS
    + """
        FROM json_to_record({tenders}) AS t("""
    + _RECORD
    + """)
        WHERE d.tenant_id = $1 AND d.session_id = {session} AND d.is_open AND (SELECT count(*) FROM st) = {shelves}
        RETURNING d.session_id)"""
)
"""Adds each tender, an object of drawer columns, to the open drawer; no row when it was closed meanwhile, or when a shelf was missing."""

MONEY_MOVED: Final = """
 money AS (INSERT INTO cash_movement (tenant_id, id, session_id, kind, method, amount, document_id, user_id, created_at)
           SELECT $1, t.id, {session}, 'sale', t.method, t.amount, {document}, {user}, {at}
           FROM num, json_to_recordset({money}) AS t(id uuid, method text, amount numeric))"""
"""Writes the ledger of what was paid."""
