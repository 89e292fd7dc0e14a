"""The contract of `IdentityCache`, on the memory and on the real Redis implementation alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from adapters.memory_cache import MemoryIdentityCache
from adapters.redis_cache import RedisIdentityCache
from adapters.redis_lane import RedisLane
from gateway.audit.tokens import Tokens
from gateway.citizens.numbers import personal
from gateway.model import CitizenRecord, Secret, VersionedSecret
from gateway.ports import IdentityCache
from tests.fakes.clock import FakeClock
from tests.fakes.national_db import AN, BINH, NOBODY
from tests.fakes.valkey import RunningValkey, running_valkey

NOW = 1_790_000_000.0
RECORD = CitizenRecord(personal(AN.personal_number), AN, 3, NOW - 5, NOW - 4)
ABSENT = CitizenRecord(personal(NOBODY), None, 0, NOW, NOW)


def redis_cache(lane: RedisLane, *, seal: bytes = b"s" * 32, version: int = 1) -> RedisIdentityCache:
    return RedisIdentityCache(
        lane,
        tokens=Tokens(VersionedSecret(1, Secret(b"n" * 32))),
        key=VersionedSecret(version, Secret(seal)),
        ttl_seconds=3600,
        negative_ttl_seconds=60,
    )


@asynccontextmanager
async def memory() -> AsyncIterator[IdentityCache]:
    yield MemoryIdentityCache(clock=FakeClock(NOW), entries=10, ttl_seconds=3600, negative_ttl_seconds=60)


@asynccontextmanager
async def redis() -> AsyncIterator[IdentityCache]:
    async with running_valkey() as server:
        lane = RedisLane.connect(server.url, timeout_seconds=2)
        yield redis_cache(lane)
        await lane.close()


@pytest.fixture(params=[memory, redis], ids=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[IdentityCache]:
    async with request.param() as made:
        yield made


async def test_a_kept_record_comes_back_whole(cache: IdentityCache) -> None:
    """Provenance must be true: version and both times are part of a copy."""
    assert await cache.get(RECORD.number, not_before=0) is None
    await cache.put(RECORD)
    assert await cache.get(RECORD.number, not_before=0) == RECORD


async def test_that_nobody_holds_a_number_is_kept_too(cache: IdentityCache) -> None:
    """Misses cost the national database as much as hits."""
    await cache.put(ABSENT)
    assert await cache.get(ABSENT.number, not_before=0) == ABSENT


async def test_an_older_version_never_replaces_a_newer_one(cache: IdentityCache) -> None:
    """A late write must not bring an old address back."""
    await cache.put(RECORD)
    await cache.put(replace(RECORD, version=2, data_as_of=NOW))
    kept = await cache.get(RECORD.number, not_before=0)
    assert kept is not None
    assert kept.version == 3


async def test_another_number_is_never_answered(cache: IdentityCache) -> None:
    """P3: never another person's data."""
    await cache.put(RECORD)
    assert await cache.get(personal(BINH.personal_number), not_before=0) is None


async def test_memory_is_bounded_and_forgets_what_was_used_least() -> None:
    """A worker's memory is flat after any number of citizens."""
    cache = MemoryIdentityCache(clock=FakeClock(NOW), entries=2, ttl_seconds=3600, negative_ttl_seconds=60)
    records = [replace(RECORD, number=personal(f"09709000000{i}")) for i in range(3)]
    await cache.put(records[0])
    await cache.put(records[1])
    await cache.get(records[0].number, not_before=0)
    await cache.put(records[2])
    held = [await cache.get(record.number, not_before=0) is not None for record in records]
    assert held == [True, False, True]


async def test_memory_forgets_after_the_time_to_live_and_misses_sooner() -> None:
    """Newborns must not stay unknown for a day."""
    clock = FakeClock(NOW)
    cache = MemoryIdentityCache(clock=clock, entries=10, ttl_seconds=3600, negative_ttl_seconds=60)
    await cache.put(RECORD)
    await cache.put(ABSENT)
    clock.advance(61)
    assert await cache.get(ABSENT.number, not_before=0) is None
    assert await cache.get(RECORD.number, not_before=0) is not None
    clock.advance(3600)
    assert await cache.get(RECORD.number, not_before=0) is None


@pytest.fixture
async def server() -> AsyncIterator[RunningValkey]:
    async with running_valkey() as running:
        yield running


async def test_redis_sees_neither_numbers_nor_names(server: RunningValkey) -> None:
    """P8: whoever reads Redis learns nobody's data."""
    lane = RedisLane.connect(server.url, timeout_seconds=2)
    await redis_cache(lane).put(RECORD)
    keys = await lane.execute("KEYS", "*")
    value = await lane.execute("GET", keys[0])
    for secret in (AN.personal_number, AN.full_name, AN.legacy_number, "Hà Nội"):
        assert secret.encode() not in keys[0] + value
    assert 3_500_000 < await lane.execute("PTTL", keys[0]) <= 3_600_000
    await lane.close()


async def test_a_copy_moved_to_another_citizens_key_is_not_answered(server: RunningValkey) -> None:
    """P3 against a foreign hand in Redis: the number inside is compared, and the seal is bound to the key."""
    lane = RedisLane.connect(server.url, timeout_seconds=2)
    cache = redis_cache(lane)
    await cache.put(RECORD)
    await cache.put(replace(RECORD, number=personal(BINH.personal_number), citizen=BINH))
    mine, other = sorted(await lane.execute("KEYS", "*"))
    await lane.execute("SET", mine, await lane.execute("GET", other))
    answers = [await cache.get(personal(one.personal_number), not_before=0) for one in (AN, BINH)]
    assert sum(answer is not None for answer in answers) == 1
    for asked, answer in zip((AN, BINH), answers, strict=True):
        assert answer is None or answer.citizen == asked
    await lane.close()


@pytest.mark.parametrize("position", [0, 8, 15, 21, -1])
async def test_a_flipped_bit_makes_a_copy_unreadable(server: RunningValkey, position: int) -> None:
    """Version, key version, nonce and body are all authenticated."""
    lane = RedisLane.connect(server.url, timeout_seconds=2)
    cache = redis_cache(lane)
    await cache.put(RECORD)
    (key,) = await lane.execute("KEYS", "*")
    value = bytearray(await lane.execute("GET", key))
    value[position] ^= 1
    await lane.execute("SET", key, bytes(value))
    assert await cache.get(RECORD.number, not_before=0) is None
    await lane.close()


async def test_copies_of_another_seal_are_no_copies(server: RunningValkey) -> None:
    """After a rotation the old copies are fetched anew."""
    lane = RedisLane.connect(server.url, timeout_seconds=2)
    await redis_cache(lane).put(RECORD)
    assert await redis_cache(lane, seal=b"x" * 32).get(RECORD.number, not_before=0) is None
    assert await redis_cache(lane, seal=b"x" * 32, version=2).get(RECORD.number, not_before=0) is None
    await lane.close()


async def test_losing_redis_costs_time_and_raises_nothing(server: RunningValkey) -> None:
    """§12: without Redis the cache is the worker's own."""
    lane = RedisLane.connect(server.url, timeout_seconds=0.3)
    cache = redis_cache(lane)
    server.kill()
    await cache.put(RECORD)
    assert await cache.get(RECORD.number, not_before=0) is None
    await lane.close()
