"""What a company issues with and that comes to an end: numbering ranges and the certificate."""

from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import and_, select

from app.db.session import Work
from app.domain.invoicing.models import DianCertificate, DianSetting, DocumentCounter, DocumentRange


class RangeLeft(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of an open range."""

    range_id: UUID
    prefix: str
    left: int
    size: int
    valid_to: date


async def open_ranges(work: Work) -> list[RangeLeft]:
    """Authorised ranges that documents are numbered from, of the environment that is on; none while issuing is off."""
    rows = await work.session.execute(
        select(DocumentRange, DocumentCounter)
        .join(
            DocumentCounter,
            and_(DocumentCounter.tenant_id == work.tenant_id, DocumentCounter.range_id == DocumentRange.id),
        )
        .join(
            DianSetting,
            and_(DianSetting.tenant_id == work.tenant_id, DianSetting.environment == DocumentRange.environment),
        )
        .where(
            DocumentRange.tenant_id == work.tenant_id,
            DocumentRange.retired_at.is_(None),
            DocumentRange.authorization_no != "",
            DocumentCounter.is_open,
            DianSetting.is_enabled,
        )
        .order_by(DocumentRange.valid_to, DocumentRange.id)
    )
    return [
        RangeLeft(
            range_id=one.id,
            prefix=one.prefix,
            left=counter.last_no - counter.next_no + 1,
            size=one.last_no - one.first_no + 1,
            valid_to=one.valid_to,
        )
        for one, counter in rows
    ]


async def certificate_end(work: Work) -> datetime | None:
    """When the certificate that signs ends; None without one."""
    found: datetime | None = await work.session.scalar(
        select(DianCertificate.not_after).where(
            DianCertificate.tenant_id == work.tenant_id, DianCertificate.retired_at.is_(None)
        )
    )
    return found
