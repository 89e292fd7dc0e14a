"""Which worker is asking the national database for a citizen just now: a marker in Redis that ends by itself."""

from __future__ import annotations

import secrets

from redis.exceptions import ResponseError

from adapters.redis_lane import RedisLane, RedisUnavailableError, Script
from gateway.audit.tokens import Tokens
from gateway.model import CitizenNumber

CLAIM_SECONDS = 1.0
"""A worker that dies holds others up for no longer than their own patience, which is less."""

# KEYS: marker. ARGV: who.
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


class RedisFetchClaims:
    """`gateway.citizens.ports.FetchClaims` on Redis."""

    def __init__(self, lane: RedisLane, *, tokens: Tokens) -> None:
        """`tokens` name the markers."""
        self._lane = lane
        self._tokens = tokens
        self._who = secrets.token_hex(8)
        self._release = Script(lane, _RELEASE)

    async def take(self, number: CitizenNumber) -> bool:
        """Whether the marker is ours now; True as well where Redis is gone."""
        try:
            taken = await self._lane.execute("SET", self._key(number), self._who, "NX", "PX", int(CLAIM_SECONDS * 1000))
        except (RedisUnavailableError, ResponseError):
            return True
        return taken is not None

    async def release(self, number: CitizenNumber) -> None:
        """Remove our marker, and no other's."""
        try:
            await self._release.run([self._key(number)], self._who)
        except (RedisUnavailableError, ResponseError):
            return

    def _key(self, number: CitizenNumber) -> str:
        return f"dancu:fetching:{{{self._tokens.of(number).hex()}}}"
