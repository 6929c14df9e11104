"""What of an anonymised person is kept here: the invitation they came by, and their PIN."""

from uuid import UUID

from sqlalchemy import delete, func, select, update

from app.db.session import Work
from app.domain.members.models import Invitation, MemberPin
from app.domain.members.pins import forget_tries
from app.lib import clock
from app.lib.person_keys import ERASED


async def forget_invitations(work: Work, user_id: UUID) -> None:
    """Empty the invitations that a person accepted, also in the trail, and remove their PIN. Again: nothing happens."""
    mine = Invitation.tenant_id == work.tenant_id, Invitation.accepted_by == user_id, Invitation.name != ERASED
    for invitation_id in (await work.session.scalars(select(Invitation.id).where(*mine))).all():
        await work.database.person_keys.destroy(work.session, work.tenant_id, invitation_id, clock.now())
    await work.session.execute(
        update(Invitation)
        .where(*mine)
        .values(email=ERASED, email_norm=func.md5(Invitation.email_norm), name=ERASED)
        .execution_options(synchronize_session=False)
    )
    await forget_tries(work, user_id)
    await work.session.execute(
        delete(MemberPin).where(MemberPin.tenant_id == work.tenant_id, MemberPin.user_id == user_id)
    )
