"""Builds the gate of a process that answers calls: counted in Redis where there is one, in memory where none is."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.ledger_quotas import LedgerQuotas
from adapters.memory_limiter import MemoryLimiter
from adapters.miss_counts import MemoryMissBudget, RedisMissBudget
from adapters.redis_lane import RedisLane
from adapters.redis_limiter import RedisLimiter
from gateway.calls.admit import Gate
from gateway.calls.in_flight import InFlight
from gateway.calls.loop_delay import LoopDelay
from gateway.calls.shed import Shedder
from gateway.ports import CallObserver, Clock, Limiter, MissBudget
from gateway.settings import Settings


def open_gate(
    stack: AsyncExitStack,
    settings: Settings,
    *,
    lane: RedisLane | None,
    engine: AsyncEngine,
    clock: Clock,
    observer: CallObserver,
) -> Gate:
    """The gate, on the running loop; `stack` takes it apart, and must then still hold the lane open.

    Without a lane the process counts alone: for the control process, which shares its callers with nobody.
    """
    limiter: Limiter = MemoryLimiter(clock=clock)
    misses: MissBudget = MemoryMissBudget(clock=clock)
    workers = 1
    if lane is not None:
        workers = settings.workers.total or settings.workers.count
        shared = RedisLimiter(lane, clock=clock, quotas=LedgerQuotas(engine), workers=workers)
        stack.push_async_callback(shared.close)
        limiter, misses = shared, RedisMissBudget(lane, clock=clock, workers=workers)
    in_flight = InFlight(workers=workers)
    shedder = Shedder(in_flight=in_flight, max_in_flight=settings.workers.max_in_flight, draw=random.random)
    loop_delay = LoopDelay(told=shedder.observe)
    loop_delay.start()
    stack.callback(loop_delay.stop)
    return Gate(
        limiter=limiter,
        misses=misses,
        in_flight=in_flight,
        shedder=shedder,
        observer=observer,
        clock=clock,
    )
