"""The secrets of a document that exists already."""

from uuid import UUID

from sqlalchemy import select

from app.db.session import Work
from app.domain.invoicing.identify import Keys
from app.domain.invoicing.issuing import Issuing
from app.domain.invoicing.models import DocumentRange
from app.domain.invoicing.vault import KEY_AGAIN, PIN_AGAIN, Vault


async def keys_of_range(work: Work, issuing: Issuing, range_id: UUID) -> Keys:
    """PIN of today's software and technical key of the range that numbered it. Raises `SecretsUnreadable`."""
    vault = Vault(work.database.settings)
    row = (
        await work.session.execute(
            select(DocumentRange.technical_key, DocumentRange.prefix).where(
                DocumentRange.tenant_id == work.tenant_id, DocumentRange.id == range_id
            )
        )
    ).one()
    pin = vault.open_or_say(work.tenant_id, bytes.fromhex(issuing.software.pin), PIN_AGAIN)
    if not row.technical_key:
        return Keys(pin=pin)
    return Keys(
        pin=pin,
        technical_key=vault.open_or_say(work.tenant_id, row.technical_key, KEY_AGAIN.format(prefix=row.prefix)),
    )
