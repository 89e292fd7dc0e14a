"""What only the shared cache promises: nobody reads it, nobody forges it, keys rotate, clocks may differ."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.redis_cache import FIRST_EPOCH, RedisIdentityCache, copy_key
from adapters.redis_lane import RedisLane
from adapters.redis_time import RedisTime
from adapters.seals import BrokenSealError, Seals
from adapters.secret_files import KeyRing
from gateway.audit.tokens import Tokens
from gateway.citizens.numbers import personal
from gateway.model import CitizenRecord
from tests.fakes.caches import NAMES, KeysInMemory, redis_cache, seal_key
from tests.fakes.clock import FakeClock
from tests.fakes.national_db import AN, BINH
from tests.fakes.valkey import RunningValkey, running_valkey

NOW = float(int(time.time()))
RECORD = CitizenRecord(personal(AN.personal_number), AN, 3, NOW - 5, NOW - 4)


@pytest.fixture
async def server() -> AsyncIterator[RunningValkey]:
    async with running_valkey() as running:
        yield running


@pytest.fixture
async def lane(server: RunningValkey) -> AsyncIterator[RedisLane]:
    made = RedisLane.connect(server.url, timeout_seconds=2)
    yield made
    await made.close()


async def held(cache: RedisIdentityCache, number: str = AN.personal_number) -> CitizenRecord | None:
    return await cache.get(personal(number), not_before=0)


async def test_redis_sees_neither_numbers_nor_names(lane: RedisLane) -> None:
    """P8: whoever reads Redis learns nobody's data."""
    await redis_cache(lane, FakeClock(NOW)).put(RECORD, ticket=0)
    keys = await lane.execute("KEYS", "*")
    value = await lane.execute("GET", keys[0])
    for secret in (AN.personal_number, AN.full_name, AN.legacy_number, "Hà Nội"):
        assert secret.encode() not in keys[0] + value
    assert 3_500_000 < await lane.execute("PTTL", keys[0]) <= 3_600_000


async def test_a_copy_moved_to_another_citizens_key_is_not_answered(lane: RedisLane) -> None:
    """P3 against a foreign hand in Redis: the number inside is compared, and the seal is bound to the key."""
    cache = redis_cache(lane, FakeClock(NOW))
    await cache.put(RECORD, ticket=0)
    await cache.put(replace(RECORD, number=personal(BINH.personal_number), citizen=BINH), ticket=0)
    mine, other = sorted(await lane.execute("KEYS", "*"))
    await lane.execute("SET", mine, await lane.execute("GET", other))
    answers = [await held(cache, one.personal_number) for one in (AN, BINH)]
    assert sum(answer is not None for answer in answers) == 1
    for asked, answer in zip((AN, BINH), answers, strict=True):
        assert answer is None or answer.citizen == asked


async def test_a_copy_under_another_number_is_not_answered_even_if_sealed_for_its_place(lane: RedisLane) -> None:
    """P3: should two names ever meet, or a defect of ours mix them, the number inside decides."""
    cache = redis_cache(lane, FakeClock(NOW))
    key = copy_key(FIRST_EPOCH, Tokens(NAMES), personal(BINH.personal_number))
    await lane.execute("SET", key, cache._seal(key, RECORD))
    assert await held(cache, BINH.personal_number) is None
    mine = copy_key(FIRST_EPOCH, Tokens(NAMES), RECORD.number)
    await lane.execute("SET", mine, cache._seal(mine, RECORD))
    assert await held(cache) == RECORD


async def test_a_copy_brought_over_from_an_earlier_epoch_is_not_answered(lane: RedisLane) -> None:
    """Copies given up stay given up: the seal is bound to the place."""
    cache = redis_cache(lane, FakeClock(NOW))
    await cache.put(RECORD, ticket=0)
    (old,) = await lane.execute("KEYS", "dancu:citizen:*")
    cache.epoch = "1"
    await lane.execute("SET", copy_key("1", Tokens(NAMES), RECORD.number), await lane.execute("GET", old))
    assert await held(cache) is None


@pytest.mark.parametrize("position", [0, 8, 17, 20, 31, -1])
async def test_a_flipped_bit_makes_a_copy_unreadable(lane: RedisLane, position: int) -> None:
    """Version, time, key version, nonce and body are all authenticated."""
    cache = redis_cache(lane, FakeClock(NOW))
    await cache.put(RECORD, ticket=0)
    (key,) = await lane.execute("KEYS", "*")
    value = bytearray(await lane.execute("GET", key))
    value[position] ^= 1
    await lane.execute("SET", key, bytes(value))
    assert await held(cache) is None


@pytest.mark.parametrize("value", [b"", b"x", b"\x00" * 16, b"\x00" * 29, b"\x00" * 300])
async def test_garbage_in_place_of_a_copy_is_a_miss_and_told(
    lane: RedisLane, value: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another program's key, or half a write, must not fail a lookup; an operator must hear of it."""
    cache = redis_cache(lane, FakeClock(NOW))
    await cache.put(RECORD, ticket=0)
    (key,) = await lane.execute("KEYS", "*")
    await lane.execute("SET", key, value)
    assert await held(cache) is None
    assert "cache_entry_unreadable" in capsys.readouterr().out
    await cache.put(RECORD, ticket=0)
    assert await held(cache) == RECORD


async def test_keys_rotate_while_copies_stay_readable(lane: RedisLane) -> None:
    """Rotation must not send a whole country's lookups to the national database at once."""
    clock, first, second = FakeClock(NOW), seal_key(1), seal_key(2, b"x" * 32)
    await redis_cache(lane, clock, first).put(RECORD, ticket=0)
    rotated = redis_cache(lane, clock, first, second)
    assert await held(rotated) == RECORD
    await rotated.put(replace(RECORD, version=4), ticket=0)
    assert await held(redis_cache(lane, clock, first)) is None
    newest = await held(redis_cache(lane, clock, second))
    assert newest is not None
    assert newest.version == 4


async def test_copies_of_another_key_of_the_same_version_are_no_copies(lane: RedisLane) -> None:
    """A key that was replaced instead of rotated costs a miss, never a wrong record."""
    await redis_cache(lane, FakeClock(NOW)).put(RECORD, ticket=0)
    assert await held(redis_cache(lane, FakeClock(NOW), seal_key(1, b"x" * 32))) is None


async def test_a_machine_whose_clock_is_wrong_makes_no_copy_look_younger(lane: RedisLane) -> None:
    """Otherwise "never staler than allowed" would end at the next machine's clock."""
    wrong, right = FakeClock(NOW + 500), FakeClock(NOW)
    ahead = RedisTime()
    ahead.read(NOW, sent_at=wrong.now(), trip_seconds=0.0)
    asked_just_now = replace(RECORD, data_as_of=wrong.now(), fetched_at=wrong.now())
    await redis_cache(lane, wrong, time=ahead).put(asked_just_now, ticket=0)
    right.advance(30)
    copy = await held(redis_cache(lane, right))
    assert copy is not None
    assert (copy.data_as_of, copy.fetched_at) == (NOW, NOW)


async def test_a_copy_from_the_future_is_a_miss(lane: RedisLane) -> None:
    """Where no clock can be trusted, how old a copy is cannot be told."""
    await redis_cache(lane, FakeClock(NOW)).put(replace(RECORD, data_as_of=NOW + 2), ticket=0)
    assert await held(redis_cache(lane, FakeClock(NOW))) is None


async def test_losing_redis_costs_time_and_raises_nothing(server: RunningValkey) -> None:
    """§12: without Redis the cache is the worker's own."""
    lane = RedisLane.connect(server.url, timeout_seconds=0.3)
    cache = redis_cache(lane, FakeClock(NOW))
    server.kill()
    await cache.put(RECORD, ticket=0)
    assert await held(cache) is None
    await lane.close()


def test_a_running_process_takes_up_a_rotated_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Rotation is one command while everything runs: readers find the new key at once, writers within a minute."""
    ring, clock = KeyRing(tmp_path_factory.mktemp("ring")), FakeClock(NOW)
    ring.ensure()
    writer = Seals(ring, monotonic=clock.monotonic)
    early = writer.seal(b"early", purpose=b"p")
    ring.rotate()
    assert writer.seal(b"still", purpose=b"p")[:2] == b"\x00\x01"
    clock.advance(61)
    late = writer.seal(b"late", purpose=b"p")
    assert late[:2] == b"\x00\x02"
    reader = Seals(ring, monotonic=clock.monotonic)
    assert [reader.open(sealed, purpose=b"p") for sealed in (early, late)] == [b"early", b"late"]


def test_a_reader_meets_a_key_it_does_not_know_and_looks_for_it() -> None:
    """Machines get a new key one after the other."""
    clock, keys = FakeClock(NOW), KeysInMemory([seal_key(1)])
    reader = Seals(keys, monotonic=clock.monotonic)
    sealed = Seals(KeysInMemory([seal_key(1), seal_key(2, b"x" * 32)]), monotonic=clock.monotonic).seal(
        b"new", purpose=b"p"
    )
    clock.advance(1)
    with pytest.raises(BrokenSealError):
        reader.open(sealed, purpose=b"p")
    keys.keys.append(seal_key(2, b"x" * 32))
    with pytest.raises(BrokenSealError):
        reader.open(sealed, purpose=b"p")
    clock.advance(1)
    assert reader.open(sealed, purpose=b"p") == b"new"
    with pytest.raises(BrokenSealError):
        reader.open(sealed, purpose=b"another")


def test_a_ring_that_cannot_be_read_for_a_moment_changes_nothing() -> None:
    """A file system that hiccups must not empty the cache."""
    clock, keys = FakeClock(NOW), KeysInMemory([seal_key(1)])
    one = Seals(keys, monotonic=clock.monotonic)
    sealed = one.seal(b"kept", purpose=b"p")
    keys.is_readable = False
    clock.advance(100)
    assert one.open(one.seal(b"again", purpose=b"p"), purpose=b"p") == b"again"
    assert one.open(sealed, purpose=b"p") == b"kept"
