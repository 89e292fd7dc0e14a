"""Budgets of misses, counted in Redis for all workers; what this worker knows of them decides, without asking.

A bucket of `misses_per_hour` that refills evenly. A miss is always charged; who has none left is blocked until one is
back. Where Redis is gone this worker goes on from what it knows, each miss counting for all workers.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis.exceptions import ResponseError

from adapters.redis_lane import RedisLane, RedisUnavailableError, Script
from gateway.accounts.misses import after_misses, interval_of, seconds_blocked
from gateway.accounts.model import LimitNode
from gateway.ports import Clock

_SWEEP_ABOVE = 10_000

# gateway.accounts.misses.after_misses. KEYS: one per node. ARGV: per node misses by interval, floor and ceiling, all in
# µs ahead of now. Answers how far ahead each is.
_DEBIT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer = {}
for i, key in ipairs(KEYS) do
  local charge, floor, ceiling = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local ahead = math.max(tonumber(redis.call('GET', key) or 0) - now, floor, 0)
  ahead = math.min(ahead + charge, ceiling)
  redis.call('SET', key, string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000) + 1000)
  answer[i] = math.ceil(ahead)
end
return answer
"""


class MemoryMissBudget:
    """`gateway.ports.MissBudget` in a dictionary, for one of `workers` that cannot count together."""

    def __init__(self, *, clock: Clock, workers: int = 1) -> None:
        """`clock`: its monotonic scale counts."""
        self._clock = clock
        self._workers = workers
        self._full_at: dict[str, float] = {}

    def blocked(self, nodes: Sequence[LimitNode]) -> tuple[LimitNode, float] | None:
        """The node that must wait longest, and how long; None when none must."""
        if not self._full_at:
            return None
        now, found, longest = self._clock.monotonic(), None, 0.0
        for node in nodes:
            full_at = self._full_at.get(node.name)
            if full_at is not None:
                wait = seconds_blocked(node.limits, ahead_seconds=full_at - now)
                if wait > longest:
                    found, longest = node, wait
        return None if found is None else (found, longest)

    async def debit(self, nodes: Sequence[LimitNode], misses: int) -> None:
        """Count misses on every node."""
        self.charge(nodes, misses * self._workers)

    def charge(self, nodes: Sequence[LimitNode], misses: int) -> None:
        """Count misses on every node, as they are."""
        now = self._clock.monotonic()
        for node in nodes:
            self.learn(node, now + after_misses(node.limits, misses, ahead_seconds=self.ahead_of(node)))

    def ahead_of(self, node: LimitNode) -> float:
        """Seconds until the node's budget is full again."""
        return max(0.0, self._full_at.get(node.name, 0.0) - self._clock.monotonic())

    def learn(self, node: LimitNode, full_at: float) -> None:
        """Note when the node's budget is full again, on the monotonic scale."""
        self._full_at[node.name] = full_at
        if len(self._full_at) > _SWEEP_ABOVE:
            now = self._clock.monotonic()
            self._full_at = {name: at for name, at in self._full_at.items() if at > now}


class RedisMissBudget:
    """`gateway.ports.MissBudget` on Redis."""

    def __init__(self, lane: RedisLane, *, clock: Clock, workers: int) -> None:
        """`workers`: of all machines together."""
        self._script = Script(lane, _DEBIT)
        self._clock = clock
        self._known = MemoryMissBudget(clock=clock)
        self._workers = workers

    def blocked(self, nodes: Sequence[LimitNode]) -> tuple[LimitNode, float] | None:
        """The node that must wait longest, and how long; None when none must."""
        return self._known.blocked(nodes)

    async def debit(self, nodes: Sequence[LimitNode], misses: int) -> None:
        """Count misses on every node."""
        arguments: list[int] = []
        for node in nodes:
            ceiling = after_misses(node.limits, 0, ahead_seconds=float("inf"))
            charge = misses * interval_of(node.limits)
            arguments += [int(1e6 * seconds) for seconds in (charge, self._known.ahead_of(node), ceiling)]
        try:
            aheads = await self._script.run([_key_of(node) for node in nodes], *arguments)
        except (RedisUnavailableError, ResponseError):
            self._known.charge(nodes, misses * self._workers)
            return
        now = self._clock.monotonic()
        for node, ahead in zip(nodes, aheads, strict=True):
            self._known.learn(node, now + ahead / 1e6)


def _key_of(node: LimitNode) -> str:
    return f"dancu:miss:{{{node.organisation}}}:{node.name}"
