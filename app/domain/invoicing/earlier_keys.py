"""Secrets that others replaced while documents were on their way: what was printed with them is still sent with them."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import or_, select
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.identify import Keys, identify
from app.domain.invoicing.kinds import KINDS
from app.domain.invoicing.model import Document
from app.domain.invoicing.models import DianEarlierKey
from app.domain.invoicing.vault import Vault
from app.lib.sealing import SealBroken


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that was replaced."""

    is_pin: bool
    """Otherwise the technical key of the document's range."""
    text: str
    until: datetime

    def __repr__(self) -> str:
        return f"Earlier(is_pin={self.is_pin})"


async def keep_earlier(work: Work, vault: Vault, sealed: bytes | None, text: str, range_id: UUID | None = None) -> None:
    """Keep a sealed secret that `text` replaces. One that does not open any more, or is the same, is not worth it."""
    if sealed is None:
        return
    try:
        if vault.open(work.tenant_id, sealed) == text:
            return
    except SealBroken:
        return
    work.session.add(DianEarlierKey(tenant_id=work.tenant_id, id=uuid7(), range_id=range_id, sealed=sealed))
    await work.flush()


async def earlier_keys(work: Work, vault: Vault, range_id: UUID, since: datetime) -> tuple[Earlier, ...]:
    """PINs, and technical keys of a range, that were replaced after an instant, the newest first."""
    rows = await work.session.execute(
        select(DianEarlierKey.range_id, DianEarlierKey.sealed, DianEarlierKey.created_at)
        .where(
            DianEarlierKey.tenant_id == work.tenant_id,
            or_(DianEarlierKey.range_id.is_(None), DianEarlierKey.range_id == range_id),
            DianEarlierKey.created_at >= since,
        )
        .order_by(DianEarlierKey.created_at.desc())
    )
    found = []
    for of_range, sealed, until in rows:
        try:
            found.append(Earlier(is_pin=of_range is None, text=vault.open(work.tenant_id, sealed), until=until))
        except SealBroken:
            # Lost with its SECRET_KEY: the document can only be made anew.
            continue
    return tuple(found)


def keys_of_version(paper: Document, uuid: str, today: Keys, earlier: tuple[Earlier, ...], software_id: str) -> Keys:
    """The secrets that this document was identified with; today's when none of them explains its UUID.

    A CUFE does not tell the PIN: of the same software it is today's, of another one the last that was replaced.
    """
    if not earlier or (identify(paper, today).uuid == uuid and paper.software.id == software_id):
        return today
    pins = [today.pin, *(each.text for each in earlier if each.is_pin)]
    keys = [today.technical_key, *(each.text for each in earlier if not each.is_pin)]
    if KINDS[paper.kind].uses_technical_key:
        pin = pins[-1] if paper.software.id != software_id else today.pin
        tried = [Keys(pin=pin, technical_key=key) for key in keys if key]
    else:
        tried = [Keys(pin=pin, technical_key=today.technical_key) for pin in pins]
    return next((each for each in tried if identify(paper, each).uuid == uuid), today)
