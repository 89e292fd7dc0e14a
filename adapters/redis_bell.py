"""Tells all workers through Redis that the accounts moved on. Losing it costs a second, never a revocation."""

from __future__ import annotations

from redis.exceptions import ResponseError

from adapters.redis_lane import RedisLane, RedisUnavailableError

_KEY = "dancu:directory"


class RedisBell:
    """The newest version of the directory that anybody has seen, in one key."""

    def __init__(self, lane: RedisLane) -> None:
        """Shares the worker's lane: a poll joins commands that travel anyway."""
        self._lane = lane

    async def ring(self, lineage: str, version: int) -> None:
        """Tell that this version exists. Raises nothing: who does not hear it polls the database."""
        try:
            await self._lane.execute("SET", _KEY, f"{lineage}:{version}")
        except (RedisUnavailableError, ResponseError):
            return

    async def heard(self) -> tuple[str, int] | None:
        """The last version told; None where none was, or Redis is gone."""
        try:
            told = await self._lane.execute("GET", _KEY)
        except (RedisUnavailableError, ResponseError):
            return None
        lineage, _, version = (told or b"").decode().partition(":")
        return (lineage, int(version)) if version.isdigit() else None
