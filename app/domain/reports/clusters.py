"""k-means in three measures, from a fixed seed; plain, since shops have thousands of customers, not millions."""

import math
import random
from collections.abc import Sequence
from typing import Final

import msgspec

_SEED: Final = 20_260_101
_ROUNDS: Final = 50
Point = tuple[float, float, float]
"""Days since the last purchase, purchases, pesos."""


class Clusters(msgspec.Struct, frozen=True):
    labels: list[int]
    """Of each point; group 0 has the largest purchases."""
    centers: list[Point]
    """Means of the groups, as measured."""
    names: list[str]


def cluster(points: Sequence[Point], wanted: int) -> Clusters:
    """Group points. Purchases and pesos are compared by their logarithm: twice as much is as far at any size."""
    scaled = _scaled([(p[0], math.log1p(p[1]), math.log1p(p[2])) for p in points])
    kinds = sorted(set(scaled))
    count = min(wanted, len(kinds))
    if not count:
        return Clusters([], [], [])
    centers = _first_centers(kinds, count)
    labels: list[int] = []
    for _ in range(_ROUNDS):
        moved = [_nearest(point, centers) for point in scaled]
        if moved == labels:
            break
        labels = moved
        centers = [
            _mean([point for point, label in zip(scaled, labels, strict=True) if label == n]) or centers[n]
            for n in range(count)
        ]
    means = [_mean([p for p, label in zip(points, labels, strict=True) if label == n]) for n in range(count)]
    order = sorted((n for n in range(count) if means[n]), key=lambda n: (-(means[n] or (0, 0, 0))[2], n))
    renamed = {old: new for new, old in enumerate(order)}
    kept = [mean for n in order if (mean := means[n])]
    return Clusters([renamed[label] for label in labels], kept, _names(kept))


def _scaled(points: Sequence[Point]) -> list[Point]:
    """Each measure with mean 0 and deviation 1, to twelve digits, so that equal customers are equal points."""
    measures = list(zip(*points, strict=True))
    found = []
    for values in measures:
        mean = math.fsum(values) / len(values)
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values)) or 1.0
        found.append([round((v - mean) / spread, 12) for v in values])
    return [(a, b, c) for a, b, c in zip(*found, strict=True)] if found else []


def _first_centers(kinds: Sequence[Point], count: int) -> list[Point]:
    """k-means++: each next center far from those before, drawn with the fixed seed."""
    draw = random.Random(_SEED)  # noqa: S311 - repeatable on purpose
    centers = [kinds[draw.randrange(len(kinds))]]
    while len(centers) < count:
        weights = [min(_distance(point, center) for center in centers) for point in kinds]
        centers.append(draw.choices(kinds, weights)[0])
    return centers


def _nearest(point: Point, centers: Sequence[Point]) -> int:
    return min(range(len(centers)), key=lambda n: _distance(point, centers[n]))


def _distance(a: Point, b: Point) -> float:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2


def _mean(points: Sequence[Point]) -> Point | None:
    if not points:
        return None
    sums = [math.fsum(values) / len(points) for values in zip(*points, strict=True)]
    return sums[0], sums[1], sums[2]


def _names(centers: Sequence[Point]) -> list[str]:
    """What tells a group from the average of the groups, in words; a number where words are the same."""
    if not centers:
        return []
    middle = _mean(centers)
    assert middle is not None
    names: list[str] = []
    for recency, frequency, money in centers:
        parts = [
            "compran mucho" if money > middle[2] else "compran poco",
            "seguido" if frequency > middle[1] else "de vez en cuando",
            "hace tiempo que no vienen" if recency > middle[0] else "vinieron hace poco",
        ]
        name = ", ".join(parts)
        twins = sum(one == name or one.startswith(f"{name} (") for one in names)
        names.append(f"{name} ({twins + 1})" if twins else name)
    return names
