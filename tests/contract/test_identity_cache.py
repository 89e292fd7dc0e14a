"""The contract of `IdentityCache`, on the memory, the real Redis and the layered implementation alike."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from adapters.layered_cache import LayeredIdentityCache
from adapters.redis_cache import FIRST_EPOCH, RedisCopies
from adapters.redis_lane import RedisLane
from gateway.audit.tokens import Tokens
from gateway.citizens.changes import Change
from gateway.citizens.numbers import legacy, personal
from gateway.model import CitizenRecord
from gateway.ports import IdentityCache
from tests.fakes.caches import NAMES, redis_cache
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import Observed, memory_cache
from tests.fakes.national_db import AN, BINH, NOBODY
from tests.fakes.valkey import running_valkey

# The server keeps time of its own: copies must be of its past.
NOW = float(int(time.time()))
RECORD = CitizenRecord(personal(AN.personal_number), AN, 3, NOW - 5, NOW - 4)
ABSENT = CitizenRecord(personal(NOBODY), None, 0, NOW - 5, NOW - 4)


@dataclass
class Kept:
    """A cache, and how it is told of a change."""

    cache: IdentityCache
    change: Callable[[Change], Awaitable[None]]
    clock: FakeClock

    async def put(self, record: CitizenRecord, *, ticket: int | None = None) -> None:
        await self.cache.put(record, ticket=self.cache.ticket() if ticket is None else ticket)

    async def version_of(self, number: str) -> int | None:
        record = await self.cache.get(personal(number), not_before=0)
        return None if record is None else record.version


@asynccontextmanager
async def memory() -> AsyncIterator[Kept]:
    clock = FakeClock(NOW)
    cache = memory_cache(clock)

    async def change(one: Change) -> None:
        cache.change(one)

    yield Kept(cache, change, clock)


@asynccontextmanager
async def redis() -> AsyncIterator[Kept]:
    async with running_valkey() as server:
        lane, clock = RedisLane.connect(server.url, timeout_seconds=2), FakeClock(NOW)
        copies = RedisCopies(lane, tokens=[Tokens(NAMES)])

        async def change(one: Change) -> None:
            await copies.change(one, epoch=FIRST_EPOCH)

        yield Kept(redis_cache(lane, clock), change, clock)
        await lane.close()


@asynccontextmanager
async def layered() -> AsyncIterator[Kept]:
    async with running_valkey() as server:
        lane, clock = RedisLane.connect(server.url, timeout_seconds=2), FakeClock(NOW)
        copies = RedisCopies(lane, tokens=[Tokens(NAMES)])
        l1 = memory_cache(clock)

        async def change(one: Change) -> None:
            await copies.change(one, epoch=FIRST_EPOCH)
            l1.change(one)

        cache = LayeredIdentityCache(l1=l1, l2=redis_cache(lane, clock), observer=Observed())
        yield Kept(cache, change, clock)
        await lane.close()


@pytest.fixture(params=[memory, redis, layered], ids=["memory", "redis", "layered"])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    async with request.param() as made:
        yield made


def changed(citizen: str, version: int, *, withdrawn: bool = False) -> Change:
    return Change(personal(citizen), version, withdrawn, NOW)


async def test_a_kept_record_comes_back_whole(kept: Kept) -> None:
    """Provenance must be true: version and both times are part of a copy."""
    assert await kept.cache.get(RECORD.number, not_before=0) is None
    await kept.put(RECORD)
    assert await kept.cache.get(RECORD.number, not_before=0) == RECORD


async def test_that_nobody_holds_a_number_is_kept_too(kept: Kept) -> None:
    """Misses cost the national database as much as hits."""
    await kept.put(ABSENT)
    assert await kept.cache.get(ABSENT.number, not_before=0) == ABSENT


async def test_an_older_version_never_replaces_a_newer_one(kept: Kept) -> None:
    """A late write must not bring an old address back, even with a younger time."""
    await kept.put(RECORD)
    await kept.put(replace(RECORD, version=2, data_as_of=NOW))
    assert await kept.version_of(AN.personal_number) == 3
    await kept.put(replace(RECORD, version=257))
    assert await kept.version_of(AN.personal_number) == 257


async def test_of_one_version_the_copy_vouched_for_later_stays(kept: Kept) -> None:
    """A late write must not make a copy look older, nor one older than it is."""
    await kept.put(RECORD)
    for as_of, expected in ((NOW - 9, NOW - 5), (NOW - 1, NOW - 1)):
        await kept.put(replace(RECORD, data_as_of=as_of))
        copy = await kept.cache.get(RECORD.number, not_before=0)
        assert copy is not None
        assert copy.data_as_of == expected


async def test_nobody_and_somebody_follow_each_other_by_the_time_of_asking(kept: Kept) -> None:
    """That nobody holds a number has no version: births and withdrawals without a word of the feed still show."""
    await kept.put(replace(RECORD, data_as_of=NOW - 4))
    await kept.put(CitizenRecord(RECORD.number, None, 0, NOW - 6, NOW))
    assert await kept.version_of(AN.personal_number) == 3
    await kept.put(CitizenRecord(RECORD.number, None, 0, NOW - 3, NOW))
    assert await kept.version_of(AN.personal_number) == 0
    await kept.put(replace(RECORD, data_as_of=NOW - 2))
    assert await kept.version_of(AN.personal_number) == 3


async def test_another_number_is_never_answered(kept: Kept) -> None:
    """P3: never another person's data."""
    await kept.put(RECORD)
    assert await kept.cache.get(personal(BINH.personal_number), not_before=0) is None


async def test_a_change_takes_older_copies_away_and_leaves_newer_ones(kept: Kept) -> None:
    """From the moment it is known, nothing older is answered; what is new already need not be fetched again."""
    await kept.put(RECORD)
    await kept.change(changed(AN.personal_number, 3))
    assert await kept.version_of(AN.personal_number) == 3
    await kept.change(changed(AN.personal_number, 4))
    assert await kept.version_of(AN.personal_number) is None


async def test_a_late_write_never_brings_back_what_a_change_took_away(kept: Kept) -> None:
    """The fence: a question sent before the change may be answered after it."""
    ticket = kept.cache.ticket()
    await kept.change(changed(AN.personal_number, 4))
    await kept.put(RECORD, ticket=ticket)
    assert await kept.version_of(AN.personal_number) is None
    await kept.put(replace(RECORD, version=4), ticket=ticket)
    assert await kept.version_of(AN.personal_number) == 4


async def test_changes_told_again_or_out_of_order_never_lower_the_fence(kept: Kept) -> None:
    """At least once means sometimes twice, and two leaders may overlap for a moment."""
    await kept.change(changed(AN.personal_number, 5))
    await kept.change(changed(AN.personal_number, 4))
    await kept.put(replace(RECORD, version=4))
    assert await kept.version_of(AN.personal_number) is None


async def test_a_birth_takes_nobody_away_and_keeps_it_out(kept: Kept) -> None:
    """Newborns must not stay unknown for the life of a negative copy."""
    await kept.put(ABSENT)
    await kept.change(changed(NOBODY, 1))
    assert await kept.version_of(NOBODY) is None
    await kept.put(ABSENT)
    assert await kept.version_of(NOBODY) is None


async def test_a_withdrawn_record_stays_away_and_nobody_may_be_kept(kept: Kept) -> None:
    """A tombstone: the number is nobody's from now on."""
    await kept.put(RECORD)
    await kept.change(changed(AN.personal_number, 4, withdrawn=True))
    assert await kept.version_of(AN.personal_number) is None
    for late in (RECORD, replace(RECORD, version=4)):
        await kept.put(late)
        assert await kept.version_of(AN.personal_number) is None
    await kept.put(CitizenRecord(RECORD.number, None, 0, NOW - 1, NOW))
    assert await kept.version_of(AN.personal_number) == 0


async def test_a_copy_from_the_future_does_not_stand_in_the_way(kept: Kept) -> None:
    """A clock that was wrong once must not keep right answers out until it is right."""
    await kept.put(replace(RECORD, data_as_of=NOW + 3600))
    await kept.put(RECORD)
    copy = await kept.cache.get(RECORD.number, not_before=0)
    assert copy is not None
    assert copy.data_as_of == NOW - 5


@pytest.mark.parametrize("make", [layered], ids=["layered"])
async def test_a_legacy_numbers_copy_goes_with_its_holders(make: Callable[[], object]) -> None:
    """Changes name personal numbers only; an old address must not live on under the older number."""
    async with make() as kept:  # type: ignore[attr-defined]
        by_legacy = replace(RECORD, number=legacy(AN.legacy_number))
        await kept.put(by_legacy)
        assert await kept.cache.get(by_legacy.number, not_before=0) == by_legacy
        assert await kept.version_of(AN.personal_number) == 3
        await kept.change(changed(AN.personal_number, 4))
        assert await kept.cache.get(by_legacy.number, not_before=0) is None
        await kept.put(replace(RECORD, version=4))
        assert await kept.cache.get(by_legacy.number, not_before=0) is None
