"""The demo shop of `mostrador up`: one hardware store with ninety days behind it, written by the product's own services."""

from collections.abc import Callable
from datetime import timedelta

from app.db.lane import Lane
from app.db.session import Database
from app.dev.demo.issuing import issue_today
from app.dev.demo.removing import remove
from app.dev.demo.shop import DemoShop
from app.domain.sample.days import DAYS, days_until
from app.domain.sample.history import History
from app.lib import clock
from app.lib.tokens import AccessTokens

_ZONE = "America/Bogota"


async def fill(
    database: Database,
    lane: Lane,
    tokens: AccessTokens,
    password: str,
    told: Callable[[str], None],
    *,
    count: int = DAYS,
) -> int:
    """Open the shop and live its days up to yesterday, telling each tenth; answers how many tickets were posted.

    With a DIAN simulator beside it the shop issues from today on, and has sold some tickets already.

    An earlier demo shop, a half-filled one too, is closed first.
    """
    await remove(database)
    days = list(days_until(clock.business_day(clock.now(), _ZONE), count))
    shop = DemoShop(database, lane, tokens)
    history = History(shop)
    try:
        await shop.open(password, days[0].at(6) - timedelta(days=1))
        told("the shop is open: products, customers, tills")
        await history.fill_shelves()
        for day in days:
            await history.live(day)
            if (day.number + 1) % 10 == 0:
                told(f"{day.number + 1} of {len(days)} days, {history.sales} tickets")
        await issue_today(database.settings, shop, history, len(days), told)
    finally:
        clock.stand_here(None)
    return history.sales
