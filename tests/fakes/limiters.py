"""What limiters need around them, in memory; and a limiter as one worker of several would have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from adapters.clock import SystemClock
from adapters.memory_limiter import MemoryLimiter
from adapters.miss_counts import MemoryMissBudget
from adapters.redis_lane import RedisLane
from adapters.redis_limiter import RedisLimiter
from gateway.accounts.model import LimitNode
from gateway.calls.admit import Gate
from gateway.calls.in_flight import InFlight
from gateway.calls.shed import Shedder
from gateway.ports import CallObserver, Clock, QuotaSource, QuotaUnknownError


@dataclass
class RememberedQuotas:
    """`gateway.ports.QuotaSource` from a dictionary by node name; None stands for records that cannot be counted."""

    used: dict[str, int | None] = field(default_factory=dict)
    asked: int = 0

    async def used_on(self, node: LimitNode, day: int) -> int:  # noqa: ARG002  the same every day
        self.asked += 1
        used = self.used.get(node.name, 0)
        if used is None:
            raise QuotaUnknownError("gone")
        return used


def memory_gate(*, clock: Clock, observer: CallObserver, max_in_flight: int = 100) -> Gate:
    """A gate that counts in memory, its loop's delay not measured."""
    in_flight = InFlight()
    return Gate(
        limiter=MemoryLimiter(clock=clock),
        misses=MemoryMissBudget(clock=clock),
        in_flight=in_flight,
        shedder=Shedder(in_flight=in_flight, max_in_flight=max_in_flight, draw=lambda: 0.5),
        observer=observer,
        clock=clock,
    )


@dataclass
class LimitedWorker:
    """One worker's limiter."""

    limiter: RedisLimiter
    lane: RedisLane
    states: list[bool]
    trips: int = 0


@asynccontextmanager
async def limited_worker(
    url: str,
    *,
    workers: int = 1,
    clock: Clock | None = None,
    quotas: QuotaSource | None = None,
    timeout_seconds: float = 2.0,
) -> AsyncIterator[LimitedWorker]:
    """A limiter with a lane of its own, as each worker has."""
    states: list[bool] = []
    lane = RedisLane.connect(url, timeout_seconds=timeout_seconds, on_state=states.append)

    def tripped() -> None:
        worker.trips += 1

    limiter = RedisLimiter(
        lane, clock=clock or SystemClock(), quotas=quotas or RememberedQuotas(), workers=workers, on_trip=tripped
    )
    worker = LimitedWorker(limiter, lane, states)
    try:
        yield worker
    finally:
        await limiter.close()
        await lane.close()
