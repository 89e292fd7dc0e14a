"""The generic cell rate algorithm (ITU-T I.371) over several nodes, all-or-nothing. Pure.

Each node keeps one number, its theoretical arrival time (TAT): the moment at which it would be empty again. Taking
`cost` moves it on by `cost` emission intervals; a node refuses when that lies further ahead than its burst allows.
The Lua script of `adapters.redis_limiter` is this very text in another language; the contract suite holds both to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.accounts.model import LimitNode
from gateway.ports import Admission


@dataclass(frozen=True, slots=True)
class Taken:
    """An admission with the TATs to store; `tats` is empty when refused, so that nothing is taken."""

    admission: Admission
    tats: Mapping[str, float]


def interval_and_tolerance(node: LimitNode) -> tuple[float, float]:
    """Seconds between citizens, and how far ahead the TAT may lie. `node` has a rate."""
    rate = node.limits.rate
    assert rate
    burst = node.limits.burst if node.limits.burst is not None else rate
    return 1 / rate, burst / rate


def take(nodes: Sequence[LimitNode], cost: int, *, tats: Mapping[str, float], now: float) -> Taken:
    """Take `cost` from every node or from none; `nodes` all have a rate, `tats` holds what is stored.

    A refusal names the node with the longest wait, so that waiting that long satisfies all. A cost beyond a node's
    burst counts as its burst: it waits for a full bucket and then passes.
    """
    after: dict[str, float] = {}
    refused_by, retry_after, remaining = None, 0.0, None
    for node in nodes:
        interval, tolerance = interval_and_tolerance(node)
        tat = max(tats.get(node.name, 0.0), now) + cost * interval
        wait = tat - now - max(tolerance, cost * interval)
        if wait > 1e-9:
            if wait > retry_after:
                refused_by, retry_after = node, wait
            continue
        after[node.name] = tat
        left = max(0, int((tolerance - (tat - now)) / interval + 1e-6))
        remaining = left if remaining is None else min(remaining, left)
    if refused_by is not None:
        return Taken(Admission(refused_by, retry_after, 0), {})
    return Taken(Admission(None, 0.0, remaining), after)
