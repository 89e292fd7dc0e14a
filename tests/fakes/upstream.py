"""An upstream whose requests a test scripts, and an observer that keeps what it is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.upstream.failures import ExchangeError, Failure
from gateway.upstream.lanes import Lane, Upstream
from gateway.upstream.patience import Patience
from gateway.upstream.policy import BreakerPolicy, UpstreamPolicy
from tests.fakes.virtual_time import LoopClock


@dataclass
class ScriptedExchange:
    """`gateway.upstream.ports.Exchange` on questions that are strings; the answer to `x` is `about x`."""

    seconds: float = 0.1
    """How long each request takes."""
    fails: list[Failure | None] = field(default_factory=list)
    """What the coming requests fail of, one by one; None: not at all. Those beyond the list follow `always`."""
    always: Failure | None = None
    alone: dict[str, Exception] = field(default_factory=dict)
    """Failures of single questions."""
    defect: Exception | None = None
    retry_after_seconds: float | None = None
    requests: list[list[str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    async def __call__(self, questions: Sequence[str], /, *, timeout_seconds: float) -> Sequence[str | Exception]:
        self.requests.append(list(questions))
        self.times.append(asyncio.get_running_loop().time())
        failure = self.fails.pop(0) if self.fails else self.always
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if failure is Failure.TIMEOUT or self.seconds > timeout_seconds:
                await asyncio.sleep(timeout_seconds)
                raise ExchangeError(Failure.TIMEOUT, "no answer in time")
            await asyncio.sleep(self.seconds)
        finally:
            self.under_way -= 1
        if self.defect is not None:
            raise self.defect
        if failure is not None:
            raise ExchangeError(failure, failure.value.outcome, retry_after_seconds=self.retry_after_seconds)
        return [self.alone.get(question, f"about {question}") for question in questions]


@dataclass
class WatchedUpstream:
    """`gateway.upstream.ports.UpstreamObserver`."""

    ended: list[tuple[str, int]] = field(default_factory=list)
    """Outcome and questions of each request."""
    retries: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    opened: list[bool] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)

    @property
    def outcomes(self) -> list[str]:
        return [outcome for outcome, _ in self.ended]

    def request_ended(self, _registry: str, /, *, outcome: str, seconds: float, questions: int) -> None:
        assert seconds >= 0
        self.ended.append((outcome, questions))

    def retried(self, _registry: str, /) -> None:
        self.retries += 1

    def refused(self, _registry: str, /, *, why: str, questions: int) -> None:
        self.refusals[why] += questions

    def breaker(self, _registry: str, /, *, is_open: bool) -> None:
        self.opened.append(is_open)

    def concurrency(self, _registry: str, /, *, limit: int) -> None:
        self.limits.append(limit)


ENOUGH = BreakerPolicy().min_requests
"""Failures that open the breaker."""


class LaneWorld:
    """An upstream with one lane of ten questions a request."""

    def __init__(self, exchange: ScriptedExchange, *, draw: float = 0.5, **policy: Any) -> None:
        self.exchange = exchange
        self.watched = WatchedUpstream()
        self.upstream = Upstream(
            name="test",
            policy=UpstreamPolicy(**({"gather_seconds": 0.002} | policy)),
            clock=LoopClock(),
            draw=lambda: draw,
            observer=self.watched,
        )
        self.lane: Lane[str, str] = self.upstream.lane(exchange, max_questions=10)

    def ask(self, question: str, *, seconds: float = 10.0) -> asyncio.Future[str]:
        return self.lane.ask(question, Patience(now() + seconds))

    def ask_at_once(self, count: int) -> list[asyncio.Future[str]]:
        return [self.ask(f"q{nth}") for nth in range(count)]

    async def outcomes(self, *asked: asyncio.Future[str]) -> list[str]:
        results = await asyncio.gather(*asked, return_exceptions=True)
        return [result if isinstance(result, str) else f"{type(result).__name__}: {result}" for result in results]

    async def fail(self, requests: int) -> None:
        """Let so many requests fail, one after the other."""
        self.exchange.always = Failure.UNUSABLE
        for nth in range(requests):
            await self.outcomes(self.ask(f"failing-{nth}"))


def now() -> float:
    return asyncio.get_running_loop().time()
