"""Rate and quota counted in Redis for all workers and machines: every node of a call in one script.

Owns the keys, the script and its units. Knows neither leases nor what to do when Redis is gone: it raises what
`adapters.redis_lane` raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.redis_lane import RedisLane, Script
from gateway.accounts.gcra import LARGEST_COST, interval_and_tolerance
from gateway.accounts.leases import LAST_FEW
from gateway.accounts.model import LimitNode
from gateway.errors import Reason

# gateway.accounts.gcra.take, by Redis's own clock, in microseconds; what it adds is said here.
# KEYS: TAT and quota counter of each node. ARGV: workers, time to midnight (µs), largest cost, how many are
# never taken ahead; then per node
#   need       citizens to take or to refuse
#   ahead      citizens to take beyond that, as far as an even share of what is left (gateway.accounts.leases)
#   company    citizens that other calls wait for at this moment, to take as far as there are any
#   interval   of the rate, 0 for none; tolerance
#   floor      how far ahead the TAT is at least, as far as the asking worker knows: a Redis that restarted empty
#              begins where it was, not with a fresh burst
#   daily      the quota, -1 for none
#   owed       citizens taken elsewhere (in an outage) or to be given back (below 0)
#   seed       where the counter of the day begins if there is none, -1 where the asker does not know yet
#   debt       citizens taken while this worker counted alone and others perhaps did no longer, to be waited for
# Answers {0, then taken ahead, how far the TAT is ahead, used today and left of each node}, {node, 1 for the rate or 2
# for the quota, wait} for a refusal, or {-1, nodes whose seed must be told}.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local workers, midnight, largest, few = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local tats, useds, intervals, aheads, answer = {}, {}, {}, {}, {0}
local refused, kind, wait = 0, 0, 0
local unknown = {-1}
for i = 1, #KEYS / 2 do
  local base = 4 + (i - 1) * 10
  local need, ahead, company = tonumber(ARGV[base + 1]), tonumber(ARGV[base + 2]), tonumber(ARGV[base + 3])
  local interval, tolerance = tonumber(ARGV[base + 4]), tonumber(ARGV[base + 5])
  local daily, owed = tonumber(ARGV[base + 7]), tonumber(ARGV[base + 8])
  local left, used, before = math.huge, 0, 0
  if daily >= 0 then
    local stored = redis.call('GET', KEYS[2 * i]) or ARGV[base + 9]
    if stored == '-1' then unknown[#unknown + 1] = i end
    used = math.max(0, tonumber(stored) + owed)
    if need > 0 and used + need > daily and midnight > wait then refused, kind, wait = i, 2, midnight end
    left = math.max(0, daily - used - need)
  end
  if interval > 0 then
    local latest = now + math.max(tolerance, largest * interval)
    before = math.max(tonumber(redis.call('GET', KEYS[2 * i - 1]) or 0), now + tonumber(ARGV[base + 6]))
    before = math.max(math.min(before, latest), now) + math.ceil(tonumber(ARGV[base + 10]) * interval)
    local tat = before + math.ceil(need * interval)
    local longer = tat - now - math.max(tolerance, math.ceil(need * interval))
    if need > 0 and longer > wait then refused, kind, wait = i, 1, longer end
    left = math.min(left, math.max(0, math.floor((tolerance - (tat - now)) / interval)))
  end
  ahead = math.max(math.min(company, left), math.min(ahead, math.floor((left - few) / (workers + 1))))
  local taken = need + ahead
  tats[i] = interval > 0 and before + math.ceil(taken * interval) or 0
  useds[i] = used + taken
  answer[#answer + 1] = ahead
  answer[#answer + 1] = math.max(0, tats[i] - now)
  answer[#answer + 1] = useds[i]
  answer[#answer + 1] = left - ahead
end
if #unknown > 1 then return unknown end
if refused > 0 then return {refused, kind, math.ceil(wait)} end
for i = 1, #KEYS / 2 do
  local base = 4 + (i - 1) * 10
  if tats[i] > now then
    redis.call('SET', KEYS[2 * i - 1], string.format('%.0f', tats[i]), 'PX', math.ceil((tats[i] - now) / 1000) + 1000)
  end
  if tonumber(ARGV[base + 7]) >= 0 then
    redis.call('SET', KEYS[2 * i], string.format('%.0f', useds[i]), 'PX', math.ceil(midnight / 1000) + 3600000)
  end
end
return answer
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of one node. `seed` and `floor_seconds` are what the worker knows of the count."""

    node: LimitNode
    need: int
    ahead: int = 0
    company: int = 0
    floor_seconds: float = 0.0
    owed: int = 0
    debt: int = 0
    seed: int = -1


@dataclass(frozen=True, slots=True)
class Grant:
    """What was taken of one node, and how it stands since."""

    ahead: int
    """Citizens taken beyond the need."""
    tat_ahead_seconds: float
    used: int
    """Citizens of the day, these included; 0 without a quota."""
    left: int
    """Citizens that could be taken at once."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing was taken, because of this node."""

    position: int
    reason: Reason
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing was taken, because no counter of the day exists for these nodes: ask again with a seed."""

    positions: tuple[int, ...]


class LimitCounts:
    """Takes from nodes in Redis."""

    def __init__(self, lane: RedisLane, *, workers: int) -> None:
        """`workers`: how many share the limits; each may take ahead an even part of what is left."""
        self._script = Script(lane, _TAKE)
        self._workers = workers

    async def take(
        self, asks: Sequence[Ask], *, day: int, seconds_to_midnight: float
    ) -> list[Grant] | Refusal | Unknown:
        """Take from every node or from none; all nodes are of one organisation.

        Raises `RedisUnavailableError`: the script may then have run or not, so what was asked counts as not granted.
        Raises `ResponseError` for what Redis refuses.
        """
        keys: list[str] = []
        arguments: list[int | float] = [self._workers, int(seconds_to_midnight * 1e6), LARGEST_COST, LAST_FEW]
        for ask in asks:
            node, limits = ask.node, ask.node.limits
            keys += [key_of(node), quota_key_of(node, day)]
            interval, tolerance = (0.0, 0.0) if limits.rate is None else interval_and_tolerance(limits)
            arguments += [
                *(ask.need, ask.ahead, ask.company, interval * 1e6, int(tolerance * 1e6), int(ask.floor_seconds * 1e6)),
                *(-1 if limits.daily is None else limits.daily, ask.owed, ask.seed, ask.debt),
            ]
        answer = await self._script.run(keys, *arguments)
        if answer[0] < 0:
            return Unknown(tuple(position - 1 for position in answer[1:]))
        if answer[0] > 0:
            reason = Reason.RATE_LIMITED if answer[1] == 1 else Reason.DAILY_QUOTA_EXHAUSTED
            return Refusal(answer[0] - 1, reason, answer[2] / 1e6)
        return [
            Grant(answer[start], answer[start + 1] / 1e6, answer[start + 2], answer[start + 3])
            for start in range(1, len(answer), 4)
        ]


def key_of(node: LimitNode) -> str:
    """The key of a node's TAT; the hash tag keeps an organisation's nodes in one slot of a Redis Cluster."""
    return f"dancu:limit:{{{node.organisation}}}:{node.name}"


def quota_key_of(node: LimitNode, day: int) -> str:
    """The key of a node's counter of a day."""
    return f"dancu:quota:{{{node.organisation}}}:{node.name}:{day}"
