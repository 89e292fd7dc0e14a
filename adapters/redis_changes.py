"""How changes travel from the one who follows them to every worker, through Redis.

    dancu:{changes}:leader   who follows; ends by itself some seconds after the last sign of life
    dancu:{changes}:state    epoch, cursor, last entry of the log, versions of the key that names copies
    dancu:{changes}:log      a stream; an entry is a sealed page of changes

The three move together in scripts, and none but the first has a time to live, so that none is evicted alone. A worker
asks some thirty times a second, joining commands that travel anyway: the same on one server and on a cluster, with the
time-outs of everything else, and nothing is missed while it is away. What it saw last must still be in the log: if not,
or in another epoch, it drops all it has.

    page = per change: number (12 digits) ‖ version (8) ‖ withdrawn (1)

This file owns the layout and the leader's side; `adapters.redis_change_listener` is the other.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from redis.exceptions import ResponseError

from adapters.redis_cache import RedisCopies
from adapters.redis_lane import RedisLane, RedisUnavailableError, Script
from adapters.seals import Seals
from gateway.audit.tokens import Tokens
from gateway.citizens.changes import Change
from gateway.citizens.numbers import personal
from gateway.citizens.ports import InvalidationUnavailableError, NotLeadingError

LEADER = b"dancu:{changes}:leader"
STATE = b"dancu:{changes}:state"
LOG = b"dancu:{changes}:log"
LEASE_SECONDS = 8.0
_LOG_ENTRIES = 256
_CHANGE = struct.Struct(">12sQB")

# KEYS: leader, state. ARGV: who, lease in ms. Answers whether leading, epoch, cursor.
_LEAD = """
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then return {0} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local state = redis.call('HMGET', KEYS[2], 'epoch', 'cursor', 'names')
return {1, state[1], state[2], state[3]}
"""

# KEYS: leader, state, log. ARGV: who, lease in ms, cursor before, cursor after, entries kept, page (may be empty).
_APPLY = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[2], 'cursor') ~= ARGV[3] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], 'cursor', ARGV[4])
if ARGV[6] ~= '' then
  local id = redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[5], '*', 'page', ARGV[6])
  redis.call('HSET', KEYS[2], 'last', id)
end
return 1
"""

# KEYS: leader, state, log. ARGV: who, lease in ms, epoch, cursor, names.
_START_OVER = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local id = redis.call('XADD', KEYS[3], 'MAXLEN', 1, '*', 'page', '')
redis.call('HSET', KEYS[2], 'epoch', ARGV[3], 'cursor', ARGV[4], 'last', id, 'names', ARGV[5])
return 1
"""


class RedisInvalidations:
    """`gateway.citizens.ports.Invalidations` over Redis."""

    def __init__(
        self,
        lane: RedisLane,
        *,
        who: str,
        names: Sequence[Tokens],
        seals: Seals,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        """`who` follows: unique among those that run, and kept through a restart, so that a lead is taken up at once.

        `names`: one for each version of the key that names copies.
        """
        self._lane = lane
        self._copies = RedisCopies(lane, tokens=list(names))
        self._names = ",".join(str(tokens.version) for tokens in names)
        self._seals = seals
        self._new_epoch = new_epoch
        self._who = who
        self._epoch: str | None = None
        self._cursor: str | None = None
        self._lead = Script(lane, _LEAD)
        self._apply = Script(lane, _APPLY)
        self._start_over = Script(lane, _START_OVER)

    async def lead(self) -> bool:
        """Become the leader or stay it."""
        leading, *state = await self._run(self._lead, (LEADER, STATE), self._who, _LEASE_MS)
        if not leading:
            return False
        epoch, cursor, names = (None if value is None else value.decode() for value in state)
        # Copies under a name that earlier followers did not know of were never taken away.
        is_known = epoch is not None and names == self._names
        self._epoch, self._cursor = (epoch, cursor) if is_known else (None, None)
        return True

    async def cursor(self) -> str | None:
        """How far changes took effect, as of the last `lead`."""
        return self._cursor

    async def apply(self, changes: Sequence[Change], *, after: str, cursor: str) -> None:
        """Fence and remove the shared copies, then tell the workers and move the cursor in one step."""
        if self._epoch is None:
            raise NotLeadingError
        epoch = self._epoch
        await self._gather(self._copies.change(change, epoch=epoch) for change in changes)
        page = self._seals.seal(to_page(changes), purpose=LOG) if changes else b""
        keys = (LEADER, STATE, LOG)
        if not await self._run(self._apply, keys, self._who, _LEASE_MS, after, cursor, _LOG_ENTRIES, page):
            raise NotLeadingError

    async def start_over(self, cursor: str) -> None:
        """A new epoch: nobody looks at earlier copies any more, and they end by their time to live."""
        epoch = self._new_epoch()
        arguments = (self._who, _LEASE_MS, epoch, cursor, self._names)
        if not await self._run(self._start_over, (LEADER, STATE, LOG), *arguments):
            raise NotLeadingError
        self._epoch = epoch

    async def resign(self) -> None:
        """Let another one lead at once; says nothing where Redis is gone."""
        try:
            await self._lane.execute("EVAL", _RESIGN, 1, LEADER, self._who)
        except (RedisUnavailableError, ResponseError):
            return

    async def _run(self, script: Script, keys: Sequence[bytes], *arguments: Any) -> Any:
        try:
            return await script.run(keys, *arguments)
        except (RedisUnavailableError, ResponseError) as error:
            raise InvalidationUnavailableError(type(error).__name__) from error

    async def _gather(self, changes: Iterable[Any]) -> None:
        # All of them, whatever happens to one: no half-done work goes on behind a failed call.
        for outcome in await asyncio.gather(*changes, return_exceptions=True):
            if isinstance(outcome, RedisUnavailableError | ResponseError):
                raise InvalidationUnavailableError(type(outcome).__name__) from outcome
            if isinstance(outcome, BaseException):
                raise outcome


def to_page(changes: Sequence[Change]) -> bytes:
    """Changes as an entry of the log carries them."""
    return b"".join(_CHANGE.pack(one.number.digits.encode(), one.version, one.withdrawn) for one in changes)


def from_page(page: bytes) -> Iterator[Change]:
    """Back again. Raises `struct.error` and `UnicodeDecodeError` for what is no page."""
    for digits, version, withdrawn in _CHANGE.iter_unpack(page):
        yield Change(personal(digits.decode()), version, bool(withdrawn), 0.0)


_LEASE_MS = int(LEASE_SECONDS * 1000)

# KEYS: leader. ARGV: who.
_RESIGN = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"
