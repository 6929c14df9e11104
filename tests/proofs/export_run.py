"""One run of an export in a process of its own, with all that a worker loads: `python -m tests.proofs.export_run COMPANY EXPORT`.

Prints as JSON the seconds until its first rows were kept and until its end, and its memory in MB before it and at the peak.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import text

from app.db.jobs import JobContext
from app.db.session import Database
from app.domain.reports.writing import ExportWriter
from app.lib.jobs import Bell
from app.settings import read_settings
from worker import registry
from worker.wire import close, connect

_KEPT = text("SELECT rows_done FROM report_export WHERE tenant_id = :tenant_id AND id = :id")


def _peak() -> float:
    # What `getrusage` says begins with the peak of the process that forked this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def main(tenant_id: UUID, export_id: UUID) -> None:
    print(f"{len(registry.MODULES)} domains loaded", file=sys.stderr)
    settings = read_settings(dict(os.environ))
    redis = connect(settings)
    database = Database(settings, Bell(redis))
    context = JobContext(database=database, tenant_id=tenant_id, job_id=uuid4(), attempt=1, request_id="")
    async with context.transaction() as work:
        await work.session.execute(text("SELECT 1"))
    before, began = _peak(), time.perf_counter()
    run = asyncio.create_task(ExportWriter(context, export_id).run())
    first = None
    while first is None and not run.done():
        await asyncio.sleep(0.02)
        async with context.transaction() as work:
            if await work.session.scalar(_KEPT, {"tenant_id": tenant_id, "id": export_id}):
                first = time.perf_counter() - began
    await run
    print(json.dumps({"first": first, "whole": time.perf_counter() - began, "before": before, "peak": _peak()}))
    await database.close()
    await close(redis)


if __name__ == "__main__":
    asyncio.run(main(UUID(sys.argv[1]), UUID(sys.argv[2])))
