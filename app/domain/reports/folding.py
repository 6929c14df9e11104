"""Keeping the roll-ups, those of stock included: each ticket is added once, in the order of commits, in transactions of its own.

The sale writes nothing for a report. A mark and the sums it stands for change in one transaction, so that a run that
dies, runs twice or meets another leaves them right.
"""

from typing import Final

from sqlalchemy import text

from app.db.session import Work
from app.domain.inventory.daily import empty_stock, fold_stock
from app.domain.reports.facts import CUBES
from app.lib import clock

STRETCH: Final = 20_000
"""Audit entries of one transaction."""
_MARKED: Final = text(
    "INSERT INTO report_mark (tenant_id, seq, folded_at) VALUES (:tenant_id, 0, :now) ON CONFLICT DO NOTHING"
)
_MARK: Final = text("SELECT seq FROM report_mark WHERE tenant_id = :tenant_id FOR UPDATE")
_HEAD: Final = text("SELECT seq FROM audit_head WHERE tenant_id = :tenant_id")
_MOVE: Final = text("UPDATE report_mark SET seq = :until, folded_at = :now WHERE tenant_id = :tenant_id")
_ZONE: Final = text("SELECT time_zone FROM tenant WHERE tenant_id = :tenant_id")
_FOLDS: Final = tuple(text(cube.fold()) for cube in CUBES)
_EMPTIES: Final = tuple(text(f"DELETE FROM {cube.table} WHERE tenant_id = :tenant_id") for cube in CUBES)
_REFILLS: Final = tuple(text(cube.refill()) for cube in CUBES)
_PATIENCE: Final = text("SET LOCAL statement_timeout = '300s'")
_LONG_PATIENCE: Final = text("SET LOCAL statement_timeout = '1800s'")


async def fold(work: Work) -> bool:
    """Add the next tickets and movements to the roll-ups; answers whether more wait."""
    session, values = work.session, {"tenant_id": work.tenant_id}
    await session.execute(_PATIENCE)
    await session.execute(_MARKED, values | {"now": clock.now()})
    since = await session.scalar(_MARK, values)
    head = await session.scalar(_HEAD, values) or 0
    assert since is not None
    until = min(int(head), int(since) + STRETCH)
    zone = await session.scalar(_ZONE, values)
    if until > since:
        for statement in _FOLDS:
            await session.execute(statement, values | {"since": since, "until": until, "zone": zone})
        await session.execute(_MOVE, values | {"until": until, "now": clock.now()})
    moved = await fold_stock(session, values | {"zone": zone})
    return moved or until < head


async def rebuild(work: Work) -> None:
    """Make the sales' roll-ups anew from the tickets themselves, in one transaction; forget those of stock, which `fold` makes again.

    Not from the audit chain: entries that are old enough lie in an archive alone, their tickets still count. Tickets
    posted meanwhile have entries after the head that was read first, and are the next fold's. Reports see all of it or
    nothing, and are right throughout.
    """
    session, values = work.session, {"tenant_id": work.tenant_id}
    await session.execute(_LONG_PATIENCE)
    await session.execute(_MARKED, values | {"now": clock.now()})
    await session.execute(_MARK, values)
    until = int(await session.scalar(_HEAD, values) or 0)
    zone = await session.scalar(_ZONE, values)
    for emptied, refilled in zip(_EMPTIES, _REFILLS, strict=True):
        await session.execute(emptied, values)
        await session.execute(refilled, values | {"until": until, "zone": zone})
    await empty_stock(session, values)
    await session.execute(_MOVE, values | {"until": until, "now": clock.now()})
