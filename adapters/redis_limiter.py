"""Limits counted in Redis for all workers and machines, with leases so that most calls need not ask, and without Redis.

Owns what this worker knows of each node: the tokens in its hand, how the count stood when last told, a refusal that
still holds. How much is leased is policy (`gateway.accounts.leases`); counting is `adapters.limit_counts`.

Where Redis is gone, leases in hand are still good, and beyond them `MemoryLimiter` counts this worker's even share,
from an empty bucket: what the others have taken is not known. What is admitted meanwhile is told to Redis when it
returns.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from redis.exceptions import ResponseError

from adapters.limit_counts import Ask, Grant, LimitCounts, Refusal, Unknown
from adapters.limit_holds import Hold, Holds, spend
from adapters.memory_limiter import MemoryLimiter
from adapters.redis_lane import RedisLane, RedisUnavailableError
from gateway.accounts.gcra import interval_and_tolerance
from gateway.accounts.leases import lease_seconds, smoothed_demand, wanted_ahead
from gateway.accounts.model import LimitNode, Limits
from gateway.accounts.quota import day_of, seconds_to_midnight
from gateway.errors import Reason
from gateway.ports import Admission, Clock, QuotaSource, QuotaUnknownError

_PROBE_SECONDS = 0.25
_SWEEP_SECONDS = 1.0
_QUOTA_REFUSAL_SECONDS = 1.0
_JOINING_SECONDS = 1.5
"""How much later than another worker this one may learn that Redis is back: the lane's probe (0.5 s) with its time-out,
ours (0.25 s) with its, and the moment that a busy machine takes for both."""
_PROBE = LimitNode("probe", "probe", Limits(rate=1_000_000))


class RedisLimiter:
    """`gateway.ports.Limiter` on Redis, for one of `workers` that share the limits."""

    def __init__(
        self,
        lane: RedisLane,
        *,
        clock: Clock,
        quotas: QuotaSource,
        workers: int,
        on_trip: Callable[[], None] = lambda: None,
    ) -> None:
        """`workers`: of all machines together; `on_trip` is told of every script sent, for tests and measurements."""
        self._lane = lane
        self._counts = LimitCounts(lane, workers=workers)
        self._clock = clock
        self._quotas = quotas
        self._workers = workers
        self._on_trip = on_trip
        self._holds = Holds()
        self._local = MemoryLimiter(clock=clock, quotas=self, workers=workers)
        self._is_down = False
        self._probed_at = 0.0
        self._background: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None

    async def admit(self, nodes: Sequence[LimitNode], cost: int) -> Admission:
        """Take `cost` from every node, or from none."""
        while True:
            now = self._clock.monotonic()
            holds = [self._holds.of(node, now) for node in nodes]
            remaining = spend(holds, cost)
            if remaining is not None:
                return Admission(None, 0.0, remaining)
            refusing = [hold for hold in holds if hold.is_refused(cost, now)]
            if refusing:
                longest = max(refusing, key=lambda hold: hold.retry_at)
                return Admission(longest.node, longest.retry_at - now, 0, longest.refused_for)
            if self._is_down:
                self._probe(now)
                return await self._admit_alone(nodes, holds, cost)
            leaf = holds[-1]
            if leaf.question is None:
                leaf.question = asyncio.get_running_loop().create_future()
                try:
                    return await self._ask(nodes, holds, cost)
                finally:
                    leaf.question.set_result(None)
                    leaf.question = None
            # One asks for all who come meanwhile: they find its lease, or hear the refusal it heard.
            leaf.waiting += cost
            try:
                await asyncio.wait([leaf.question])
            finally:
                leaf.waiting -= cost

    async def used_on(self, node: LimitNode, day: int) -> int:
        """How much of the quota is used as far as the records and this worker know; see `gateway.ports.QuotaSource`."""
        hold = self._holds.of(node, self._clock.monotonic())
        known = hold.used if hold.day == day else 0
        try:
            return max(known, await self._quotas.used_on(node, day))
        except QuotaUnknownError:
            return known

    async def close(self) -> None:
        """Give back what is in hand of daily quotas."""
        if self._sweep is not None:
            self._sweep.cancel()
        for hold in self._holds.all():
            hold.lapse()
        self._give_back()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _ask(self, nodes: Sequence[LimitNode], holds: Sequence[Hold], cost: int) -> Admission:
        await asyncio.sleep(0)  # who comes in the same moment is asked for as well
        now, wall = self._clock.monotonic(), self._clock.now()
        day, to_midnight = day_of(wall), seconds_to_midnight(wall)
        # What is in hand is reserved for this call, so that another one meanwhile cannot spend it too.
        reserved = [hold.reserve(cost) for hold in holds]
        asks = [
            self._ask_of(node, hold, need=cost - own, company=holds[-1].waiting, now=now, day=day)
            for node, hold, own in zip(nodes, holds, reserved, strict=True)
        ]
        try:
            taken = await self._take(asks, day=day, to_midnight=to_midnight)
        except (RedisUnavailableError, ResponseError):
            self._give_up()
            for hold, own, ask in zip(holds, reserved, asks, strict=True):
                hold.release(own, ask, is_certain=False)
            return await self._admit_alone(nodes, holds, cost)
        except asyncio.CancelledError:
            # Whether it was counted is not known; the caller is gone, and only its own tokens are lost.
            for hold, ask in zip(holds, asks, strict=True):
                hold.release(0, ask, is_certain=False)
            raise
        if isinstance(taken, Refusal):
            for hold, own, ask in zip(holds, reserved, asks, strict=True):
                hold.release(own, ask, is_certain=True)
            # Another call may have brought a lease home meanwhile.
            remaining = spend(holds, cost)
            if remaining is not None:
                return Admission(None, 0.0, remaining)
            # The count of a rate only moves on, so the refusal stands until then; a quota may get something back.
            by_rate = taken.reason is Reason.RATE_LIMITED
            holds[taken.position].refuse(
                need=asks[taken.position].need,
                reason=taken.reason,
                known_until=now + (taken.wait_seconds if by_rate else min(taken.wait_seconds, _QUOTA_REFUSAL_SECONDS)),
                retry_at=self._clock.monotonic() + taken.wait_seconds,
            )
            return Admission(nodes[taken.position], taken.wait_seconds, 0, taken.reason)
        remaining = None
        for hold, ask, grant in zip(holds, asks, taken, strict=True):
            self._keep(hold, ask, grant, cost=cost, now=now, day=day, to_midnight=to_midnight)
            left = hold.tokens + grant.left
            remaining = left if remaining is None else min(remaining, left)
        return Admission(None, 0.0, remaining)

    def _ask_of(self, node: LimitNode, hold: Hold, *, need: int, company: int, now: float, day: int) -> Ask:
        hold.begin(day)
        ahead = 0
        if not hold.is_filling:
            hold.demand = smoothed_demand(hold.demand, used=hold.spent, elapsed_seconds=now - hold.counted_at)
            hold.counted_at, hold.spent = now, 0
            # All nodes of the call are filled up together, or each would need journeys of its own.
            ahead = max(0, wanted_ahead(hold.demand) - hold.tokens)
            hold.is_filling = ahead > 0
        owed, hold.owed = hold.owed, 0
        debt, hold.debt = hold.debt, 0
        return Ask(node, need, ahead, company, floor_seconds=max(0.0, hold.tat - now), owed=owed, debt=debt)

    async def _take(self, asks: Sequence[Ask], *, day: int, to_midnight: float) -> list[Grant] | Refusal:
        seeds: dict[int, int] = {}
        while True:
            self._on_trip()
            seeded = (
                [replace(ask, seed=seeds.get(position, -1)) for position, ask in enumerate(asks)] if seeds else asks
            )
            taken = await self._counts.take(seeded, day=day, seconds_to_midnight=to_midnight)
            if not isinstance(taken, Unknown):
                return taken
            for position in taken.positions:
                # The records tell what was admitted in an outage too; what is still owed must not count twice.
                seeds[position] = max(0, await self.used_on(asks[position].node, day) - max(0, asks[position].owed))

    def _keep(self, hold: Hold, ask: Ask, grant: Grant, *, cost: int, now: float, day: int, to_midnight: float) -> None:
        hold.spent += cost
        if ask.ahead:
            hold.is_filling = False
        hold.left = grant.left
        hold.tat = max(hold.tat, now + grant.tat_ahead_seconds)
        if hold.day == day:
            hold.used = grant.used
        if grant.ahead:
            hold.tokens += grant.ahead
            lease = lease_seconds(hold.tokens, demand=hold.demand)
            hold.expires = max(hold.expires, now + min(lease, to_midnight))
            if hold.limits.daily is not None:
                self._sweep_soon()

    async def _admit_alone(self, nodes: Sequence[LimitNode], holds: Sequence[Hold], cost: int) -> Admission:
        admission = await self._local.admit(nodes, cost)
        if admission.refused_by is None:
            today = day_of(self._clock.now())
            for hold in holds:
                hold.spent += cost
                hold.alone += cost
                if hold.limits.daily is not None:
                    hold.begin(today)
                    hold.owed += cost
                    hold.used += cost
        return admission

    def _give_up(self) -> None:
        if not self._is_down:
            self._is_down = True
            self._probed_at = self._clock.monotonic()
            self._local.start_empty()
            for hold in self._holds.all():
                hold.alone = 0

    def _probe(self, now: float) -> None:
        # Callers never wait to see whether Redis is back: one question at a time does, beside them.
        if now - self._probed_at >= _PROBE_SECONDS and not self._background:
            self._probed_at = now
            self._start(self._look())

    async def _look(self) -> None:
        try:
            # What calls will do, not a PING: a Redis that is read-only or out of memory answers PING.
            await self._counts.take([Ask(_PROBE, 1)], day=0, seconds_to_midnight=0)
        except (RedisUnavailableError, ResponseError):
            return
        for hold in self._holds.all():
            self._join(hold, self._clock.monotonic())
        self._is_down = False

    def _join(self, hold: Hold, now: float) -> None:
        """Carry what was counted alone over to the common count."""
        hold.refused_until = 0.0
        if hold.limits.rate is None:
            return
        # My bucket is this empty, so the common one is at least as empty: a Redis that kept its state through a hang,
        # or lost it, does not hand out a second burst.
        interval, tolerance = interval_and_tolerance(hold.limits, workers=self._workers)
        emptiness = min(1.0, self._local.ahead_of(hold.node) / max(interval, tolerance))
        hold.tat = max(hold.tat, now + emptiness * tolerance)
        hold.debt = min(hold.alone, math.ceil(_JOINING_SECONDS / interval))

    def _sweep_soon(self) -> None:
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._swept)

    def _swept(self) -> None:
        self._sweep = None
        if self._holds.lapse(self._clock.monotonic()):
            self._sweep_soon()
        self._give_back()

    def _give_back(self) -> None:
        day = day_of(self._clock.now())
        for hold in self._holds.all():
            if hold.owed < 0 and hold.day == day and not self._is_down:
                owed, hold.owed = hold.owed, 0
                self._start(self._return(hold, owed, day))

    async def _return(self, hold: Hold, owed: int, day: int) -> None:
        self._on_trip()
        try:
            # Without a seed: where the counter is lost there is nothing to give back to.
            await self._counts.take(
                [Ask(hold.node, 0, owed=owed)], day=day, seconds_to_midnight=seconds_to_midnight(self._clock.now())
            )
        except (RedisUnavailableError, ResponseError):
            self._give_up()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
