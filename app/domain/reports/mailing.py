"""Sending scheduled reports: each goes once to each of its recipients, or not at all when nobody can know whether it went."""

from datetime import date, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select, text

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.reports.asked import Asked
from app.domain.reports.cash import cash
from app.domain.reports.models import ReportSchedule
from app.domain.reports.sales import sales
from app.domain.reports.schedules import first_due, period_before
from app.domain.reports.sheets import MEDIA, pdf_file
from app.domain.reports.tables import Table, change, heading
from app.domain.reports.trending import top
from app.integrations.mail.parcels import Attachment, MailUncertain, Parcel, hand_over
from app.integrations.mail.sender import MailRefused, MailUnavailable
from app.integrations.mail.templating import write_mail
from app.lib import clock
from app.lib.money import ZERO
from app.lib.pesos import format_percent, format_pesos

_LOG = structlog.stdlib.get_logger("mostrador.reports")
MORNING: Final = timedelta(hours=6)
"""After midnight of the shop: by then the last till has closed, and the owner has not opened yet."""
_TOP: Final = 10
_NAMES: Final = {"daily": "del día", "weekly": "de la semana", "monthly": "del mes"}
_ZONE: Final = text("SELECT time_zone FROM tenant WHERE tenant_id = :tenant_id")
_CLAIM: Final = text(
    "INSERT INTO report_mailing (tenant_id, schedule_id, last_day, recipient, status, at) "
    "VALUES (:tenant_id, :schedule_id, :last_day, :recipient, 'going', :now) ON CONFLICT DO NOTHING RETURNING 1"
)
_SETTLE: Final = text(
    "UPDATE report_mailing SET status = :status, at = :now WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id "
    "AND last_day = :last_day AND recipient = :recipient"
)
_FREE: Final = text(
    "DELETE FROM report_mailing WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id "
    "AND last_day = :last_day AND recipient = :recipient"
)


async def due(work: Work) -> list[tuple[UUID, date, str]]:
    """Schedule, last day and recipient of what is to be sent now; their schedules are moved on.

    After days without a worker only the newest period goes: nobody wants ten mails about last week.
    """
    zone = await work.session.scalar(_ZONE, {"tenant_id": work.tenant_id})
    assert zone is not None
    today = clock.business_day(clock.now() - MORNING, zone)
    rows = await work.session.scalars(
        select(ReportSchedule)
        .where(ReportSchedule.tenant_id == work.tenant_id, ReportSchedule.is_active, ReportSchedule.next_on <= today)
        .order_by(ReportSchedule.id)
        .with_for_update()
    )
    found = []
    for row in rows:
        morning = row.next_on
        while (later := first_due(row.kind, morning)) <= today:
            morning = later
        found += [(row.id, morning - timedelta(days=1), recipient) for recipient in row.recipients]
        row.next_on = later
    await work.flush()
    return found


class ReportMailer:
    """One report to one recipient."""

    def __init__(self, context: JobContext, schedule_id: UUID, last: date, recipient: str) -> None:
        self._context = context
        self._schedule_id = schedule_id
        self._last = last
        self._recipient = recipient

    async def run(self) -> None:
        """Send it. Raises `MailUnavailable` when it certainly did not go and may go later."""
        async with self._context.transaction() as work:
            parcel = await self._pack(work)
        if parcel is None:
            return
        try:
            if await hand_over(self._context.settings, parcel, self._claim):
                await self._settle("sent")
        except MailUncertain as problem:
            # It may have arrived: a report twice is worse than one that can be read in the panel.
            _LOG.warning("report mail uncertain", reason=str(problem))
            await self._settle("uncertain")
        except MailRefused as problem:
            _LOG.warning("report mail refused", reason=str(problem))
            await self._settle("refused")
        except MailUnavailable:
            async with self._context.transaction() as work:
                await work.session.execute(_FREE, self._key())
            raise

    def _key(self) -> dict[str, object]:
        return {
            "tenant_id": self._context.tenant_id,
            "schedule_id": self._schedule_id,
            "last_day": self._last,
            "recipient": self._recipient,
        }

    async def _claim(self) -> bool:
        """Write down that it is about to go; False when an earlier run did so already."""
        async with self._context.transaction() as work:
            return await work.session.scalar(_CLAIM, self._key() | {"now": clock.now()}) is not None

    async def _settle(self, status: str) -> None:
        async with self._context.transaction() as work:
            await work.session.execute(_SETTLE, self._key() | {"status": status, "now": clock.now()})

    async def _pack(self, work: Work) -> Parcel | None:
        """The message; None when the schedule was removed, paused or has other recipients by now."""
        row = await work.session.get(ReportSchedule, (work.tenant_id, self._schedule_id))
        if row is None or not row.is_active or self._recipient not in row.recipients:
            return None
        zone = await work.session.scalar(_ZONE, {"tenant_id": work.tenant_id})
        assert zone is not None
        first, last = period_before(row.kind, self._last + timedelta(days=1))
        asked = Asked(
            first=first,
            last=last,
            zone=zone,
            branch_id=row.branch_id,
            compare="previous",
            sees_costs=False,
            sees_customers=False,
        )
        table = await sales(work, asked, "hour" if row.kind == "daily" else "day")
        head = await heading(work)
        days = f"{last:%d/%m/%Y}" if first == last else f"{first:%d/%m/%Y} a {last:%d/%m/%Y}"
        tenders = await sales(work, asked, "tender")
        values = {
            "company": head.company,
            "name": _NAMES[row.kind],
            "days": days,
            "figures": _figures(table),
            "tenders": [(one["name"], format_pesos(one["total"])) for one in tenders.rows],
            "goods": [
                (one["name"], format_pesos(one["total"])) for one in (await top(work, asked, "revenue")).rows[:_TOP]
            ],
            "drawers": _drawers(await cash(work, asked)),
            "panel": self._context.settings.public_url,
        }
        mail = write_mail("report", self._recipient, **values)
        name = f"ventas-{first}-{last}.pdf"
        return Parcel(
            mail=mail,
            key=f"report.{row.id}.{last}",
            sender=head.company,
            reply_to="",
            attachments=(Attachment(name=name, type=MEDIA["pdf"], content=pdf_file(table, asked, head)),),
        )


def _figures(table: Table) -> list[tuple[str, str]]:
    totals = table.totals
    found = [
        ("Ventas netas", format_pesos(totals["total"])),
        ("Sin impuestos", format_pesos(totals["base"])),
        ("Impuestos", format_pesos(totals["tax"])),
        ("Tiquetes", str(totals["tickets"])),
        ("Devuelto", format_pesos(totals["returned"])),
        ("Descuentos", format_pesos(totals["discount"])),
    ]
    if table.comparison is not None:
        before = table.comparison.totals["total"]
        rate = change(totals["total"], before)
        shown = "" if rate is None else f" ({'+' if rate >= 0 else ''}{format_percent(rate)})"
        found.append(("Período anterior", f"{format_pesos(before)}{shown}"))
    return found


def _drawers(table: Table) -> list[tuple[str, str]]:
    """Each closed shift with what its count differed by, all tenders together."""
    closed = [row for row in table.rows if row["zNumber"]]
    names = {row["sessionId"]: f"{row['register']}, Z {row['zNumber']}" for row in closed}
    sums = dict.fromkeys(names, ZERO)
    for row in closed:
        sums[row["sessionId"]] += row["difference"] or ZERO
    return [(names[key], format_pesos(value)) for key, value in sums.items()]
