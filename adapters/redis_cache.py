"""Copies of records in Redis, shared by all workers, readable to none but us.

The key is a keyed hash of the number; the value is sealed under a key that Redis never sees, bound to its key, with
the number inside, which is compared on every read. Losing Redis costs time, never correctness.

    copy   = version (8 bytes, big-endian) ‖ data as of (8, µs of Redis's clock) ‖ sealed(body)
    body   = number length (1) ‖ number ‖ held (1) ‖ fetched at (8, µs of Redis's clock) ‖ serialised Citizen
    fence  = version (8) ‖ withdrawn (1)

Version and time stand outside the cipher, and under its authentication, so that a script can tell which copy is the
later one without knowing any. Copies live in an epoch: to take all away, go on to another one. A fence stands beside
the copy for a while after a change and keeps older copies from coming in late.
"""

from __future__ import annotations

import math
import struct

import structlog
from google.protobuf.message import DecodeError
from redis.exceptions import ResponseError

from adapters.redis_lane import RedisLane, RedisUnavailableError, Script
from adapters.redis_time import RedisTime
from adapters.seals import BrokenSealError, Seals
from dancu.citizen.v1 import citizen_pb2
from gateway.audit.tokens import Tokens
from gateway.citizens.changes import Change
from gateway.citizens.freshness import CLOCK_TOLERANCE_SECONDS
from gateway.model import CitizenNumber, CitizenRecord
from gateway.ports import Clock

FIRST_EPOCH = "0"
"""The epoch where nobody follows changes."""
FENCE_SECONDS = 600.0
"""Longer than any question to the national database, with whatever is done before and after it."""

_HEAD = struct.Struct(">QQ")
_TIMES = struct.Struct(">BQ")
_FENCE = struct.Struct(">QB")

# gateway.citizens.changes in Lua. Numbers are unpacked: Lua compares strings as the server's locale does.
_RULES = """
local function may_keep(version, changed_to, withdrawn)
  if version == 0 then return withdrawn == 1 end
  if withdrawn == 1 then return version > changed_to end
  return version >= changed_to
end
"""

# KEYS: copy, fence. ARGV: copy, lifetime in ms, tolerance in µs.
_PUT = f"""{_RULES}
local version, as_of = struct.unpack('>I8I8', ARGV[1])
local fence = redis.call('GET', KEYS[2])
if fence then
  local changed_to, withdrawn = struct.unpack('>I8B', fence)
  if not may_keep(version, changed_to, withdrawn) then return 0 end
end
local held = redis.call('GETRANGE', KEYS[1], 0, 15)
if #held == 16 then
  local held_version, held_as_of = struct.unpack('>I8I8', held)
  local clock = redis.call('TIME')
  if held_as_of <= clock[1] * 1000000 + clock[2] + ARGV[3] then
    if version ~= 0 and held_version ~= 0 and version ~= held_version then
      if version < held_version then return 0 end
    elseif as_of < held_as_of then return 0 end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# KEYS: copy, fence. ARGV: fence, its lifetime in ms.
_CHANGE = f"""{_RULES}
local changed_to, withdrawn = struct.unpack('>I8B', ARGV[1])
local fence = redis.call('GET', KEYS[2])
local known, known_withdrawn = 0, 0
if fence then known, known_withdrawn = struct.unpack('>I8B', fence) end
if known < changed_to or (known == changed_to and known_withdrawn <= withdrawn) then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
end
local held = redis.call('GETRANGE', KEYS[1], 0, 7)
if #held == 8 and not may_keep(struct.unpack('>I8', held), changed_to, withdrawn) then redis.call('DEL', KEYS[1]) end
return 1
"""


class RedisIdentityCache:
    """`gateway.ports.IdentityCache` on Redis."""

    vouched_seconds = math.inf

    def __init__(
        self,
        lane: RedisLane,
        *,
        tokens: Tokens,
        seals: Seals,
        clock: Clock,
        time: RedisTime,
        ttl_seconds: float,
        negative_ttl_seconds: float,
    ) -> None:
        """`tokens` name the copies, `seals` seal them, `time` is that of the same Redis."""
        self.epoch: str | None = FIRST_EPOCH
        """Which copies count; None for none."""
        self._lane = lane
        self._tokens = tokens
        self._seals = seals
        self._clock = clock
        self._time = time
        self._ttl_seconds = ttl_seconds
        self._negative_ttl_seconds = negative_ttl_seconds
        self._put = Script(lane, _PUT)
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.cache")

    def near(self, number: CitizenNumber, *, now: float, not_before: float) -> None:
        """Nothing here is near."""

    async def get(self, number: CitizenNumber, *, not_before: float) -> CitizenRecord | None:  # noqa: ARG002
        """The copy, of any age within its time to live; None as well for what cannot be opened."""
        if self.epoch is None:
            return None
        key = copy_key(self.epoch, self._tokens, number)
        try:
            value = await self._lane.execute("GET", key)
        except (RedisUnavailableError, ResponseError):
            return None
        if value is None:
            return None
        try:
            return self._open(key, value, number)
        except (BrokenSealError, struct.error, DecodeError, ValueError) as error:
            # A key that is gone, a clock that is wrong, or a foreign hand in Redis: treated as no copy, and told.
            self._log.warning("cache_entry_unreadable", error=type(error).__name__, cause=str(error))
            return None

    def ticket(self) -> int:
        """Redis itself knows what changed."""
        return 0

    def changed_since(self, number: CitizenNumber, ticket: int) -> bool:  # noqa: ARG002
        """Not known here."""
        return False

    def is_contended(self, number: CitizenNumber) -> bool:  # noqa: ARG002
        """Not known here."""
        return False

    async def put(self, record: CitizenRecord, *, ticket: int) -> None:  # noqa: ARG002
        """Keep a copy, unless a later state is held or a change speaks against it."""
        ttl = self._negative_ttl_seconds if record.citizen is None else self._ttl_seconds
        if ttl <= 0 or self.epoch is None:
            return
        key = copy_key(self.epoch, self._tokens, record.number)
        keys = (key, fence_key(self._tokens, record.number))
        try:
            await self._put.run(keys, self._seal(key, record), int(ttl * 1000), int(CLOCK_TOLERANCE_SECONDS * 1e6))
        except (RedisUnavailableError, ResponseError) as error:
            self._log.debug("cache_put_failed", error=type(error).__name__)

    def _seal(self, key: bytes, record: CitizenRecord) -> bytes:
        digits = record.number.digits.encode()
        times = _TIMES.pack(record.citizen is not None, self._to_redis(record.fetched_at))
        citizen = b"" if record.citizen is None else record.citizen.SerializeToString()
        head = _HEAD.pack(record.version, self._to_redis(record.data_as_of))
        return head + self._seals.seal(bytes([len(digits)]) + digits + times + citizen, purpose=head + key)

    def _open(self, key: bytes, value: bytes, number: CitizenNumber) -> CitizenRecord:
        head = value[: _HEAD.size]
        version, as_of = _HEAD.unpack(head)
        body = self._seals.open(value[_HEAD.size :], purpose=head + key)
        end = 1 + body[0]
        if body[1:end] != number.digits.encode():
            raise ValueError("about another number")
        held, fetched = _TIMES.unpack_from(body, end)
        now, data_as_of = self._clock.now(), self._time.from_redis(as_of / 1e6)
        if data_as_of > now + CLOCK_TOLERANCE_SECONDS:
            raise ValueError("from the future")
        citizen = citizen_pb2.Citizen.FromString(body[end + _TIMES.size :]) if held else None
        fetched_at = self._time.from_redis(fetched / 1e6)
        return CitizenRecord(number, citizen, version, min(data_as_of, now), min(fetched_at, now))

    def _to_redis(self, seconds: float) -> int:
        return round(self._time.to_redis(seconds) * 1e6)


class RedisCopies:
    """Takes copies away: the other side of the same keys, for whoever follows the changes."""

    def __init__(self, lane: RedisLane, *, tokens: list[Tokens]) -> None:
        """`tokens`: one for each version of the key that names copies."""
        self._tokens = tokens
        self._change = Script(lane, _CHANGE)

    async def change(self, change: Change, *, epoch: str) -> None:
        """Return once no older copy is there or can come in. Raises as `RedisLane.execute` does."""
        fence = _FENCE.pack(change.version, change.withdrawn)
        for tokens in self._tokens:
            keys = (copy_key(epoch, tokens, change.number), fence_key(tokens, change.number))
            await self._change.run(keys, fence, int(FENCE_SECONDS * 1000))


def copy_key(epoch: str, tokens: Tokens, number: CitizenNumber) -> bytes:
    """Where a copy is kept. In a cluster the braces keep it on the node of its fence."""
    return f"dancu:citizen:{epoch}:{{{tokens.of(number).hex()}}}".encode()


def fence_key(tokens: Tokens, number: CitizenNumber) -> bytes:
    """Where a fence stands."""
    return f"dancu:fence:{{{tokens.of(number).hex()}}}".encode()
