"""Rate and daily quota over several nodes, all-or-nothing. Pure.

The rate is the generic cell rate algorithm (ITU-T I.371): each node keeps one number, its theoretical arrival time
(TAT), the moment at which its bucket would be full again. Taking `n` moves it on by `n` emission intervals; a node
refuses when that lies further ahead than its burst allows. The quota is a counter of the day.

The Lua script of `adapters.limit_counts` is this very text in another language; the contract suite holds both to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.accounts.model import LimitNode, Limits
from gateway.errors import Reason

LARGEST_COST = 1000
"""Citizens that one call may cost. A TAT further ahead than a call of this size could push it is the mark of a clock
that was set back, and is cut to that."""

_ROUNDING_SECONDS = 1e-9


@dataclass(frozen=True, slots=True)
class Counted:
    """What is stored of a node."""

    tat: float = 0.0
    """Seconds on the scale of the caller's `now`."""
    used: int = 0
    """Citizens taken today."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an attempt; `counts` is empty when refused, so that nothing is taken."""

    refused_by: LimitNode | None
    reason: Reason | None
    retry_after_seconds: float
    counts: Mapping[str, Counted]
    left: int | None
    """Citizens left at once on the tightest node; None where nothing limits."""


def interval_and_tolerance(limits: Limits, *, workers: int = 1) -> tuple[float, float]:
    """Seconds between citizens, and how far ahead the TAT may lie, for one of `workers` that share the limit evenly.

    A share has the same tolerance: at a fraction of the pace it is the same fraction of the burst. `limits` has a rate.
    """
    rate = limits.rate
    assert rate
    burst = limits.burst if limits.burst is not None else rate
    return workers / rate, burst / rate


def take(
    nodes: Sequence[LimitNode],
    cost: int,
    *,
    counts: Mapping[str, Counted],
    now: float,
    seconds_to_midnight: float,
    workers: int = 1,
) -> Taken:
    """Take `cost` from every node or from none; `counts` holds what is stored.

    A refusal names the node with the longest wait, so that waiting that long satisfies all. A cost beyond a node's
    burst counts as its burst: it waits for a full bucket and then passes, and is paid for. `workers` divides the rate;
    the quota is the caller's to divide.
    """
    after: dict[str, Counted] = {}
    refused_by, reason, longest_wait, left = None, None, 0.0, None
    for node in nodes:
        limits = node.limits
        count = counts.get(node.name, Counted())
        tat, used = count.tat, count.used
        if limits.rate is not None:
            interval, tolerance = interval_and_tolerance(limits, workers=workers)
            latest = now + max(tolerance, LARGEST_COST * interval)
            tat = max(min(tat, latest), now) + cost * interval
            wait = tat - now - max(tolerance, cost * interval)
            if wait > _ROUNDING_SECONDS and wait > longest_wait:
                refused_by, reason, longest_wait = node, Reason.RATE_LIMITED, wait
            room = max(0, int((tolerance - (tat - now)) / interval + 1e-6))
            left = room if left is None else min(left, room)
        if limits.daily is not None:
            used += cost
            if used > limits.daily and seconds_to_midnight > longest_wait:
                refused_by, reason, longest_wait = node, Reason.DAILY_QUOTA_EXHAUSTED, seconds_to_midnight
            room = max(0, limits.daily - used)
            left = room if left is None else min(left, room)
        after[node.name] = Counted(tat, used)
    if refused_by is not None:
        return Taken(refused_by, reason, longest_wait, {}, 0)
    return Taken(None, None, 0.0, after, left)
