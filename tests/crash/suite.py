"""The whole of it in any size: freeze, kills, the launcher's end, the count, the control."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import msgspec

from tests.crash.books import Found, count_again, forged
from tests.crash.control import careless
from tests.crash.frozen import GRACE_SECONDS, MOST, Frozen, freeze
from tests.crash.house import House
from tests.crash.kills import LAUNCHER, TARGETS, Kill, kill_each, kill_launcher, longest_silence
from tests.crash.ledger import Acknowledged, Summary
from tests.crash.load import Load
from tests.crash.report import say, table


class Size(msgspec.Struct, frozen=True, kw_only=True):
    kills: int
    """Of each target."""
    clients: int
    shops: int
    sign_ups: float
    """Seconds between two companies that sign up."""
    freeze: float
    """Seconds that Redis stands still, and as many before it to compare with; 0 leaves it out."""


FULL = Size(kills=20, clients=8, shops=2, sign_ups=2, freeze=15)
SMALL = Size(kills=1, clients=4, shops=2, sign_ups=2, freeze=0)


class Outcome(msgspec.Struct, kw_only=True):
    """What one run of the suite saw."""

    kills: list[Kill]
    entries: list[Acknowledged]
    summary: Summary
    found: Found
    forged: Found
    """The same count over a ledger with three lies."""
    frozen: Frozen | None
    careless_acknowledged: int
    careless_lost: int

    def faults(self) -> dict[str, int]:
        """Answers that called an outage a fault of the house: 5xx, but not «come back later»."""
        return {reason: count for reason, count in self.summary.interrupted.items() if reason in {"500", "502", "504"}}

    def failures(self) -> list[str]:
        """Every promise that was not kept."""
        failures = [*self.found.lines(), *self.summary.wrong[:10]]
        failures += [f"{count} answers {reason} instead of 503" for reason, count in self.faults().items()]
        if not self.careless_lost:
            failures.append("the control lost nothing: this suite cannot see a loss")
        lies = (len(self.forged.lost), len(self.forged.doubled), len(self.forged.changed))
        if lies != (1, 1, 1):
            failures.append(f"of a ledger with three lies the count finds {lies}: it cannot be believed")
        if self.frozen and not self.frozen.held:
            failures.append(
                f"Redis frozen: sale p95 {self.frozen.frozen:.1f} ms, more than {MOST:g} × {self.frozen.normal:.1f} ms"
            )
        return failures

    def lines(self) -> list[str]:
        """The table and what belongs below it."""
        head = ("killed with SIGKILL", "times", "processes", "works again, s", "no sale for, s", "acknowledged", "lost")
        rows = [self._row(target) for target in (*TARGETS, LAUNCHER)]
        lines = [*table(head, [row for row in rows if row]), ""]
        found = self.found
        repeated = ", ".join(f"{reason} {count}" for reason, count in sorted(self.summary.interrupted.items()))
        lines += [
            f"- {found.acknowledged} acknowledged writes: {len(found.lost)} lost, {len(found.doubled)} doubled, "
            f"{len(found.changed)} changed, {len(found.differences)} differences in the books",
            f"- tries repeated by the clients: {repeated or 'none'}; finished sales sent once more: {self.summary.again}",
            f"- control with synchronous_commit=off: {self.careless_lost} of {self.careless_acknowledged} acknowledged "
            "sales lost by one kill of PostgreSQL (it must be more than none)",
        ]
        lines.append(
            "- the same count over a ledger with one sale kept back, one invented and one at another price finds "
            f"{len(self.forged.doubled)} doubled, {len(self.forged.lost)} lost, {len(self.forged.changed)} changed"
        )
        if self.frozen:
            lines.append(
                f"- Redis frozen: sale p95 {self.frozen.frozen:.1f} ms from {GRACE_SECONDS:g} s on, "
                f"{self.frozen.normal:.1f} ms before (at most {MOST:g} times); "
                f"{self.frozen.frozen_rate:.0f} and {self.frozen.normal_rate:.0f} sales/s"
            )
        return lines + [f"- {line}" for line in found.checked]

    def _row(self, target: str) -> tuple[str, ...]:
        kills = [kill for kill in self.kills if kill.target == target]
        if not kills:
            return ()
        silence = [longest_silence(kill, self.entries) for kill in kills]
        after = [kill.healthy_after for kill in kills]
        processes = [kill.processes for kill in kills]
        return (
            target,
            str(len(kills)),
            "–".join(str(count) for count in sorted({min(processes), max(processes)})),
            f"{median(after):.1f}, worst {max(after):.1f}",
            f"{median(silence):.1f}, worst {max(silence):.1f}",
            str(sum(len(_between(kill, self.kills, self.entries)) for kill in kills)),
            str(sum(len(_between(kill, self.kills, self.found.lost)) for kill in kills)),
        )


def _between(kill: Kill, kills: Sequence[Kill], entries: Sequence[Acknowledged]) -> list[Acknowledged]:
    """What was acknowledged since the kill before: what this one could have lost."""
    since = max((other.at for other in kills if other.at < kill.at), default=0.0)
    return [entry for entry in entries if since < entry.at <= kill.at]


async def run(folder: Path, size: Size) -> Outcome:
    """One installation, killed part by part while it sells. Raises when something does not come back."""
    async with _house(folder) as house:
        load = Load(house, "load", clients=size.clients, shops=size.shops, sign_ups=size.sign_ups)
        try:
            await load.opened()
            say(f"{size.shops} shops sell with {size.clients} clients")
            frozen = await freeze(house, load, size.freeze) if size.freeze else None
            kills = await kill_each(house, load, size.kills)
            kills.append(await kill_launcher(house, load))
            summary = await load.settle()
        finally:
            load.end()
        say(f"{len(load.ledger.entries)} writes acknowledged; counting again")
        found = await count_again(house, load.shops, load.ledger.entries)
        lies = await forged(house, load.shops[0], [entry for entry in load.ledger.entries if entry.shop == 0])
        acknowledged, lost = await careless(house, size.clients)
    return Outcome(
        kills=kills,
        entries=load.ledger.entries,
        summary=summary,
        found=found,
        forged=lies,
        frozen=frozen,
        careless_acknowledged=acknowledged,
        careless_lost=lost,
    )


@asynccontextmanager
async def _house(folder: Path) -> AsyncIterator[House]:
    house = House(folder)
    try:
        await house.start()
        say("`mostrador up` runs")
        yield house
    finally:
        await house.stop()
