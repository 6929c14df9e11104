"""How soon a killed process of the API serves again, started as the units do it."""

import os
import signal
import statistics
import time
from itertools import pairwise

import pytest

from tests.deploy.test_leaving import serving

RESTART_SECONDS = 0.2
"""`RestartSec` of the unit."""
LIMIT_SECONDS = 5.0
"""On a machine with a processor to spare; where more wants to run than there are processors, so many times longer."""
KILLS = 6


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_a_killed_api_serves_again_within_five_seconds(environ: dict[str, str]) -> None:
    killed: list[float] = []
    ready: list[float] = []
    for _ in range(KILLS + 1):
        with serving(environ) as (process, _url):
            ready.append(time.monotonic())
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
            killed.append(time.monotonic())
        time.sleep(RESTART_SECONDS)
    took = [later - before for before, (_, later) in zip(killed, pairwise(ready), strict=False)]
    print(
        f"API killed {len(took)} times: ready again after {statistics.median(took):.1f} s, worst {max(took):.1f} s; "
        f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    )
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert statistics.median(took) <= LIMIT_SECONDS * crowd
