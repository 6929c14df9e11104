"""A transaction's end: what was asked for and recorded is written once."""

from uuid import UUID

from sqlalchemy import text

from app.db.session import Database
from tests.shop import Shop


async def test_a_request_writes_its_jobs_and_links_once(shop: Shop, database: Database) -> None:
    """The middleware finishes, keeps the answer, and only then commits: the end comes twice."""
    tenant = UUID(shop.tenant_id)
    async with database.job_transaction(tenant) as work:
        job = work.ask("tests.once", {"shop": shop.tenant_id})
        work.record("tests.once", job)
        await work.finish()
        await work.finish()
    async with database.job_transaction(tenant) as work:
        found = {"t": tenant, "job": job}
        jobs = await work.session.scalar(text("SELECT count(*) FROM outbox WHERE tenant_id = :t AND id = :job"), found)
        links = await work.session.scalar(
            text("SELECT count(*) FROM audit_entry WHERE tenant_id = :t AND subject_id = :job"), found
        )
    assert (jobs, links) == (1, 1)


async def test_the_bell_rings_once_for_what_was_asked(shop: Shop, database: Database) -> None:
    rung: list[str] = []
    ring, database.bell.ring = database.bell.ring, lambda: rung.append("rung")  # type: ignore[method-assign]
    try:
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            work.ask("tests.once", {})
            await work.finish()
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            work.record("tests.once", UUID(int=1))
    finally:
        database.bell.ring = ring  # type: ignore[method-assign]
    assert rung == ["rung"]
