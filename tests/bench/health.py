"""What `/health` costs beside a bare route of the same server, and how many connections it holds meanwhile."""

from statistics import median

from tests.bench.client import Job
from tests.bench.measure import Cell, measure
from tests.bench.parts import Bench, failures
from tests.bench.report import Demand, Section, say

MOST = 1.5
"""Times the CPU of the bare route."""
CLIENTS = 8


async def health(bench: Bench) -> Section:
    """The API's own `/health` and `/health/live`, which asks nothing, in turns."""
    api = await bench.api()
    cells: dict[str, list[Cell]] = {"/health/live": [], "/health": []}
    for _ in range(bench.pace.rounds):
        for path, found in cells.items():
            job = Job(
                port=api.port,
                clients=CLIENTS,
                seconds=bench.pace.seconds,
                source="tests.bench.sources:one_path",
                arguments={"path": path},
            )
            found.append(await measure(job, {"api": api.pid, "postgres": bench.house.postgres_pid}))
            for failure in failures(found[-1:]):
                say(f"errors: {failure}")
    cpu = {path: median(cell.cpu["api"] for cell in found) for path, found in cells.items()}
    ratio = cpu["/health"] / cpu["/health/live"]
    say(f"health: {ratio:.2f} times the bare route")
    return Section(
        name="health",
        title="Health",
        head=("route", "answers/s", "p99 ms", "CPU of the API an answer, ms", "CPU of PostgreSQL an answer, ms"),
        rows=[
            [
                f"`{path}`",
                f"{median(cell.rate for cell in found):.0f}",
                f"{median(cell.p99 for cell in found):.1f}",
                f"{cpu[path]:.3f}",
                f"{median(cell.cpu['postgres'] for cell in found):.4f}",
            ]
            for path, found in cells.items()
        ],
        demands=[
            Demand(f"{ratio:.2f} times the CPU of a bare route of the same server (at most {MOST:g})", ratio <= MOST)
        ],
    )
