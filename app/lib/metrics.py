"""Counts of this process's requests, by route template, and the text that Prometheus reads.

Each process counts for itself and says which it is, so that several behind one port do not look like one counter jumping.
"""

import math
import os
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any, Final

BOUNDS: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges of the latency buckets, seconds."""
_UNROUTED: Final = "none"
"""Template of a path nobody serves: as it came it would be a label without end."""
_NAMED: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Sample = tuple[Mapping[str, str], float]


class _Timing:
    """Requests of one route, method and status."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0


class Requests:
    """A latency histogram; counting one costs a microsecond or two."""

    def __init__(self) -> None:
        self._timings: dict[tuple[str, str, int], _Timing] = {}

    def count(self, scope: Any, status: int, seconds: float) -> None:
        """Count an answered request by what its scope was routed to."""
        key = (scope.get("path_template") or _UNROUTED, scope["method"], status)
        timing = self._timings.get(key)
        if timing is None:
            # A method is the client's word: only known ones may become a label.
            if key[1] not in _NAMED:
                key = (key[0], "other", status)
            timing = self._timings.setdefault(key, _Timing())
        timing.buckets[bisect_left(BOUNDS, seconds)] += 1
        timing.seconds += seconds

    def answered(self, template: str, method: str, status: int) -> int:
        """How many requests of a route were answered so."""
        timing = self._timings.get((template, method, status))
        return sum(timing.buckets) if timing else 0

    def lines(self) -> Iterable[str]:
        """As `mostrador_request_seconds`, with its buckets, sum and count."""
        name = "mostrador_request_seconds"
        yield f"# HELP {name} Time to answer a request, by route, method and status."
        yield f"# TYPE {name} histogram"
        for (route, method, status), timing in sorted(self._timings.items()):
            labels = {"route": route, "method": method, "status": str(status)}
            total = 0
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), timing.buckets, strict=True):
                total += count
                yield _line(f"{name}_bucket", labels | {"le": bound}, total)
            yield _line(f"{name}_sum", labels, timing.seconds)
            yield _line(f"{name}_count", labels, total)


REQUESTS: Final = Requests()
"""Those of this process."""


def metric(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterable[str]:
    """One `counter` or `gauge` with its samples."""
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield _line(name, labels, value)


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    every = {**labels, "process": str(os.getpid())}
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in every.items())
    # As Prometheus writes it; Python says inf.
    return f"{name}{{{inside}}} {'+Inf' if value == math.inf else value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
