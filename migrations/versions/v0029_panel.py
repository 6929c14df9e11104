"""Support tickets with their thread; a trial that was stopped goes on, and one that is over may be extended."""

from alembic import op

from app.db import tenancy

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_MOVES = (("suspended", "trial"), ("read-only", "trial"))
_TABLES = """
CREATE TABLE support_ticket (
  tenant_id uuid NOT NULL, id uuid NOT NULL, number bigint NOT NULL, subject text NOT NULL, category text NOT NULL,
  user_id uuid NOT NULL, user_name text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), body_hash bytea,
  CONSTRAINT pk_support_ticket PRIMARY KEY (tenant_id, id),
  CONSTRAINT uq_support_ticket_tenant_id_number UNIQUE (tenant_id, number),
  CONSTRAINT fk_support_ticket_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id),
  CONSTRAINT ck_support_ticket_number CHECK (number >= 1),
  CONSTRAINT ck_support_ticket_category CHECK (category IN ('billing','dian','sales','technical','other'))
);
CREATE TABLE support_ticket_state (
  tenant_id uuid NOT NULL, ticket_id uuid NOT NULL, status text NOT NULL DEFAULT 'open', status_since timestamptz NOT NULL,
  assignee_id uuid, assignee_name text, messages bigint NOT NULL DEFAULT 1, last_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT pk_support_ticket_state PRIMARY KEY (tenant_id, ticket_id),
  CONSTRAINT fk_support_ticket_state_tenant_id FOREIGN KEY (tenant_id, ticket_id) REFERENCES support_ticket (tenant_id, id),
  CONSTRAINT fk_support_ticket_state_assignee_id FOREIGN KEY (assignee_id) REFERENCES provider_user (id),
  CONSTRAINT ck_support_ticket_state_status CHECK (status IN ('open','answered','closed')),
  CONSTRAINT ck_support_ticket_state_assignee CHECK ((assignee_id IS NULL) = (assignee_name IS NULL)),
  CONSTRAINT ck_support_ticket_state_messages CHECK (messages >= 1)
);
CREATE INDEX ix_support_ticket_state_last ON support_ticket_state (last_at, ticket_id);
CREATE TABLE support_message (
  tenant_id uuid NOT NULL, id uuid NOT NULL, ticket_id uuid NOT NULL, side text NOT NULL, author_id uuid NOT NULL,
  author_name text NOT NULL, body text NOT NULL, is_internal boolean NOT NULL DEFAULT false, status text NOT NULL,
  at timestamptz NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), body_hash bytea,
  CONSTRAINT pk_support_message PRIMARY KEY (tenant_id, id),
  CONSTRAINT fk_support_message_tenant_id FOREIGN KEY (tenant_id, ticket_id) REFERENCES support_ticket (tenant_id, id),
  CONSTRAINT ck_support_message_side CHECK (side IN ('company','provider')),
  CONSTRAINT ck_support_message_status CHECK (status IN ('open','answered','closed')),
  CONSTRAINT ck_support_message_internal CHECK (side = 'provider' OR NOT is_internal)
);
CREATE INDEX ix_support_message_ticket ON support_message (tenant_id, ticket_id, at, id);
"""


def _reasons(allowed: str) -> None:
    op.execute("ALTER TABLE company_backup DROP CONSTRAINT ck_company_backup_reason")
    op.execute(f"ALTER TABLE company_backup ADD CONSTRAINT ck_company_backup_reason CHECK (reason IN ({allowed}))")


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    tenancy.protect("support_ticket", platform=("select",))
    tenancy.protect("support_ticket_state", ("select", "insert", "update"), platform=("select",))
    tenancy.protect("support_message")
    op.execute("CREATE INDEX ix_payment_event_queued ON payment_event (tenant_id) WHERE outcome = 'queued'")
    op.execute("ALTER TABLE subscription ADD COLUMN trial_ends_at timestamptz")
    _reasons("'schedule','demand','closing'")
    values = ", ".join(f"('{before}','{after}')" for before, after in _MOVES)
    op.execute(f"INSERT INTO tenant_move (from_status, to_status) VALUES {values} ON CONFLICT DO NOTHING")


def downgrade() -> None:
    op.execute("UPDATE company_backup SET reason = 'demand' WHERE reason = 'closing'")
    _reasons("'schedule','demand'")
    # A company that took one of these steps keeps its history, and so the steps it points at.
    op.execute(
        "DELETE FROM tenant_move m WHERE m.to_status = 'trial' AND m.from_status IN ('suspended','read-only') "
        "AND NOT EXISTS (SELECT FROM tenant_transition t WHERE (t.from_status, t.to_status) = (m.from_status, m.to_status))"
    )
    op.execute("DROP INDEX ix_payment_event_queued")
    op.execute("ALTER TABLE subscription DROP COLUMN trial_ends_at")
    for table in ("support_message", "support_ticket_state", "support_ticket"):
        op.drop_table(table)
