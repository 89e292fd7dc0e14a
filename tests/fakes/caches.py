"""Caches as the composition root builds them, on a Valkey of the test's own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from adapters.layered_cache import LayeredIdentityCache
from adapters.redis_cache import RedisIdentityCache
from adapters.redis_change_listener import ChangeListener
from adapters.redis_changes import RedisInvalidations
from adapters.redis_lane import RedisLane
from adapters.redis_time import RedisTime
from adapters.seals import Seals
from adapters.secret_files import SecretMissingError
from gateway.audit.tokens import Tokens
from gateway.model import CitizenRecord, Secret, VersionedSecret
from gateway.ports import Clock
from tests.fakes.gateway import Observed, memory_cache

NAMES = VersionedSecret(1, Secret(b"n" * 32))


@dataclass
class KeysInMemory:
    """A key ring that a test adds to."""

    keys: list[VersionedSecret]
    is_readable: bool = True

    def versions(self) -> list[VersionedSecret]:
        if not self.is_readable:
            raise SecretMissingError("not readable now")
        return list(self.keys)


def seal_key(version: int = 1, key: bytes = b"s" * 32) -> VersionedSecret:
    return VersionedSecret(version, Secret(key))


def seals(clock: Clock, *keys: VersionedSecret) -> Seals:
    return Seals(KeysInMemory(list(keys or (seal_key(),))), monotonic=clock.monotonic)


def redis_cache(
    lane: RedisLane, clock: Clock, *keys: VersionedSecret, time: RedisTime | None = None
) -> RedisIdentityCache:
    return RedisIdentityCache(
        lane,
        tokens=Tokens(NAMES),
        seals=seals(clock, *keys),
        clock=clock,
        time=time or RedisTime(),
        ttl_seconds=3600,
        negative_ttl_seconds=60,
    )


def invalidations(lane: RedisLane, clock: Clock, *names: VersionedSecret, who: str = "machine-1") -> RedisInvalidations:
    return RedisInvalidations(lane, who=who, names=[Tokens(key) for key in names or (NAMES,)], seals=seals(clock))


class SlowToKeep(LayeredIdentityCache):
    """A cache whose far layer is slow."""

    def __init__(self, cache: LayeredIdentityCache) -> None:
        self.__dict__.update(cache.__dict__)
        self.may_keep, self.kept = asyncio.Event(), asyncio.Event()

    async def put(self, record: CitizenRecord, *, ticket: int) -> None:
        await self.may_keep.wait()
        await super().put(record, ticket=ticket)
        self.kept.set()


class CachingWorker:
    """What a worker has: both layers, and the ear that a test makes listen with `hear`."""

    def __init__(self, lane: RedisLane, clock: Clock, *, names: VersionedSecret = NAMES) -> None:
        self.observed = Observed()
        self.states: list[bool] = []
        self.time = RedisTime()
        self.l1 = memory_cache(clock)
        self.l2 = redis_cache(lane, clock, time=self.time)
        self.l2.epoch = None
        self.listener = ChangeListener(
            lane,
            seals=seals(clock),
            l1=self.l1,
            l2=self.l2,
            names_version=names.version,
            time=self.time,
            clock=clock,
            on_state=self.states.append,
        )
        self.cache = LayeredIdentityCache(
            l1=self.l1, l2=self.l2, observer=self.observed, unheard_seconds=900, hears=self.listener.hears
        )

    async def hear(self) -> None:
        """Everything there is to hear now."""
        while await self.listener.poll():
            pass
