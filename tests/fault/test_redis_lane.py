"""The lane to Redis when Redis dies, hangs, forgets or comes back to many at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from adapters.redis_lane import RedisLane, RedisUnavailableError, Script
from tests.fakes.valkey import RunningValkey, running_valkey

TIMEOUT_SECONDS = 0.2


@pytest.fixture
async def server() -> AsyncIterator[RunningValkey]:
    async with running_valkey() as running:
        yield running


@pytest.fixture
async def lane(server: RunningValkey) -> AsyncIterator[RedisLane]:
    made = RedisLane.connect(server.url, timeout_seconds=TIMEOUT_SECONDS)
    yield made
    await made.close()


async def taken_up(lane: RedisLane) -> None:
    for _ in range(400):
        if lane.is_up:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("Redis was not taken up again within 4 s")


async def connections(lane: RedisLane) -> int:
    return len(str(await lane.execute("CLIENT", "LIST")).split("'id'")) - 1


async def test_a_hang_costs_one_time_out_and_then_nobody_any_time(server: RunningValkey, lane: RedisLane) -> None:
    """§12 Redis: a Redis that accepts and never answers is the worse outage."""
    await lane.execute("PING")
    server.pause()
    started = time.monotonic()
    first = await asyncio.gather(*(lane.execute("ECHO", str(one)) for one in range(2000)), return_exceptions=True)
    assert all(isinstance(answer, RedisUnavailableError) for answer in first)
    assert time.monotonic() - started < TIMEOUT_SECONDS * 4
    slowest = 0.0
    for one in range(60):
        began = time.monotonic()
        with pytest.raises(RedisUnavailableError):
            await lane.execute("ECHO", str(one))
        slowest = max(slowest, time.monotonic() - began)
        await asyncio.sleep(0.01)
    assert slowest < TIMEOUT_SECONDS / 2
    server.resume()
    await taken_up(lane)
    assert await lane.execute("ECHO", "again") == b"again"


async def test_answers_never_shift_to_another_question_however_redis_stumbles(
    server: RunningValkey, lane: RedisLane
) -> None:
    """P3: an answer that was given up must never be read as the next question's."""
    asked = answered = 0
    for round_ in range(3):
        waiting = []
        for burst in range(10):
            if burst == 4:
                server.pause()
            if burst == 7:
                server.resume()
            for _ in range(20):
                asked += 1
                waiting.append((f"{round_}-{asked}", lane.execute("ECHO", f"{round_}-{asked}")))
            # Beside the time-out, sometimes just before it and sometimes just after.
            await asyncio.sleep(TIMEOUT_SECONDS / 10 * burst)
        for expected, answer in waiting:
            try:
                assert await answer == expected.encode()
                answered += 1
            except RedisUnavailableError:
                continue
        await taken_up(lane)
    assert answered > asked / 4


async def test_a_caller_who_leaves_takes_nobodys_answer_along(lane: RedisLane) -> None:
    """Cancelled callers share pipelines with others."""
    for _ in range(20):
        waiting = [asyncio.ensure_future(lane.execute("ECHO", str(one))) for one in range(40)]
        await asyncio.sleep(0)
        for gone in waiting[::3]:
            gone.cancel()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        for one, answer in enumerate(answers):
            assert isinstance(answer, asyncio.CancelledError) if one % 3 == 0 else answer == str(one).encode()


async def test_many_commands_at_once_wait_for_no_pool(server: RunningValkey) -> None:
    """The driver's pool raises, or queues unfairly, when it is empty; ours never is."""
    # How fast a busy machine works through them is not the question here.
    lane = RedisLane.connect(server.url, timeout_seconds=10)
    answers = await asyncio.gather(*(lane.execute("ECHO", str(one)) for one in range(5000)))
    assert answers == [str(one).encode() for one in range(5000)]
    assert await connections(lane) <= 10
    await lane.close()


@pytest.mark.parametrize("loss", [("FLUSHALL",), ("SCRIPT", "FLUSH")])
async def test_a_redis_that_forgot_its_scripts_is_taught_again(lane: RedisLane, loss: tuple[str, ...]) -> None:
    """After a restart, a fail-over or an operator's hand."""
    script = Script(lane, "return ARGV[1]")
    assert await script.run(["k"], "one") == b"one"
    await lane.execute(*loss)
    assert await asyncio.gather(*(script.run(["k"], str(one)) for one in range(50))) == [
        str(one).encode() for one in range(50)
    ]


async def test_a_redis_that_died_is_found_again_empty(server: RunningValkey, lane: RedisLane) -> None:
    """It recovers by itself."""
    states: list[bool] = []
    lane = RedisLane.connect(server.url, timeout_seconds=TIMEOUT_SECONDS, on_state=states.append)
    await lane.execute("SET", "k", "v")
    server.kill()
    with pytest.raises(RedisUnavailableError):
        await lane.execute("GET", "k")
    await server.start()
    await taken_up(lane)
    assert await lane.execute("GET", "k") is None
    assert states == [True, False, True]
    await lane.close()


async def test_workers_do_not_storm_a_redis_that_is_coming_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A Redis that is too busy to answer must not be met by every waiting call of every worker."""
    path = tmp_path_factory.mktemp("s") / "r.sock"
    attempts = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        await reader.read()  # until the other side gives up
        writer.close()

    listening = await asyncio.start_unix_server(hang, path)
    lanes = [RedisLane.connect(f"unix://{path}", timeout_seconds=0.05) for _ in range(20)]
    await asyncio.gather(*(lane.execute("PING") for lane in lanes), return_exceptions=True)
    attempts, ends = 0, time.monotonic() + 1.5
    while time.monotonic() < ends:
        await asyncio.gather(*(lane.execute("PING") for lane in lanes for _ in range(50)), return_exceptions=True)
        await asyncio.sleep(0.01)
    # One probe at a time, three a second at most, and each worker at moments of its own.
    assert 20 <= attempts <= 20 * 7
    for lane in lanes:
        await lane.close()
    listening.close()
    await listening.wait_closed()
    await asyncio.sleep(0.05)


async def test_closing_leaves_no_task_behind(server: RunningValkey) -> None:
    """Neither while Redis answers nor while it does not."""
    before = asyncio.all_tasks()
    for is_paused in (False, True):
        lane = RedisLane.connect(server.url, timeout_seconds=0.05)
        if is_paused:
            server.pause()
        await asyncio.gather(*(lane.execute("PING") for _ in range(5)), return_exceptions=True)
        await lane.close()
    server.resume()
    assert asyncio.all_tasks() == before
