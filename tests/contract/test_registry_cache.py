"""The contract of `gateway.registries.ports.RegistryCache`, on the cache of a worker's memory."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.memory_registry_cache import MemoryRegistryCache
from gateway.citizens.numbers import personal
from gateway.registries.model import EnterpriseCode, RegistryRecord, RegistrySubject
from tests.fakes.clock import FakeClock
from tests.fakes.registries import AN_INSURANCE, AN_LICENCES

AN = personal(AN_INSURANCE.personal_number)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cache(clock: FakeClock) -> MemoryRegistryCache:
    return MemoryRegistryCache(clock=clock, entries=3)


def record(
    clock: FakeClock,
    *,
    registry: str = "social_insurance",
    subject: RegistrySubject = AN,
    version: int = 1,
    held: bool = True,
) -> RegistryRecord:
    now = clock.now()
    return RegistryRecord(registry, subject, AN_INSURANCE if held else None, version if held else 0, now, now)


async def test_a_copy_is_found_under_its_registry_and_subject_alone(
    cache: MemoryRegistryCache, clock: FakeClock
) -> None:
    """Never another registry's record, never another person's."""
    kept = record(clock)
    await cache.put(kept, lifetime=HOUR)
    assert await cache.get("social_insurance", AN) is kept
    assert await cache.get("civil_status", AN) is None
    assert await cache.get("social_insurance", personal("097190000009")) is None
    assert await cache.get("social_insurance", EnterpriseCode(AN.digits)) is None


async def test_a_copy_lives_as_long_as_it_was_given_from_the_moment_of_asking(
    cache: MemoryRegistryCache, clock: FakeClock
) -> None:
    """Time spent on the way counts."""
    kept = record(clock)
    clock.advance(60)
    await cache.put(kept, lifetime=timedelta(seconds=100))
    clock.advance(40)
    assert await cache.get("social_insurance", AN) is kept
    clock.advance(1)
    assert await cache.get("social_insurance", AN) is None


async def test_a_later_state_is_never_replaced_by_an_earlier_one(cache: MemoryRegistryCache, clock: FakeClock) -> None:
    """A slow answer must not bring a revoked licence back."""
    old, new = record(clock, version=1), record(clock, version=2)
    await cache.put(new, lifetime=HOUR)
    await cache.put(old, lifetime=HOUR)
    assert await cache.get("social_insurance", AN) is new
    clock.advance(1)
    gone = record(clock, held=False)
    await cache.put(gone, lifetime=HOUR)
    assert await cache.get("social_insurance", AN) is gone
    await cache.put(new, lifetime=HOUR)
    assert await cache.get("social_insurance", AN) is gone


async def test_the_least_recently_used_go_first(cache: MemoryRegistryCache, clock: FakeClock) -> None:
    """Memory is bounded, whatever is asked."""
    people = [personal(f"09719000000{digit}") for digit in range(4)]
    for person in people[:3]:
        await cache.put(record(clock, subject=person), lifetime=HOUR)
    await cache.get("social_insurance", people[0])
    await cache.put(record(clock, subject=people[3]), lifetime=HOUR)
    assert [await cache.get("social_insurance", person) is not None for person in people] == [True, False, True, True]


def test_nothing_of_a_citizen_shows_itself(clock: FakeClock) -> None:
    """Records end in tracebacks."""
    told = repr(RegistryRecord("driving_licences", AN, AN_LICENCES, 1, 0, 0)) + repr(record(clock))
    assert AN.digits not in told
    assert AN_INSURANCE.full_name not in told
