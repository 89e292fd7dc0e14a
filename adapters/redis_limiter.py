"""Limits counted in Redis for all workers and machines: GCRA over all nodes of a call in one script."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from redis.exceptions import ResponseError

from adapters.redis_lane import RedisLane, RedisUnavailableError, Script
from gateway.accounts.gcra import interval_and_tolerance
from gateway.accounts.model import LimitNode
from gateway.ports import Admission, Limiter

# gateway.accounts.gcra.take, by Redis's own clock, in whole microseconds. KEYS: one per node. ARGV: cost, then interval
# and tolerance of each. Answers {refusing node or 0, wait in µs, remaining}.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local cost = tonumber(ARGV[1])
local tats, refused, wait, remaining = {}, 0, 0, -1
for i, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local tat = math.max(tonumber(redis.call('GET', key) or 0), now) + cost * interval
  local ahead = tat - now - math.max(tolerance, cost * interval)
  if ahead > 0 then
    if ahead > wait then refused, wait = i, ahead end
  else
    tats[i] = tat
    local left = math.max(0, math.floor((tolerance - (tat - now)) / interval))
    if remaining < 0 or left < remaining then remaining = left end
  end
end
if refused > 0 then return {refused, math.ceil(wait), 0} end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.0f', tats[i]), 'PX', math.ceil((tats[i] - now) / 1000) + 1000)
end
return {0, 0, remaining}
"""


class RedisLimiter:
    """`gateway.ports.Limiter` on Redis; where it is gone, `fallback` counts."""

    def __init__(self, lane: RedisLane, *, fallback: Limiter, share: Callable[[LimitNode], LimitNode]) -> None:
        """`share`: a node's limits as this worker alone may use them, while the workers cannot count together."""
        self._script = Script(lane, _TAKE)
        self._fallback = fallback
        self._share = share

    async def admit(self, nodes: Sequence[LimitNode], cost: int) -> Admission:
        """Take `cost` from every node, or from none."""
        arguments: list[int] = [cost]
        for node in nodes:
            interval, tolerance = interval_and_tolerance(node)
            # Rounded against the caller: an interval cut to whole microseconds would let more through than allowed.
            arguments += [-int(-interval * 1e6 // 1), int(tolerance * 1e6)]
        try:
            refused, wait_micros, remaining = await self._script.run([key_of(node) for node in nodes], *arguments)
        except (RedisUnavailableError, ResponseError):
            return await self._fallback.admit([self._share(node) for node in nodes], cost)
        if refused:
            return Admission(nodes[refused - 1], wait_micros / 1e6, 0)
        return Admission(None, 0.0, remaining)


def key_of(node: LimitNode) -> str:
    """The node's key; the hash tag keeps an organisation's nodes in one slot of a Redis Cluster."""
    return f"dancu:limit:{{{node.organisation}}}:{node.name}"
