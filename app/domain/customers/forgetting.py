"""Forgetting a customer: the profile goes, the tickets stay as the tax law wants them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update

from app.db.session import Work
from app.domain.customers.models import Customer
from app.domain.customers.service import FinalConsumerFixed
from app.lib import clock
from app.lib.errors import NotFound
from app.lib.person_keys import ERASED
from app.lib.text import normalise


async def same_person(work: Work, customer_id: UUID, *, lock: bool = False) -> Sequence[Customer]:
    """A customer with everybody merged into the same one, oldest first: a merge says they are one person.

    Raises `NotFound`, also for another company's.
    """
    mine = Customer.tenant_id == work.tenant_id
    found = await work.session.scalar(select(Customer).where(mine, Customer.id == customer_id))
    if found is None:
        raise NotFound("No existe ese cliente.")
    root = found.merged_into or found.id
    statement = (
        select(Customer).where(mine, (Customer.id == root) | (Customer.merged_into == root)).order_by(Customer.id)
    )
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await work.session.scalars(statement)).all()


async def forget_customer(work: Work, customer_id: UUID, reason: str) -> tuple[datetime, list[UUID]]:
    """Empty a customer's profile and destroy the keys of what the trail has of it; answers when, and which customers.

    Sold tickets keep the buyer they were printed with (Estatuto Tributario, art. 632; Código de Comercio, art. 60).
    Again: nothing happens. Raises `NotFound` and 422 `final-consumer-fixed`.
    """
    # One merge or erasure of a company at a time, as merging takes its turn.
    await work.session.execute(
        select(Customer.id)
        .where(Customer.tenant_id == work.tenant_id, Customer.is_final_consumer)
        .with_for_update(key_share=True)
    )
    rows = await same_person(work, customer_id, lock=True)
    if any(row.is_final_consumer for row in rows):
        raise FinalConsumerFixed("Consumidor final es de la casa y no es nadie: no hay datos que suprimir.")
    ids = [row.id for row in rows]
    earlier = [row.anonymised_at for row in rows if row.anonymised_at is not None]
    if len(earlier) == len(rows):
        return max(earlier), ids
    now = clock.now()
    await work.session.execute(
        update(Customer)
        .where(Customer.tenant_id == work.tenant_id, Customer.id.in_(ids))
        .values(
            name=ERASED,
            name_norm=normalise(ERASED),
            identification="",
            dv=None,
            email="",
            phone="",
            address="",
            municipality_code=None,
            body_hash=None,
            trail=None,
            retired_at=func.coalesce(Customer.retired_at, now),
            anonymised_at=now,
        )
        .execution_options(synchronize_session=False)
    )
    for one in ids:
        await work.database.person_keys.destroy(work.session, work.tenant_id, one, now)
    work.record("customer.anonymised", customer_id, after={"reason": reason, "customers": sorted(map(str, ids))})
    return now, ids
