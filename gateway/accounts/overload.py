"""When a worker sheds a call so that the others are still answered in time, and which ones first. Pure.

Bulk goes before interactive: behind a single question sits an officer with a citizen at the counter, behind a bulk call
a program that can wait.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

BULK_FROM = 10
"""Citizens in one call from which it counts as bulk, whatever its method."""


class Priority(enum.Enum):
    """Who is shed last, and who first."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class Load(NamedTuple):
    """How busy the worker is."""

    in_flight: int
    """Calls under way."""
    standing_delay_seconds: float
    """How long whatever became ready has had to wait for its turn at least, over the last moment: a queue that stands,
    not a spike that passes."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Where shedding begins for one priority."""

    in_flight: int
    standing_delay_seconds: float


def ceilings(max_in_flight: int) -> dict[Priority, Ceilings]:
    """The ceilings of a worker: bulk is shed at half the calls and a quarter of the delay."""
    return {
        Priority.INTERACTIVE: Ceilings(max_in_flight, 1.0),
        Priority.BULK: Ceilings(max(1, max_in_flight // 2), 0.25),
    }


def priority_of(cost: int, *, is_bulk: bool) -> Priority:
    """The priority of a call: by its method, or by its size."""
    return Priority.BULK if is_bulk or cost >= BULK_FROM else Priority.INTERACTIVE


def seconds_to_stay_away(load: Load, ceiling: Ceilings) -> float | None:
    """None when there is room; otherwise when to come back: not before the queue that stands has been worked off."""
    if load.in_flight < ceiling.in_flight and load.standing_delay_seconds < ceiling.standing_delay_seconds:
        return None
    return max(0.25, min(5.0, 2 * load.standing_delay_seconds))
