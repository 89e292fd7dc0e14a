"""One worker's limiter in a process of its own, with callers: what `tests.integration.test_admission_rate` starts.

Arguments: one JSON object. Prints one: when (on the machine's monotonic clock) how many were admitted, and how often
Redis was asked.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gateway.accounts.model import LimitNode, Limits
from tests.fakes.limiters import LimitedWorker, limited_worker

NODES = (LimitNode("organisation:01", "01", Limits(rate=10_000)),)


async def call_until(worker: LimitedWorker, told: dict[str, Any], admitted: list[float]) -> None:
    """One caller: asks again at once when admitted, and after the stated time when not; or keeps a pace."""
    nodes = (*NODES, LimitNode("account:01/a", "01", Limits(rate=told["rate"], burst=told["burst"])))
    pause = told.get("pause")
    while (now := time.monotonic()) < told["end"]:
        admission = await worker.limiter.admit(nodes, 1)
        if admission.refused_by is None:
            admitted.append(now)
        if pause is not None:
            await asyncio.sleep(pause)
        else:
            await asyncio.sleep(min(admission.retry_after_seconds, told["end"] - now))


async def main(told: dict[str, Any]) -> dict[str, Any]:
    """Call from `begin` to `end`."""
    admitted: list[float] = []
    async with limited_worker(told["url"], workers=told["workers"], timeout_seconds=0.25) as worker:
        await asyncio.sleep(told["begin"] - time.monotonic())
        await asyncio.gather(*(call_until(worker, told, admitted) for _ in range(told["callers"])))
        return {"admitted": admitted, "trips": worker.trips, "states": worker.states}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))  # noqa: T201
