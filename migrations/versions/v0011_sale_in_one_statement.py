"""A sale's write is a transaction of its own: a closed drawer must undo it, not only leave it without a number.

The two long texts of a sale, its answer and its trail, are packed with lz4, in a third of the time, where PostgreSQL has it.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TENDERS = ("cash", "debit_card", "credit_card", "transfer", "nequi", "daviplata", "cheque", "voucher", "rounding")
_ADDITIONS = ", ".join(f"{column} = d.{column} + coalesce(t.{column}, 0)" for column in _TENDERS)
_RECORD = ", ".join(f"{column} numeric" for column in _TENDERS)
_TAKE = """
CREATE OR REPLACE FUNCTION take_sale_number(of_tenant uuid, of_session uuid, of_branch uuid, tenders json,
                                            OUT no bigint, OUT prefix text) RETURNS SETOF record
LANGUAGE plpgsql ROWS 1 AS $$
BEGIN{guard}
  UPDATE cash_drawer d SET {additions}
    FROM json_to_record(tenders) AS t({record})
   WHERE d.tenant_id = of_tenant AND d.session_id = of_session AND d.is_open;
  IF FOUND THEN
    UPDATE numbering n SET next_no = n.next_no + 1
     WHERE n.tenant_id = of_tenant AND n.place_id = of_branch AND n.kind = 'sale'
    RETURNING n.next_no - 1, n.prefix INTO STRICT no, prefix;
    RETURN NEXT;{otherwise}
  END IF;
END $$"""

_PACK = """
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
    ALTER TABLE idempotency ALTER answer SET COMPRESSION lz4;
    ALTER TABLE audit_entry ALTER content SET COMPRESSION lz4;
  END IF;
END $$"""


def upgrade() -> None:
    guard = "\n  IF of_session IS NULL THEN\n    RETURN;\n  END IF;"
    otherwise = (
        "\n  ELSE\n    RAISE object_not_in_prerequisite_state USING MESSAGE = 'the drawer of this session is not open';"
    )
    op.execute(_TAKE.format(additions=_ADDITIONS, record=_RECORD, guard=guard, otherwise=otherwise))
    op.execute(_PACK)


def downgrade() -> None:
    op.execute("ALTER TABLE audit_entry ALTER content SET COMPRESSION default")
    op.execute("ALTER TABLE idempotency ALTER answer SET COMPRESSION default")
    op.execute(_TAKE.format(additions=_ADDITIONS, record=_RECORD, guard="", otherwise=""))
