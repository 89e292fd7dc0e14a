"""Many workers that lose the same copy at once: one asks the national database, the others wait a moment for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from adapters.clock import SystemClock
from adapters.redis_claims import RedisFetchClaims
from adapters.redis_lane import RedisLane
from gateway.audit.tokens import Tokens
from gateway.citizens.changes import Change
from gateway.citizens.numbers import personal
from gateway.citizens.ports import EveryWorkerAsks, FetchClaims
from gateway.citizens.records import PATIENCE_SECONDS, Found, Records
from gateway.ports import NationalDatabaseUnavailableError
from tests.fakes.caches import NAMES, CachingWorker, invalidations
from tests.fakes.national_db import AN, FakeNationalDatabase
from tests.fakes.valkey import RunningValkey, running_valkey

WORKERS = 8
NUMBER = personal(AN.personal_number)


class Fleet:
    """Workers with lanes of their own, over one national database that takes its time."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.national_db = FakeNationalDatabase(self.clock)
        self.lanes: list[RedisLane] = []
        self.workers: list[CachingWorker] = []
        self.records: list[Records] = []

    async def start(self, server: RunningValkey, stack: AsyncExitStack, *, with_claims: bool) -> None:
        leading = await self._lane(server, stack)
        self.leader = invalidations(leading, self.clock)
        assert await self.leader.lead()
        await self.leader.start_over("c0")
        for _ in range(WORKERS):
            lane = await self._lane(server, stack)
            worker = CachingWorker(lane, self.clock)
            await worker.hear()
            claims: FetchClaims = RedisFetchClaims(lane, tokens=Tokens(NAMES)) if with_claims else EveryWorkerAsks()
            records = Records(
                cache=worker.cache, national_db=self.national_db, clock=self.clock, timeout_seconds=3, claims=claims
            )
            stack.push_async_callback(records.close)
            self.lanes.append(lane)
            self.workers.append(worker)
            self.records.append(records)

    async def _lane(self, server: RunningValkey, stack: AsyncExitStack) -> RedisLane:
        lane = RedisLane.connect(server.url, timeout_seconds=0.5)
        stack.push_async_callback(lane.close)
        return lane

    async def change(self) -> None:
        """The citizen's record changes, and every worker hears of it."""
        self.national_db.version += 1
        version = self.national_db.version
        change = Change(NUMBER, version, withdrawn=False, changed_at=0)
        await self.leader.apply([change], after=f"c{version - 2}", cursor=f"c{version - 1}")
        for worker in self.workers:
            await worker.hear()

    async def everybody_asks(self) -> list[Found]:
        """Twenty-five callers of each worker at once."""
        asking = [
            records.find(NUMBER, staleness=timedelta(days=1), stale_if_error=None, deadline=None)
            for records in self.records
            for _ in range(25)
        ]
        return list(await asyncio.gather(*asking))


@pytest.fixture
async def server() -> AsyncIterator[RunningValkey]:
    async with running_valkey() as running:
        yield running


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def after_a_change(fleet: Fleet, *, takes_seconds: float) -> list[Found]:
    await fleet.everybody_asks()
    await fleet.change()
    fleet.national_db.asked.clear()
    fleet.national_db.gate.clear()
    asyncio.get_running_loop().call_later(takes_seconds, fleet.national_db.gate.set)
    return await fleet.everybody_asks()


async def test_after_a_change_one_worker_asks_for_all(server: RunningValkey, stack: AsyncExitStack) -> None:
    """A citizen in the news: two hundred callers of eight workers, one question."""
    fleet = Fleet()
    await fleet.start(server, stack, with_claims=True)
    found = await after_a_change(fleet, takes_seconds=0.05)
    assert {one.record.version for one in found} == {2}
    assert len(fleet.national_db.asked) == 1


async def test_without_claims_every_worker_asks(server: RunningValkey, stack: AsyncExitStack) -> None:
    """What the claims are for: coalescing in each worker alone leaves as many questions as there are workers."""
    fleet = Fleet()
    await fleet.start(server, stack, with_claims=False)
    await after_a_change(fleet, takes_seconds=0.05)
    assert len(fleet.national_db.asked) == WORKERS


async def test_a_worker_that_dies_with_the_claim_holds_nobody_up_for_long(
    server: RunningValkey, stack: AsyncExitStack
) -> None:
    """Protection must not make things worse: after a quarter of a second the others ask for themselves."""
    fleet = Fleet()
    await fleet.start(server, stack, with_claims=True)
    await fleet.everybody_asks()
    await fleet.change()
    assert await RedisFetchClaims(fleet.lanes[0], tokens=Tokens(NAMES)).take(NUMBER)
    started = time.monotonic()
    found = await fleet.everybody_asks()
    assert {one.record.version for one in found} == {2}
    assert time.monotonic() - started < sum(PATIENCE_SECONDS) + 1.0


async def test_an_answer_that_fails_lets_the_next_worker_ask(server: RunningValkey, stack: AsyncExitStack) -> None:
    """The claim is given back with the failure, not after its time."""
    fleet = Fleet()
    await fleet.start(server, stack, with_claims=True)
    await fleet.everybody_asks()
    await fleet.change()
    fleet.national_db.down = True
    asked = fleet.records[0].find(NUMBER, staleness=timedelta(days=1), stale_if_error=None, deadline=None)
    with pytest.raises(NationalDatabaseUnavailableError):
        await asked
    await fleet.records[0].close()
    assert await RedisFetchClaims(fleet.lanes[1], tokens=Tokens(NAMES)).take(NUMBER)


async def test_cold_citizens_cost_no_claim(server: RunningValkey, stack: AsyncExitStack) -> None:
    """Most misses are of citizens nobody else asks for: they must not pay for the few that many ask for."""
    fleet = Fleet()
    await fleet.start(server, stack, with_claims=True)
    await fleet.records[0].find(NUMBER, staleness=timedelta(days=1), stale_if_error=None, deadline=None)
    assert await fleet.lanes[0].execute("KEYS", "dancu:fetching:*") == []


async def test_without_redis_every_worker_asks_at_once(server: RunningValkey, stack: AsyncExitStack) -> None:
    """§12: what Redis only helps with must not stop without it."""
    fleet = Fleet()
    await fleet.start(server, stack, with_claims=True)
    await fleet.everybody_asks()
    await fleet.change()
    server.kill()
    found = await fleet.everybody_asks()
    assert {one.record.version for one in found} == {2}
