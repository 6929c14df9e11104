"""A long document is drawn where it holds nobody up."""

import asyncio

import pytest

from app.domain.invoicing import drawing
from app.domain.invoicing.drawing import Drawer
from app.domain.invoicing.identify import identify
from app.domain.invoicing.printed import Printed
from app.domain.invoicing.totals import line_of
from app.lib.errors import Unavailable
from tests.domain.invoicing.papers import KEYS, TICKET, document, ring


def printed(count: int) -> Printed:
    lines = [line_of(each) for each in ring((TICKET[0],) * count)]
    paper = document(lines=lines)
    identity = identify(paper, KEYS)
    return Printed(document=paper, uuid=identity.uuid, qr=identity.qr, status="pending", validated_at=None, logo=None)


async def test_a_long_one_is_drawn_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = printed(150)
    wanted = drawing.draw(paper, "letter")

    def never(*_: object) -> bytes:
        raise AssertionError("drawn here")

    monkeypatch.setattr(drawing, "draw", never)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    assert await Drawer().draw(paper, "letter") == wanted
    ticking.cancel()
    assert ticks > 10


async def test_a_short_one_is_drawn_at_once_and_too_many_long_ones_are_not() -> None:
    drawer = Drawer()
    assert (await drawer.draw(printed(3), "80")).startswith(b"%PDF")
    drawer._asked = drawing._WAITING
    assert (await drawer.draw(printed(3), "letter")).startswith(b"%PDF")
    with pytest.raises(Unavailable):
        await drawer.draw(printed(150), "letter")


async def test_one_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_PATIENCE", 0.05)
    drawer = Drawer()
    with pytest.raises(Unavailable):
        await drawer.draw(printed(150), "letter")
    assert drawer._asked == 0
