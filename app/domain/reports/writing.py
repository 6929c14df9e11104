"""Writing an exported file: rows from a cursor, pieces of it into the database, at most one piece in memory."""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.reports.asked import Asked
from app.domain.reports.documents import DOCUMENT_COLUMNS, LINE_COLUMNS, LINES, document_row, line_row
from app.domain.reports.exports import asked_of
from app.domain.reports.facts import RAW_DOCUMENTS
from app.domain.reports.models import ReportExport
from app.domain.reports.sheets import CsvWriter, XlsxWriter
from app.domain.reports.sources import condition
from app.lib import clock

PIECE: Final = 512 * 1024
"""Bytes of a part."""
BATCH: Final = 2_000
"""Rows fetched at once."""
XLSX_ROWS: Final = 1_000_000
"""Rows that a sheet holds, its heading aside."""
_PATIENCE: Final = text("SET LOCAL statement_timeout = '600s'")
_STREAMING: Final = tuple(
    text(f"SET LOCAL {what}")
    for what in ("enable_hashjoin = off", "enable_mergejoin = off", "max_parallel_workers_per_gather = 0")
)
"""Row by row through indexes: the first rows come at once, and the server holds no table of them."""
_BEGIN: Final = text(
    "UPDATE report_export SET status = 'running', run_id = :run_id, rows_done = 0, size = 0, row_count = NULL, message = '', "
    "started_at = coalesce(started_at, :now) WHERE tenant_id = :tenant_id AND id = :id AND status IN ('pending','running')"
)
_CLEAR: Final = text("DELETE FROM report_export_part WHERE tenant_id = :tenant_id AND export_id = :id")
_COUNT: Final = text(
    "UPDATE report_export SET row_count = :count WHERE tenant_id = :tenant_id AND id = :id AND run_id = :run_id"
)
_STEP: Final = text(
    "UPDATE report_export SET rows_done = :rows, size = size + :bytes WHERE tenant_id = :tenant_id AND id = :id AND run_id = :run_id"
)
_PART: Final = text(
    "INSERT INTO report_export_part (tenant_id, export_id, position, content) VALUES (:tenant_id, :id, :position, :content)"
)
_END: Final = text(
    "UPDATE report_export SET status = :status, message = :message, finished_at = :now, rows_done = :rows "
    "WHERE tenant_id = :tenant_id AND id = :id AND run_id = :run_id"
)
_DOCUMENTS: Final = (
    f"SELECT f.*, n.name AS customer FROM ({RAW_DOCUMENTS}) f "
    "JOIN customer n ON n.tenant_id = :tenant_id AND n.id = f.customer_id WHERE {wanted}"
)


class Stopped(Exception):
    """The export was removed, or another run has it."""


class ExportWriter:
    """One run of one export."""

    def __init__(self, context: JobContext, export_id: UUID) -> None:
        self._context = context
        self._export_id = export_id
        self._run_id = uuid7()
        self._position = 0
        self._rows = 0

    async def run(self) -> None:
        """Write the file; ends quietly when nobody wants it any more, and leaves nothing then."""
        row = await self._begin()
        if row is None:
            return
        asked = asked_of(row)
        try:
            if row.format == "csv":
                await self._csv(row, asked)
            else:
                await self._xlsx(row, asked)
        except Stopped:
            return
        await self._end("ready", "")

    async def _begin(self) -> ReportExport | None:
        async with self._context.transaction() as work:
            found = await work.session.execute(_BEGIN, self._key() | {"now": clock.now()})
            if not found.rowcount:  # type: ignore[attr-defined]
                return None
            await work.session.execute(_CLEAR, self._key(run=False))
            return await work.session.get(ReportExport, (self._context.tenant_id, self._export_id))

    def _key(self, *, run: bool = True) -> dict[str, Any]:
        key: dict[str, Any] = {"tenant_id": self._context.tenant_id, "id": self._export_id}
        return key | {"run_id": self._run_id} if run else key

    async def _count(self, row: ReportExport, asked: Asked) -> None:
        """Tell how many rows there will be: after the first ones, since counting a year takes longer than beginning it."""
        async with self._context.transaction() as work:
            await work.session.execute(_PATIENCE)
            count = await work.session.scalar(
                text(f"SELECT count(*) FROM ({_rows_of(row, asked)}) counted"), self._values(asked)
            )
        if row.format == "xlsx" and (count or 0) > XLSX_ROWS:
            await self._end(
                "failed", f"Una hoja de cálculo no tiene más de {XLSX_ROWS:,} filas; pida CSV o menos días."
            )
            raise Stopped
        async with self._context.transaction() as work:
            await self._still(work, _COUNT, {"count": count})

    def _values(self, asked: Asked) -> dict[str, Any]:
        return asked.values() | {"tenant_id": self._context.tenant_id}

    async def _read(self, row: ReportExport, asked: Asked) -> AsyncIterator[list[dict[str, Any]]]:
        """Batches of rows from one snapshot, by a cursor of the server."""
        make = line_row if row.report == "lines" else document_row
        async with self._context.transaction() as work:
            for statement in (_PATIENCE, *_STREAMING):
                await work.session.execute(statement)
            found = await work.session.stream(
                text(_rows_of(row, asked)).execution_options(yield_per=BATCH), self._values(asked)
            )
            async for batch in found.partitions(BATCH):
                yield [make(one) for one in batch]

    async def _csv(self, row: ReportExport, asked: Asked) -> None:
        writer = CsvWriter(LINE_COLUMNS if row.report == "lines" else DOCUMENT_COLUMNS, asked)
        async for batch in self._read(row, asked):
            for one in batch:
                writer.add(one)
            self._rows += len(batch)
            begins = self._rows == len(batch)
            if writer.waiting >= PIECE or begins:
                await self._keep(writer.take())
            if begins:
                await self._count(row, asked)
        await self._keep(writer.take())

    async def _xlsx(self, row: ReportExport, asked: Asked) -> None:
        with TemporaryDirectory(prefix="mostrador-export-") as folder:
            path = Path(folder) / "export.xlsx"
            writer = XlsxWriter(path, LINE_COLUMNS if row.report == "lines" else DOCUMENT_COLUMNS, asked)
            async for batch in self._read(row, asked):
                for one in batch:
                    writer.add(one)
                self._rows += len(batch)
                async with self._context.transaction() as work:
                    await self._still(work, _STEP, {"rows": self._rows, "bytes": 0})
                if self._rows == len(batch):
                    await self._count(row, asked)
            writer.close()
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    await self._keep(piece)

    async def _keep(self, content: bytes) -> None:
        """One more piece, unless the export is no longer this run's."""
        async with self._context.transaction() as work:
            # The row first: it is locked until the piece is committed, so that removing it finds all pieces.
            await self._still(work, _STEP, {"rows": self._rows, "bytes": len(content)})
            await work.session.execute(_PART, self._key(run=False) | {"position": self._position, "content": content})
        self._position += 1

    async def _still(self, work: Work, statement: TextClause, values: dict[str, Any]) -> None:
        done: Any = await work.session.execute(statement, self._key() | values)
        if not done.rowcount:
            raise Stopped

    async def fail(self, message: str) -> None:
        """Give up, leaving none of its pieces."""
        await self._end("failed", message)
        async with self._context.transaction() as work:
            await work.session.execute(_CLEAR, self._key(run=False))

    async def _end(self, status: str, message: str) -> None:
        async with self._context.transaction() as work:
            values = {"status": status, "message": message, "now": clock.now(), "rows": self._rows}
            await work.session.execute(_END, self._key() | values)


def _rows_of(row: ReportExport, asked: Asked) -> str:
    return (LINES if row.report == "lines" else _DOCUMENTS).format(wanted=condition(asked))
