"""The contract of `MissBudget`, on memory and Redis alike, and what the one on Redis does when it is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.miss_counts import MemoryMissBudget, RedisMissBudget
from adapters.redis_lane import RedisLane
from gateway.accounts.model import LimitNode, Limits
from gateway.ports import MissBudget
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import RunningValkey, running_valkey

NODE = LimitNode("account:01/a", "01", Limits(misses_per_hour=10))
OFFICER = LimitNode("officer:01/a/f00", "01", Limits(misses_per_hour=4))


@asynccontextmanager
async def memory() -> AsyncIterator[tuple[MissBudget, FakeClock]]:
    clock = FakeClock()
    yield MemoryMissBudget(clock=clock), clock


@asynccontextmanager
async def redis() -> AsyncIterator[tuple[MissBudget, FakeClock]]:
    clock = FakeClock()
    async with running_valkey() as server, lane_to(server) as lane:
        yield RedisMissBudget(lane, clock=clock, workers=2), clock


@asynccontextmanager
async def lane_to(server: RunningValkey) -> AsyncIterator[RedisLane]:
    lane = RedisLane.connect(server.url, timeout_seconds=1)
    yield lane
    await lane.close()


@pytest.fixture(params=[memory, redis], ids=["memory", "redis"])
async def budget(request: pytest.FixtureRequest) -> AsyncIterator[tuple[MissBudget, FakeClock]]:
    async with request.param() as made:
        yield made


async def test_a_budget_blocks_when_it_is_used_up_and_says_for_how_long(budget: tuple[MissBudget, FakeClock]) -> None:
    """The last miss that is allowed is the tenth, and an hour forgives ten."""
    misses, clock = budget
    for _ in range(10):
        assert misses.blocked([NODE]) is None
        await misses.debit([NODE], 1)
    blocked = misses.blocked([NODE])
    assert blocked is not None
    assert blocked[0] == NODE
    assert blocked[1] == pytest.approx(360, abs=5)
    clock.advance(blocked[1] + 0.01)
    assert misses.blocked([NODE]) is None


async def test_the_node_to_wait_longest_for_is_named(budget: tuple[MissBudget, FakeClock]) -> None:
    """Waiting for the nearer one would be refused again by the farther."""
    misses, _ = budget
    await misses.debit([NODE, OFFICER], 10)
    blocked = misses.blocked([NODE, OFFICER])
    assert blocked is not None
    assert blocked[0] == OFFICER
    assert misses.blocked([LimitNode("account:02/b", "02", NODE.limits)]) is None


async def test_workers_share_a_budget_and_its_keys_expire() -> None:
    """Spreading guesses over workers or connections must not multiply them."""
    async with running_valkey() as server, lane_to(server) as lane, lane_to(server) as other:
        one, two = (RedisMissBudget(each, clock=FakeClock(), workers=2) for each in (lane, other))
        await one.debit([NODE], 9)
        await two.debit([NODE], 1)
        assert two.blocked([NODE]) is not None
        (key,) = await lane.execute("KEYS", "*")
        assert b"{01}" in key
        assert 0 < await lane.execute("PTTL", key) <= 3_700_000


async def test_without_redis_a_miss_counts_for_all_workers_and_a_lost_count_comes_back() -> None:
    """An outage must not be an hour of free guesses, nor a restart of Redis an amnesty."""
    async with running_valkey() as server, lane_to(server) as lane:
        misses = RedisMissBudget(lane, clock=FakeClock(), workers=2)
        await misses.debit([NODE], 6)
        await lane.execute("FLUSHALL")
        await misses.debit([NODE], 1)
        assert misses.blocked([NODE]) is None
        server.kill()
        await misses.debit([NODE], 1)
        assert misses.blocked([NODE]) is None
        await misses.debit([NODE], 1)
        assert misses.blocked([NODE]) is not None
