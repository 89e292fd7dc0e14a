"""The way of a question to an upstream: waiting together, travelling together, tried again, answered one by one.

Owns the queue and the requests under way. The decisions are those of `breaker`, `concurrency` and `retries`; how a
request is made is the `Exchange`'s matter.

A question that finds nothing under way, and followed no crowd, goes at once with whatever else arrived in the same turn
of the event loop.
Where requests follow each other closely one waits `gather_seconds` for company; where as many are under way as the
upstream stands, the next one takes all that wait, up to what fits. A request that was sent is not taken back when its
callers leave: the upstream works on it anyway, its outcome tells how the upstream is, and its answer serves the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any, Generic, NamedTuple, TypeVar

import structlog

from gateway.ports import Clock
from gateway.upstream.breaker import Breaker, State
from gateway.upstream.concurrency import ConcurrencyLimit
from gateway.upstream.failures import ExchangeError, UpstreamUnavailableError
from gateway.upstream.patience import Patience
from gateway.upstream.policy import UpstreamPolicy
from gateway.upstream.ports import Exchange, UpstreamObserver
from gateway.upstream.retries import RetryBudget, pause_seconds

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")

_SWEEP_SECONDS = 0.05
_FULL_RETRY_SECONDS = 0.5
_FAILED_RETRY_SECONDS = 1.0
_LONG_AGO = float("-inf")
_CROWD = 4
"""Questions in the last request that make company for the next likely, even where its answer is back already."""


class _Waiting(NamedTuple):
    """A question in the queue."""

    question: Any
    answer: asyncio.Future[Any]
    patience: Patience


class Upstream:
    """One upstream: what its lanes share. Belongs to one event loop."""

    def __init__(
        self,
        *,
        name: str,
        policy: UpstreamPolicy,
        clock: Clock,
        draw: Callable[[], float],
        observer: UpstreamObserver,
    ) -> None:
        """`name` labels metrics and log lines; `draw` gives random numbers from 0 to 1."""
        self.name = name
        self.policy = policy
        self._clock = clock
        self._draw = draw
        self._observer = observer
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.upstream")
        self._breaker = Breaker(policy=policy.breaker_in_force(), draw=draw)
        self._concurrency = ConcurrencyLimit(
            fewest=min(policy.min_connections, policy.max_connections), most=policy.max_connections
        )
        self._retries = RetryBudget(policy.retry_share)
        self._lanes: deque[Lane[Any, Any]] = deque()
        self._waiting = 0
        self._requests: set[asyncio.Task[None]] = set()
        self._last_start = _LONG_AGO
        self._last_size = 0
        self._turn_is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._told: tuple[bool, int] | None = None
        self._tell()

    def lane(self, exchange: Exchange[QuestionT, AnswerT], *, max_questions: int = 1) -> Lane[QuestionT, AnswerT]:
        """A kind of question that travels in requests of its own, up to `max_questions` in each."""
        lane: Lane[QuestionT, AnswerT] = Lane(self, exchange, max_questions)
        self._lanes.append(lane)
        return lane

    async def close(self) -> None:
        """Refuse what waits and end what is under way."""
        self._is_closed = True
        self._refuse_waiting("closing", "the gateway is closing", retry_after_seconds=1.0)
        for request in self._requests:
            request.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()

    def enqueue(
        self, lane: Lane[QuestionT, AnswerT], question: QuestionT, patience: Patience
    ) -> asyncio.Future[AnswerT]:
        """Queue a question of a lane. Raises `UpstreamUnavailableError` where it is known not to be answered."""
        if self._is_closed:
            raise UpstreamUnavailableError("the gateway is closing")
        if self._breaker.state is not State.CLOSED:
            closed = self._breaker.seconds_closed_to(self._clock.monotonic())
            if closed is not None:
                self._observer.refused(self.name, why="breaker", questions=1)
                raise UpstreamUnavailableError("the breaker is open", retry_after_seconds=closed)
        if self._waiting >= self.policy.max_waiting:
            self._observer.refused(self.name, why="full", questions=1)
            raise UpstreamUnavailableError("too many questions wait", retry_after_seconds=_FULL_RETRY_SECONDS)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[AnswerT] = loop.create_future()
        lane.queue.append(_Waiting(question, answer, patience))
        self._waiting += 1
        if not self._turn_is_due:
            self._turn_is_due = True
            loop.call_soon(self._turn)
        return answer

    def _turn(self) -> None:
        """Send what may be sent now."""
        self._turn_is_due = False
        while self._waiting:
            now = self._clock.monotonic()
            closed = self._breaker.seconds_closed_to(now)
            if closed is not None:
                self._refuse_waiting("breaker", "the breaker is open", retry_after_seconds=closed)
                return
            # The breaker bounds probes itself: whoever is not one is refused at once, and waits for none.
            is_probe = self._breaker.state is State.PROBING
            if not is_probe and len(self._requests) >= self._concurrency.requests:
                self._wake(_SWEEP_SECONDS)
                return
            lane = self._next_lane()
            is_busy = bool(self._requests) or self._last_size >= _CROWD
            if is_busy and not is_probe and len(lane.queue) < lane.max_questions:
                early = self._last_start + self.policy.gather_seconds - now
                if early > 0:
                    self._wake(early)
                    return
            self._lanes.rotate(-1)
            # A probe risks one caller's time, not a hundred's.
            batch = self._take(lane, 1 if is_probe else lane.max_questions, now)
            if batch:
                self._send(lane, batch, now)

    def _next_lane(self) -> Lane[Any, Any]:
        """The next one in turn that has questions: a busy kind must not hold up another."""
        while not self._lanes[0].queue:
            self._lanes.rotate(-1)
        return self._lanes[0]

    def _take(self, lane: Lane[Any, Any], most: int, now: float) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while lane.queue and len(batch) < most:
            waiting = lane.queue.popleft()
            self._waiting -= 1
            if self._is_wanted(waiting, now):
                batch.append(waiting)
        return batch

    def _send(self, lane: Lane[Any, Any], batch: list[_Waiting], now: float) -> None:
        self._last_start = now
        self._last_size = len(batch)
        self._retries.requested()
        # Counted at once: the task itself begins only in the next turn of the loop.
        era = self._breaker.started()
        was_full = len(self._requests) + 1 >= self._concurrency.requests
        request = asyncio.get_running_loop().create_task(self._carry(lane, batch, era=era, was_full=was_full))
        self._requests.add(request)
        request.add_done_callback(partial(self._landed, batch))

    def _landed(self, batch: list[_Waiting], request: asyncio.Task[None]) -> None:
        self._requests.discard(request)
        if request.cancelled():
            _refuse(batch, "the gateway is closing", retry_after_seconds=1.0)
        if self._waiting and not self._turn_is_due:
            self._turn()

    async def _carry(self, lane: Lane[Any, Any], batch: list[_Waiting], *, era: int, was_full: bool) -> None:
        """One request from its first attempt to its answers."""
        for attempt in count(2):
            failed = await self._attempt(lane, batch, era=era, was_full=was_full)
            if failed is None:
                return
            pause = self._pause(failed, batch, attempt)
            if pause is None:
                self._give_up(batch, failed)
                return
            # The place among those under way is kept meanwhile: a failing system is asked less, not more.
            await asyncio.sleep(pause)
            now = self._clock.monotonic()
            batch = [waiting for waiting in batch if self._is_wanted(waiting, now)]
            if not batch or self._breaker.state is not State.CLOSED:
                self._give_up(batch, failed)
                return
            self._observer.retried(self.name)
            era = self._breaker.started()

    async def _attempt(
        self, lane: Lane[Any, Any], batch: list[_Waiting], *, era: int, was_full: bool
    ) -> ExchangeError | None:
        """Ask once. None when everybody was told, or what it failed of."""
        began = self._clock.monotonic()
        outcome = "failed"
        try:
            questions = [waiting.question for waiting in batch]
            answers = await lane.exchange(questions, timeout_seconds=self.policy.timeout_seconds)
            _hand_out(batch, answers)
        except ExchangeError as failed:
            outcome = failed.failure.value.outcome
            now = self._clock.monotonic()
            self._breaker.finished(era, well=False, now=now)
            if failed.failure.value.is_overload:
                self._concurrency.failed(began=began, now=now)
            return failed
        except asyncio.CancelledError:
            self._breaker.abandoned(era)
            raise
        except Exception as defect:  # noqa: BLE001  ours, and told to those who asked: it says nothing of the upstream
            self._breaker.abandoned(era)
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(defect)
        else:
            outcome = "answered"
            now = self._clock.monotonic()
            self._breaker.finished(era, well=True, now=now)
            self._concurrency.answered(began=began, now=now, size=len(batch), was_full=was_full)
        finally:
            seconds = self._clock.monotonic() - began
            self._observer.request_ended(self.name, outcome=outcome, seconds=seconds, questions=len(batch))
            self._tell()
        return None

    def _pause(self, failed: ExchangeError, batch: list[_Waiting], attempt: int) -> float | None:
        """How long to wait before the next attempt; None where there is to be none."""
        # A probe is never tried again: its failure has opened the breaker.
        if not failed.failure.value.may_retry or self._breaker.state is not State.CLOSED:
            return None
        if attempt > self.policy.attempts:
            return None
        pause = max(pause_seconds(attempt, draw=self._draw()), failed.retry_after_seconds or 0.0)
        if self._clock.monotonic() + pause >= max(waiting.patience.until for waiting in batch):
            return None
        return pause if self._retries.take() else None

    def _give_up(self, batch: list[_Waiting], failed: ExchangeError) -> None:
        closed = self._breaker.seconds_closed_to(self._clock.monotonic())
        retry_after = max(failed.retry_after_seconds or 0.0, closed or 0.0) or _FAILED_RETRY_SECONDS
        _refuse(batch, failed.cause, retry_after_seconds=retry_after)

    def _is_wanted(self, waiting: _Waiting, now: float) -> bool:
        """Whether anybody waits for the answer; refuses those who can no longer be answered in time."""
        if waiting.answer.done():
            return False
        if waiting.patience.until > now:
            return True
        self._observer.refused(self.name, why="late", questions=1)
        _refuse((waiting,), "its turn did not come in time", retry_after_seconds=_FULL_RETRY_SECONDS)
        return False

    def _refuse_waiting(self, why: str, cause: str, *, retry_after_seconds: float) -> None:
        for lane in self._lanes:
            refused = [waiting for waiting in lane.queue if not waiting.answer.done()]
            self._waiting -= len(lane.queue)
            lane.queue.clear()
            if refused:
                self._observer.refused(self.name, why=why, questions=len(refused))
                _refuse(refused, cause, retry_after_seconds=retry_after_seconds)

    def _wake(self, seconds: float) -> None:
        """Look again in so many seconds, or earlier."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._woken)

    def _woken(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        for lane in self._lanes:
            wanted = [waiting for waiting in lane.queue if self._is_wanted(waiting, now)]
            self._waiting -= len(lane.queue) - len(wanted)
            lane.queue = deque(wanted)
        self._turn()

    def _tell(self) -> None:
        """Tell the observer and the log what changed."""
        is_open = self._breaker.state is not State.CLOSED
        if is_open and (self._told is None or not self._told[0]):
            self._concurrency.start_over()
        telling = (is_open, self._concurrency.requests)
        if telling == self._told:
            return
        told, self._told = self._told, telling
        self._observer.concurrency(self.name, limit=telling[1])
        if told is None or told[0] != is_open:
            self._observer.breaker(self.name, is_open=is_open)
        if told is not None and told[0] != is_open:
            self._log.warning("upstream_breaker_opened" if is_open else "upstream_breaker_closed", upstream=self.name)


class Lane(Generic[QuestionT, AnswerT]):
    """One kind of question to an upstream."""

    def __init__(self, upstream: Upstream, exchange: Exchange[QuestionT, AnswerT], max_questions: int) -> None:
        """Made by `Upstream.lane`."""
        self._upstream = upstream
        self.exchange = exchange
        self.max_questions = max_questions
        self.queue: deque[_Waiting] = deque()
        """What waits; the upstream's to change."""

    def ask(self, question: QuestionT, patience: Patience) -> asyncio.Future[AnswerT]:
        """The answer to come. Cancelling the future withdraws a question that was not sent.

        Raises `UpstreamUnavailableError` at once where it is known not to be answered; the future fails with the same,
        or with the exception that is this question's alone.
        """
        return self._upstream.enqueue(self, question, patience)


def _hand_out(batch: Sequence[_Waiting], answers: Sequence[Any]) -> None:
    # Checked before the first is handed out: an answer more or less would shift all others to the wrong askers.
    if len(answers) != len(batch):
        raise ValueError("as many answers as questions are needed")
    for waiting, answer in zip(batch, answers, strict=True):
        if waiting.answer.done():
            continue
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)


def _refuse(batch: Sequence[_Waiting], cause: str, *, retry_after_seconds: float) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(UpstreamUnavailableError(cause, retry_after_seconds=retry_after_seconds))
