"""Functions that change the rows everybody of a shop waits for.

A statement that waited for a row sets itself up once more, whole, before it goes on. Inside these functions that is a
line of SQL instead of the sale's whole write (docs/BENCHMARKS.md: a fifth of PostgreSQL's time in one shop). Both run
with the caller's rights, under the caller's fence.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TENDERS = ("cash", "debit_card", "credit_card", "transfer", "nequi", "daviplata", "cheque", "voucher", "rounding")


def upgrade() -> None:
    additions = ", ".join(f"{column} = d.{column} + coalesce(t.{column}, 0)" for column in _TENDERS)
    record = ", ".join(f"{column} numeric" for column in _TENDERS)
    op.execute(
        f"""
CREATE FUNCTION take_sale_number(of_tenant uuid, of_session uuid, of_branch uuid, tenders json,
                                 OUT no bigint, OUT prefix text) RETURNS SETOF record
LANGUAGE plpgsql ROWS 1 AS $$
BEGIN
  UPDATE cash_drawer d SET {additions}
    FROM json_to_record(tenders) AS t({record})
   WHERE d.tenant_id = of_tenant AND d.session_id = of_session AND d.is_open;
  IF FOUND THEN
    UPDATE numbering n SET next_no = n.next_no + 1
     WHERE n.tenant_id = of_tenant AND n.place_id = of_branch AND n.kind = 'sale'
    RETURNING n.next_no - 1, n.prefix INTO STRICT no, prefix;
    RETURN NEXT;
  END IF;
END $$"""
    )
    op.execute(
        """
CREATE FUNCTION append_audit(of_tenant uuid, entry_id uuid, entry_at timestamptz, entry_action text, entry_subject uuid,
                             entry_number bigint, entry_content text, ipad bytea, opad bytea) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  link audit_head;
BEGIN
  UPDATE audit_head h
     SET seq = h.seq + 1,
         hash = sha256(opad || sha256(ipad || h.hash || int8send(h.seq + 1) || int8send(entry_number)
                                      || convert_to(entry_content, 'UTF8')))
   WHERE h.tenant_id = of_tenant
  RETURNING h.* INTO STRICT link;
  INSERT INTO audit_entry (tenant_id, seq, id, at, action, subject_id, number, content, hash)
  VALUES (of_tenant, link.seq, entry_id, entry_at, entry_action, entry_subject, entry_number, entry_content, link.hash);
  RETURN link.seq;
END $$"""
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION append_audit(uuid, uuid, timestamptz, text, uuid, bigint, text, bytea, bytea)")
    op.execute("DROP FUNCTION take_sale_number(uuid, uuid, uuid, json)")
