"""Limits counted in this process alone: exact for one worker, and what remains when Redis is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.accounts.gcra import Counted, interval_and_tolerance, take
from gateway.accounts.model import LimitNode
from gateway.accounts.quota import day_of, seconds_to_midnight
from gateway.accounts.shares import share_of_rest
from gateway.ports import Admission, Clock, QuotaSource, QuotaUnknownError

_SWEEP_ABOVE = 10_000


class MemoryLimiter:
    """`gateway.ports.Limiter` in a dictionary, for one of `workers` that share the limits evenly."""

    def __init__(self, *, clock: Clock, quotas: QuotaSource | None = None, workers: int = 1) -> None:
        """`quotas` tells where the count of a day begins; None: at nothing."""
        self._clock = clock
        self._quotas = quotas
        self._workers = workers
        self._counts: dict[str, Counted] = {}
        self._allowances: dict[tuple[str, int], int] = {}
        self._sweep_above = _SWEEP_ABOVE
        self._day = day_of(clock.now())
        self._empty_at: float | None = None

    def start_empty(self) -> None:
        """Forget everything and begin with empty buckets: what others have taken of them is not known here."""
        self._counts.clear()
        self._allowances.clear()
        self._empty_at = self._clock.monotonic()

    def ahead_of(self, node: LimitNode) -> float:
        """How far ahead of now the node's TAT lies, in seconds; the emptier the bucket, the farther."""
        if node.limits.rate is None:
            return 0.0
        return max(0.0, self._count_of(node).tat - self._clock.monotonic())

    async def admit(self, nodes: Sequence[LimitNode], cost: int) -> Admission:
        """Take `cost` from every node, or from none."""
        today = day_of(self._clock.now())
        if today != self._day:
            self._begin(today)
        for node in nodes:
            daily = node.limits.daily
            if daily is not None and (node.name, daily) not in self._allowances:
                allowance = share_of_rest(daily, await self._used(node, today), self._workers)
                self._allowances.setdefault((node.name, daily), allowance)
        now = self._clock.monotonic()
        taken = take(
            [self._mine(node) for node in nodes],
            cost,
            counts={node.name: self._count_of(node) for node in nodes},
            now=now,
            seconds_to_midnight=seconds_to_midnight(self._clock.now()),
            workers=self._workers,
        )
        self._counts.update(taken.counts)
        if len(self._counts) > self._sweep_above:  # nodes at rest need no memory
            self._counts = {name: count for name, count in self._counts.items() if count.tat > now or count.used}
            self._sweep_above = max(_SWEEP_ABOVE, 2 * len(self._counts))
        if taken.refused_by is None:
            return Admission(None, 0.0, taken.left)
        refused_by = next(node for node in nodes if node.name == taken.refused_by.name)
        return Admission(refused_by, taken.retry_after_seconds, 0, taken.reason)

    def _begin(self, day: int) -> None:
        self._day = day
        self._allowances.clear()
        self._counts = {name: Counted(count.tat) for name, count in self._counts.items()}

    async def _used(self, node: LimitNode, day: int) -> int:
        try:
            return 0 if self._quotas is None else await self._quotas.used_on(node, day)
        except QuotaUnknownError:
            return 0

    def _mine(self, node: LimitNode) -> LimitNode:
        if node.limits.daily is None:
            return node
        return replace(node, limits=replace(node.limits, daily=self._allowances[node.name, node.limits.daily]))

    def _count_of(self, node: LimitNode) -> Counted:
        count = self._counts.get(node.name)
        if count is not None:
            return count
        if self._empty_at is None or node.limits.rate is None:
            return Counted()
        # Empty also where the burst is smaller than one citizen of this share.
        return Counted(self._empty_at + max(interval_and_tolerance(node.limits, workers=self._workers)))
