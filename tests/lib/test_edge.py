"""A body has a time of its own, whatever stands in front."""

import asyncio
from typing import Any

import pytest

from app.lib import edge
from app.lib.edge import Edge, Event


async def _ask(events: list[tuple[float, Event]]) -> tuple[int, float]:
    """Status, and seconds until it came, of a request whose pieces come after these pauses."""
    sent: list[Event] = []
    left = list(events)

    async def receive() -> Event:
        if not left:
            await asyncio.sleep(60)
        pause, event = left.pop(0)
        await asyncio.sleep(pause)
        return event

    async def send(event: Event) -> None:
        sent.append(event)

    async def app(_scope: Event, receive: Any, send: Any) -> None:
        more = True
        while more:
            more = (await receive()).get("more_body", False)
        # Longer than a body may take: an answer has its own time.
        hang_up = asyncio.create_task(receive())
        await asyncio.sleep(0.5)
        assert not hang_up.done()
        hang_up.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    scope: Event = {
        "type": "http",
        "path": "/v1/sales",
        "method": "POST",
        "query_string": b"",
        "headers": [],
        "client": None,
    }
    began = asyncio.get_running_loop().time()
    await Edge(app, ())(scope, receive, send)
    return sent[0]["status"], asyncio.get_running_loop().time() - began


async def test_a_body_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "BODY_SECONDS", 0.3)
    drop: Event = {"type": "http.request", "body": b"x", "more_body": True}
    status, seconds = await _ask([(0.1, drop)] * 100)
    assert status == 408
    assert 0.25 < seconds < 2
    assert (await _ask([(0.1, drop), (0.0, {**drop, "more_body": False})]))[0] == 200
