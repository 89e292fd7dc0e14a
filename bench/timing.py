"""CPU time of a step run many times in this process: microseconds each, waiting not counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_TOGETHER = 64


def alone(step: Callable[[], object], calls: int) -> float:
    """Of a plain function."""
    began = time.process_time()
    for _ in range(calls):
        step()
    return (time.process_time() - began) / calls * 1e6


async def one_by_one(step: Callable[[], Awaitable[object]], calls: int) -> float:
    """Of a coroutine, each awaited before the next."""
    began = time.process_time()
    for _ in range(calls):
        await step()
    return (time.process_time() - began) / calls * 1e6


async def together(step: Callable[[], Awaitable[object]], calls: int) -> float:
    """Of a coroutine, many under way as under load, so that a journal writes them in batches."""

    async def caller() -> None:
        for _ in range(calls // _TOGETHER):
            await step()

    began = time.process_time()
    await asyncio.gather(*(caller() for _ in range(_TOGETHER)))
    return (time.process_time() - began) / (calls // _TOGETHER * _TOGETHER) * 1e6
