"""When a worker sheds a call so that the others are still answered in time, and which ones first. Pure.

Bulk goes before interactive: behind a single question sits an officer with a citizen at the counter, behind a bulk call
a program that can wait.

The measure is the delay of the worker's own loop, never the time calls take: a slow national database makes calls slow
too, and refusing them for it would not make it faster.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

BULK_FROM = 10
"""Citizens in one call from which it counts as bulk, whatever its method."""

_GAIN = 0.125
_SLOPE_GAIN = 1.25
_LARGEST_SHARE = 0.98
_TURNS = 2
"""Waits for the loop that no call can do with less than: one before its handler runs, one after its record is kept."""


class Priority(enum.Enum):
    """Who is shed last, and who first."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Where shedding begins for one priority."""

    in_flight: int
    """Calls under way beyond which every further one is shed."""
    delay_seconds: float
    """Delay of the loop that is held by shedding a part of the calls."""


def ceilings(max_in_flight: int) -> dict[Priority, Ceilings]:
    """The ceilings of a worker: bulk is shed at half the calls and a quarter of the delay."""
    return {
        Priority.INTERACTIVE: Ceilings(max_in_flight, 0.08),
        Priority.BULK: Ceilings(max(1, max_in_flight // 2), 0.02),
    }


def priority_of(cost: int, *, is_bulk: bool) -> Priority:
    """The priority of a call: by its method, or by its size."""
    return Priority.BULK if is_bulk or cost >= BULK_FROM else Priority.INTERACTIVE


def next_share(share: float, *, delay: float, before: float, ceiling: float) -> float:
    """The share of calls to shed from now on, given the loop's `delay` now and `before`, at the last sample.

    The controller PIE of RFC 8033, section 4.2: it grows with how far the delay is above the ceiling and with how fast
    it rises, so that a part of the calls is refused steadily instead of all and none in turn. Small shares move slower,
    and a queue that is gone ends the shedding within a few samples.
    """
    caution = 1.0 if share >= 0.1 else 0.5 if share >= 0.01 else 0.25
    change = _GAIN * (delay - ceiling) / ceiling + _SLOPE_GAIN * (delay - before)
    return max(0.0, min(_LARGEST_SHARE, share + caution * change))


def comes_too_late(remaining_seconds: float, delay_seconds: float) -> bool:
    """Whether a call with so much time left would be answered to nobody, the loop being as late as it is."""
    return remaining_seconds <= _TURNS * delay_seconds


def seconds_to_stay_away(share: float, *, drawn: float) -> float:
    """When a shed caller should come back: later the more are shed, and never in step with the others.

    `drawn`: a fresh random number from 0 to 1. Between 0.5 and 7.5 seconds.
    """
    return (1.0 + 4.0 * share) * (0.5 + drawn)
