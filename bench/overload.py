"""Three times more calls than the gateway can answer: how much of its peak is left of what is answered in time.

Goodput counts OK replies within the deadline that the calls carry (`grpc-timeout`), timed from when each call was due.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bench.contestants import Contestant
from bench.load import outcome_of
from bench.rounds import plan_for, wait_until_quiet

TIMES = 3
_DEADLINE_SECONDS = 1.0
_STATUS_NAMES = {
    "0": "OK",
    "1": "CANCELLED",
    "2": "UNKNOWN",
    "4": "DEADLINE_EXCEEDED",
    "8": "RESOURCE_EXHAUSTED",
    "13": "INTERNAL",
    "14": "UNAVAILABLE",
    "late": "no reply in time",
    "wrong": "wrong content",
}


@dataclass(frozen=True, slots=True)
class Overloaded:
    """One round of it."""

    peak: float
    offered: float
    goodput: float
    p99: float
    """Seconds, of the calls answered in time."""
    replies: Mapping[str, int]


def overload(
    gateway: Contestant, *, rounds: int, shape: Mapping[str, object], told: Callable[[str], None]
) -> list[Overloaded]:
    """Peak and overload in turn. Raises `MeasurementError`."""
    found = []
    for number in range(rounds):
        wait_until_quiet((*gateway.workers, *gateway.others))
        plan = plan_for(gateway, number, **shape)
        peak = outcome_of(plan).rate
        timed = replace(
            plan,
            metadata=(*plan.metadata, ("grpc-timeout", f"{_DEADLINE_SECONDS * 1000:.0f}m")),
            deadline_seconds=_DEADLINE_SECONDS,
            rate=TIMES * peak,
        )
        outcome = outcome_of(timed)
        replies = {_STATUS_NAMES.get(status, status): count for status, count in outcome.statuses.items()}
        found.append(
            Overloaded(peak, outcome.asked / outcome.seconds, outcome.rate, outcome.latency.get("p99", 0.0), replies)
        )
        told(f"overload {number + 1}/{rounds}  peak {peak:.0f} /s, goodput {outcome.rate:.0f} /s")
    return found
