"""The customer every company has from its first second."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.customers.models import Customer
from app.lib.schemas import canonical

FINAL_CONSUMER: Final[dict[str, Any]] = {
    "organization": "person",
    "identification_type": "13",
    "identification": "222222222222",
    "name": "Consumidor final",
    "name_norm": "consumidor final",
    "tribute": "ZZ",
    "responsibilities": ["R-99-PN"],
    "is_final_consumer": True,
}
"""Consumidor final as DIAN wants it on a document: type 13, natural person, no tribute, no address."""


async def create_final_consumer(work: Work) -> UUID:
    """Give a new company its consumidor final; answers its id. Sign-up calls this once."""
    customer_id = uuid7()
    buyer = {name: FINAL_CONSUMER[name] for name in ("identification", "name")}
    trail = canonical(buyer | {"id": customer_id}).decode()
    await work.session.execute(
        insert(Customer).values(tenant_id=work.tenant_id, id=customer_id, trail=trail, **FINAL_CONSUMER)
    )
    work.record("customer.created", customer_id, after=FINAL_CONSUMER)
    return customer_id
