"""SQL of the drawer for the sale's write statement. Exported for `sales/post.py` alone (ADR 0002)."""

from typing import Final

NUMBER_TAKEN: Final = """
 num AS MATERIALIZED (
   SELECT taken.no, taken.prefix FROM (SELECT count(*) AS found FROM st) AS shelves, LATERAL
          take_sale_number($1, CASE WHEN shelves.found = {shelves} THEN {session}::uuid END, {branch}, {tenders}) AS taken)"""
"""Adds each tender, an object of drawer columns, to the open drawer and takes the branch's next number (migration 0011).

Waits for the shelves: no row unless all of them were there. Raises 55000 when the drawer is not open."""

MONEY_MOVED: Final = """
 money AS (INSERT INTO cash_movement (tenant_id, id, session_id, kind, method, amount, document_id, user_id, created_at)
           SELECT $1, t.id, {session}, 'sale', t.method, t.amount, {document}, {user}, {at}
           FROM num, json_to_recordset({money}) AS t(id uuid, method text, amount numeric))"""
"""Writes the ledger of what was paid."""
