"""Documents closed without a decision of DIAN, minimums of a test set, what the monitor sees of documents."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_MINIMUMS = ("least_invoices", "least_credit_notes", "least_debit_notes")

_FILES, _MADE = "'xml','response','attached','pdf'", "'attached','pdf'"
_INSTANTS = ("failed_at", "theirs_since")
_SEEN = {"document": "tenant_id, id, issued_at, is_test", "dian_contingency": "tenant_id, id, started_at, ended_at"}


def _files(kinds: str, made_once: str) -> None:
    op.drop_constraint(op.f("ck_document_file_kind"), "document_file", type_="check")
    op.create_check_constraint(op.f("ck_document_file_kind"), "document_file", f"kind IN ({kinds})")
    op.drop_index("uq_document_file_made", "document_file")
    columns = ["tenant_id", "document_id", "version", "kind"]
    where = sa.text(f"kind IN ({made_once})")
    op.create_index("uq_document_file_made", "document_file", columns, unique=True, postgresql_where=where)


def upgrade() -> None:
    for name in _MINIMUMS:
        op.add_column("dian_test_set", sa.Column(name, sa.BigInteger(), nullable=True))
    _files(f"{_FILES},'provisional'", f"{_MADE},'provisional'")
    for name in _INSTANTS:
        op.add_column("dian_circuit", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE dian_circuit SET failed_at = now(), theirs_since = failing_since WHERE failures > 0")
    # How the operator's monitor learns what is late, without seeing any content.
    for table, columns in _SEEN.items():
        op.execute(f'CREATE POLICY platform_select ON "{table}" FOR SELECT TO {tenancy.PLATFORM_ROLE} USING (true)')
        op.execute(f'GRANT SELECT ({columns}) ON "{table}" TO {tenancy.PLATFORM_ROLE}')


def downgrade() -> None:
    for table, columns in _SEEN.items():
        op.execute(f'REVOKE SELECT ({columns}) ON "{table}" FROM {tenancy.PLATFORM_ROLE}')
        op.execute(f'DROP POLICY platform_select ON "{table}"')
    # The archive loses nothing: what an older release does not know goes as the container of its version, if there is none.
    op.execute(
        "UPDATE document_file f SET kind = 'attached' WHERE kind = 'provisional' AND NOT EXISTS (SELECT FROM document_file o "
        "WHERE o.tenant_id = f.tenant_id AND o.document_id = f.document_id AND o.version = f.version AND o.kind = 'attached')"
    )
    op.execute("DELETE FROM document_file WHERE kind = 'provisional'")
    _files(_FILES, _MADE)
    for name in reversed(_INSTANTS):
        op.drop_column("dian_circuit", name)
    for name in reversed(_MINIMUMS):
        op.drop_column("dian_test_set", name)
