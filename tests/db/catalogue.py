"""What the PostgreSQL catalogue must say of our tables: each check is a statement that lists complaints."""

from typing import Final, TypeAlias

import asyncpg

Admin: TypeAlias = asyncpg.Connection  # pyright: ignore[reportInvalidTypeArguments]
"""The connection of the database's owner."""

SHARED: Final = {
    "alembic_version": "the revision",
    "schedule": "recurring runs of the platform",
    "worker_heartbeat": "signs of life",
    "monitor_alert": "findings of the monitor",
    "alert_delivery": "messages to the operator, and why some were not sent",
    "alert_silence": "what the operator wants to hear nothing of, until when",
    "schedule_run": "runs of the schedules",
    "release_mark": "which release runs since when",
    "tax_class": "names of taxes",
    "tax_rate": "legal figures by date",
    "plan": "what the operator sells",
    "tenant_move": "which steps of a company's life are allowed",
    "legal_figure": "figures of the law by date",
    "plan_version": "what the operator sold, version by version",
    "plan_price": "prices at the payment provider",
    "billing_move": "which steps of a subscription's life are allowed",
    "payment_event": "events of the payment provider, before their company is known; the platform role's alone",
    "billing_report": "comparisons with the payment provider; the platform role's alone",
    "backup_run": "backups of the whole platform",
    "backup_drill": "their proofs by a restore",
    "backup_policy": "how often companies of a plan are backed up",
    "provider_entry": "what the operator's staff did; the application writes it and cannot read it",
    "provider_trail_head": "end of that chain",
}
"""Global tables with no company in them, and why."""

OF_PEOPLE: Final = {
    "app_user": "a person may belong to several companies",
    "auth_session": "of a person; names the company it acts in, points at none",
    "refresh_token": "of a person's session",
    "one_time_token": "mailed to a person",
    "password_history": "of a person, whatever the company",
    "totp_factor": "of a person, whatever the company",
    "recovery_code": "of a person, whatever the company",
    "sample_company": "of a person; names their sample company, points at none",
    "provider_user": "of the operator's staff, in no company",
    "provider_session": "of the operator's staff",
    "provider_answer": "stored answers of the operator's staff",
}
"""Global tables fenced by person instead of by company."""

EDITABLE: Final = {
    "tenant": "U",
    "branch": "U",
    "warehouse": "U",
    "cash_register": "U",
    "numbering": "U",
    "membership": "U",
    "membership_branch": "D",
    "tenant_module": "U",
    "tenant_usage": "U",
    "company_logo": "UD",
    "idempotency": "U",
    "outbox": "U",
    "audit_head": "U",
    "category": "U",
    "product": "U",
    "product_pack": "UD",
    "product_barcode": "UD",
    "product_gram": "D",
    "stock": "U",
    "stock_conflict": "u",
    "stock_count": "u",
    "stock_count_item": "u",
    "stock_transfer_state": "u",
    "stock_transit": "u",
    "customer": "U",
    "cash_drawer": "U",
    "sale_line_remaining": "U",
    "held_ticket": "D",
    "import_batch": "U",
    "dian_setting": "U",
    "dian_certificate": "u",
    "document_range": "u",
    "document_counter": "u",
    "document_state": "U",
    "dian_file_counter": "u",
    "dian_circuit": "U",
    "dian_contingency": "u",
    "dian_test_set": "u",
    "company_role": "UD",
    "invitation": "U",
    "member_pin": "UD",
    "approval": "u",
    "api_key": "u",
    "member_pin_try": "UD",
    "support_access": "u",
    "support_route": "u",
    "person_key": "u",
    "subscription": "U",
    "support_ticket_state": "U",
    "billing_invoice": "U",
    "company_backup": "U",
    "company_restore": "U",
    "delivery_setting": "U",
    "document_delivery_state": "U",
    "dian_former_secret": "u",
    "owed_note": "u",
    "transcribed_paper": "u",
    "webhook_feed": "U",
    "webhook_endpoint": "U",
    "webhook_secret": "UD",
    "webhook_delivery": "U",
    "webhook_low_stock": "D",
    "photo": "D",
    "report_mark": "U",
    "report_sales": "UD",
    "report_customer": "UD",
    "report_product": "UD",
    "report_tender": "UD",
    "report_tax": "UD",
    "report_product_month": "UD",
    "report_schedule": "UD",
    "report_account": "D",
    "report_mailing": "UD",
    "stock_day": "UD",
    "stock_gap": "UD",
    "hidden_indicator": "UD",
    "report_export": "UD",
    "report_export_part": "D",
    "company_alert": "U",
    "company_alert_life": "UD",
    "company_alert_mail": "U",
    "company_alert_preference": "U",
    "company_alert_rule": "U",
    "company_alert_setting": "U",
}
"""Tenant tables the application may change, and how: U updates, u updates some columns, D deletes."""

APPEND_ONLY: Final = (
    "audit_archive",
    "audit_checkpoint",
    "audit_entry",
    "audit_origin",
    "cash_close",
    "cash_close_tender",
    "cash_movement",
    "cash_session",
    "document",
    "document_event",
    "document_file",
    "document_version",
    "consent",
    "import_item",
    "price_change",
    "sale",
    "sale_line",
    "sale_payment",
    "sale_refund",
    "sale_return",
    "sale_return_line",
    "stock_adjustment",
    "stock_arrival",
    "stock_arrival_line",
    "stock_count_entry",
    "stock_movement",
    "stock_transfer",
    "stock_transfer_line",
    "tenant_transition",
    "terms_acceptance",
    "subscription_transition",
    "mrr_movement",
    "billing_notice",
    "support_ticket",
    "support_message",
    "document_delivery",
    "webhook_attempt",
    "webhook_event",
)
"""Fiscal rows, movements, payments and the trail: never updated, never deleted."""

PLATFORM: Final = {
    "audit_entry": "r",
    "audit_head": "r",
    "company_backup": "arw",
    "dian_certificate": "r",
    "dian_circuit": "r",
    "dian_contingency": "r",
    "document": "r",
    "document_counter": "r",
    "document_range": "r",
    "document_state": "r",
    "auth_session": "dr",
    "idempotency": "dr",
    "one_time_token": "dr",
    "outbox": "adrw",
    "provider_answer": "dr",
    "provider_user": "r",
    "refresh_token": "dr",
    "support_access": "r",
    "report_export": "dr",
    "report_export_part": "dr",
    "report_mark": "r",
    "report_schedule": "r",
    "tenant": "r",
    "tenant_transition": "r",
    "tenant_usage": "r",
    "subscription": "r",
    "support_ticket": "r",
    "support_ticket_state": "r",
    "subscription_transition": "r",
    "billing_invoice": "r",
    "mrr_movement": "r",
    "webhook_attempt": "dr",
    "webhook_delivery": "dr",
    "webhook_endpoint": "r",
    "webhook_event": "dr",
    "webhook_feed": "r",
}
"""Tables of companies and people that the platform role sees whole, by policy: a insert, d delete, r select, w update."""

EXTRA_POLICIES: Final = {"membership.own_memberships": "r"}
"""Second policies of the application role: what a person sees of companies before one is chosen."""

FENCE: Final = "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"
"""As PostgreSQL prints the condition that `app.db.tenancy.protect` writes."""


def _quoted(names: object) -> str:
    return ", ".join(f"'{name}'" for name in names)  # type: ignore[attr-defined]


_OURS: Final = (
    "SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') "
    "AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
)
_GLOBAL: Final = _quoted((*SHARED, *OF_PEOPLE))
_WITH: Final = (
    f"WITH ours AS ({_OURS}), tenants AS (SELECT * FROM ours WHERE relname NOT IN ({_GLOBAL})), "
    f"fenced AS (SELECT * FROM ours WHERE relname NOT IN ({_quoted(SHARED)})), "
    "key AS (SELECT attrelid, attnum, attnotnull, atttypid FROM pg_attribute "
    "WHERE attname = 'tenant_id' AND NOT attisdropped) "
)
_APP: Final = "'mostrador_app'"

CHECKS: Final[dict[str, str]] = {
    "every tenant table has a tenant_id uuid NOT NULL": _WITH
    + "SELECT relname FROM tenants LEFT JOIN key ON attrelid = oid "
    "WHERE attnum IS NULL OR NOT attnotnull OR atttypid <> 'uuid'::regtype",
    "row level security is enabled and forced": _WITH
    + "SELECT relname FROM fenced WHERE NOT relrowsecurity OR NOT relforcerowsecurity",
    "the fence covers what is read and what is written": _WITH
    + "SELECT relname FROM tenants WHERE NOT EXISTS (SELECT FROM pg_policies p WHERE p.tablename = relname "
    f"AND p.cmd = 'ALL' AND p.roles = ARRAY['mostrador_app']::name[] AND p.qual = $q${FENCE}$q$ AND p.with_check = $q${FENCE}$q$)",
    "a table of people is fenced by person": _WITH
    + f"SELECT relname FROM ours WHERE relname IN ({_quoted(OF_PEOPLE)}) AND NOT EXISTS (SELECT FROM pg_policies p "
    "WHERE p.tablename = relname AND p.cmd = 'ALL' AND p.roles = ARRAY['mostrador_app']::name[] "
    "AND p.qual LIKE '%app.user_id%' AND p.with_check = p.qual)",
    "nothing else opens a table to the application": "SELECT tablename || '.' || policyname FROM pg_policies "
    "WHERE NOT roles <@ ARRAY['mostrador_platform']::name[] AND policyname NOT IN ('tenant_fence', 'person_fence') "
    f"AND (tablename || '.' || policyname NOT IN ({_quoted(EXTRA_POLICIES)}) OR cmd <> 'SELECT' "
    "OR roles <> ARRAY['mostrador_app']::name[])",
    "policies have no subquery": "SELECT tablename || '.' || policyname FROM pg_policies "
    "WHERE coalesce(qual, '') || coalesce(with_check, '') ~* 'select'",
    "the key begins with the company": _WITH
    + "SELECT relname FROM tenants LEFT JOIN key ON attrelid = oid LEFT JOIN pg_index i ON i.indrelid = oid AND i.indisprimary "
    "WHERE i.indexrelid IS NULL OR attnum IS NULL OR i.indkey[0] <> attnum",
    "whatever is unique is unique within a company": _WITH
    + "SELECT relname || ' ' || i.indexrelid::regclass FROM tenants JOIN pg_index i ON i.indrelid = oid AND i.indisunique "
    "LEFT JOIN key ON attrelid = oid WHERE attnum IS NULL OR i.indkey[0] <> attnum",
    "foreign keys between tenant tables carry both columns": _WITH
    + "SELECT t.relname || ' ' || f.conname FROM tenants t JOIN pg_constraint f ON f.conrelid = t.oid AND f.contype = 'f' "
    "JOIN tenants r ON r.oid = f.confrelid LEFT JOIN key k ON k.attrelid = t.oid LEFT JOIN key rk ON rk.attrelid = r.oid "
    "WHERE (SELECT count(*) FROM unnest(f.conkey, f.confkey) AS pair(own, other) "
    "WHERE own = k.attnum AND other = rk.attnum) <> 1",
    "a global table points at no tenant table": _WITH
    + "SELECT f.conname FROM pg_constraint f JOIN ours o ON o.oid = f.conrelid JOIN tenants r ON r.oid = f.confrelid "
    f"WHERE f.contype = 'f' AND o.relname IN ({_GLOBAL})",
    "a table without a company is one of the listed": _WITH
    + "SELECT relname FROM tenants LEFT JOIN key ON attrelid = oid WHERE attnum IS NULL",
    "no triggers and no event triggers": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal "
    "UNION ALL SELECT evtname FROM pg_event_trigger",
    "no key is set to NULL or to a default when its target goes": "SELECT conname FROM pg_constraint "
    "WHERE contype = 'f' AND (confdeltype NOT IN ('a', 'r') OR confupdtype NOT IN ('a', 'r'))",
    "no exclusion constraints": "SELECT conname FROM pg_constraint WHERE contype = 'x'",
    "no function runs with its owner's rights": "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
    "WHERE prosecdef AND nspname NOT IN ('pg_catalog', 'information_schema')",
    "views run with their reader's rights": "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE relkind = 'v' AND nspname NOT IN ('pg_catalog', 'information_schema') "
    "AND NOT coalesce(reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on']",
    "no materialized views": "SELECT relname FROM pg_class WHERE relkind = 'm'",
    "append-only rows cannot be changed or deleted": _WITH
    + f"SELECT relname FROM ours WHERE relname IN ({_quoted(APPEND_ONLY)}) AND "
    f"(has_any_column_privilege({_APP}, oid, 'UPDATE') OR has_table_privilege({_APP}, oid, 'DELETE'))",
    "every tenant table is append-only or listed as editable": _WITH
    + f"SELECT relname FROM tenants WHERE relname NOT IN ({_quoted((*APPEND_ONLY, *EDITABLE))})",
    "the application edits no more than what is listed": _WITH
    + ", allowed(name, verbs) AS (VALUES "
    + ", ".join(f"('{name}', '{verbs}')" for name, verbs in EDITABLE.items())
    + ") SELECT relname FROM tenants JOIN allowed ON name = relname WHERE verbs <> concat("
    f"CASE WHEN has_table_privilege({_APP}, oid, 'UPDATE') THEN 'U' WHEN has_any_column_privilege({_APP}, oid, 'UPDATE') "
    f"THEN 'u' END, CASE WHEN has_table_privilege({_APP}, oid, 'DELETE') THEN 'D' END)",
    "the application neither truncates nor makes triggers or references": _WITH
    + f"SELECT relname FROM ours WHERE has_table_privilege({_APP}, oid, 'TRUNCATE, TRIGGER, REFERENCES')",
    "the application owns nothing and creates nothing": f"SELECT c.relname FROM pg_class c WHERE relowner = {_APP}::regrole "
    f"UNION ALL SELECT nspname FROM pg_namespace WHERE nspowner = {_APP}::regrole OR nspname NOT LIKE 'pg\\_%' "
    f"AND has_schema_privilege({_APP}, oid, 'CREATE') UNION ALL SELECT datname FROM pg_database WHERE datname = current_database() "
    f"AND has_database_privilege({_APP}, oid, 'CREATE')",
    "the plain roles are plain": "SELECT rolname FROM pg_roles WHERE rolname IN ('mostrador_app', 'mostrador_platform') "
    "AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication) "
    "UNION ALL SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member "
    "WHERE r.rolname IN ('mostrador_app', 'mostrador_platform')",
    "the backup role writes nothing": _WITH
    + "SELECT relname FROM ours WHERE has_table_privilege('mostrador_backup', oid, 'INSERT, UPDATE, DELETE, TRUNCATE') "
    "OR NOT has_table_privilege('mostrador_backup', oid, 'SELECT')",
    "the platform role sees only the listed tables across companies": _WITH
    + ", allowed(name, verbs) AS (VALUES "
    + ", ".join(f"('{name}', '{verbs}')" for name, verbs in PLATFORM.items())
    + "), opened AS (SELECT polrelid, string_agg(polcmd::text, '' ORDER BY polcmd::text) AS verbs FROM pg_policy "
    "WHERE polroles @> ARRAY['mostrador_platform'::regrole::oid] GROUP BY polrelid) "
    "SELECT relname FROM fenced LEFT JOIN opened ON polrelid = oid LEFT JOIN allowed ON name = relname "
    "WHERE opened.verbs IS DISTINCT FROM allowed.verbs",
    "names are whole": "SELECT conname FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace "
    "WHERE nspname = 'public' AND (octet_length(conname) >= 63 OR conname !~ '^(pk|uq|fk|ck)_' "
    "AND conname <> 'alembic_version_pkc' AND contype <> 'n') "
    "UNION ALL SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE nspname = 'public' AND relkind IN ('i', 'I') AND octet_length(relname) >= 63",
}
"""Sentence to statement; each answers the names of what breaks it."""
