"""A mailing that came back after the mail server had taken it."""

import re
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.db.session import Work
from app.domain.invoicing.delivery_models import DocumentDelivery
from app.domain.invoicing.kept import note

_KEY: Final = re.compile(
    r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@"
)
_BOUNCED: Final = text(
    "UPDATE document_delivery_state SET status = 'bounced', message = :message, updated_at = now() "
    "WHERE tenant_id = :t AND delivery_id = :id AND status IN ('sent','uncertain','sending') RETURNING delivery_id"
)


def mailing_of(message_id: str) -> tuple[UUID, UUID] | None:
    """Company and mailing that a Message-ID of ours names."""
    found = _KEY.search(message_id)
    return None if found is None else (UUID(found[2]), UUID(found[1]))


async def mark_bounced(work: Work, delivery_id: UUID, reason: str) -> bool:
    """Write down that it did not arrive, with what the server said; False for one that is unknown or known to have failed."""
    said = "".join(letter if letter.isprintable() else " " for letter in reason)[:300]
    detail = f"El correo no llegó: {said}" if said else "El correo no llegó."
    changed = await work.session.scalar(_BOUNCED, {"t": work.tenant_id, "id": delivery_id, "message": detail})
    if changed is None:
        return False
    delivery = await work.session.get(DocumentDelivery, (work.tenant_id, delivery_id))
    assert delivery is not None
    note(work, delivery.document_id, "bounced", detail)
    work.record("document.mail-bounced", delivery.document_id, after={"deliveryId": delivery_id})
    return True
