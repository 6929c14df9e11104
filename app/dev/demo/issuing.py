"""The demo shop's way to DIAN, at the simulator; and what it sold today, with its documents, which the worker sends."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx

from app.dev.demo.people import SHOP
from app.dev.demo.shop import DemoShop
from app.dev.dian_desk import DianDesk, Taxpayer
from app.domain.invoicing.ranges import Ranges
from app.domain.invoicing.schemas import CreateRange, PutCertificate, PutDianSettings
from app.domain.invoicing.setup import Setup
from app.domain.invoicing.vault import Vault
from app.domain.sample.days import SEED, Day, DrawnSale, draw_sale
from app.domain.sample.history import History
from app.domain.sample.people import NIT, NITS
from app.domain.tenants.plans import switch_module
from app.lib import clock
from app.settings import Settings

TICKETS: Final = 40
"""Sold today, the last ones of the history."""
_LOOKS_BACK: Final = timedelta(hours=3)
_KINDS: Final = ("01", "20", "03", "05")
_ZONE: Final = ZoneInfo("America/Bogota")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Today(Day, frozen=True, kw_only=True):
    """A day that is not over: it opened some hours ago, and its drawers are counted now."""

    opens: datetime
    closes: datetime

    def at(self, hour: int, minute: int = 0) -> datetime:  # noqa: ARG002 - the hours of other days are not this one's
        return self.opens if hour < 12 else self.closes  # noqa: PLR2004


async def issue_today(
    settings: Settings, shop: DemoShop, history: History, number: int, told: Callable[[str], None]
) -> None:
    """Enable the shop at the simulator and sell; without a simulator of this machine it issues nothing."""
    clock.stand_here(None)
    url = settings.dian_url
    if url is None or urlsplit(url).hostname not in _LOOPBACK:
        return
    try:
        taxpayer, used = await asyncio.to_thread(_enrol, url)
    except httpx.HTTPError as error:
        told(f"no DIAN simulator at {url}: the shop issues no documents ({type(error).__name__})")
        return
    await _set_up(settings, shop, taxpayer, used)
    await history.live(today_until(clock.now(), number))
    clock.stand_here(None)
    told(f"{TICKETS} tickets of today with their documents, which the worker sends to DIAN's simulator")


def today_until(now: datetime, number: int) -> Today:
    """The tickets of the hours before an instant, or of the minutes since midnight."""
    midnight = now.astimezone(_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    opens = max(now - _LOOKS_BACK, midnight + timedelta(seconds=1)).astimezone(UTC)
    step = (now - opens) / (TICKETS + 2)
    random = Random(SEED + 1)
    return Today(
        number=number,
        date=midnight.date(),
        tills=2,
        sales=[_asked_for(draw_sale(random, opens + step * (place + 1), 2)) for place in range(TICKETS)],
        opens=opens,
        closes=now,
    )


def _asked_for(sale: DrawnSale) -> DrawnSale:
    """A company asks for an invoice."""
    is_company = sale.customer is not None and sale.customer < NITS
    return DrawnSale(
        at=sale.at,
        till=sale.till,
        customer=sale.customer,
        method=sale.method,
        lines=sale.lines,
        document="invoice" if is_company else "auto",
    )


def _enrol(url: str) -> tuple[Taxpayer, list[str]]:
    """What the shop types into its settings, and the numbers that an earlier demo shop used up."""
    desk = DianDesk(url)
    try:
        taxpayer = desk.enrol(NIT, SHOP)
        return taxpayer, [each["number"] for each in desk.valid() if each["issuer"] == NIT]
    finally:
        desk.close()


async def _set_up(settings: Settings, shop: DemoShop, taxpayer: Taxpayer, used: list[str]) -> None:
    """What an owner types, with the company's module on."""
    vault = Vault(settings)
    values: dict[str, Any] = {
        "environment": "habilitation",
        "software_id": taxpayer.software_id,
        "software_pin": taxpayer.pin,
    }
    async with shop.work(shop.owner) as work:
        await switch_module(work, "invoicing", is_on=True, reason="la tienda de demostración expide")
        setup = Setup(work, vault)
        await setup.put(PutDianSettings(is_enabled=False, **values), lambda _current: None)
        file = base64.b64encode(taxpayer.p12).decode()
        await setup.put_certificate(PutCertificate(file=file, password=taxpayer.password))
        for kind in _KINDS:
            numbers = taxpayer.numbering(kind)
            taken = [number.removeprefix(numbers.prefix) for number in used if number.startswith(numbers.prefix)]
            last = max((int(number) for number in taken if number.isdigit()), default=numbers.first - 1)
            await Ranges(work, vault).create(
                CreateRange(
                    kind=kind,
                    prefix=numbers.prefix,
                    first=numbers.first,
                    last=numbers.last,
                    next=last + 1,
                    authorization=numbers.authorization,
                    valid_from=datetime.fromisoformat(numbers.valid_from).date(),
                    valid_to=datetime.fromisoformat(numbers.valid_to).date(),
                    technical_key=numbers.technical_key or None,
                )
            )
        await setup.put(PutDianSettings(is_enabled=True, **values), lambda _current: None)
