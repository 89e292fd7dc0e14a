"""What one of several workers may use of a limit while they cannot count together. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from gateway.accounts.model import LimitNode


def share_among(workers: int) -> Callable[[LimitNode], LimitNode]:
    """A node's limits divided by the number of workers, rounded down but never to nothing.

    The sum over workers then stays at or under the limit, but where a limit is smaller than the number of workers.
    """

    @lru_cache(maxsize=4096)
    def share(node: LimitNode) -> LimitNode:
        limits = node.limits
        return replace(
            node,
            limits=replace(
                limits,
                rate=_part(limits.rate, workers),
                burst=_part(limits.burst, workers),
                daily=_part(limits.daily, workers),
            ),
        )

    return share


def _part(limit: int | None, workers: int) -> int | None:
    return None if limit is None else max(1, limit // workers)
