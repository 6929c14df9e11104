"""What people of a company are called, for whoever only knows their ids."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select

from app.db.session import Work
from app.domain.accounts.models import Membership


async def member_names(work: Work, users: Iterable[UUID]) -> dict[UUID, str]:
    """User to the name shown in this company, also of those who left; without those who never belonged to it."""
    wanted = sorted(set(users))
    if not wanted:
        return {}
    rows = await work.session.execute(
        select(Membership.user_id, Membership.display_name).where(
            Membership.tenant_id == work.tenant_id, Membership.user_id.in_(wanted)
        )
    )
    return {row.user_id: row.display_name for row in rows}
