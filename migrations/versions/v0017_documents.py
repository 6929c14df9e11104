"""Electronic documents: settings, certificates, ranges, documents with their life, contingencies, test sets; dated legal figures.

A number is taken by a function for the reason that migration 0010 gives: a statement that waited for the row of the range
would set itself up once more, whole.
"""

from datetime import date

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db import tenancy

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_UVT = {2022: 38_004, 2023: 42_412, 2024: 47_065, 2025: 49_799, 2026: 52_374}
_FIGURES = [
    *(
        {
            "name": "uvt",
            "valid_from": date(year, 1, 1),
            "value": value,
            "source": f"DIAN: Unidad de Valor Tributario de {year}",
        }
        for year, value in _UVT.items()
    ),
    {
        "name": "pos-uvt",
        "valid_from": date(2022, 1, 1),
        "value": 5,
        "source": "Ley 2155 de 2021, art. 13; Resolución 1092 de 2022: tiquete P.O.S. hasta 5 UVT antes de impuestos",
    },
]

_TAKE = """
CREATE FUNCTION take_document_number(of_tenant uuid, of_range uuid, OUT no bigint) RETURNS SETOF bigint
LANGUAGE plpgsql ROWS 1 AS $$
BEGIN
  UPDATE document_counter c SET next_no = c.next_no + 1
   WHERE c.tenant_id = of_tenant AND c.range_id = of_range AND c.is_open AND c.next_no <= c.last_no
  RETURNING c.next_no - 1 INTO no;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'MD001', MESSAGE = 'the range of numbers is spent or closed';
  END IF;
  RETURN NEXT;
END $$"""

_PACK = """
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
    ALTER TABLE document ALTER content SET COMPRESSION lz4;
  END IF;
END $$"""


def upgrade() -> None:
    op.create_table(
        "legal_figure",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "valid_from", name=op.f("pk_legal_figure")),
    )
    op.create_table(
        "dian_certificate",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_chain_complete", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(sealed IS NOT NULL) = (retired_at IS NULL)", name=op.f("ck_dian_certificate_sealed")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_dian_certificate_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_dian_certificate")),
    )
    op.create_index(
        "uq_dian_certificate_current",
        "dian_certificate",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_table(
        "dian_circuit",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("(opened_at IS NULL) = (probe_at IS NULL)", name=op.f("ck_dian_circuit_open")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_dian_circuit_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_dian_circuit")),
    )
    op.create_table(
        "dian_contingency",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("ended_at > started_at", name=op.f("ck_dian_contingency_period")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_dian_contingency_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_dian_contingency")),
    )
    op.create_index(
        "uq_dian_contingency_open",
        "dian_contingency",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "dian_file_counter",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("year", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("next_no", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_dian_file_counter_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "family", "year", name=op.f("pk_dian_file_counter")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "dian_setting",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("environment", sa.Text(), server_default="2", nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("sale_document", sa.Text(), server_default="auto", nullable=False),
        sa.Column("software_id", sa.Text(), server_default="", nullable=False),
        sa.Column("software_pin", sa.LargeBinary(), nullable=True),
        sa.Column("software_name", sa.Text(), server_default="Mostrador", nullable=False),
        sa.Column("provider_nit", sa.Text(), server_default="", nullable=False),
        sa.Column("maker", sa.Text(), server_default="Mostrador", nullable=False),
        sa.Column("maker_person", sa.Text(), server_default="Mostrador", nullable=False),
        sa.Column("contingency_after", sa.BigInteger(), nullable=True),
        sa.Column("ranges_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ranges_read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ranges_message", sa.Text(), server_default="", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "NOT is_enabled OR (software_id <> '' AND software_pin IS NOT NULL)", name=op.f("ck_dian_setting_enabled")
        ),
        sa.CheckConstraint("environment IN ('1','2')", name=op.f("ck_dian_setting_environment")),
        sa.CheckConstraint("sale_document IN ('auto','invoice')", name=op.f("ck_dian_setting_sale_document")),
        sa.CheckConstraint("contingency_after > 0", name=op.f("ck_dian_setting_contingency_after")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_dian_setting_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_dian_setting")),
    )
    op.create_table(
        "dian_test_set",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        sa.Column("invoices", sa.BigInteger(), nullable=False),
        sa.Column("credit_notes", sa.BigInteger(), nullable=False),
        sa.Column("debit_notes", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("family IN ('invoice','pos','support')", name=op.f("ck_dian_test_set_family")),
        sa.CheckConstraint("status IN ('running','accepted','failed')", name=op.f("ck_dian_test_set_status")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_dian_test_set_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_dian_test_set")),
    )
    op.create_index(
        "uq_dian_test_set_running",
        "dian_test_set",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_table(
        "document_range",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("authorization_no", sa.Text(), nullable=False),
        sa.Column("authorized_on", sa.Date(), nullable=True),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("first_no", sa.BigInteger(), nullable=False),
        sa.Column("last_no", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("technical_key", sa.LargeBinary(), nullable=True),
        sa.Column("branch_id", sa.Uuid(), nullable=True),
        sa.Column("register_id", sa.Uuid(), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(kind IN ('91','92','93','94','95')) = (authorization_no = '')",
            name=op.f("ck_document_range_authorization_no"),
        ),
        sa.CheckConstraint("environment IN ('1','2')", name=op.f("ck_document_range_environment")),
        sa.CheckConstraint(
            "kind IN ('01','02','03','04','05','08','20','91','92','93','94','95')", name=op.f("ck_document_range_kind")
        ),
        sa.CheckConstraint(
            "0 < first_no AND first_no <= last_no AND last_no <= 999999999", name=op.f("ck_document_range_numbers")
        ),
        sa.CheckConstraint("char_length(prefix) <= 4", name=op.f("ck_document_range_prefix")),
        sa.CheckConstraint("valid_from <= valid_to", name=op.f("ck_document_range_validity")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "branch_id"],
            ["branch.tenant_id", "branch.id"],
            name=op.f("fk_document_range_tenant_id_branch_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "register_id"],
            ["cash_register.tenant_id", "cash_register.id"],
            name=op.f("fk_document_range_tenant_id_register_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_document_range_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_document_range")),
        sa.UniqueConstraint(
            "tenant_id",
            "environment",
            "kind",
            "prefix",
            "first_no",
            name=op.f("uq_document_range_tenant_id_environment_kind_prefix_first_no"),
        ),
    )
    op.create_index("ix_document_range_kind", "document_range", ["tenant_id", "environment", "kind"], unique=False)
    op.create_index(
        "uq_document_range_of_note",
        "document_range",
        ["tenant_id", "environment", "kind"],
        unique=True,
        postgresql_where=sa.text("authorization_no = '' AND retired_at IS NULL"),
    )
    op.create_table(
        "document_counter",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("range_id", sa.Uuid(), nullable=False),
        sa.Column("next_no", sa.BigInteger(), nullable=False),
        sa.Column("last_no", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), server_default="true", nullable=False),
        sa.CheckConstraint("next_no <= last_no + 1", name=op.f("ck_document_counter_next_no")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "range_id"],
            ["document_range.tenant_id", "document_range.id"],
            name=op.f("fk_document_counter_tenant_id_range_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "range_id", name=op.f("pk_document_counter")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "document",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("range_id", sa.Uuid(), nullable=False),
        sa.Column("consecutive", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("sale_id", sa.Uuid(), nullable=True),
        sa.Column("return_id", sa.Uuid(), nullable=True),
        sa.Column("corrects_id", sa.Uuid(), nullable=True),
        sa.Column("branch_id", sa.Uuid(), nullable=True),
        sa.Column("counterpart_name", sa.Text(), nullable=False),
        sa.Column("counterpart_identification", sa.Text(), nullable=False),
        sa.Column("payable", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("qr", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("is_test", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("environment IN ('1','2')", name=op.f("ck_document_environment")),
        sa.CheckConstraint(
            "kind IN ('01','02','03','04','05','08','20','91','92','93','94','95')", name=op.f("ck_document_kind")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "corrects_id"],
            ["document.tenant_id", "document.id"],
            name=op.f("fk_document_tenant_id_corrects_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "range_id"],
            ["document_range.tenant_id", "document_range.id"],
            name=op.f("fk_document_tenant_id_range_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "return_id"],
            ["sale_return.tenant_id", "sale_return.id"],
            name=op.f("fk_document_tenant_id_return_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sale_id"], ["sale.tenant_id", "sale.id"], name=op.f("fk_document_tenant_id_sale_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_document")),
        sa.UniqueConstraint(
            "tenant_id", "range_id", "consecutive", name=op.f("uq_document_tenant_id_range_id_consecutive")
        ),
    )
    op.create_index(
        "ix_document_corrects",
        "document",
        ["tenant_id", "corrects_id"],
        unique=False,
        postgresql_where=sa.text("corrects_id IS NOT NULL"),
    )
    op.create_index("ix_document_issued", "document", ["tenant_id", "issued_at", "id"], unique=False)
    op.create_index("ix_document_number", "document", ["tenant_id", "number"], unique=False)
    op.create_index(
        "uq_document_return",
        "document",
        ["tenant_id", "return_id"],
        unique=True,
        postgresql_where=sa.text("return_id IS NOT NULL"),
    )
    op.create_index(
        "uq_document_sale",
        "document",
        ["tenant_id", "sale_id"],
        unique=True,
        postgresql_where=sa.text("sale_id IS NOT NULL"),
    )
    op.create_table(
        "document_event",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            name=op.f("fk_document_event_tenant_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_document_event")),
    )
    op.create_index("ix_document_event_document", "document_event", ["tenant_id", "document_id", "id"], unique=False)
    op.create_table(
        "document_file",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('xml','response')", name=op.f("ck_document_file_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            name=op.f("fk_document_file_tenant_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_document_file")),
    )
    op.create_index("ix_document_file_document", "document_file", ["tenant_id", "document_id", "id"], unique=False)
    op.create_index(
        "uq_document_file_xml",
        "document_file",
        ["tenant_id", "document_id", "version"],
        unique=True,
        postgresql_where=sa.text("kind = 'xml'"),
    )
    op.create_table(
        "document_state",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claim", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("zip_key", sa.Text(), server_default="", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("rules", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'signed', 'sent', 'accepted', 'rejected', 'unknown')",
            name=op.f("ck_document_state_status"),
        ),
        sa.CheckConstraint("version >= 1 AND attempts >= 0", name=op.f("ck_document_state_counts")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            name=op.f("fk_document_state_tenant_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "document_id", name=op.f("pk_document_state")),
        sa.UniqueConstraint("tenant_id", "uuid", name=op.f("uq_document_state_tenant_id_uuid")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_document_state_due",
        "document_state",
        ["tenant_id", "next_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending','signed','sent','unknown')"),
    )
    op.create_table(
        "document_version",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("qr", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("reason IN ('redated','contingency','corrected')", name=op.f("ck_document_version_reason")),
        sa.CheckConstraint("version >= 2", name=op.f("ck_document_version_version")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            name=op.f("fk_document_version_tenant_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "document_id", "version", name=op.f("pk_document_version")),
    )

    figures = sa.table("legal_figure", *(sa.column(name) for name in ("name", "valid_from", "value", "source")))
    op.bulk_insert(figures, _FIGURES)
    op.execute(_TAKE)
    op.execute(_PACK)
    changing: tuple[tenancy.Grant, ...] = ("select", "insert", "update")
    tenancy.share("legal_figure")
    tenancy.protect("dian_setting", changing)
    tenancy.protect("dian_certificate", changing, update_columns=("sealed", "retired_at"))
    tenancy.protect(
        "document_range", changing, update_columns=("technical_key", "branch_id", "register_id", "retired_at")
    )
    tenancy.protect("document_counter", changing, update_columns=("next_no", "is_open"))
    tenancy.protect("document")
    tenancy.protect("document_version")
    tenancy.protect("document_state", changing, platform=("select",))
    tenancy.protect("document_event")
    tenancy.protect("document_file")
    tenancy.protect("dian_file_counter", changing, update_columns=("next_no",))
    tenancy.protect("dian_circuit", changing, platform=("select",))
    tenancy.protect("dian_contingency", changing, update_columns=("ended_at",))
    tenancy.protect("dian_test_set", changing, update_columns=("status", "message", "finished_at"))


def downgrade() -> None:
    op.execute("DROP FUNCTION take_document_number(uuid, uuid)")
    for table in (
        "dian_test_set",
        "dian_contingency",
        "dian_circuit",
        "dian_file_counter",
        "document_file",
        "document_event",
        "document_state",
        "document_version",
        "document",
        "document_counter",
        "document_range",
        "dian_certificate",
        "dian_setting",
        "legal_figure",
    ):
        op.drop_table(table)
