"""A whole installation whose Valkey hangs, dies or is emptied: lookups go on, and no old copy comes back with it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import urllib.request
from collections.abc import Awaitable, Callable

import pytest

from adapters.redis_lane import RedisLane
from tests.fakes.supervised import children_of
from tests.integration.conftest import GatewayUp
from tests.integration.test_cache_up import Registry, a_citizen, both_workers, version

RECOVERS_SECONDS = 20.0


@pytest.fixture
def registry(gateway_up: GatewayUp) -> Registry:
    return Registry(gateway_up)


def valkey_of(up: GatewayUp) -> int:
    (pid,) = [pid for pid, command in children_of(up.process.pid).items() if "valkey-server" in command]
    return pid


def gauge(up: GatewayUp, name: str) -> float:
    with urllib.request.urlopen(f"{up.http_url}/metrics") as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(name + " ")), "0"))


async def soon(holds: Callable[[], Awaitable[bool]]) -> None:
    ends = time.monotonic() + RECOVERS_SECONDS
    while not await holds():
        assert time.monotonic() < ends, "not in time"
        await asyncio.sleep(0.1)


async def degraded(up: GatewayUp, dependency: str) -> bool:
    return await asyncio.to_thread(gauge, up, f'dancu_degraded{{dependency="{dependency}"}}') == 1


async def test_lookups_go_on_while_redis_hangs_and_changes_of_that_time_show_afterwards(
    gateway_up: GatewayUp, registry: Registry
) -> None:
    """§12: a Redis that accepts and never answers costs a time-out once, not every caller."""
    known, unknown = a_citizen(), a_citizen()
    async with both_workers(gateway_up) as clients:
        for client in clients:
            await version(client, known)
        valkey = valkey_of(gateway_up)
        os.kill(valkey, signal.SIGSTOP)
        try:
            slowest = []
            for _ in range(60):
                for client in clients:
                    began = time.monotonic()
                    await version(client, known)
                    await version(client, unknown)
                    slowest.append(time.monotonic() - began)
            assert await degraded(gateway_up, "redis")
            slowest.sort()
            # One caller of each worker finds out; the others do not pay for it.
            assert slowest[len(slowest) * 9 // 10] < 0.25, slowest[-10:]
            registry.move(known)
        finally:
            os.kill(valkey, signal.SIGCONT)

        async def back() -> bool:
            return not await degraded(gateway_up, "redis") and not await degraded(gateway_up, "change_feed")

        await soon(back)

        async def shows() -> bool:
            return {await version(client, known) for client in clients} == {2}

        await soon(shows)


@pytest.mark.parametrize("loss", ["killed", "flushed"])
async def test_a_redis_that_lost_everything_brings_no_old_copy_back(
    gateway_up: GatewayUp, registry: Registry, loss: str
) -> None:
    """Restarted empty or emptied by hand: the follower begins a new epoch, and changes are heard again."""
    number = a_citizen()
    async with both_workers(gateway_up) as clients:
        for client in clients:
            await version(client, number)
        if loss == "killed":
            os.kill(valkey_of(gateway_up), signal.SIGKILL)
        else:
            lane = RedisLane.connect(f"unix://{gateway_up.data_dir / 'run' / 'valkey.sock'}", timeout_seconds=2)
            await lane.execute("FLUSHALL")
            await lane.close()
        registry.move(number)

        async def shows(expected: int) -> bool:
            return {await version(client, number) for client in clients} == {expected}

        await soon(lambda: shows(2))
        registry.move(number, version=2)
        await soon(lambda: shows(3))
