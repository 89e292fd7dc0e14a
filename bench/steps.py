"""What each step of a cached LookupCitizen costs: CPU microseconds, in a worker's own pipeline.

The pipeline is the production one, built by `adapters.wiring` on the settings of a running installation as one worker
more, and driven without a transport. Each step is run alone, many times, on what the steps before it gave. The
transport is what the bare echo costs, the journal what a worker costs more than one without; what then remains of a
worker's CPU time a call under load is told as the rest.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
import uvloop

from adapters import wiring
from adapters.metrics import PrometheusObserver
from bench.installation import LOOKUP, Installation
from bench.requests import lookup
from bench.timing import alone, one_by_one, together
from gateway.accounts.limit_nodes import limit_nodes
from gateway.calls.answer import trailing
from gateway.calls.authenticate import require_active
from gateway.calls.authorise import authorise
from gateway.calls.identify import identify
from gateway.calls.pipeline import Pipeline
from gateway.model import Call
from gateway.settings import load_settings
from gateway.version import __version__

TRANSPORT = "transport: what the bare echo costs"
REST = "rest: under load, not attributed to a step"
_JOURNAL = "7 record: journal, with its thread"
_SLOT = 200


def steps(gateway: Installation, number: str, *, calls: int) -> dict[str, float]:
    """Microseconds of each step, and of the `whole pipeline`."""
    environment = Path(f"/proc/{gateway.workers[0]}/environ").read_bytes().split(b"\0")
    told = dict(pair.decode().split("=", 1) for pair in environment if pair.startswith(b"DANCU_"))
    before = dict(os.environ)
    os.environ.update(told)
    try:
        settings = load_settings()
    finally:
        os.environ.clear()
        os.environ.update(before)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))

    async def measure() -> dict[str, float]:
        async with wiring.open_worker(settings, slot=_SLOT, observer=PrometheusObserver(version=__version__)) as worker:
            return await _measure(worker.pipeline, gateway, number, calls)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure())


async def _measure(pipeline: Pipeline, gateway: Installation, number: str, calls: int) -> dict[str, float]:
    call = Call(LOOKUP, lookup(number), dict(gateway.metadata), "127.0.0.1", time.monotonic() + 1e6)
    for _ in range(100):
        await pipeline(call)
    whole = await together(lambda: pipeline(call), calls)
    method, clock, gate, recorder = pipeline._methods[LOOKUP], pipeline._clock, pipeline._gate, pipeline._recorder
    inquiry = identify(call, method, clock=clock, new_id=pipeline._new_id)
    caller = await pipeline._authenticate(call, now=inquiry.arrived, monotonic=inquiry.started)
    account = inquiry.account = caller.account
    inquiry.credential_id = caller.credential_id
    question = inquiry.question = method.parse(call.request)
    inquiry.limit_nodes = limit_nodes(account, question.purpose.officer_id if question.purpose else "")
    answer = await method.handle(question, inquiry)
    receipts = await recorder.answered(inquiry, answer)

    async def authenticated() -> None:
        found = await pipeline._authenticate(call, now=inquiry.arrived, monotonic=inquiry.started)
        require_active(found.account, now=inquiry.arrived)

    async def admitted() -> None:
        with gate.enter(inquiry, 1):
            await gate.take(inquiry, 1)
            await gate.settle(inquiry.limit_nodes, (None,))

    def counted() -> None:
        pipeline._observer.call_started()
        pipeline._finish(inquiry, None)

    def authorised() -> None:
        authorise(account, method, question, peer=call.peer, now=inquiry.arrived)

    found = {
        "1 identify": alone(lambda: identify(call, method, clock=clock, new_id=pipeline._new_id), calls),
        "2 authenticate": await one_by_one(authenticated, calls),
        "3 parse and validate": alone(lambda: method.parse(call.request), calls),
        "4 authorise": alone(authorised, calls),
        "5 admit": await one_by_one(admitted, calls),
        "6 handle: copy, narrow": await one_by_one(lambda: method.handle(question, inquiry), calls),
        "7 record: make it": alone(lambda: recorder._payloads(inquiry, answer.disclosures), calls),
    }
    payloads = recorder._payloads(inquiry, answer.disclosures)
    found[_JOURNAL] = await together(lambda: _appended(recorder._journal, payloads), calls)
    found["8 answer: serialise, trailers"] = alone(
        lambda: (answer.response.SerializeToString(), trailing(inquiry, receipts)), calls
    )
    found["metrics and log"] = alone(counted, calls)
    return found | {"whole pipeline": whole}


async def _appended(journal: Any, payloads: list[bytes]) -> None:
    await journal.append(payloads)


def with_transport(found: Mapping[str, float], *, floor: float, silent: float, worker: float) -> dict[str, float]:
    """All shares of a call under load, dearest first.

    `floor`, `silent` and `worker`: CPU time a call of the bare echo, of a worker without a journal, and of a worker.
    """
    shares = {name: micros for name, micros in found.items() if name != "whole pipeline"}
    # Alone it writes full batches and shares the interpreter with nobody; under load it costs the difference.
    shares[_JOURNAL] = max(shares[_JOURNAL], worker - silent)
    shares[REST] = max(0.0, worker - floor - sum(shares.values()))
    shares[TRANSPORT] = floor
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
