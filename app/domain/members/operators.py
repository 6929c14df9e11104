"""Fast change of who stands at a till."""

from uuid import UUID

from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.accounts.company_sessions import begin_scoped
from app.domain.accounts.service import Device
from app.domain.members.company import find_membership
from app.domain.members.pins import WRONG_PIN, check_pin
from app.domain.members.schemas import OperatorOut, TakeOver
from app.lib import clock
from app.lib.permissions import AT_THE_TILL, permissions_of
from app.lib.person_keys import Personal
from app.lib.ratelimit import RateLimits
from app.lib.tokens import LIFETIME, AccessTokens


async def take_over(
    work: Work, tokens: AccessTokens, limits: RateLimits, data: TakeOver, device: Device
) -> OperatorOut:
    """Answer a short session of somebody else at the till where the caller is logged in.

    It ends after ten minutes, cannot be renewed, and opens no more than the counter, whoever it is. Raises 422
    `wrong-pin`, also for somebody who is not of the company or not active, and 429.
    """
    await check_pin(work, limits, data.user_id, data.pin)
    member = await find_membership(work, data.user_id)
    session_id: UUID = uuid7()
    if (
        member is None
        or not member.is_active
        or not await begin_scoped(
            work,
            session_id,
            data.user_id,
            AT_THE_TILL,
            expires_at=clock.now() + LIFETIME,
            address=device.address,
            agent=device.agent,
        )
    ):
        raise WRONG_PIN
    entered = {"name": member.display_name, "sessionId": session_id}
    work.record("operator.entered", data.user_id, after=Personal(data.user_id, entered, ("name",)))
    return OperatorOut(
        access_token=tokens.issue(user_id=data.user_id, tenant_id=work.tenant_id, session_id=session_id),
        expires_in=int(LIFETIME.total_seconds()),
        user_id=data.user_id,
        display_name=member.display_name,
        role=member.role,
        permissions=sorted(permissions_of(member.role, member.permissions) & AT_THE_TILL),
    )
