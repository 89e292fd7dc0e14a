"""An upstream that fails, hangs or slows down, on virtual time: it gets air, and callers hear at once."""

from __future__ import annotations

import asyncio

import pytest

from gateway.upstream.failures import Failure, UpstreamUnavailableError
from gateway.upstream.policy import BreakerPolicy
from tests.fakes.upstream import ENOUGH, LaneWorld, ScriptedExchange, now
from tests.fakes.virtual_time import on_virtual_time


@on_virtual_time
async def test_a_defect_of_ours_is_told_as_that_and_opens_no_breaker() -> None:
    """Our mistake must not look like the national database's outage."""
    world = LaneWorld(ScriptedExchange(defect=ZeroDivisionError()))
    for _ in range(30):
        assert await world.outcomes(world.ask("a")) == ["ZeroDivisionError: "]
    assert world.watched.opened == [False]


@on_virtual_time
async def test_retries_stay_within_their_budget() -> None:
    """During an outage every retry is load on what is down."""
    world = LaneWorld(ScriptedExchange(always=Failure.UNREACHABLE), breaker=BreakerPolicy(min_requests=1_000_000))
    for nth in range(200):
        await world.outcomes(world.ask(f"q{nth}"))
    assert world.watched.retries <= 0.1 * 200 + 3
    assert world.watched.retries >= 20


@on_virtual_time
async def test_an_open_breaker_refuses_at_once_and_says_when_to_come_back() -> None:
    """An officer must not wait three seconds to hear what is known already."""
    world = LaneWorld(ScriptedExchange())
    await world.fail(ENOUGH)
    assert world.watched.opened == [False, True]
    requests, began = len(world.exchange.requests), now()
    with pytest.raises(UpstreamUnavailableError, match="breaker") as refusal:
        world.ask("a")
    assert 0 < refusal.value.retry_after_seconds <= 5.0
    assert now() == began
    assert len(world.exchange.requests) == requests
    assert world.watched.refusals["breaker"] == 1


@pytest.mark.parametrize("timeout_seconds", [0.5, 3.0, 20.0])
def test_a_system_that_hangs_opens_the_breaker_though_few_requests_end(timeout_seconds: float) -> None:
    """Silence is the slowest news: with the fewest under way, hardly any request ends in the window as it is set."""

    @on_virtual_time
    async def scenario() -> None:
        world = LaneWorld(ScriptedExchange(always=Failure.TIMEOUT), timeout_seconds=timeout_seconds)
        asking = [asyncio.create_task(busy_caller(world, caller)) for caller in range(20)]
        await asyncio.sleep(4 * timeout_seconds)
        assert True in world.watched.opened
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await world.upstream.close()

    scenario()


@on_virtual_time
async def test_an_opening_breaker_refuses_those_who_wait() -> None:
    """What waits for a place would only wait to be refused."""
    world = LaneWorld(ScriptedExchange(), min_connections=1, max_connections=1)
    await world.fail(ENOUGH - 1)
    last = world.ask("last")
    await asyncio.sleep(0.05)
    waiting = [world.ask(f"w{nth}") for nth in range(5)]
    told = await world.outcomes(last, *waiting)
    assert told == ["UpstreamUnavailableError: unusable"] + ["UpstreamUnavailableError: the breaker is open"] * 5
    refused = waiting[0].exception()
    assert isinstance(refused, UpstreamUnavailableError)
    assert refused.retry_after_seconds == 5.0


@on_virtual_time
async def test_probes_are_few_and_small_and_close_the_breaker_by_themselves() -> None:
    """A system coming back is met by three questions, not by everything that waited."""
    world = LaneWorld(ScriptedExchange())
    await world.fail(ENOUGH)
    await asyncio.sleep(5.1)
    world.exchange.always = None
    requests = len(world.exchange.requests)
    asked = world.ask_at_once(8)
    await asyncio.sleep(0)
    assert [question.done() for question in asked] == [False] * 3 + [True] * 5, "refused at once, not after the probes"
    told = await world.outcomes(*asked)
    assert told == ["about q0", "about q1", "about q2"] + ["UpstreamUnavailableError: the breaker is open"] * 5
    assert {len(request) for request in world.exchange.requests[requests:]} == {1}
    while world.watched.opened[-1]:
        await world.outcomes(world.ask("again"))
    assert world.watched.opened == [False, True, False]
    told = await world.outcomes(*world.ask_at_once(8))
    assert all(outcome.startswith("about") for outcome in told)


@on_virtual_time
async def test_a_failed_probe_is_not_tried_again_and_opens_the_breaker() -> None:
    """Retrying a probe would be knocking louder."""
    world = LaneWorld(ScriptedExchange())
    await world.fail(ENOUGH)
    await asyncio.sleep(5.1)
    requests = len(world.exchange.requests)
    world.exchange.always = Failure.UNWELL
    began = now()
    await world.outcomes(world.ask("probe"))
    assert now() - began == pytest.approx(0.1), "told as soon as it is known"
    assert len(world.exchange.requests) == requests + 1
    with pytest.raises(UpstreamUnavailableError, match="breaker"):
        world.ask("a")


@on_virtual_time
async def test_a_slow_upstream_gets_no_more_requests_than_it_bears() -> None:
    """What it cannot take waits here, and travels in fewer, fuller requests."""
    world = LaneWorld(ScriptedExchange(seconds=0.02), max_connections=16)
    asking = [asyncio.create_task(busy_caller(world, caller)) for caller in range(150)]
    await asyncio.sleep(2)
    assert world.watched.limits[-1] > 6
    world.exchange.seconds = 0.5
    await asyncio.sleep(12)
    assert world.watched.limits[-1] == 2
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await world.upstream.close()


async def busy_caller(world: LaneWorld, caller: int) -> None:
    while True:
        try:
            await world.ask(f"caller-{caller}", seconds=3)
        except UpstreamUnavailableError as refusal:
            await asyncio.sleep(min(0.1, refusal.retry_after_seconds))
