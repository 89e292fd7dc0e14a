"""How many citizens a worker takes ahead of demand, and for how long it keeps them. Pure.

A lease is charged where all workers count when it is taken, so no two workers ever spend one token; what is not used in
time is lost to the rate and given back to the day's quota. So a lease is worth taking only for a caller that comes
again soon, and only from what is left over: near the limit every worker takes one by one, and nothing is lost.
"""

from __future__ import annotations

import math

LAST_FEW = 10
"""Citizens left of a limit that are never leased."""

_AHEAD_SECONDS = 0.25
_SMALL_LEASE = 9
_LONGEST_SECONDS = 3.0
_SHORTEST_SECONDS = 0.5
_MEMORY_SECONDS = 0.5


def smoothed_demand(before: float, *, used: int, elapsed_seconds: float) -> float:
    """Citizens per second that this worker spends on a node, from the estimate before and what happened since.

    Weighted by the time seen, so that two calls in one millisecond do not look like two thousand a second.
    """
    if elapsed_seconds <= 0:
        return before
    weight = 1 - math.exp(-elapsed_seconds / _MEMORY_SECONDS)
    return before + weight * (used / elapsed_seconds - before)


def wanted_ahead(demand: float) -> int:
    """Citizens to take beyond the call at hand: what a quarter of a second needs, and a few for a slower caller.

    The few must be wanted within a second and a half or so; rarer callers are counted one by one, which costs little.
    """
    few = min(_SMALL_LEASE, int(demand * _LONGEST_SECONDS / 2))
    return max(few, int(demand * _AHEAD_SECONDS))


def granted_ahead(wanted: int, *, left: int, workers: int) -> int:
    """What a lease may take of the `left` citizens of a node: an even share, so that no worker starves another.

    The last few are taken one by one only, so that small limits and the end of a burst are exact.
    """
    return max(0, min(wanted, (left - LAST_FEW) // (workers + 1)))


def lease_seconds(tokens: int, *, demand: float) -> float:
    """How long a lease is kept: twice the time its tokens should last, within half a second and three seconds."""
    if demand <= 0:
        return _SHORTEST_SECONDS
    return min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, 2 * tokens / demand))
