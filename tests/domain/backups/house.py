"""What the tests of backups share."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from app.db.session import Database
from app.domain.backups.catalogue import SETTINGS, company_tables
from app.domain.backups.company.copying import copy_out
from app.domain.backups.company.export import CompanyMade, export
from app.domain.backups.company.format import NOT_OF_THE_COMPANY, TableFile, root_hash
from app.domain.backups.keys import BackupKeys
from app.domain.backups.platform import runs
from app.domain.backups.platform.desk import storage_of
from app.integrations.storage.store import Storage
from tests.shop import Shop

Admin = Any
"""The connection of the database's owner."""


async def trade(shop: Shop, sales: int = 3) -> list[str]:
    """Some sales, one voided: rows in most tables; answers their ids."""
    product = await shop.product()
    session = await shop.open_drawer()
    made = []
    for _ in range(sales):
        answer = await shop.sell(session, [{"productId": product["id"], "quantity": "2"}], "23800")
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["id"])
    voided = await shop.post(f"/v1/sales/{made[0]}/void", {"reason": "Se equivocó el cajero"})
    assert voided.status_code < 300, voided.text
    customer = await shop.post(
        "/v1/customers",
        {"identificationType": "13", "identification": str(uuid4().int % 10**9), "name": 'Ana \\ "Ñ" €'},
    )
    assert customer.status_code == 201, customer.text
    return made


async def company_hash(url: str, tenant_id: UUID) -> str:
    """Root hash over every row of a company, as it stands."""
    return root_hash(list((await company_files(url, tenant_id)).values()))


async def company_files(url: str, tenant_id: UUID) -> dict[str, TableFile]:
    connection = await asyncpg.connect(url, server_settings=SETTINGS)
    try:
        return {
            table.name: await copy_out(connection, table, tenant_id)
            for table in await company_tables(connection)
            if table.name not in NOT_OF_THE_COMPANY
        }
    finally:
        await connection.close()


async def destroy(admin: Admin, tenant_id: UUID) -> int:
    """Delete a company down to its last row, as a mistake of the owner of the tables would."""
    tables = await company_tables(admin)
    gone = 0
    async with admin.transaction():
        for table in reversed(tables):
            done = await admin.execute(f'DELETE FROM "{table.name}" WHERE tenant_id = $1', tenant_id)
            gone += int(done.rpartition(" ")[2])
    return gone


async def forget_others(admin: Admin, kept: list[UUID]) -> None:
    """Delete every company but these, past all constraints."""
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        for table in await company_tables(admin):
            await admin.execute(f'DELETE FROM "{table.name}" WHERE NOT tenant_id = ANY($1)', kept)


async def number(admin: Admin, query: str, *values: object) -> int:
    """One whole number of the database."""
    return int(await admin.fetchval(query, *values))


async def archive_of(database: Database, tenant_id: UUID, storage: Storage | None = None) -> CompanyMade:
    settings = database.settings
    return await export(
        database, storage or storage_of(settings), BackupKeys.of(settings), tenant_id, uuid4(), lambda _rows: None
    )


async def backed_up(database: Database) -> UUID:
    """A backup of the platform that was asked for and claimed."""
    run_id = await runs.ask_backup(database, "prueba")
    assert await runs.claim(database, "backup_run") == run_id
    return run_id


def objects(folder: Path) -> list[str]:
    """Finished objects of a folder: a part on its way has a `#` in its name."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "#" not in path.name
    )
