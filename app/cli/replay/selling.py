"""Carries a plan out with many requests in flight, each return after its sale."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from app.cli.replay.plan import Plan, Step, Ticket, TicketReturn
from app.cli.replay.shop import Failed, Shop
from app.lib.money import ZERO
from app.lib.schemas import JSON

_DONE: Final = frozenset({200, 201})


@dataclass
class Outcome:
    """What the API answered, told as the replay goes."""

    sold_lines: int = 0
    returned_lines: int = 0
    sold: Decimal = ZERO
    returned: Decimal = ZERO
    tickets: int = 0
    returns: int = 0
    milliseconds: list[float] = field(default_factory=list)
    """From the first byte sent to the last received, of each sale that needed no repetition too."""
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    """Refusals and totals that the plan did not expect."""


class Acknowledgements:
    """A file with each acknowledged sale, on disk before the next request is sent: what no crash may lose."""

    def __init__(self, path: Path | None) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if path else None

    def add(self, sale_id: UUID, total: Decimal) -> None:
        if self._file is not None:
            os.write(self._file, f"{sale_id} {total}\n".encode())
            os.fsync(self._file)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)


class Replay:
    """One plan in one shop."""

    def __init__(self, plan: Plan, shop: Shop, acknowledged: Acknowledgements) -> None:
        self.outcome = Outcome()
        self._plan = plan
        self._shop = shop
        self._acknowledged = acknowledged
        self._answers = {ticket.invoice: asyncio.get_running_loop().create_future() for ticket in plan.tickets}
        """Invoice to its sale's id and line ids; None when it was not sold."""

    async def run(self, clients: int) -> Outcome:
        """Take the steps in their order, so many at once. A return waits for its sale, which began before it."""
        started = time.perf_counter()
        steps = iter(self._plan.steps)
        workers = [asyncio.create_task(self._work(steps)) for _ in range(clients)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        self.outcome.seconds = time.perf_counter() - started
        return self.outcome

    async def _work(self, steps: Iterator[Step]) -> None:
        for step in steps:
            if isinstance(step, Ticket):
                await self._sell(step)
            else:
                await self._take_back(step)

    async def _sell(self, ticket: Ticket) -> None:
        shop, sale_id = self._shop, uuid7()
        body: dict[str, Any] = {
            "id": sale_id,
            "sessionId": shop.session_id,
            "lines": [
                {
                    "productId": shop.product_ids[line.code],
                    "quantity": f"{line.quantity:f}",
                    "unitPrice": f"{line.price:f}",
                }
                for line in ticket.lines
            ],
            "payments": [{"method": "cash", "amount": f"{ticket.total:f}"}] if ticket.total else [],
        }
        if ticket.customer:
            body["customerId"] = shop.customer_ids[ticket.customer]
        started = time.perf_counter()
        answer = await shop.ask("POST", "/v1/sales", JSON.encode(body), {"Idempotency-Key": sale_id.hex})
        self.outcome.milliseconds.append((time.perf_counter() - started) * 1_000)
        known = self._answers[ticket.invoice]
        if answer.status not in _DONE:
            self.outcome.wrong.append(f"invoice {ticket.invoice}: {answer.status} {answer.body.decode()[:300]}")
            known.set_result(None)
            return
        sale = answer.json()
        total = Decimal(sale["total"])
        self._acknowledged.add(sale_id, total)
        if total != ticket.total:
            self.outcome.wrong.append(f"invoice {ticket.invoice}: sold for {total}, the file says {ticket.total}")
        self.outcome.tickets += 1
        self.outcome.sold_lines += len(ticket.lines)
        self.outcome.sold += total
        known.set_result((sale["id"], [line["id"] for line in sale["lines"]]))

    async def _take_back(self, step: TicketReturn) -> None:
        sold = await self._answers[step.ticket.invoice]
        if sold is None:
            self.outcome.wrong.append(f"return {step.invoice}: its sale {step.ticket.invoice} was refused")
            return
        sale_id, line_ids = sold
        return_id = uuid7()
        body = {
            "id": return_id,
            "saleId": sale_id,
            "sessionId": self._shop.session_id,
            "lines": [{"saleLineId": line_ids[place], "quantity": f"{-line.quantity:f}"} for place, line in step.lines],
            "refunds": [{"method": "cash", "amount": f"{step.total:f}"}] if step.total else [],
            "reason": f"Devolución {step.invoice}",
        }
        answer = await self._shop.ask("POST", "/v1/returns", JSON.encode(body), {"Idempotency-Key": return_id.hex})
        if answer.status not in _DONE:
            self.outcome.wrong.append(f"return {step.invoice}: {answer.status} {answer.body.decode()[:300]}")
            return
        total = Decimal(answer.json()["total"])
        if total != step.total:
            self.outcome.wrong.append(f"return {step.invoice}: gave back {total}, the file says {step.total}")
        self.outcome.returns += 1
        self.outcome.returned_lines += len(step.lines)
        self.outcome.returned += total


async def difference(shop: Shop) -> list[str]:
    """What the reconciler finds between kept figures and their movements; empty when the books agree."""
    found = await shop.get("/v1/audit/reconciliation")
    if found["isClean"] != (not found["differences"]):
        raise Failed("the reconciliation contradicts itself")
    return [str(difference) for difference in found["differences"]]
