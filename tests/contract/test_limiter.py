"""The contract of `Limiter`, on the memory and on the real Redis implementation alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from adapters.memory_limiter import MemoryLimiter
from gateway.accounts.model import LimitNode, Limits
from gateway.errors import Reason
from gateway.ports import Limiter
from tests.fakes.clock import FakeClock
from tests.fakes.limiters import limited_worker
from tests.fakes.valkey import running_valkey

Pass = Callable[[float], Awaitable[None]]


def node(name: str, rate: int | None = None, burst: int | None = None, daily: int | None = None) -> LimitNode:
    return LimitNode(name, "01", Limits(rate=rate, burst=burst, daily=daily))


@asynccontextmanager
async def memory() -> AsyncIterator[tuple[Limiter, Pass]]:
    clock = FakeClock()

    async def turn(seconds: float) -> None:
        clock.advance(seconds)

    yield MemoryLimiter(clock=clock), turn


@asynccontextmanager
async def redis() -> AsyncIterator[tuple[Limiter, Pass]]:
    async with running_valkey() as server, limited_worker(server.url) as worker:
        yield worker.limiter, asyncio.sleep
        assert set(worker.states) <= {True}, "Redis was given up"


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


async def test_a_daily_quota_is_admitted_to_the_last_citizen_and_then_refused_until_midnight(
    limited: tuple[Limiter, Pass],
) -> None:
    """P4: a quota of 20 is 20, whoever asks at the same time, and the way back in is told."""
    limiter, _ = limited
    quota = node("a", daily=20)
    assert await admitted(limiter, quota, times=50) == 20
    refusal = await limiter.admit([quota], 1)
    assert (refusal.refused_by, refusal.reason) == (quota, Reason.DAILY_QUOTA_EXHAUSTED)
    assert 0 < refusal.retry_after_seconds <= 86_400


async def test_what_the_quota_refuses_takes_nothing_from_the_rate_and_the_reverse(
    limited: tuple[Limiter, Pass],
) -> None:
    """All-or-nothing over both kinds of limits."""
    limiter, _ = limited
    both, rate, quota = node("both", rate=1, burst=9, daily=3), node("both", rate=1, burst=9), node("q", daily=5)
    assert await admitted(limiter, both, times=6) == 3
    assert await admitted(limiter, rate, times=20) == 6
    assert await admitted(limiter, quota, node("narrow", rate=1, burst=2), times=9) == 2
    assert await admitted(limiter, quota, times=9) == 3


async def test_of_two_kinds_of_refusal_the_longer_wait_is_told(limited: tuple[Limiter, Pass]) -> None:
    """Retrying after the rate's wait would only meet the quota."""
    limiter, _ = limited
    both = node("a", rate=1, burst=2, daily=2)
    assert await admitted(limiter, both, times=2) == 2
    assert (await limiter.admit([both], 1)).reason is Reason.DAILY_QUOTA_EXHAUSTED


async def test_a_limit_that_is_raised_or_lowered_holds_from_the_next_call(limited: tuple[Limiter, Pass]) -> None:
    """An operator who lowers a limit in an incident must not wait for a window to end."""
    limiter, _ = limited
    first = node("a", rate=1, burst=10, daily=100)
    assert await admitted(limiter, first, times=6) == 6
    lower = replace(first, limits=replace(first.limits, burst=2))
    assert await admitted(limiter, lower, times=5) == 0
    raised = replace(first, limits=replace(first.limits, burst=20))
    assert await admitted(limiter, raised, times=30) == 14
    assert await admitted(limiter, replace(first, limits=Limits(daily=20)), times=5) == 0
    assert await admitted(limiter, replace(first, limits=Limits(daily=22)), times=5) == 2


async def test_the_rate_holds_across_the_edge_of_any_second(limited: tuple[Limiter, Pass]) -> None:
    """Fixed windows would let twice the limit through around their edge."""
    limiter, wait = limited
    steady = node("a", rate=20, burst=10)
    assert await admitted(limiter, steady, times=40) == 10
    await wait(0.25)
    assert 4 <= await admitted(limiter, steady, times=40) <= 7
    await wait(0.25)
    assert 4 <= await admitted(limiter, steady, times=40) <= 7


async def test_a_refused_caller_that_hammers_is_admitted_on_time_all_the_same(limited: tuple[Limiter, Pass]) -> None:
    """Asking in vain must not push the next token further away."""
    limiter, wait = limited
    slow = node("a", rate=5, burst=1)
    assert await admitted(limiter, slow) == 1
    refusal = await limiter.admit([slow], 1)
    for _ in range(100):
        await limiter.admit([slow], 1)
    await wait(refusal.retry_after_seconds)
    assert await admitted(limiter, slow) == 1
