"""Builds what keeps copies of citizens: a worker's two layers with its ear for changes, and the control's follower."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from adapters.change_feed_http import HttpChangeFeed
from adapters.clock import SystemClock
from adapters.layered_cache import LayeredIdentityCache
from adapters.memory_cache import MemoryIdentityCache
from adapters.redis_cache import RedisIdentityCache
from adapters.redis_change_listener import ChangeListener
from adapters.redis_changes import RedisInvalidations
from adapters.redis_lane import RedisLane
from adapters.redis_time import RedisTime
from adapters.seals import Seals
from adapters.secret_files import CACHE_NAME, CACHE_SEAL, key_ring
from gateway.audit.tokens import Tokens
from gateway.citizens.follow_changes import DEPENDENCY, FollowChanges
from gateway.citizens.ports import FollowerObserver
from gateway.model import Secret
from gateway.ports import CallObserver, Clock
from gateway.settings import Settings

FOLLOWER_TIMEOUT_SECONDS = 2.0


def cache_tokens(settings: Settings) -> Tokens:
    """What names copies in Redis: the current key."""
    return Tokens(key_ring(settings.data_dir, CACHE_NAME).current())


def open_cache(
    stack: AsyncExitStack, settings: Settings, *, lane: RedisLane, clock: Clock, observer: CallObserver
) -> LayeredIdentityCache:
    """A worker's cache, on the running loop; `stack` takes it apart and must then still hold the lane open."""
    lifetimes = {
        "ttl_seconds": settings.cache.ttl_seconds,
        "negative_ttl_seconds": settings.cache.negative_ttl_seconds,
    }
    seals = Seals(key_ring(settings.data_dir, CACHE_SEAL), monotonic=clock.monotonic)
    tokens, time = cache_tokens(settings), RedisTime()
    l1 = MemoryIdentityCache(clock=clock, max_bytes=settings.cache.l1_megabytes << 20, **lifetimes)
    l2 = RedisIdentityCache(lane, tokens=tokens, seals=seals, clock=clock, time=time, **lifetimes)
    if not settings.national_db.change_feed:
        return LayeredIdentityCache(l1=l1, l2=l2, observer=observer)
    listener = ChangeListener(
        lane,
        seals=seals,
        l1=l1,
        l2=l2,
        names_version=tokens.version,
        time=time,
        clock=clock,
        on_state=lambda hears: observer.degraded(DEPENDENCY, is_degraded=not hears),
    )
    # Until the first word of the follower no shared copy is known to be in step.
    l2.epoch = None
    following = asyncio.create_task(listener.follow())
    stack.push_async_callback(_ended, following)
    return LayeredIdentityCache(
        l1=l1, l2=l2, observer=observer, unheard_seconds=settings.cache.unheard_seconds, hears=listener.hears
    )


@asynccontextmanager
async def following_changes(settings: Settings, *, token: Secret, observer: FollowerObserver) -> AsyncIterator[None]:
    """Follow the national database's changes for the block, if there is something to follow and somebody to tell."""
    if not (settings.redis.url and settings.national_db.url and settings.national_db.change_feed):
        yield
        return
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        lane = RedisLane.connect(
            settings.redis.url,
            is_cluster=settings.redis.cluster,
            # No caller waits here, and a page of a thousand changes may take longer than an answer may.
            timeout_seconds=max(settings.redis.timeout_seconds, FOLLOWER_TIMEOUT_SECONDS),
        )
        stack.push_async_callback(lane.close)
        invalidations = RedisInvalidations(
            lane,
            # One control process runs on a machine (`hold_machine`), and machines differ in name.
            who=settings.node,
            names=[Tokens(key) for key in key_ring(settings.data_dir, CACHE_NAME).versions()],
            seals=Seals(key_ring(settings.data_dir, CACHE_SEAL), monotonic=clock.monotonic),
        )
        stack.push_async_callback(invalidations.resign)
        feed = HttpChangeFeed.open(base_url=settings.national_db.url, token=token)
        stack.push_async_callback(feed.close)
        follower = FollowChanges(feed=feed, invalidations=invalidations, clock=clock, observer=observer)
        following = asyncio.create_task(follower.run())
        stack.push_async_callback(_ended, following)
        yield


async def _ended(following: asyncio.Task[None]) -> None:
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
