"""A worker's own copies: bounded in bytes whatever was asked for, oldest use first to go, never beyond their time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adapters import memory_cache as own
from adapters.memory_cache import cost_of
from gateway.citizens.changes import Change
from gateway.citizens.numbers import legacy, personal
from gateway.model import CitizenRecord
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import memory_cache
from tests.fakes.national_db import AN, NOBODY

NOW = 1_790_000_000.0
RECORD = CitizenRecord(personal(AN.personal_number), AN, 3, NOW - 5, NOW - 4)
ABSENT = CitizenRecord(personal(NOBODY), None, 0, NOW, NOW)
ROOT = Path(__file__).parents[2]


def somebody(index: int) -> CitizenRecord:
    return replace(RECORD, number=personal(f"097{index:09}"))


def test_any_number_of_citizens_fits_in_the_same_memory() -> None:
    """§14: the memory of a worker is flat."""
    cache = memory_cache(FakeClock(NOW), max_bytes=100 * cost_of(RECORD))
    for index in range(20_000):
        cache.keep(somebody(index), ticket=cache.ticket())
        assert cache.bytes_held <= 100 * cost_of(RECORD)
    assert sum(cache.held(somebody(index).number) is not None for index in range(20_000)) == 100
    for index in range(19_900, 20_000):
        cache.change(Change(somebody(index).number, 9, False, NOW))
    assert cache.bytes_held == 0


def test_what_was_used_least_goes_first() -> None:
    """Hot citizens stay."""
    cache = memory_cache(FakeClock(NOW), max_bytes=2 * cost_of(RECORD))
    for index in (0, 1):
        cache.keep(somebody(index), ticket=0)
    assert cache.near(somebody(0).number, now=NOW, not_before=0) is not None
    cache.keep(somebody(2), ticket=0)
    assert [cache.held(somebody(index).number) is not None for index in range(3)] == [True, False, True]


def test_a_record_larger_than_all_the_memory_is_not_kept() -> None:
    """And `l1_megabytes = 0` means none."""
    cache = memory_cache(FakeClock(NOW), max_bytes=10)
    cache.keep(RECORD, ticket=0)
    assert cache.held(RECORD.number) is None
    assert cache.bytes_held == 0


def test_copies_end_after_their_time_to_live_and_misses_sooner() -> None:
    """Newborns must not stay unknown for a day."""
    clock = FakeClock(NOW)
    cache = memory_cache(clock)
    cache.keep(RECORD, ticket=0)
    cache.keep(ABSENT, ticket=0)
    clock.advance(61)
    assert cache.held(ABSENT.number) is None
    assert cache.held(RECORD.number) is not None
    clock.advance(3600)
    assert cache.held(RECORD.number) is None
    assert cache.bytes_held == 0


def test_only_a_copy_that_is_young_enough_is_near() -> None:
    """`near` is asked instead of waiting, so it answers only what may be answered."""
    cache = memory_cache(FakeClock(NOW))
    cache.keep(RECORD, ticket=0)
    assert cache.near(RECORD.number, now=NOW, not_before=NOW - 6) == RECORD
    assert cache.near(RECORD.number, now=NOW, not_before=NOW - 4) is None


def test_a_fence_outlives_the_longest_question_and_ends() -> None:
    """Too short lets an old record in; for ever would be a leak."""
    clock = FakeClock(NOW)
    cache = memory_cache(clock)
    cache.change(Change(RECORD.number, 4, False, NOW))
    clock.advance(119)
    assert not cache.keep(RECORD, ticket=cache.ticket())
    clock.advance(2)
    assert cache.keep(RECORD, ticket=cache.ticket())
    assert cache.held(RECORD.number) == RECORD


def test_a_mass_change_drops_everything_instead_of_growing_fences(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reform that touches every address must not fill the memory with fences."""
    monkeypatch.setattr(own, "MAX_FENCES", 100)
    cache = memory_cache(FakeClock(NOW))
    ticket = cache.ticket()
    for index in range(101):
        cache.change(Change(somebody(index).number, 4, False, NOW))
    assert not cache.keep(somebody(0), ticket=ticket)
    assert not cache.is_contended(somebody(50).number)


def test_a_question_knows_whether_its_record_changed_since() -> None:
    """Who comes after a change must not be given the answer of a question sent before it."""
    cache = memory_cache(FakeClock(NOW))
    before = cache.ticket()
    cache.change(Change(RECORD.number, 4, False, NOW))
    after = cache.ticket()
    assert cache.changed_since(RECORD.number, before)
    assert not cache.changed_since(RECORD.number, after)
    assert not cache.changed_since(somebody(7).number, before)
    # Whose legacy number it is, changes do not say.
    assert cache.changed_since(legacy(AN.legacy_number), before)
    cache.drop()
    assert cache.changed_since(somebody(7).number, after)


_FILL = """
import gc, sys, time
from adapters.memory_cache import MemoryIdentityCache
from adapters.clock import SystemClock
from adapters.national_db_wire import citizen_from_wire
from gateway.citizens.numbers import personal
from gateway.model import CitizenRecord
from mock_national_db import Nation, wire

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

nation = Nation(population=10_000, seed=1)
wires = [wire.citizen(nation.person(index)) for index in range(500)]
cache = MemoryIdentityCache(clock=SystemClock(), max_bytes=24 << 20, ttl_seconds=3600, negative_ttl_seconds=60)

def fill(first, count):
    now = time.time()
    for index in range(first, first + count):
        record = CitizenRecord(personal(f"097{index:09}"), citizen_from_wire(wires[index % 500]), 1, now, now)
        cache.keep(record, ticket=0)
    gc.collect()
    return resident()

empty = fill(0, 100)
full = fill(100, 8_000)
later = fill(8_100, 16_000)
print(full - empty, later - empty, cache.bytes_held)
"""


def test_the_estimate_of_a_copy_is_that_of_a_real_process() -> None:
    """A bound on an estimate is worth what the estimate is worth."""
    done = subprocess.run(
        [sys.executable, "-c", _FILL],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}", "PYTHONMALLOC": "pymalloc"},
    )
    full, later, held = map(int, done.stdout.split())
    assert 0.6 * held < full < 1.3 * held
    assert later < 1.15 * full + (2 << 20)
