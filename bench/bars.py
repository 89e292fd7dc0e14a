"""The bars of the design (§14): which figure, how much of it is due now, and how much is the goal. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.spread import Spread


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the table in DESIGN §14."""

    figure: str
    """Names the measurement."""
    says: str
    now: float
    goal: float
    at_most: bool = False
    """Whether less is better."""
    unit: str = ""

    def met(self, value: float, level: float) -> bool:
        """Whether a value reaches a level."""
        return value <= level if self.at_most else value >= level


BARS = (
    Bar("cached/echo", "cached lookups ÷ grpc.aio echo", 0.70, 2),
    Bar("cached/textbook", "cached lookups ÷ textbook gateway", 4, 12),
    Bar("bulk/echo", "bulk citizens (100 per call, cached) ÷ echo", 8, 20),
    Bar("bulk of 500/60 echoes, CPU", "CPU of a bulk of 500, cached ÷ CPU of 60 echo calls", 1, 0.5, at_most=True),
    Bar("uncached/echo", "uncached lookups, mock on this machine ÷ echo", 0.35, 0.8),
    Bar("goodput/peak", "goodput at 3× offered load ÷ peak", 0.8, 0.95),
    Bar("added latency", "one caller: (p50 − echo's p50) ÷ echo's p50", 0.8, 0.4, at_most=True),
    Bar(
        "memory, citizens",
        "worker's memory: after distinct citizens ÷ copies full",
        1.05,
        1.02,
        at_most=True,
    ),
    Bar("memory, calls", "worker's memory: after calls ÷ before them", 1.05, 1.02, at_most=True),
    Bar("start", "start to first answered lookup, 100 M people", 5, 2, at_most=True, unit=" s"),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A bar with what was measured; None where it was not."""

    bar: Bar
    measured: Spread | None

    @property
    def verdict(self) -> str:
        """By the median."""
        if self.measured is None:
            return "not measured"
        if self.bar.met(self.measured.median, self.bar.goal):
            return "goal"
        return "met" if self.bar.met(self.measured.median, self.bar.now) else "NOT MET"


def judge(figures: Mapping[str, Spread]) -> Sequence[Judged]:
    """Every bar."""
    return [Judged(bar, figures.get(bar.figure)) for bar in BARS]
