"""Everything that is asked of Redis, asked of a real cluster by the same code."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.clock import SystemClock
from adapters.miss_counts import RedisMissBudget
from adapters.redis_bell import RedisBell
from adapters.redis_claims import RedisFetchClaims
from adapters.redis_lane import RedisLane, RedisUnavailableError
from adapters.redis_limiter import RedisLimiter
from gateway.accounts.model import LimitNode, Limits
from gateway.audit.tokens import Tokens
from gateway.citizens.changes import Change
from gateway.citizens.numbers import personal
from gateway.model import CitizenRecord
from tests.fakes.caches import NAMES, CachingWorker, invalidations
from tests.fakes.limiters import RememberedQuotas
from tests.fakes.national_db import AN
from tests.fakes.valkey_cluster import RunningCluster, running_cluster

NUMBERS = [personal(f"09709000{one:04}") for one in range(60)]


@pytest.fixture
async def cluster() -> AsyncIterator[RunningCluster]:
    async with running_cluster() as running:
        yield running


@pytest.fixture
async def lane(cluster: RunningCluster) -> AsyncIterator[RedisLane]:
    made = RedisLane.connect(cluster.url, timeout_seconds=0.5, is_cluster=True)
    yield made
    await made.close()


async def test_copies_fences_changes_limits_and_claims_work_on_a_cluster(
    cluster: RunningCluster, lane: RedisLane
) -> None:
    """One code path in every shape: what passes on one server must not fail on many."""
    clock = SystemClock()
    leader, worker = invalidations(lane, clock), CachingWorker(lane, clock)
    assert await leader.lead()
    await leader.start_over("c0")
    await worker.hear()
    now = time.time() - 1
    records = [CitizenRecord(number, AN, 1, now, now) for number in NUMBERS]
    await asyncio.gather(*(worker.l2.put(record, ticket=0) for record in records))
    copies = await asyncio.gather(*(worker.cache.get(number, not_before=0) for number in NUMBERS))
    assert [copy is not None and copy.version for copy in copies] == [1] * len(NUMBERS)
    kept = [int(str(await cluster.ask(node, "DBSIZE"))) for node in range(3)]
    assert min(kept) > 5, kept
    await leader.apply([Change(number, 2, False, now) for number in NUMBERS[:30]], after="c0", cursor="c1")
    await worker.hear()
    await asyncio.gather(*(worker.cache.put(record, ticket=worker.cache.ticket()) for record in records[:30]))
    copies = await asyncio.gather(*(worker.cache.get(number, not_before=0) for number in NUMBERS))
    assert [copy is not None for copy in copies] == [False] * 30 + [True] * 30
    await worker.cache.put(replace(records[0], version=2), ticket=worker.cache.ticket())
    assert await worker.l2.get(NUMBERS[0], not_before=0) is not None

    claims = [RedisFetchClaims(lane, tokens=Tokens(NAMES)) for _ in range(2)]
    assert [await one.take(NUMBERS[0]) for one in claims] == [True, False]
    await claims[0].release(NUMBERS[0])
    assert await claims[1].take(NUMBERS[0])

    bell = RedisBell(lane)
    await bell.ring("lineage", 3)
    assert await bell.heard() == ("lineage", 3)

    limiter = RedisLimiter(lane, clock=clock, quotas=RememberedQuotas(), workers=1)
    nodes = [
        LimitNode("organisation:01", "01", Limits(rate=1, burst=50)),
        LimitNode("account:01/a", "01", Limits(rate=1, burst=20)),
    ]
    answers = await asyncio.gather(*(limiter.admit(nodes, 1) for _ in range(40)))
    assert 20 <= sum(answer.refused_by is None for answer in answers) <= 21
    await limiter.close()
    budget = [LimitNode("account:01/a", "01", Limits(misses_per_hour=1))]
    misses = RedisMissBudget(lane, clock=clock, workers=1)
    await misses.debit(budget, 2)
    assert misses.blocked(budget) is not None


async def test_a_node_that_hangs_takes_the_lane_down_until_it_answers_again(
    cluster: RunningCluster, lane: RedisLane
) -> None:
    """A third of all keys that time out one by one would slow every call; degraded is told and cheap."""
    await lane.execute("SET", "{a}", "1")
    cluster.signal(2, signal.SIGSTOP)
    outcomes = await asyncio.gather(
        *(lane.execute("SET", f"{{k{one}}}", "1") for one in range(40)), return_exceptions=True
    )
    assert any(isinstance(outcome, RedisUnavailableError) for outcome in outcomes)
    started = time.monotonic()
    for one in range(40):
        with pytest.raises(RedisUnavailableError):
            await lane.execute("GET", f"{{k{one}}}")
    assert time.monotonic() - started < 0.3
    cluster.signal(2, signal.SIGCONT)
    for _ in range(400):
        if lane.is_up:
            break
        await asyncio.sleep(0.025)
    assert await lane.execute("SET", "{a}", "2") is True
    assert await lane.execute("GET", "{a}") == b"2"
