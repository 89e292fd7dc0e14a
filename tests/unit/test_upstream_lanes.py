"""Questions on their way to an upstream, on virtual time: together, bounded, tried again, answered one by one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.upstream.failures import Failure, UpstreamUnavailableError
from gateway.upstream.lanes import Lane
from gateway.upstream.patience import Patience
from tests.fakes.upstream import LaneWorld, ScriptedExchange, now
from tests.fakes.virtual_time import on_virtual_time


@on_virtual_time
async def test_one_alone_waits_for_nobody() -> None:
    """Batching is for the crowd; an officer at night pays nothing for it."""
    world = LaneWorld(ScriptedExchange())
    began = now()
    for _ in range(3):
        assert await world.ask("a") == "about a"
        await asyncio.sleep(1)
    assert world.exchange.times == [began, began + 1.1, began + 2.2]


@on_virtual_time
async def test_what_arrives_in_one_turn_travels_together_and_is_told_apart() -> None:
    """A hundred misses are one request to a system that the whole country needs."""
    world = LaneWorld(ScriptedExchange())
    asked = [asyncio.create_task(passing_through(world, f"q{nth}")) for nth in range(10)]
    assert await asyncio.gather(*asked) == [f"about q{nth}" for nth in range(10)]
    assert world.exchange.requests == [[f"q{nth}" for nth in range(10)]]


async def passing_through(world: LaneWorld, question: str) -> str:
    return await world.ask(question)


@on_virtual_time
async def test_what_waits_for_a_place_travels_together() -> None:
    """While as many requests are under way as the upstream stands, the next takes all who wait."""
    world = LaneWorld(ScriptedExchange(seconds=1.0), min_connections=1, max_connections=1)
    first = world.ask("first")
    await asyncio.sleep(0.1)
    waiting = []
    for nth in range(13):
        waiting.append(world.ask(f"q{nth}"))
        await asyncio.sleep(0.01)
    await asyncio.gather(first, *waiting)
    assert [len(request) for request in world.exchange.requests] == [1, 10, 3]
    assert world.exchange.most_under_way == 1


@on_virtual_time
async def test_dense_arrivals_gather_and_sparse_ones_do_not_wait() -> None:
    """Two milliseconds are worth it only where company comes."""
    world = LaneWorld(ScriptedExchange(seconds=1.0), min_connections=32)
    dense = []
    for nth in range(40):
        dense.append(world.ask(f"q{nth}"))
        await asyncio.sleep(0.0005)
    await asyncio.sleep(0.1)
    assert len(world.exchange.requests) <= 11
    requests = len(world.exchange.requests)
    asked_at = now()
    sparse = world.ask("sparse")
    await asyncio.gather(*dense, sparse)
    assert world.exchange.times[requests] == asked_at


@on_virtual_time
async def test_a_crowd_gathers_also_where_answers_come_back_fast() -> None:
    """An upstream that answers sooner than company comes must not be sent its questions in twos and threes."""
    world = LaneWorld(ScriptedExchange(seconds=0.001), gather_seconds=0.01)
    crowd = [world.ask(f"q{nth}") for nth in range(10)]
    for nth in range(10, 90):
        await asyncio.sleep(0.0005)
        crowd.append(world.ask(f"q{nth}"))
    await asyncio.gather(*crowd)
    assert [len(request) for request in world.exchange.requests] == [10] * 9


@on_virtual_time
async def test_a_failure_of_one_question_harms_only_that_one() -> None:
    """An answer about another citizen must cost nobody else theirs."""
    world = LaneWorld(ScriptedExchange(alone={"q1": UpstreamUnavailableError("about another citizen")}))
    told = await world.outcomes(*world.ask_at_once(3))
    assert told == ["about q0", "UpstreamUnavailableError: about another citizen", "about q2"]
    assert world.watched.outcomes == ["answered"]


@on_virtual_time
async def test_a_failed_request_harms_all_in_it_equally_and_nobody_else() -> None:
    """Each of them is told why, and when to come back."""
    world = LaneWorld(ScriptedExchange(fails=[Failure.UNUSABLE]))
    asked = world.ask_at_once(10)
    other = world.ask("other")
    for question in asked:
        with pytest.raises(UpstreamUnavailableError, match="unusable") as refusal:
            await question
        assert refusal.value.retry_after_seconds == 1.0
    assert await other == "about other"
    assert len({id(question.exception()) for question in asked}) == 10


@on_virtual_time
async def test_too_few_answers_are_told_to_nobody() -> None:
    """P3: shifted by one, every answer would be about another citizen."""

    class Short(ScriptedExchange):
        async def __call__(self, questions: Any, /, *, timeout_seconds: float) -> Any:
            return (await super().__call__(questions, timeout_seconds=timeout_seconds))[1:]

    world = LaneWorld(Short())
    told = await world.outcomes(*world.ask_at_once(4))
    assert {outcome.partition(":")[0] for outcome in told} == {"ValueError"}


@pytest.mark.parametrize(
    ("failure", "requests"),
    [
        (Failure.UNREACHABLE, 3),
        (Failure.UNWELL, 3),
        (Failure.TIMEOUT, 1),
        (Failure.UNUSABLE, 1),
        (Failure.REJECTED, 1),
    ],
)
def test_only_what_a_second_try_can_cure_is_tried_again(failure: Failure, requests: int) -> None:
    """A timed-out question has no time left, and a wrong answer stays wrong."""

    @on_virtual_time
    async def scenario() -> None:
        world = LaneWorld(ScriptedExchange(always=failure))
        await world.outcomes(world.ask("a"))
        assert len(world.exchange.requests) == requests
        assert world.watched.retries == requests - 1

    scenario()


@on_virtual_time
async def test_a_retry_succeeds_for_all_who_still_wait() -> None:
    """A reset connection is nobody's business but ours."""
    world = LaneWorld(ScriptedExchange(fails=[Failure.UNREACHABLE]))
    patient, hurried, gone = world.ask("patient"), world.ask("hurried", seconds=0.11), world.ask("gone")
    await asyncio.sleep(0.05)
    gone.cancel()
    assert await world.outcomes(patient, hurried) == [
        "about patient",
        "UpstreamUnavailableError: its turn did not come in time",
    ]
    assert world.exchange.requests == [["patient", "hurried", "gone"], ["patient"]]
    assert world.exchange.times[1] - world.exchange.times[0] == pytest.approx(0.1 + 0.5 * 0.05)


@on_virtual_time
async def test_nothing_is_tried_again_when_nobody_would_be_there_for_the_answer() -> None:
    """Never after the deadline, nor when the upstream asks for more patience than anybody has."""
    world = LaneWorld(ScriptedExchange(always=Failure.UNWELL))
    await world.outcomes(world.ask("a", seconds=0.12), world.ask("b", seconds=0.05))
    assert len(world.exchange.requests) == 1
    world.exchange.retry_after_seconds = 30
    with pytest.raises(UpstreamUnavailableError) as refusal:
        await world.ask("c")
    assert refusal.value.retry_after_seconds == 30
    assert len(world.exchange.requests) == 2


@on_virtual_time
async def test_the_queue_is_bounded_and_what_does_not_fit_is_refused_at_once() -> None:
    """A queue that grows serves nobody: the last in it are answered after they have left."""
    world = LaneWorld(ScriptedExchange(seconds=1.0), max_waiting=20, min_connections=1, max_connections=1)
    first = world.ask("first")
    await asyncio.sleep(0.1)
    waiting = world.ask_at_once(20)
    with pytest.raises(UpstreamUnavailableError, match="too many") as refusal:
        world.ask("too much")
    assert refusal.value.retry_after_seconds > 0
    assert all(outcome.startswith("about") for outcome in await world.outcomes(first, *waiting))
    assert await world.ask("later") == "about later"


@on_virtual_time
async def test_a_question_whose_time_is_over_is_never_sent() -> None:
    """A shared system must not work for somebody who has left."""
    world = LaneWorld(ScriptedExchange(seconds=1.0), min_connections=1, max_connections=1)
    first = world.ask("first")
    await asyncio.sleep(0)
    began = now()
    late, gone, patient = world.ask("late", seconds=0.3), world.ask("gone"), world.ask("patient")
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(UpstreamUnavailableError, match="in time"):
        await late
    assert now() - began < 0.4, "refused when its time is over, not when a place is free"
    await asyncio.gather(first, patient)
    assert world.exchange.requests == [["first"], ["patient"]]
    assert world.watched.refusals["late"] == 1


@on_virtual_time
async def test_another_who_waits_longer_keeps_the_question_alive() -> None:
    """A follower must not suffer from the leader's short deadline."""
    world = LaneWorld(ScriptedExchange(seconds=1.0), min_connections=1, max_connections=1)
    first = world.ask("first")
    await asyncio.sleep(0)
    patience = Patience(now() + 0.3)
    shared = world.lane.ask("shared", patience)
    await asyncio.sleep(0.1)
    patience.extend(now() + 5)
    patience.extend(now() + 0.1)
    assert await shared == "about shared"
    assert await first == "about first"


@on_virtual_time
async def test_a_request_under_way_goes_on_for_the_others_when_one_leaves() -> None:
    """The first of a batch who hangs up must not take the answer from ninety-nine."""
    world = LaneWorld(ScriptedExchange())
    asked = world.ask_at_once(5)
    await asyncio.sleep(0.05)
    asked[0].cancel()
    assert await world.outcomes(*asked[1:]) == [f"about q{nth}" for nth in range(1, 5)]


@on_virtual_time
async def test_lanes_take_turns() -> None:
    """A bulk of lookups must not hold up the one household somebody waits for."""
    world = LaneWorld(ScriptedExchange(seconds=1.0), min_connections=1, max_connections=1)
    households = ScriptedExchange(seconds=1.0)
    lane: Lane[str, str] = world.upstream.lane(households)
    began = now()
    bulk = world.ask_at_once(60)
    household = lane.ask("household", Patience(now() + 10))
    assert await household == "about household"
    assert now() - began <= 2.0
    await asyncio.gather(*bulk)
    assert households.requests == [["household"]]


@on_virtual_time
async def test_closing_refuses_everybody_and_leaves_nothing_behind() -> None:
    """A worker that drains must neither hang nor leak."""
    world = LaneWorld(ScriptedExchange(seconds=1.0), min_connections=1, max_connections=1)
    sent = world.ask("sent")
    await asyncio.sleep(0.1)
    waiting = world.ask("waiting")
    await world.upstream.close()
    assert await world.outcomes(sent, waiting) == ["UpstreamUnavailableError: the gateway is closing"] * 2
    with pytest.raises(UpstreamUnavailableError):
        world.ask("late")


@on_virtual_time
async def test_closing_before_a_request_began_refuses_it_too() -> None:
    """A task cancelled before its first step runs none of its own clean-up."""
    world = LaneWorld(ScriptedExchange())
    asked = world.ask("a")
    asyncio.get_running_loop().call_soon(lambda: closing.append(asyncio.ensure_future(world.upstream.close())))
    closing: list[asyncio.Future[None]] = []
    await asyncio.sleep(0)
    assert await world.outcomes(asked) == ["UpstreamUnavailableError: the gateway is closing"]
    await asyncio.gather(*closing)
