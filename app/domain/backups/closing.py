"""What a company that is closed takes with it."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.backups.jobs import OfBackup, make_company_backup
from app.domain.backups.models import CompanyBackup
from app.lib import clock


async def export_of_closing(work: Work, asked_by: UUID) -> UUID | None:
    """Want the export of a company whose account ends, whatever its plan allows; kept longer than others (`retention`).

    None where one is being made already: it is of now.
    """
    row = {
        "tenant_id": work.tenant_id,
        "id": uuid7(),
        "kind": "export",
        "reason": "closing",
        "requested_by": asked_by,
        "created_at": clock.now(),
    }
    made: UUID | None = await work.session.scalar(
        insert(CompanyBackup).values(row).on_conflict_do_nothing().returning(CompanyBackup.id)
    )
    if made is not None:
        make_company_backup.ask(work, OfBackup(made))
    return made
