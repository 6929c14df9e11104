"""One cell of the tables: a load against one server, and what it cost the server's and PostgreSQL's processes."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec
import psutil

from app.dev.processes import descendants
from tests.bench.client import Job, run_apart


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds, except `rate` (good answers a second) and `errors` (counts by status or reason)."""

    rate: float
    p50: float
    p95: float
    p99: float
    cpu: Mapping[str, float]
    """CPU per answer by group of processes; `generator` is the load generator itself."""
    strangers: float
    """Percent of the machine that neither these groups nor the generator used: what disturbed the figures."""
    errors: Mapping[str, int]
    refusals: Sequence[str]

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


async def measure(job: Job, groups: Mapping[str, int]) -> Cell:
    """Run the job apart; `groups` names the process trees whose CPU time is shared out among the answers."""
    spent: list[dict[str, float]] = []
    busy: list[float] = []

    def sample(_: str) -> None:
        spent.append({name: cpu_seconds(pid) for name, pid in groups.items()})
        busy.append(_busy_seconds())

    outcome = await run_apart(job, sample)
    before, after = spent
    answers = max(1, len(outcome.latencies))
    ours = sum(after[name] - before[name] for name in groups) + outcome.cpu * answers / 1000
    ordered = sorted(outcome.latencies)
    return Cell(
        rate=outcome.rate,
        p50=percentile(ordered, 50),
        p95=percentile(ordered, 95),
        p99=percentile(ordered, 99),
        cpu={name: (after[name] - before[name]) * 1000 / answers for name in groups} | {"generator": outcome.cpu},
        strangers=max(0.0, 100 * (busy[1] - busy[0] - ours) / outcome.seconds / (os.cpu_count() or 1)),
        errors=outcome.errors,
        refusals=outcome.refusals,
    )


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of a sorted list; infinity when there is nothing to rank."""
    if not ordered:
        return float("inf")
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def middle(cells: Sequence[Cell]) -> Cell:
    """The medians of several rounds of one cell; errors are added up."""
    errors: Counter[str] = Counter()
    for cell in cells:
        errors.update(cell.errors)
    return Cell(
        rate=median(cell.rate for cell in cells),
        p50=median(cell.p50 for cell in cells),
        p95=median(cell.p95 for cell in cells),
        p99=median(cell.p99 for cell in cells),
        cpu={name: median(cell.cpu[name] for cell in cells) for name in cells[0].cpu},
        strangers=median(cell.strangers for cell in cells),
        errors=errors,
        refusals=[body for cell in cells for body in cell.refusals],
    )


def cpu_seconds(pid: int) -> float:
    """CPU time of a process tree so far, user and kernel, with the children it has already reaped."""
    total = 0.0
    for each in (pid, *descendants(pid)):
        try:
            times = psutil.Process(each).cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if each == pid:
            total += times.children_user + times.children_system
    return total


def peak_memory(pid: int) -> dict[int, float]:
    """The largest resident size that each process of the tree ever had, in MB (10^6 bytes)."""
    peaks: dict[int, float] = {}
    for each in (pid, *descendants(pid)):
        status = Path(f"/proc/{each}/status").read_text()
        peaks[each] = int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return peaks
