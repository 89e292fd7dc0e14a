"""What the limiter on Redis promises beyond the contract: leases, keys, and every way in which Redis can be lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.limit_counts import Ask, LimitCounts, key_of, quota_key_of
from gateway.accounts.gcra import LARGEST_COST
from gateway.accounts.leases import granted_ahead
from gateway.accounts.model import LimitNode, Limits
from gateway.accounts.quota import day_of, seconds_to_midnight
from gateway.errors import Reason
from gateway.ports import Limiter
from tests.fakes.clock import FakeClock
from tests.fakes.limiters import LimitedWorker, RememberedQuotas, limited_worker
from tests.fakes.valkey import RunningValkey, running_valkey


@pytest.fixture
async def server() -> AsyncIterator[RunningValkey]:
    async with running_valkey() as running:
        yield running


def node(name: str, rate: int | None = None, burst: int | None = None, daily: int | None = None) -> LimitNode:
    return LimitNode(name, "01", Limits(rate=rate, burst=burst, daily=daily))


async def admitted(limiter: Limiter, *nodes: LimitNode, cost: int = 1, times: int = 1) -> int:
    answers = await asyncio.gather(*(limiter.admit(nodes, cost) for _ in range(times)))
    return sum(answer.refused_by is None for answer in answers)


async def taken_up_again(worker: LimitedWorker, clock: FakeClock | None = None) -> None:
    for _ in range(200):
        if clock is not None:
            clock.advance(0.3)
        before = worker.trips
        await worker.limiter.admit([node("somebody", rate=1000)], 1)
        # The lane is up a probe earlier than the limiter counts in Redis again.
        if worker.states and worker.states[-1] and worker.trips > before:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("Redis was not taken up again within 10 s")


async def test_two_workers_share_one_limit(server: RunningValkey) -> None:
    """P4 across workers."""
    async with limited_worker(server.url, workers=2) as one, limited_worker(server.url, workers=2) as two:
        shared = node("a", rate=1, burst=100, daily=90)
        counts = await asyncio.gather(*(admitted(each.limiter, shared, times=90) for each in (one, two)))
        more = await admitted(one.limiter, shared, times=90) + await admitted(two.limiter, shared, times=90)
    assert sum(counts) + more == 90


async def test_an_organisations_accounts_together_keep_to_its_limit(server: RunningValkey) -> None:
    """Many accounts must not add up to more than the organisation may."""
    async with limited_worker(server.url, workers=2) as one, limited_worker(server.url, workers=2) as two:
        above = node("organisation", rate=1, burst=50)
        calls = [
            admitted(worker.limiter, above, node(f"account{number}", rate=1, burst=40), times=40)
            for number, worker in enumerate((one, two, one, two))
        ]
        assert sum(await asyncio.gather(*calls)) <= 50


async def test_every_key_expires_and_names_its_organisation_for_the_cluster(server: RunningValkey) -> None:
    """Accounts come and go; their counters must not stay for ever. One slot holds all nodes of a call."""
    async with limited_worker(server.url) as worker:
        await admitted(worker.limiter, node("a", rate=50, daily=500), node("b", daily=50), times=5)
        keys = await worker.lane.execute("KEYS", "*")
        assert len(keys) == 3
        for key in keys:
            assert b"{01}" in key
            assert 0 < await worker.lane.execute("PTTL", key) <= 90_000_000


async def test_a_flushed_script_is_sent_again(server: RunningValkey) -> None:
    """SCRIPT FLUSH must not look like an outage."""
    async with limited_worker(server.url) as worker:
        assert await admitted(worker.limiter, node("a", rate=1, burst=2)) == 1
        await worker.lane.execute("SCRIPT", "FLUSH")
        assert await admitted(worker.limiter, node("a", rate=1, burst=2), times=3) == 1
        assert worker.states == [True]


async def test_a_lease_that_is_not_used_is_given_back_to_the_quota(server: RunningValkey) -> None:
    """A caller who pauses must not lose its day by what was taken ahead for it."""
    clock = FakeClock()
    async with limited_worker(server.url, clock=clock) as worker:
        quota = node("a", rate=1000, daily=1000)
        for _ in range(60):
            await worker.limiter.admit([quota], 1)
            clock.advance(0.01)
        key = quota_key_of(quota, day_of(clock.now()))
        assert int(await worker.lane.execute("GET", key)) > 60
        await worker.limiter.close()
        assert int(await worker.lane.execute("GET", key)) == 60


async def test_a_lease_that_is_not_used_soon_is_spent_no_more(server: RunningValkey) -> None:
    """Tokens kept for long would come on top of a bucket that has filled up again."""
    clock = FakeClock()
    async with limited_worker(server.url, clock=clock) as worker:
        steady = node("a", rate=1000)
        for _ in range(60):
            await worker.limiter.admit([steady], 1)
            clock.advance(0.01)
        trips = worker.trips
        await worker.limiter.admit([steady], 1)
        assert worker.trips == trips
        clock.advance(3.1)
        await worker.limiter.admit([steady], 1)
        assert worker.trips == trips + 1


@pytest.mark.parametrize(("burst", "workers", "wanted"), [(100, 1, 20), (100, 4, 50), (11, 1, 5), (30, 2, 500)])
async def test_the_script_grants_what_the_policy_says(
    server: RunningValkey, burst: int, workers: int, wanted: int
) -> None:
    """The rule is written twice, in Python to be read and in Lua to be run; both must be the same rule."""
    async with limited_worker(server.url) as worker:
        counts = LimitCounts(worker.lane, workers=workers)
        taken = await counts.take([Ask(node("a", rate=1, burst=burst), 1, wanted)], day=1, seconds_to_midnight=9)
    assert isinstance(taken, list)
    (grant,) = taken
    assert grant.ahead == granted_ahead(wanted, left=burst - 1, workers=workers)
    assert grant.left == burst - 1 - grant.ahead


async def test_a_redis_that_restarted_empty_hands_out_no_second_burst(server: RunningValkey) -> None:
    """What workers know of a count outlives Redis."""
    async with limited_worker(server.url) as worker:
        drained = node("a", rate=1, burst=30)
        assert await admitted(worker.limiter, drained, times=40) == 30
        await worker.lane.execute("FLUSHALL")
        later = LimitNode("a", "01", Limits(rate=1, burst=31))
        assert await admitted(worker.limiter, later, times=40) <= 2


async def test_a_quota_lost_with_redis_is_rebuilt_from_the_records(server: RunningValkey) -> None:
    """Redis forgets; the records do not."""
    quotas = RememberedQuotas({"a": 95})
    async with limited_worker(server.url, quotas=quotas) as worker:
        quota = node("a", daily=100)
        assert await admitted(worker.limiter, quota, times=3) == 3
        assert quotas.asked == 1
        await worker.lane.execute("FLUSHALL")
        # The records lag behind, and this worker knows better than they do.
        assert await admitted(worker.limiter, quota, times=20) == 2
        await worker.lane.execute("FLUSHALL")
        quotas.used["a"] = None
        assert await admitted(worker.limiter, node("a", daily=101), times=20) == 1


async def test_a_clock_that_was_set_back_blocks_nobody_for_long(server: RunningValkey) -> None:
    """A TAT an hour ahead is no caller's doing."""
    async with limited_worker(server.url) as worker:
        limited = node("a", rate=1000, burst=10)
        seconds, micros = (int(part) for part in await worker.lane.execute("TIME"))
        await worker.lane.execute("SET", key_of(limited), seconds * 1_000_000 + micros + 3_600_000_000)
        refusal = await worker.limiter.admit([limited], 1)
    assert refusal.retry_after_seconds <= LARGEST_COST / 1000


async def test_without_redis_each_worker_begins_empty_and_keeps_to_its_share(server: RunningValkey) -> None:
    """P4: what others have taken of a burst is not known, so none is assumed to be left; then an even part of the rate."""
    clock = FakeClock()
    async with limited_worker(server.url, workers=4, clock=clock, timeout_seconds=0.3) as worker:
        shared, slow, quota = node("a", rate=8, burst=8), node("slow", rate=1), node("q", daily=40)
        server.kill()
        assert await admitted(worker.limiter, shared, times=20) == 0
        refusal = await worker.limiter.admit([shared], 1)
        assert refusal.retry_after_seconds == pytest.approx(0.5)
        clock.advance(refusal.retry_after_seconds)
        assert await admitted(worker.limiter, shared, times=20) == 1
        clock.advance(10)
        assert await admitted(worker.limiter, shared, times=20) == 2
        # A share of less than one a second is still a share, and not one a second each.
        assert await admitted(worker.limiter, slow, times=20) == 1
        clock.advance(3.9)
        assert await admitted(worker.limiter, slow, times=20) == 0
        assert await admitted(worker.limiter, quota, times=20) == 10
        await server.start()
        await taken_up_again(worker, clock)
        assert worker.states == [False, True]


async def test_redis_that_returns_is_told_what_was_admitted_meanwhile(server: RunningValkey) -> None:
    """An outage must not be a way to a second quota or burst."""
    async with limited_worker(server.url, workers=2, timeout_seconds=0.2) as worker:
        quota, shared = node("q", daily=100), node("a", rate=10, burst=100)
        assert await admitted(worker.limiter, quota, times=10) == 10
        server.pause()
        # What hangs may still be counted when it wakes up, so somebody else finds out first.
        await admitted(worker.limiter, node("somebody", rate=1))
        assert await admitted(worker.limiter, quota, times=100) == 45
        await admitted(worker.limiter, shared, times=100)
        server.resume()
        await asyncio.sleep(0.6)
        await taken_up_again(worker)
        assert await admitted(worker.limiter, shared, times=100) <= 50
        assert await admitted(worker.limiter, quota, times=100) == 45


async def test_a_hanging_redis_is_given_up_within_the_time_out_and_then_costs_nobody_any_time(
    server: RunningValkey,
) -> None:
    """A Redis that accepts and never answers is the worse outage."""
    clock = FakeClock()
    async with limited_worker(server.url, workers=2, clock=clock, timeout_seconds=0.2) as worker:
        server.pause()
        async with asyncio.timeout(5):
            await admitted(worker.limiter, node("a", rate=4, burst=4), times=10)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for _ in range(200):
            clock.advance(0.1)
            await worker.limiter.admit([node("a", rate=1000)], 1)
        assert loop.time() - begin < 5  # 200 time-outs would take 40
        server.resume()


async def test_a_caller_who_hangs_up_blocks_nobody_and_takes_nothing_twice(server: RunningValkey) -> None:
    """Callers hang up at any moment, also while Redis is asked."""
    async with limited_worker(server.url) as worker:
        limited = node("a", rate=1, burst=30)
        leaving = [asyncio.create_task(worker.limiter.admit([limited], 1)) for _ in range(10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for one in leaving[:5]:
            one.cancel()
        stayed = await asyncio.gather(*leaving, return_exceptions=True)
        rest = await admitted(worker.limiter, limited, times=40)
    admissions = sum(not isinstance(one, BaseException) and one.refused_by is None for one in stayed)
    assert admissions == 5
    assert 15 <= admissions + rest <= 30


async def test_a_quota_begins_anew_at_midnight_in_vietnam(server: RunningValkey) -> None:
    """17:00 UTC."""
    clock = FakeClock()
    clock.advance(seconds_to_midnight(clock.now()) - 1)
    async with limited_worker(server.url, clock=clock) as worker:
        quota = node("a", daily=3)
        assert await admitted(worker.limiter, quota, times=5) == 3
        refusal = await worker.limiter.admit([quota], 1)
        assert refusal.reason is Reason.DAILY_QUOTA_EXHAUSTED
        assert refusal.retry_after_seconds == pytest.approx(1, abs=0.01)
        clock.advance(refusal.retry_after_seconds + 0.001)
        assert await admitted(worker.limiter, quota, times=5) == 3
