"""Long files in the background: asked for, written piece by piece, fetched by a signed link, forgotten after a day."""

import base64
import hmac
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import SQLColumnExpression, delete, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from uuid_utils.compat import uuid7

from app.db.session import Database, Work, system_actor
from app.domain.reports.asked import Asked, asked_by, check
from app.domain.reports.models import ReportExport, ReportExportPart
from app.lib import clock
from app.lib.errors import Conflict, FieldError, NotFound, RuleBroken, TooMany
from app.lib.pages import after, cut
from app.lib.schemas import Input, Output, Page
from app.settings import Settings

KEPT: Final = timedelta(hours=24)
LINK_LASTS: Final = timedelta(minutes=15)
AT_ONCE: Final = 5
"""Unfinished exports of one company."""
_PURPOSE: Final = b"mostrador report export link v1"

ExportReport = Literal["lines", "documents"]
ExportFormat = Literal["csv", "xlsx"]


class AskExport(Input):
    """Every line, or every document, of a period, as a file."""

    report: ExportReport
    format: ExportFormat
    from_: date = msgspec.field(name="from")
    to: date
    branch_id: UUID | None = None
    register_id: UUID | None = None
    seller_id: UUID | None = None
    category_id: UUID | None = None
    customer_id: UUID | None = None
    product_id: UUID | None = None


class ExportOut(Output):
    """A file and how far it is. `url` is a link that needs no login and lasts a quarter of an hour."""

    id: UUID
    report: str
    format: str
    status: str
    """pending, running, ready or failed."""
    rows_done: int
    row_count: int | None
    """Rows it will have, once known."""
    progress: int
    """Per cent: 100 only when it is ready."""
    size: int
    """Bytes so far."""
    message: str
    url: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime


class ExportPage(Page):
    items: list[ExportOut]


class Exports:
    """Exports that the caller may see: their own, and others' that hold nothing which they may not see themselves."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def ask(self, data: AskExport) -> ExportOut:
        """Begin one. Raises 422 for bad days or filters and 429 for more than a few at once."""
        from app.domain.reports.jobs import Export, write_export

        filters = {
            name: value
            for name in ("branch_id", "register_id", "seller_id", "category_id", "customer_id", "product_id")
            if (value := getattr(data, name)) is not None
        }
        asked = await check(self._work, asked_by(self._work, data.from_, data.to, **filters))
        if data.report == "documents" and {"category_id", "product_id"} & filters.keys():
            raise RuleBroken(
                "Los documentos son de toda la venta: exporte las líneas.",
                code="filter-not-possible",
                errors=(FieldError("/report", "filter-not-possible", "Use `lines`."),),
            )
        busy = await self._work.session.scalars(
            select(ReportExport.id).where(
                ReportExport.tenant_id == self._work.tenant_id, ReportExport.status.in_(("pending", "running"))
            )
        )
        if len(busy.all()) >= AT_ONCE:
            raise TooMany(
                f"Ya hay {AT_ONCE} archivos en preparación; espere a que terminen.", headers={"Retry-After": "10"}
            )
        now = clock.now()
        row = ReportExport(
            tenant_id=self._work.tenant_id,
            id=uuid7(),
            report=data.report,
            format=data.format,
            asked=msgspec.to_builtins(asked),
            user_id=self._work.actor.user_id,
            sees_costs=asked.sees_costs,
            sees_customers=asked.sees_customers,
            branches=None if asked.branches is None else [str(one) for one in asked.branches],
            status="pending",
            rows_done=0,
            size=0,
            message="",
            created_at=now,
            expires_at=now + KEPT,
        )
        self._work.session.add(row)
        await self._work.flush()
        self._work.record(
            "report.exported",
            row.id,
            after={"report": data.report, "format": data.format, "from": asked.first, "to": asked.last},
        )
        write_export.ask(self._work, Export(export_id=row.id))
        return self._out(row)

    async def find(self, export_id: UUID) -> ExportOut:
        """Raises `NotFound`, also for one that holds more than the caller may see."""
        return self._out(await self._row(export_id))

    async def page(self, limit: int, cursor: str | None) -> ExportPage:
        """The newest first."""
        statement = after(
            select(ReportExport)
            .where(
                ReportExport.tenant_id == self._work.tenant_id,
                ReportExport.expires_at > clock.now(),
                *self._seen(),
            )
            .limit(limit + 1),
            (ReportExport.created_at, ReportExport.id),
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        rows, following = cut(
            list(await self._work.session.scalars(statement)), limit, lambda row: (row.created_at, row.id)
        )
        return ExportPage(items=[self._out(row) for row in rows], next_cursor=following)

    async def remove(self, export_id: UUID) -> None:
        """Stop it or throw it away: nothing of it is left, and a run that is writing it ends with its next piece."""
        row = await self._row(export_id, lock=True)
        where = {"tenant_id": row.tenant_id, "export_id": row.id}
        await self._work.session.execute(delete(ReportExportPart).filter_by(**where))
        await self._work.session.execute(delete(ReportExport).filter_by(tenant_id=row.tenant_id, id=row.id))
        self._work.record("report.export-removed", export_id)

    async def _row(self, export_id: UUID, *, lock: bool = False) -> ReportExport:
        statement = select(ReportExport).where(
            ReportExport.tenant_id == self._work.tenant_id,
            ReportExport.id == export_id,
            *self._seen(),
        )
        row = await self._work.session.scalar(statement.with_for_update() if lock else statement)
        if row is None or row.expires_at <= clock.now():
            raise NotFound("No existe ese archivo, o ya venció.")
        return row

    def _seen(self) -> list[SQLColumnExpression[bool]]:
        """Conditions that keep others' files with more than the caller may see out of sight."""
        actor = self._work.actor
        hidden: list[SQLColumnExpression[bool]] = []
        if actor.branches is not None:
            # Their own, and only while they may still look wherever the file looks.
            here = sorted(str(one) for one in actor.branches)
            hidden += [
                ReportExport.user_id == actor.user_id,
                type_coerce(ReportExport.branches, JSONB).contained_by(here),
            ]
        if not actor.may("costs:read"):
            hidden.append(ReportExport.sees_costs.is_(False))
        if not actor.may("customers:read"):
            hidden.append(ReportExport.sees_customers.is_(False))
        return hidden

    def _out(self, row: ReportExport) -> ExportOut:
        settings = self._work.database.settings
        return ExportOut(
            id=row.id,
            report=row.report,
            format=row.format,
            status=row.status,
            rows_done=row.rows_done,
            row_count=row.row_count,
            progress=_progress(row),
            size=row.size,
            message=row.message,
            url=link(settings, row.tenant_id, row.id) if row.status == "ready" else None,
            created_at=row.created_at,
            finished_at=row.finished_at,
            expires_at=row.expires_at,
        )


def _progress(row: ReportExport) -> int:
    if row.status == "ready":
        return 100
    return min(99, 100 * row.rows_done // row.row_count) if row.row_count else 0


def link(settings: Settings, tenant_id: UUID, export_id: UUID) -> str:
    """A link to a file, good for a quarter of an hour by whoever holds it."""
    until = int((clock.now() + LINK_LASTS).timestamp())
    body = tenant_id.bytes + export_id.bytes + until.to_bytes(8)
    token = base64.urlsafe_b64encode(body + _signature(settings, body)).decode()
    return f"{settings.public_url}/v1/public/exports/{token}"


def _signature(settings: Settings, body: bytes) -> bytes:
    key = hmac.new(settings.secret_key, _PURPOSE, sha256).digest()
    return hmac.new(key, body, sha256).digest()


_BODY: Final = 40
_TOKEN: Final = _BODY + 32


def read_link(settings: Settings, token: str) -> tuple[UUID, UUID]:
    """Company and file of a link. Raises `NotFound` for one that we did not write, or that is over."""
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii"))
    except (ValueError, UnicodeError) as error:
        raise _no_link() from error
    body, signature = raw[:_BODY], raw[_BODY:]
    if len(raw) != _TOKEN or not hmac.compare_digest(signature, _signature(settings, body)):
        raise _no_link()
    if int.from_bytes(body[32:]) < clock.now().timestamp():
        raise _no_link()
    return UUID(bytes=body[:16]), UUID(bytes=body[16:32])


def _no_link() -> NotFound:
    return NotFound("El enlace no es válido o ya venció; pida otro.")


async def ready_file(database: Database, tenant_id: UUID, export_id: UUID) -> ReportExport:
    """A finished file's row. Raises `NotFound` and, for one that is still written, 409."""
    async with database.tenant_transaction(system_actor(tenant_id)) as work:
        row = await work.session.scalar(
            select(ReportExport).where(ReportExport.tenant_id == tenant_id, ReportExport.id == export_id)
        )
    if row is None or row.expires_at <= clock.now():
        raise _no_link()
    if row.status != "ready":
        raise Conflict("El archivo aún no está listo.", code="export-not-ready")
    return row


async def pieces(database: Database, tenant_id: UUID, export_id: UUID) -> AsyncIterator[bytes]:
    """The file, one piece in memory at a time."""
    position = 0
    while True:
        async with database.tenant_transaction(system_actor(tenant_id)) as work:
            content = await work.session.scalar(
                select(ReportExportPart.content).where(
                    ReportExportPart.tenant_id == tenant_id,
                    ReportExportPart.export_id == export_id,
                    ReportExportPart.position == position,
                )
            )
        if content is None:
            return
        yield content
        position += 1


def asked_of(row: ReportExport) -> Asked:
    """What was asked, with what its asker could see then."""
    return msgspec.convert(row.asked, Asked, strict=False)
