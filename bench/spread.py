"""Figures of several rounds as one: the least, the middle and the most. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """What rounds of the same measurement gave."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Of at least one figure."""
        return cls(min(figures), statistics.median(figures), max(figures))


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Two contestants compared round by round, since neighbours in time shared the machine's mood."""
    return Spread.of([one / other for one, other in zip(above, below, strict=True)])


def quantile(ordered: Sequence[float], at: float) -> float:
    """The figure below which the share `at` (0 to 1) of the ordered figures lies."""
    return ordered[min(int(at * len(ordered)), len(ordered) - 1)]
