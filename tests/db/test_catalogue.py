"""The fence between companies as the catalogue of PostgreSQL shows it, table by table."""

import re

import pytest
from sqlalchemy import Constraint, Index

from app.db.registry import METADATA
from tests.db.catalogue import APPEND_ONLY, CHECKS, EDITABLE, OF_PEOPLE, SHARED, Admin

LONGEST_NAME = 63
"""Bytes of an identifier that PostgreSQL keeps."""

BREAKS: dict[str, str] = {
    "every tenant table has a tenant_id uuid NOT NULL": "ALTER TABLE product_gram DROP CONSTRAINT pk_product_gram; "
    "ALTER TABLE product_gram ALTER tenant_id DROP NOT NULL",
    "row level security is enabled and forced": "ALTER TABLE sale NO FORCE ROW LEVEL SECURITY",
    "the fence covers what is read and what is written": "DROP POLICY tenant_fence ON sale; CREATE POLICY tenant_fence "
    "ON sale TO mostrador_app USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid) WITH CHECK (true)",
    "a table of people is fenced by person": "DROP POLICY person_fence ON refresh_token",
    "nothing else opens a table to the application": "CREATE POLICY tenant_fence_too ON customer USING (true)",
    "policies have no subquery": "CREATE POLICY platform_select ON sale FOR SELECT TO mostrador_platform "
    "USING (EXISTS (SELECT FROM tenant))",
    "the key begins with the company": "CREATE TABLE bad (id uuid PRIMARY KEY, tenant_id uuid NOT NULL)",
    "whatever is unique is unique within a company": "CREATE UNIQUE INDEX bad ON product (sku) WHERE false",
    "foreign keys between tenant tables carry both columns": "CREATE TABLE bad (tenant_id uuid, id uuid, product_id uuid, "
    "PRIMARY KEY (tenant_id, id), other_tenant uuid, "
    "FOREIGN KEY (other_tenant, product_id) REFERENCES product (tenant_id, id))",
    "a global table points at no tenant table": "ALTER TABLE app_user ADD CONSTRAINT bad "
    "FOREIGN KEY (id) REFERENCES tenant (tenant_id) NOT VALID",
    "a table without a company is one of the listed": "CREATE TABLE bad (id uuid PRIMARY KEY)",
    "no triggers and no event triggers": "CREATE TRIGGER bad BEFORE UPDATE ON product "
    "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "no key is set to NULL or to a default when its target goes": "ALTER TABLE product ADD CONSTRAINT bad "
    "FOREIGN KEY (tenant_id, category_id) REFERENCES category (tenant_id, id) ON DELETE SET NULL",
    "no exclusion constraints": "ALTER TABLE product ADD CONSTRAINT bad EXCLUDE USING btree (id WITH =) WHERE (false)",
    "no function runs with its owner's rights": "CREATE FUNCTION bad() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "views run with their reader's rights": "CREATE VIEW bad AS SELECT * FROM sale",
    "no materialized views": "CREATE MATERIALIZED VIEW bad AS SELECT * FROM sale",
    "append-only rows cannot be changed or deleted": "GRANT UPDATE (total) ON sale TO mostrador_app",
    "every tenant table is append-only or listed as editable": "CREATE TABLE bad (tenant_id uuid PRIMARY KEY)",
    "the application edits no more than what is listed": "GRANT DELETE ON customer TO mostrador_app",
    "the application neither truncates nor makes triggers or references": "GRANT TRUNCATE ON sale TO mostrador_app",
    "the application owns nothing and creates nothing": "GRANT CREATE ON SCHEMA public TO mostrador_app",
    "the plain roles are plain": "ALTER ROLE mostrador_app BYPASSRLS",
    "the backup role writes nothing": "GRANT DELETE ON sale TO mostrador_backup",
    "the platform role sees only the listed tables across companies": "CREATE POLICY platform_select ON sale "
    "FOR SELECT TO mostrador_platform USING (true)",
    "names are whole": f"ALTER TABLE sale ADD CONSTRAINT ck_sale_{'x' * 60} CHECK (total >= 0)",
}
"""For each check, a change that someone could make by mistake."""


async def complaints(connection: Admin, check: str) -> list[str]:
    return [str(row[0]) for row in await connection.fetch(CHECKS[check])]


@pytest.mark.parametrize("check", CHECKS)
async def test_the_catalogue_says_that(admin: Admin, check: str) -> None:
    assert await complaints(admin, check) == []


@pytest.mark.parametrize("check", CHECKS)
async def test_a_mistake_is_found_by_the_check_that(admin: Admin, check: str) -> None:
    change = admin.transaction()
    await change.start()
    try:
        await admin.execute(BREAKS[check])
        assert await complaints(admin, check) != []
    finally:
        await change.rollback()
    assert await complaints(admin, check) == []


async def test_every_table_is_in_exactly_one_list(admin: Admin) -> None:
    rows = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    listed = [*SHARED, *OF_PEOPLE, *APPEND_ONLY, *EDITABLE]
    assert len(listed) == len(set(listed))
    assert {row["tablename"] for row in rows} == set(listed)


def test_every_name_of_the_models_fits_and_no_two_are_told_apart_by_a_number() -> None:
    names = [
        str(item.name)
        for table in METADATA.tables.values()
        for item in (*table.constraints, *table.indexes)
        if isinstance(item, (Constraint, Index)) and item.name is not None
    ]
    assert [name for name in names if len(name.encode()) > LONGEST_NAME] == []
    assert len(names) == len(set(names)) > len(METADATA.tables)
    assert [name for name in names if re.search(r"\d$", name)] == []
