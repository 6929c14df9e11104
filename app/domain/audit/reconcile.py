"""The reconciler: proves, nightly and on demand, that every kept figure is the sum of its rows."""

from collections import Counter
from datetime import datetime
from typing import Final

from sqlalchemy import text

from app.db.session import Work
from app.domain.cash import reconcile as cash
from app.domain.inventory import reconcile as inventory
from app.domain.reports import reconcile as reports
from app.domain.sales import reconcile as sales
from app.domain.tenants import reconcile as tenants
from app.lib import clock
from app.lib.books import Difference
from app.lib.schemas import Output

_DOMAINS: Final = (inventory, cash, sales, tenants, reports)
_PATIENCE: Final = (text("SET LOCAL statement_timeout = '120s'"), text("SET LOCAL enable_nestloop = off"))
"""A check reads all of a company's years, and nothing waits for it. Row by row it would not end when the tables grew a
moment ago and were not analysed yet: 20,000 imported products took more than two minutes, and take a second by hash.
"""


class CheckOut(Output):
    """One comparison over the whole company."""

    name: str
    title: str
    differences: int


class Reconciliation(Output):
    """Whether the books agree. `differences` lists up to a hundred of each check."""

    at: datetime
    is_clean: bool
    checks: list[CheckOut]
    differences: list[Difference]


async def reconcile(work: Work) -> Reconciliation:
    """Compare everything that is kept with what it is the sum of, in the company of this transaction."""
    for setting in _PATIENCE:
        await work.session.execute(setting)
    at = clock.now()
    found = [difference for domain in _DOMAINS for difference in await domain.differences(work)]
    count = Counter(difference.check for difference in found)
    return Reconciliation(
        at=at,
        is_clean=not found,
        checks=[
            CheckOut(name=check.name, title=check.title, differences=count[check.name])
            for domain in _DOMAINS
            for check in domain.CHECKS
        ],
        differences=found,
    )
