"""A worker's ear: hears within a poll what the follower of changes tells, and keeps the worker's copies in step.

Owns when this worker must drop everything: at its first hearing, in another epoch, and where the log no longer holds
what it heard last. Also reads Redis's clock on the way. Copies are never left as they are out of doubt.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import structlog
from redis.exceptions import ResponseError

from adapters.memory_cache import MemoryIdentityCache
from adapters.redis_cache import RedisIdentityCache
from adapters.redis_changes import LEADER, LOG, STATE, from_page
from adapters.redis_lane import RedisLane, RedisUnavailableError, Script
from adapters.redis_time import RedisTime
from adapters.seals import BrokenSealError, Seals
from gateway.ports import Clock

POLL_SECONDS = 0.03
"""Changes are to be heard of within 0.1 s, of which reading the feed and taking shared copies away have their part."""
SILENCE_SECONDS = 10.0
"""After so long without a word from a leader this worker says that it hears nothing."""

# KEYS: leader, state, log. ARGV: the entry heard last, empty at first. The entries begin with that one.
_POLL = """
local state = redis.call('HMGET', KEYS[2], 'epoch', 'names', 'last')
local entries = {}
if state[3] and ARGV[1] ~= '' and state[3] ~= ARGV[1] then
  entries = redis.call('XRANGE', KEYS[3], ARGV[1], '+', 'COUNT', 33)
end
return {state[1], state[2], state[3], redis.call('EXISTS', KEYS[1]), redis.call('TIME'), entries}
"""


class ChangeListener:
    """Polls for the worker it belongs to."""

    def __init__(
        self,
        lane: RedisLane,
        *,
        seals: Seals,
        l1: MemoryIdentityCache,
        l2: RedisIdentityCache,
        names_version: int,
        time: RedisTime,
        clock: Clock,
        on_state: Callable[[bool], None],
    ) -> None:
        """`names_version` of the key under which this worker names copies; `on_state` is told whether it hears."""
        self._seals = seals
        self._l1 = l1
        self._l2 = l2
        self._names_version = str(names_version)
        self._time = time
        self._clock = clock
        self._on_state = on_state
        self._poll = Script(lane, _POLL)
        self._epoch: bytes | None = None
        self._is_new = True
        self._last = b""
        self._heard_at = clock.monotonic()
        self._told: bool | None = None
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.changes")

    def hears(self) -> bool:
        """Whether changes are heard of, give or take `SILENCE_SECONDS`."""
        return self._clock.monotonic() - self._heard_at < SILENCE_SECONDS

    async def follow(self) -> None:
        """Listen for ever; cancel to stop."""
        while True:
            try:
                while await self.poll():
                    pass
            except (RedisUnavailableError, ResponseError) as error:
                self._log.debug("changes_unheard", error=type(error).__name__)
            except Exception as defect:  # noqa: BLE001  a defect must be told, and heard of again and again
                self._log.error("changes_unheard", error=type(defect).__name__, cause=str(defect))
                await asyncio.sleep(1)
            hears = self.hears()
            if hears is not self._told:
                self._told = hears
                self._on_state(hears)
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> bool:
        """Ask once; whether there is more. Raises as `RedisLane.execute` does."""
        sent_at, started = self._clock.now(), self._clock.monotonic()
        answer = await self._poll.run((LEADER, STATE, LOG), self._last)
        epoch, names, last, is_led, (seconds, micros), entries = answer
        self._time.read(
            int(seconds) + int(micros) / 1e6, sent_at=sent_at, trip_seconds=self._clock.monotonic() - started
        )
        more = self._hear(epoch, names, last or b"", entries)
        if is_led:
            self._heard_at = self._clock.monotonic()
        return more

    def _hear(self, epoch: bytes | None, names: bytes | None, last: bytes, entries: list[Any]) -> bool:
        if self._is_new or epoch != self._epoch:
            self._start(epoch, names, last, why="epoch")
            return False
        if last == self._last:
            return False
        if not entries or entries[0][0] != self._last:
            self._start(epoch, names, last, why="gap")
            return False
        for entry, (_, page) in entries[1:]:
            try:
                for change in from_page(self._seals.open(page, purpose=LOG)):
                    self._l1.change(change)
            except (BrokenSealError, struct.error, UnicodeDecodeError) as error:
                self._log.warning("change_unreadable", error=type(error).__name__, cause=str(error))
                self._l1.drop()
            self._last = entry
        return self._last != last

    def _start(self, epoch: bytes | None, names: bytes | None, last: bytes, *, why: str) -> None:
        """Begin from here with nothing: what was held may be older than a change this worker did not hear of."""
        self._log.info("copies_dropped", why=why)
        self._l1.drop()
        self._is_new, self._epoch, self._last = False, epoch, last
        # Shared copies count only where a follower takes them away, by the names under which this worker keeps them.
        self._l2.epoch = None
        if epoch is not None and names is not None:
            if self._names_version in names.decode().split(","):
                self._l2.epoch = epoch.decode()
            else:
                self._log.error("shared_copies_unused", cause="cache-name differs between this process and control")
