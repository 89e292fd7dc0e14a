"""The contract of `Limiter`, on the memory and on the real Redis implementation alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from adapters.memory_limiter import MemoryLimiter
from adapters.redis_lane import RedisLane
from adapters.redis_limiter import RedisLimiter
from gateway.accounts.model import LimitNode, Limits
from gateway.accounts.shares import share_among
from gateway.ports import Admission, Limiter
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import RunningValkey, running_valkey

Pass = Callable[[float], Awaitable[None]]


def node(name: str, rate: int, burst: int | None = None) -> LimitNode:
    return LimitNode(name, "01", Limits(rate=rate, burst=burst))


@asynccontextmanager
async def memory() -> AsyncIterator[tuple[Limiter, Pass]]:
    clock = FakeClock()

    async def turn(seconds: float) -> None:
        clock.advance(seconds)

    yield MemoryLimiter(clock=clock), turn


@asynccontextmanager
async def redis() -> AsyncIterator[tuple[Limiter, Pass]]:
    async with running_valkey() as server:
        lane = RedisLane.connect(server.url, timeout_seconds=2)
        yield RedisLimiter(lane, fallback=Refusing(), share=lambda node: node), asyncio.sleep
        await lane.close()


class Refusing:
    """A fallback that must not be needed."""

    async def admit(self, nodes: Sequence[LimitNode], cost: int) -> Admission:
        raise AssertionError(f"Redis was given up for {nodes} at {cost}")


@pytest.fixture(params=[memory, redis], ids=["memory", "redis"])
async def limited(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Limiter, Pass]]:
    async with request.param() as made:
        yield made


async def admitted(limiter: Limiter, *nodes: LimitNode, cost: int = 1, times: int = 1) -> int:
    answers = await asyncio.gather(*(limiter.admit(nodes, cost) for _ in range(times)))
    return sum(answer.refused_by is None for answer in answers)


async def test_a_burst_is_admitted_and_no_more(limited: tuple[Limiter, Pass]) -> None:
    """P4: never more than the limit, however many ask at once."""
    limiter, _ = limited
    assert await admitted(limiter, node("a", rate=1, burst=7), times=50) == 7


async def test_waiting_the_stated_time_is_enough_and_less_is_not(limited: tuple[Limiter, Pass]) -> None:
    """RetryInfo that is too short makes callers hammer; one that is too long wastes their officials' time."""
    limiter, wait = limited
    tight = node("a", rate=4, burst=1)
    assert await admitted(limiter, tight) == 1
    refusal = await limiter.admit([tight], 1)
    assert refusal.refused_by == tight
    assert 0 < refusal.retry_after_seconds <= 0.25
    await wait(refusal.retry_after_seconds / 2)
    assert await admitted(limiter, tight) == 0
    await wait((await limiter.admit([tight], 1)).retry_after_seconds)
    assert await admitted(limiter, tight) == 1


async def test_a_refusing_node_leaves_the_others_untouched(limited: tuple[Limiter, Pass]) -> None:
    """All-or-nothing: a call that is refused must cost nothing."""
    limiter, _ = limited
    wide, narrow = node("wide", rate=1, burst=5), node("narrow", rate=1, burst=1)
    assert await admitted(limiter, wide, narrow, times=10) == 1
    assert await admitted(limiter, wide, times=10) == 4


async def test_the_refusing_node_is_the_one_to_wait_for_longest(limited: tuple[Limiter, Pass]) -> None:
    """Waiting for the nearer one would be refused again by the farther."""
    limiter, _ = limited
    soon, late = node("soon", rate=100, burst=1), node("late", rate=2, burst=1)
    assert await admitted(limiter, soon, late) == 1
    refusal = await limiter.admit([soon, late], 1)
    assert refusal.refused_by == late


async def test_cost_above_one_is_taken_whole_or_not_at_all(limited: tuple[Limiter, Pass]) -> None:
    """A bulk call charges each citizen."""
    limiter, _ = limited
    ten = node("a", rate=1, burst=10)
    assert await admitted(limiter, ten, cost=6) == 1
    assert await admitted(limiter, ten, cost=6) == 0
    assert await admitted(limiter, ten, cost=4) == 1
    assert await admitted(limiter, ten) == 0


async def test_a_cost_above_the_burst_passes_from_rest_and_then_waits(limited: tuple[Limiter, Pass]) -> None:
    """A bulk call larger than the burst must be possible, and must be paid for."""
    limiter, _ = limited
    small = node("a", rate=50, burst=5)
    assert await admitted(limiter, small, cost=20) == 1
    refusal = await limiter.admit([small], 1)
    assert refusal.refused_by == small
    assert refusal.retry_after_seconds > 0.2


async def test_what_is_left_is_that_of_the_tightest_node(limited: tuple[Limiter, Pass]) -> None:
    """Callers pace themselves by it."""
    limiter, _ = limited
    answer = await limiter.admit([node("wide", rate=1, burst=50), node("narrow", rate=1, burst=3)], 1)
    assert answer.remaining == 2


async def test_nodes_are_counted_apart(limited: tuple[Limiter, Pass]) -> None:
    """One province's hammering must not slow another."""
    limiter, _ = limited
    assert await admitted(limiter, node("a", rate=1, burst=1), times=3) == 1
    assert await admitted(limiter, node("b", rate=1, burst=1)) == 1


@pytest.fixture
async def server() -> AsyncIterator[RunningValkey]:
    async with running_valkey() as running:
        yield running


async def test_two_workers_share_one_limit(server: RunningValkey) -> None:
    """P4 across workers."""
    lanes = [RedisLane.connect(server.url, timeout_seconds=2) for _ in range(2)]
    limiters = [RedisLimiter(lane, fallback=Refusing(), share=lambda node: node) for lane in lanes]
    counts = await asyncio.gather(*(admitted(one, node("a", rate=1, burst=10), times=30) for one in limiters))
    assert sum(counts) == 10
    for lane in lanes:
        await lane.close()


async def test_every_key_expires(server: RunningValkey) -> None:
    """Accounts come and go; their counters must not stay for ever."""
    lane = RedisLane.connect(server.url, timeout_seconds=2)
    await RedisLimiter(lane, fallback=Refusing(), share=lambda node: node).admit([node("a", rate=5)], 1)
    keys = await lane.execute("KEYS", "dancu:limit:*")
    assert keys == [b"dancu:limit:{01}:a"]
    assert 0 < await lane.execute("PTTL", keys[0]) <= 3000
    await lane.close()


async def test_a_flushed_script_is_sent_again(server: RunningValkey) -> None:
    """SCRIPT FLUSH, or a restarted Redis, must not look like an outage."""
    lane = RedisLane.connect(server.url, timeout_seconds=2)
    limiter = RedisLimiter(lane, fallback=Refusing(), share=lambda node: node)
    assert await admitted(limiter, node("a", rate=1, burst=2)) == 1
    await lane.execute("SCRIPT", "FLUSH")
    assert await admitted(limiter, node("a", rate=1, burst=2), times=3) == 1
    await lane.close()


async def test_without_redis_each_worker_keeps_to_its_share_and_redis_is_taken_up_again(
    server: RunningValkey,
) -> None:
    """P4: limits hold, stricter, when Redis is gone; nobody restarts anything when it returns."""
    states: list[bool] = []
    lane = RedisLane.connect(server.url, timeout_seconds=0.3, on_state=states.append)
    limiter = RedisLimiter(lane, fallback=MemoryLimiter(clock=FakeClock()), share=share_among(4))
    shared = node("a", rate=8, burst=8)
    server.kill()
    assert await admitted(limiter, shared, times=20) == 2
    await server.start()
    for _ in range(100):
        if await admitted(limiter, shared):
            break
        await asyncio.sleep(0.05)
    assert await admitted(limiter, shared, times=20) == 7
    assert states == [False, True]
    await lane.close()


async def test_a_hanging_redis_is_given_up_within_the_time_out(server: RunningValkey) -> None:
    """A Redis that accepts and never answers is the worse outage."""
    lane = RedisLane.connect(server.url, timeout_seconds=0.2)
    limiter = RedisLimiter(lane, fallback=MemoryLimiter(clock=FakeClock()), share=share_among(2))
    server.pause()
    async with asyncio.timeout(5):
        assert await admitted(limiter, node("a", rate=4, burst=4), times=10) == 2
    server.resume()
    await lane.close()
