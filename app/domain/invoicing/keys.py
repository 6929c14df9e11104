"""The secrets of a document that exists already."""

from uuid import UUID

from sqlalchemy import select

from app.db.session import Work
from app.domain.invoicing.identify import Keys
from app.domain.invoicing.issuing import Issuing
from app.domain.invoicing.models import DocumentRange
from app.domain.invoicing.vault import Vault


async def keys_of_range(work: Work, issuing: Issuing, range_id: UUID) -> Keys:
    """PIN of today's software and technical key of the range that numbered it. Raises `SealBroken`."""
    vault = Vault(work.database.settings)
    sealed = await work.session.scalar(
        select(DocumentRange.technical_key).where(
            DocumentRange.tenant_id == work.tenant_id, DocumentRange.id == range_id
        )
    )
    return Keys(
        pin=vault.open(work.tenant_id, bytes.fromhex(issuing.software.pin)),
        technical_key=vault.open(work.tenant_id, sealed) if sealed else "",
    )
