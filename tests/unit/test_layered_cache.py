"""Two layers as one: which copy wins, and what a change does to one that is on its way from layer to layer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from adapters.layered_cache import LayeredIdentityCache
from adapters.memory_cache import MemoryIdentityCache
from gateway.citizens.changes import Change
from gateway.citizens.numbers import legacy, personal
from gateway.model import CitizenNumber, CitizenRecord
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import Observed, memory_cache
from tests.fakes.national_db import AN

NOW = 1_790_000_000.0
RECORD = CitizenRecord(personal(AN.personal_number), AN, 3, NOW - 50, NOW - 49)
YOUNGER = replace(RECORD, data_as_of=NOW - 5)


class FarCache(MemoryIdentityCache):
    """A far layer whose answers are on their way until the test lets them arrive."""

    def __init__(self) -> None:
        super().__init__(clock=FakeClock(NOW), max_bytes=1_000_000, ttl_seconds=3600, negative_ttl_seconds=60)
        self.arrives = asyncio.Event()
        self.arrives.set()

    async def get(self, number: CitizenNumber, *, not_before: float) -> CitizenRecord | None:
        copy = await super().get(number, not_before=not_before)
        await self.arrives.wait()
        return copy


class Setup:
    def __init__(self) -> None:
        self.l1, self.l2, self.observed = memory_cache(FakeClock(NOW)), FarCache(), Observed()
        self.cache = LayeredIdentityCache(l1=self.l1, l2=self.l2, observer=self.observed)

    async def get(self, *, not_before: float = 0.0) -> CitizenRecord | None:
        return await self.cache.get(RECORD.number, not_before=not_before)


async def test_a_far_copy_fills_the_near_layer() -> None:
    """The second question costs no journey."""
    setup = Setup()
    setup.l2.keep(RECORD, ticket=0)
    assert await setup.get() == RECORD
    assert setup.cache.near(RECORD.number, now=NOW, not_before=0) == RECORD
    assert setup.observed.cache == [("l1", "miss"), ("l2", "hit"), ("l1", "hit")]


async def test_of_a_near_and_a_far_copy_the_later_state_is_answered() -> None:
    """A near copy that is too old must not hide a far one, nor a far one that is older still a near one."""
    setup = Setup()
    setup.l1.keep(RECORD, ticket=0)
    setup.l2.keep(YOUNGER, ticket=0)
    assert await setup.get(not_before=NOW - 10) == YOUNGER
    setup = Setup()
    setup.l1.keep(YOUNGER, ticket=0)
    setup.l2.keep(RECORD, ticket=0)
    assert await setup.get(not_before=NOW) == YOUNGER
    setup = Setup()
    setup.l1.keep(RECORD, ticket=0)
    setup.l2.keep(replace(RECORD, version=4, data_as_of=NOW - 60), ticket=0)
    answer = await setup.get(not_before=NOW)
    assert answer is not None
    assert answer.version == 4


@pytest.mark.parametrize("loss", ["change", "drop"])
async def test_a_copy_on_its_way_when_a_change_is_heard_is_neither_answered_nor_kept(loss: str) -> None:
    """P3: Redis was asked before the change took the copy away, and answers after it."""
    setup = Setup()
    setup.l2.keep(RECORD, ticket=0)
    setup.l2.arrives.clear()
    asking = asyncio.create_task(setup.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if loss == "change":
        setup.l1.change(Change(RECORD.number, 4, withdrawn=False, changed_at=NOW))
    else:
        setup.l1.drop()
    setup.l2.arrives.set()
    assert await asking is None
    assert setup.l1.held(RECORD.number) is None


async def test_without_near_memory_the_far_layer_serves() -> None:
    """`l1_megabytes = 0` is a way to run."""
    far, observed = FarCache(), Observed()
    far.keep(RECORD, ticket=0)
    near = memory_cache(FakeClock(NOW), max_bytes=0)
    cache = LayeredIdentityCache(l1=near, l2=far, observer=observed)
    assert await cache.get(RECORD.number, not_before=0) == RECORD


async def test_a_legacy_number_is_never_answered_from_the_near_layer_unseen() -> None:
    """Its copy counts only together with its holder's."""
    setup = Setup()
    number = legacy(AN.legacy_number)
    await setup.cache.put(replace(RECORD, number=number), ticket=0)
    assert setup.cache.near(number, now=NOW, not_before=0) is None
    assert setup.cache.near(RECORD.number, now=NOW, not_before=0) == RECORD
