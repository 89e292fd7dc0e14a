"""One question under way per key, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from gateway.upstream.failures import UpstreamUnavailableError
from gateway.upstream.flights import Flights
from gateway.upstream.patience import Patience
from tests.fakes.virtual_time import on_virtual_time


class World:
    """Flights to somewhere that takes a second."""

    def __init__(self) -> None:
        self.flights: Flights[str, str] = Flights(now=lambda: asyncio.get_running_loop().time())
        self.asked: list[str] = []
        self.patiences: list[Patience] = []
        self.error: Exception | None = None

    async def fetch(self, key: str, patience: Patience) -> str:
        self.asked.append(key)
        self.patiences.append(patience)
        await asyncio.sleep(1)
        if self.error is not None:
            raise self.error
        return f"about {key}"

    def caller(self, key: str, *, seconds: float = 10.0, shared: bool = True) -> asyncio.Task[str]:
        until = asyncio.get_running_loop().time() + seconds
        return asyncio.create_task(self.flights.answer(key, self.fetch, until=until, shared=shared))


@on_virtual_time
async def test_those_who_ask_the_same_ask_once() -> None:
    """A popular citizen is one question, however many windows ask."""
    world = World()
    callers = [world.caller("a") for _ in range(10)] + [world.caller("b")]
    assert await asyncio.gather(*callers) == ["about a"] * 10 + ["about b"]
    assert world.asked == ["a", "b"]
    assert await world.caller("a") == "about a"
    assert world.asked == ["a", "b", "a"]


@pytest.mark.parametrize("leaving", [0, 1, 4])
def test_who_leaves_takes_nothing_from_the_others(leaving: int) -> None:
    """Leader or follower: hanging up is one's own affair."""

    @on_virtual_time
    async def scenario() -> None:
        world = World()
        callers = [world.caller("a") for _ in range(5)]
        await asyncio.sleep(0.5)
        callers.pop(leaving).cancel()
        assert await asyncio.gather(*callers) == ["about a"] * 4
        assert world.asked == ["a"]

    scenario()


@on_virtual_time
async def test_each_waits_no_longer_than_its_own_deadline() -> None:
    """The leader's short deadline is not the follower's, nor the other way round."""
    world = World()
    hurried, patient = world.caller("a", seconds=0.2), world.caller("a", seconds=5)
    began = asyncio.get_running_loop().time()
    with pytest.raises(UpstreamUnavailableError, match="deadline"):
        await hurried
    assert asyncio.get_running_loop().time() - began == pytest.approx(0.2)
    assert world.patiences[0].until == pytest.approx(began + 5)
    assert await patient == "about a"


@on_virtual_time
async def test_an_answer_nobody_waited_for_serves_who_asks_again() -> None:
    """The caller's own retry meets the question already under way, not a second one."""
    world = World()
    with pytest.raises(UpstreamUnavailableError):
        await world.caller("a", seconds=0.9)
    assert await world.caller("a", seconds=0.9) == "about a"
    assert world.asked == ["a"]


@on_virtual_time
async def test_a_question_that_may_not_be_shared_is_its_own() -> None:
    """Zero staleness: an earlier question may bring an older state."""
    world = World()
    callers = [world.caller("a"), world.caller("a", shared=False), world.caller("a", shared=False)]
    await asyncio.gather(*callers)
    assert world.asked == ["a", "a", "a"]


@on_virtual_time
async def test_a_failure_reaches_everybody_and_is_not_remembered() -> None:
    """The next to ask may be luckier."""
    world = World()
    world.error = UpstreamUnavailableError("broken")
    for caller in [world.caller("a") for _ in range(3)]:
        with pytest.raises(UpstreamUnavailableError, match="broken"):
            await caller
    world.error = None
    assert await world.caller("a") == "about a"


@on_virtual_time
async def test_closing_ends_what_nobody_waits_for() -> None:
    """A worker that stops leaves no question behind."""
    world = World()
    for shared in (True, False):
        with pytest.raises(UpstreamUnavailableError):
            await world.caller("a", seconds=0.1, shared=shared)
    await world.flights.close()
