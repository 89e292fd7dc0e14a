"""Limits counted in this process alone: exact for one worker, and what remains when Redis is gone."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.accounts.gcra import take
from gateway.accounts.model import LimitNode
from gateway.ports import Admission, Clock

_SWEEP_ABOVE = 10_000


class MemoryLimiter:
    """`gateway.ports.Limiter` in a dictionary."""

    def __init__(self, *, clock: Clock) -> None:
        """`clock`: its monotonic scale counts."""
        self._clock = clock
        self._tats: dict[str, float] = {}

    async def admit(self, nodes: Sequence[LimitNode], cost: int) -> Admission:
        """Take `cost` from every node, or from none."""
        now = self._clock.monotonic()
        taken = take(nodes, cost, tats=self._tats, now=now)
        self._tats.update(taken.tats)
        if len(self._tats) > _SWEEP_ABOVE:  # nodes at rest need no memory
            self._tats = {name: tat for name, tat in self._tats.items() if tat > now}
        return taken.admission
