"""What companies pay: versions of plans, subscriptions with their life, invoices, recurring revenue, the provider's events."""

from alembic import op

from app.db import tenancy

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None

_PRICES = {"free": (0, 0), "basic": (49_900, 499_000), "pro": (99_900, 999_000), "enterprise": (249_900, 2_499_000)}
"""Pesos a month and a year, without taxes."""

_STATES = "'trialing','active','past_due','read_only','suspended','cancelled','blocked','closed'"
_PAID_FROM = ("trialing", "past_due", "read_only", "suspended")
_ANY = ("trialing", "active", "past_due", "read_only", "suspended", "cancelled", "blocked", "closed")
_MOVES = (
    *((state, "paid", "active") for state in _PAID_FROM),
    *((state, "free_chosen", "active") for state in ("trialing", "read_only", "cancelled")),
    ("active", "payment_failed", "past_due"),
    ("cancelled", "payment_failed", "past_due"),
    ("past_due", "grace_ended", "read_only"),
    ("read_only", "patience_ended", "suspended"),
    ("trialing", "trial_ended", "read_only"),
    ("active", "cancel_asked", "cancelled"),
    ("cancelled", "resumed", "active"),
    *((state, "subscription_ended", "read_only") for state in ("active", "cancelled", "past_due")),
    *(("new", "moved_by_hand", state) for state in _ANY if state != "cancelled"),
    *(
        (before, "moved_by_hand", after)
        for before in _ANY
        for after in _ANY
        if after not in {before, "cancelled"} and (before, after) != ("active", "trialing")
    ),
)

_TABLES = f"""
CREATE TABLE plan_version (
  plan text NOT NULL, version bigint NOT NULL, name text NOT NULL, modules jsonb NOT NULL, limits jsonb NOT NULL,
  requests_per_minute bigint, monthly_price numeric(18,2) NOT NULL, yearly_price numeric(18,2) NOT NULL,
  backup_policy jsonb NOT NULL, published_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT pk_plan_version PRIMARY KEY (plan, version),
  CONSTRAINT fk_plan_version_plan FOREIGN KEY (plan) REFERENCES plan (code),
  CONSTRAINT ck_plan_version_prices CHECK (monthly_price >= 0 AND yearly_price >= 0
    AND (monthly_price = 0) = (yearly_price = 0))
);
CREATE TABLE plan_price (
  plan text NOT NULL, version bigint NOT NULL, interval text NOT NULL, price_id text NOT NULL,
  CONSTRAINT pk_plan_price PRIMARY KEY (plan, version, interval),
  CONSTRAINT uq_plan_price_price_id UNIQUE (price_id),
  CONSTRAINT fk_plan_price_plan_version FOREIGN KEY (plan, version) REFERENCES plan_version (plan, version),
  CONSTRAINT ck_plan_price_interval CHECK (interval IN ('month','year'))
);
CREATE TABLE billing_move (
  from_state text NOT NULL, event text NOT NULL, to_state text NOT NULL,
  CONSTRAINT pk_billing_move PRIMARY KEY (from_state, event, to_state)
);
CREATE TABLE payment_event (
  id text NOT NULL, kind text NOT NULL, customer_id text, object_id text, tenant_id uuid, job_id uuid, outcome text NOT NULL,
  received_at timestamptz NOT NULL, done_at timestamptz,
  CONSTRAINT pk_payment_event PRIMARY KEY (id),
  CONSTRAINT ck_payment_event_outcome CHECK (outcome IN ('queued','done','unknown-customer','unknown-kind'))
);
CREATE INDEX ix_payment_event_received ON payment_event (received_at, id);
CREATE TABLE billing_report (
  id uuid NOT NULL, at timestamptz NOT NULL, companies bigint NOT NULL, subscriptions bigint NOT NULL,
  differences jsonb NOT NULL,
  CONSTRAINT pk_billing_report PRIMARY KEY (id)
);
CREATE TABLE subscription_transition (
  tenant_id uuid NOT NULL, seq bigint NOT NULL, previous_seq bigint, from_state text NOT NULL, event text NOT NULL,
  to_state text NOT NULL, reason text NOT NULL, at timestamptz NOT NULL,
  CONSTRAINT pk_subscription_transition PRIMARY KEY (tenant_id, seq),
  CONSTRAINT uq_subscription_transition_tenant_id_seq_to_state UNIQUE (tenant_id, seq, to_state),
  CONSTRAINT fk_subscription_transition_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id),
  CONSTRAINT fk_subscription_transition_move FOREIGN KEY (from_state, event, to_state)
    REFERENCES billing_move (from_state, event, to_state),
  CONSTRAINT fk_subscription_transition_previous FOREIGN KEY (tenant_id, previous_seq, from_state)
    REFERENCES subscription_transition (tenant_id, seq, to_state),
  CONSTRAINT ck_subscription_transition_first CHECK (seq >= 1 AND (seq = 1) = (from_state = 'new')),
  CONSTRAINT ck_subscription_transition_next
    CHECK (coalesce(previous_seq, 0) = seq - 1 AND (seq = 1) = (previous_seq IS NULL))
);
CREATE TABLE subscription (
  tenant_id uuid NOT NULL, state text NOT NULL, state_seq bigint NOT NULL, state_since timestamptz NOT NULL,
  customer_id text, provider_id text, checkout_id text, plan text, version bigint, interval text,
  period_start timestamptz, period_end timestamptz, cancels boolean NOT NULL DEFAULT false, cancel_reason text,
  scheduled_plan text, scheduled_version bigint, scheduled_interval text, scheduled_for timestamptz,
  failing_invoice text, failing_since timestamptz, mrr numeric(18,2) NOT NULL DEFAULT 0, mrr_seq bigint NOT NULL DEFAULT 0,
  looks bigint NOT NULL DEFAULT 0, look_at timestamptz, synced_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT pk_subscription PRIMARY KEY (tenant_id),
  CONSTRAINT fk_subscription_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id),
  CONSTRAINT fk_subscription_state FOREIGN KEY (tenant_id, state_seq, state)
    REFERENCES subscription_transition (tenant_id, seq, to_state),
  CONSTRAINT fk_subscription_plan_version FOREIGN KEY (plan, version) REFERENCES plan_version (plan, version),
  CONSTRAINT ck_subscription_state CHECK (state IN ({_STATES})),
  CONSTRAINT ck_subscription_scheduled CHECK ((scheduled_plan IS NULL) = (scheduled_version IS NULL)
    AND (scheduled_plan IS NULL) = (scheduled_for IS NULL)),
  CONSTRAINT ck_subscription_mrr CHECK (mrr >= 0)
);
CREATE INDEX ix_subscription_customer ON subscription (customer_id);
CREATE INDEX ix_subscription_look ON subscription (look_at);
CREATE TABLE billing_invoice (
  tenant_id uuid NOT NULL, id text NOT NULL, number text, status text NOT NULL, kind text NOT NULL, currency text NOT NULL,
  subtotal numeric(18,2) NOT NULL, tax numeric(18,2) NOT NULL, total numeric(18,2) NOT NULL, paid numeric(18,2) NOT NULL,
  refunded numeric(18,2) NOT NULL DEFAULT 0, is_disputed boolean NOT NULL DEFAULT false, attempts bigint NOT NULL,
  price_id text, pay_url text, pdf_url text, made_at timestamptz NOT NULL, failed_at timestamptz, paid_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT pk_billing_invoice PRIMARY KEY (tenant_id, id),
  CONSTRAINT fk_billing_invoice_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id),
  CONSTRAINT ck_billing_invoice_status CHECK (status IN ('draft','open','paid','void','uncollectible'))
);
CREATE INDEX ix_billing_invoice_made ON billing_invoice (tenant_id, made_at, id);
CREATE TABLE mrr_movement (
  tenant_id uuid NOT NULL, seq bigint NOT NULL, at timestamptz NOT NULL, kind text NOT NULL, amount numeric(18,2) NOT NULL,
  after numeric(18,2) NOT NULL, plan text, interval text,
  CONSTRAINT pk_mrr_movement PRIMARY KEY (tenant_id, seq),
  CONSTRAINT fk_mrr_movement_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id),
  CONSTRAINT ck_mrr_movement_kind CHECK (kind IN ('new','expansion','contraction','churn','reactivation')),
  CONSTRAINT ck_mrr_movement_sign CHECK ((kind IN ('contraction','churn')) = (amount < 0) AND amount <> 0 AND after >= 0)
);
CREATE INDEX ix_mrr_movement_at ON mrr_movement (at);
CREATE TABLE billing_notice (
  tenant_id uuid NOT NULL, invoice_id text NOT NULL, day bigint NOT NULL, at timestamptz NOT NULL,
  CONSTRAINT pk_billing_notice PRIMARY KEY (tenant_id, invoice_id, day),
  CONSTRAINT fk_billing_notice_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id)
);
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    values = ", ".join(f"('{before}','{event}','{after}')" for before, event, after in _MOVES)
    op.execute(f"INSERT INTO billing_move (from_state, event, to_state) VALUES {values}")
    op.execute("ALTER TABLE plan ADD COLUMN version bigint")
    for code, (month, year) in _PRICES.items():
        op.execute(
            "INSERT INTO plan_version (plan, version, name, modules, limits, requests_per_minute, monthly_price, "
            f"yearly_price, backup_policy) SELECT code, 1, name, modules, limits, requests_per_minute, {month}, {year}, "
            "jsonb_build_object('everyHours', CASE code WHEN 'free' THEN 24 WHEN 'enterprise' THEN 6 ELSE 12 END, "
            "'daily', 7, 'weekly', 5, 'monthly', CASE code WHEN 'free' THEN 0 ELSE 12 END) "
            f"FROM plan WHERE code = '{code}'"
        )
        op.execute(f"UPDATE plan SET version = 1 WHERE code = '{code}'")
    op.execute("ALTER TABLE tenant ADD COLUMN plan_version bigint")
    op.execute(
        "ALTER TABLE tenant ADD CONSTRAINT fk_tenant_plan_plan_version FOREIGN KEY (plan, plan_version) "
        "REFERENCES plan_version (plan, version)"
    )
    tenancy.share("plan_version", ("select",), ("select", "insert"))
    tenancy.share("plan_price", ("select",), ("select", "insert"))
    tenancy.share("billing_move")
    tenancy.share("payment_event", (), ("select", "insert", "update"))
    tenancy.share("billing_report", (), ("select", "insert"))
    tenancy.protect("subscription_transition", platform=("select",))
    tenancy.protect("subscription", ("select", "insert", "update"), platform=("select",))
    tenancy.protect("billing_invoice", ("select", "insert", "update"), platform=("select",))
    tenancy.protect("mrr_movement", platform=("select",))
    tenancy.protect("billing_notice")


def downgrade() -> None:
    op.execute("ALTER TABLE tenant DROP CONSTRAINT fk_tenant_plan_plan_version")
    op.execute("ALTER TABLE tenant DROP COLUMN plan_version")
    op.execute("ALTER TABLE plan DROP COLUMN version")
    for table in (
        "billing_notice", "mrr_movement", "billing_invoice", "subscription", "subscription_transition", "billing_report",
        "payment_event", "billing_move", "plan_price", "plan_version",
    ):  # fmt: skip
        op.drop_table(table)
