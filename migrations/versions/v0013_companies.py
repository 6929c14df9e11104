"""Profile, plans, limits, modules and life of a company; places that retire; people limited to branches."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db import tenancy

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_MB = 1_048_576
_PLANS = (
    {
        "code": "free",
        "name": "Gratis",
        "position": 1,
        "modules": ["imports", "invoicing"],
        "limits": {
            "users": 2,
            "branches": 1,
            "warehouses": 1,
            "registers": 1,
            "products": 200,
            "storage": 20 * _MB,
            "documents": 100,
        },
        "requests_per_minute": 3_000,
    },
    {
        "code": "basic",
        "name": "Básico",
        "position": 2,
        "modules": ["imports", "invoicing", "transfers"],
        "limits": {
            "users": 5,
            "branches": 1,
            "warehouses": 2,
            "registers": 3,
            "products": 5_000,
            "storage": 500 * _MB,
            "documents": 1_000,
        },
        "requests_per_minute": 12_000,
    },
    {
        "code": "pro",
        "name": "Profesional",
        "position": 3,
        "modules": ["imports", "invoicing", "transfers", "api"],
        "limits": {
            "users": 20,
            "branches": 5,
            "warehouses": 10,
            "registers": 15,
            "products": 200_000,
            "storage": 5_000 * _MB,
            "documents": 10_000,
        },
        "requests_per_minute": None,
    },
    {
        "code": "enterprise",
        "name": "Empresarial",
        "position": 4,
        "modules": ["imports", "invoicing", "transfers", "api"],
        "limits": {},
        "requests_per_minute": None,
    },
)
_MOVES = (
    ("new", "trial"),
    ("new", "active"),
    ("trial", "active"),
    ("trial", "read-only"),
    ("trial", "suspended"),
    ("trial", "closed"),
    ("active", "past-due"),
    ("active", "read-only"),
    ("active", "suspended"),
    ("active", "closed"),
    ("past-due", "active"),
    ("past-due", "read-only"),
    ("past-due", "suspended"),
    ("past-due", "closed"),
    ("read-only", "active"),
    ("read-only", "suspended"),
    ("read-only", "closed"),
    ("suspended", "active"),
    ("suspended", "read-only"),
    ("suspended", "closed"),
    ("closed", "read-only"),
)
_PLACES = ("branch", "warehouse", "cash_register")
_COUNTED = {
    "users": ("membership", " AND x.is_active"),
    "branches": ("branch", ""),
    "warehouses": ("warehouse", ""),
    "registers": ("cash_register", ""),
    "products": ("product", " AND x.retired_at IS NULL"),
}
_FENCED = ("tenant", "membership", "branch", "warehouse", "cash_register", "product")
"""Read across companies once, below: their owner is behind the fence as well."""

_BEGUN = """
INSERT INTO tenant_transition (tenant_id, seq, previous_seq, from_status, to_status, reason, actor_id, actor_name, at)
SELECT tenant_id, 1, NULL, 'new', 'trial', 'Registro', '00000000-0000-0000-0000-000000000000', 'Sistema', created_at
FROM tenant"""
_WENT_ON = """
INSERT INTO tenant_transition (tenant_id, seq, previous_seq, from_status, to_status, reason, actor_id, actor_name, at)
SELECT tenant_id, {seq}, {seq} - 1, '{before}', {after}, 'Estado anterior al registro de cambios',
       '00000000-0000-0000-0000-000000000000', 'Sistema', updated_at
FROM tenant WHERE {where}"""


def upgrade() -> None:
    plan = op.create_table(
        "plan",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("modules", postgresql.JSONB(), nullable=False),
        sa.Column("limits", postgresql.JSONB(), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("is_offered", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("requests_per_minute > 0", name=op.f("ck_plan_requests_per_minute")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_plan")),
    )
    move = op.create_table(
        "tenant_move",
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("from_status", "to_status", name=op.f("pk_tenant_move")),
    )
    op.bulk_insert(plan, [dict(row) for row in _PLANS])
    op.bulk_insert(move, [{"from_status": before, "to_status": after} for before, after in _MOVES])
    op.create_table(
        "tenant_transition",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("previous_seq", sa.BigInteger(), nullable=True),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("seq >= 1 AND (seq = 1) = (from_status = 'new')", name=op.f("ck_tenant_transition_first")),
        sa.CheckConstraint(
            "coalesce(previous_seq, 0) = seq - 1 AND (seq = 1) = (previous_seq IS NULL)",
            name=op.f("ck_tenant_transition_next"),
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_tenant_transition_reason")),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name=op.f("pk_tenant_transition")),
        sa.UniqueConstraint("tenant_id", "seq", "to_status", name=op.f("uq_tenant_transition_tenant_id_seq_to_status")),
        sa.ForeignKeyConstraint(
            ["from_status", "to_status"],
            ["tenant_move.from_status", "tenant_move.to_status"],
            name=op.f("fk_tenant_transition_from_status_to_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "previous_seq", "from_status"],
            ["tenant_transition.tenant_id", "tenant_transition.seq", "tenant_transition.to_status"],
            name=op.f("fk_tenant_transition_tenant_id_previous_seq_from_status"),
        ),
    )
    op.create_table(
        "tenant_module",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_tenant_module_reason")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_tenant_module_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "module", name=op.f("pk_tenant_module")),
    )
    op.create_table(
        "tenant_usage",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("used", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "resource IN ('users','branches','warehouses','registers','products','storage')",
            name=op.f("ck_tenant_usage_resource"),
        ),
        sa.CheckConstraint("used >= 0", name=op.f("ck_tenant_usage_used")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_tenant_usage_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "resource", name=op.f("pk_tenant_usage")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "company_logo",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(content) <= 262144", name=op.f("ck_company_logo_content")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_company_logo_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_company_logo")),
    )
    op.create_table(
        "membership_branch",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("branch_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "membership_id"],
            ["membership.tenant_id", "membership.id"],
            name=op.f("fk_membership_branch_tenant_id_membership_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "branch_id"],
            ["branch.tenant_id", "branch.id"],
            name=op.f("fk_membership_branch_tenant_id_branch_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "membership_id", "branch_id", name=op.f("pk_membership_branch")),
    )
    op.add_column("membership", sa.Column("all_branches", sa.Boolean(), server_default="true", nullable=False))
    for table in _PLACES:
        op.add_column(table, sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
        op.add_column(table, sa.Column("body_hash", sa.LargeBinary(), nullable=True))
    op.add_column("branch", sa.Column("address", sa.Text(), server_default="", nullable=False))
    op.add_column("branch", sa.Column("municipality_code", sa.Text(), nullable=True))
    op.add_column("branch", sa.Column("phone", sa.Text(), server_default="", nullable=False))
    op.create_check_constraint(op.f("ck_warehouse_default_stays"), "warehouse", "NOT is_default OR retired_at IS NULL")
    _add_profile()
    for table in _FENCED:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    _fill()
    for table in _FENCED:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.alter_column("tenant", "status_seq", nullable=False)
    op.alter_column("tenant", "status_since", nullable=False)
    op.alter_column("tenant", "plan", nullable=False)
    op.create_foreign_key(op.f("fk_tenant_plan"), "tenant", "plan", ["plan"], ["code"])
    op.create_foreign_key(
        op.f("fk_tenant_tenant_id_status_seq_status"),
        "tenant",
        "tenant_transition",
        ["tenant_id", "status_seq", "status"],
        ["tenant_id", "seq", "to_status"],
    )
    op.create_check_constraint(
        op.f("ck_tenant_trial_ends_at"), "tenant", "(status = 'trial') = (trial_ends_at IS NOT NULL)"
    )
    op.create_index("ix_tenant_trial", "tenant", ["trial_ends_at"], postgresql_where=sa.text("status = 'trial'"))
    tenancy.share("plan", ("select",), ("select", "insert", "update"))
    tenancy.share("tenant_move")
    tenancy.protect("tenant_transition", platform=("select",))
    tenancy.protect("tenant_module", ("select", "insert", "update"))
    tenancy.protect("tenant_usage", ("select", "insert", "update"), platform=("select",))
    tenancy.protect("company_logo", ("select", "insert", "update", "delete"))
    tenancy.protect("membership_branch", ("select", "insert", "delete"))


def _add_profile() -> None:
    for column in (
        sa.Column("trade_name", sa.Text(), server_default="", nullable=False),
        sa.Column("organization", sa.Text(), server_default="company", nullable=False),
        sa.Column("regime", sa.Text(), server_default="48", nullable=False),
        sa.Column("tribute", sa.Text(), server_default="01", nullable=False),
        sa.Column("responsibilities", postgresql.JSONB(), server_default=sa.text("'[\"R-99-PN\"]'"), nullable=False),
        sa.Column("ciiu", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("postal_code", sa.Text(), server_default="", nullable=False),
        sa.Column("merchant_registration", sa.Text(), server_default="", nullable=False),
        sa.Column("status_seq", sa.BigInteger(), nullable=True),
        sa.Column("status_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trial_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("modules", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
    ):
        op.add_column("tenant", column)
    op.create_check_constraint(op.f("ck_tenant_organization"), "tenant", "organization IN ('company','person')")
    op.create_check_constraint(op.f("ck_tenant_regime"), "tenant", "regime IN ('48','49')")
    op.create_check_constraint(op.f("ck_tenant_tribute"), "tenant", "tribute IN ('01','04','ZA','ZZ')")


def _fill() -> None:
    """Companies that are there already: their steps so far, the plan of a trial, and what they have of each resource."""
    op.execute(_BEGUN)
    direct = "status IN ('active','read-only','suspended','closed')"
    op.execute(_WENT_ON.format(seq=2, before="trial", after="status", where=direct))
    op.execute(_WENT_ON.format(seq=2, before="trial", after="'active'", where="status = 'past-due'"))
    op.execute(_WENT_ON.format(seq=3, before="active", after="'past-due'", where="status = 'past-due'"))
    op.execute(
        "UPDATE tenant t SET plan = 'pro', modules = (SELECT jsonb_object_agg(m.code, '{}'::jsonb) "
        "FROM plan p, jsonb_array_elements_text(p.modules) AS m (code) WHERE p.code = 'pro'), "
        "status_seq = (SELECT max(seq) FROM tenant_transition s WHERE s.tenant_id = t.tenant_id), "
        "status_since = (SELECT max(at) FROM tenant_transition s WHERE s.tenant_id = t.tenant_id), "
        "trial_ends_at = CASE WHEN status = 'trial' THEN now() + interval '30 days' END"
    )
    for resource, (table, condition) in _COUNTED.items():
        op.execute(
            f"INSERT INTO tenant_usage (tenant_id, resource, used) SELECT t.tenant_id, '{resource}', "
            f"(SELECT count(*) FROM {table} x WHERE x.tenant_id = t.tenant_id{condition}) FROM tenant t"
        )
    op.execute("INSERT INTO tenant_usage (tenant_id, resource, used) SELECT tenant_id, 'storage', 0 FROM tenant")


def downgrade() -> None:
    op.drop_constraint(op.f("fk_tenant_tenant_id_status_seq_status"), "tenant", type_="foreignkey")
    op.drop_constraint(op.f("fk_tenant_plan"), "tenant", type_="foreignkey")
    op.drop_index("ix_tenant_trial", table_name="tenant")
    for column in (
        "trade_name",
        "organization",
        "regime",
        "tribute",
        "responsibilities",
        "ciiu",
        "postal_code",
        "merchant_registration",
        "status_seq",
        "status_since",
        "trial_ends_at",
        "plan",
        "modules",
        "requests_per_minute",
    ):
        # A check over a column goes with it.
        op.drop_column("tenant", column)
    op.drop_constraint(op.f("ck_warehouse_default_stays"), "warehouse", type_="check")
    for column in ("address", "municipality_code", "phone"):
        op.drop_column("branch", column)
    for table in _PLACES:
        op.drop_column(table, "retired_at")
        op.drop_column(table, "body_hash")
    op.drop_column("membership", "all_branches")
    for table in (
        "membership_branch",
        "company_logo",
        "tenant_usage",
        "tenant_module",
        "tenant_transition",
        "tenant_move",
        "plan",
    ):
        op.drop_table(table)
