"""Where a record comes from: a copy that is young enough, a question already under way, or the national database.

Owns the order of these and the rule for stale copies. Refuses to know who asks and what they may see.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from dancu.common.v1 import common_pb2
from gateway.citizens.freshness import is_fresh
from gateway.citizens.ports import EveryWorkerAsks, FetchClaims
from gateway.model import CitizenNumber, CitizenRecord
from gateway.ports import Clock, IdentityCache, NationalDatabase, NationalDatabaseUnavailableError
from gateway.upstream.patience import Patience

PATIENCE_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.1)
"""Between looks at what another worker is fetching; a quarter of a second in all, then this one asks as well."""

_EVERY_WORKER_ASKS = EveryWorkerAsks()


class Found(NamedTuple):
    """A record and where it came from."""

    record: CitizenRecord
    source: common_pb2.Provenance.Source.ValueType


@dataclass(frozen=True, slots=True)
class _Flight:
    """A question under way; what it brings is as of `asked_at` or later."""

    answer: asyncio.Future[Found]
    asked_at: float
    ticket: int
    patience: Patience


class Records:
    """Finds records, never staler than allowed."""

    def __init__(
        self,
        *,
        cache: IdentityCache,
        national_db: NationalDatabase,
        clock: Clock,
        timeout_seconds: float,
        claims: FetchClaims = _EVERY_WORKER_ASKS,
    ) -> None:
        """`timeout_seconds`: the longest wait for the national database; a caller's earlier deadline wins."""
        self._cache = cache
        self._national_db = national_db
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._claims = claims
        self._shared: dict[CitizenNumber, _Flight] = {}
        self._under_way: dict[asyncio.Task[None], _Flight] = {}

    def at_hand(self, number: CitizenNumber, *, staleness: timedelta) -> Found | None:
        """The record behind a number where a copy that is young enough can be had without waiting."""
        return self._near(number, now=self._clock.now(), allowed=self._allowed(staleness))

    async def find(
        self, number: CitizenNumber, *, staleness: timedelta, stale_if_error: timedelta | None, deadline: float | None
    ) -> Found:
        """The record behind a number.

        Raises `AmbiguousNumberError`, and `NationalDatabaseUnavailableError` when neither the national database nor a
        permitted copy can answer. `deadline` is monotonic.
        """
        now = self._clock.now()
        allowed = self._allowed(staleness)
        near = self._near(number, now=now, allowed=allowed)
        if near is not None:
            return near
        copy = None
        if allowed > 0 or stale_if_error is not None:
            copy = await self._cache.get(number, not_before=now - allowed)
            if copy is not None and is_fresh(copy, now=now, staleness_seconds=allowed):
                return Found(copy, common_pb2.Provenance.SOURCE_CACHE)
        is_hot = copy is not None or self._cache.is_contended(number)
        until = self._clock.monotonic() + self._timeout_seconds
        if deadline is not None:
            until = min(until, deadline)
        try:
            return await self._ask(number, not_before=now - allowed, shared=allowed > 0, is_hot=is_hot, until=until)
        except NationalDatabaseUnavailableError:
            limit = 0.0 if stale_if_error is None else stale_if_error.total_seconds()
            if copy is not None and is_fresh(copy, now=now, staleness_seconds=limit):
                return Found(copy, common_pb2.Provenance.SOURCE_STALE_CACHE)
            raise

    async def close(self) -> None:
        """End the questions under way; copies that are being kept are waited for. Call when no caller is left."""
        for task, flight in self._under_way.items():
            if not flight.answer.done():
                task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _allowed(self, staleness: timedelta) -> float:
        return min(staleness.total_seconds(), self._cache.vouched_seconds)

    def _near(self, number: CitizenNumber, *, now: float, allowed: float) -> Found | None:
        if allowed <= 0:
            return None
        copy = self._cache.near(number, now=now, not_before=now - allowed)
        if copy is None or not is_fresh(copy, now=now, staleness_seconds=allowed):
            return None
        return Found(copy, common_pb2.Provenance.SOURCE_CACHE)

    async def _ask(
        self, number: CitizenNumber, *, not_before: float, shared: bool, is_hot: bool, until: float
    ) -> Found:
        # Zero staleness means "as of my call": a question sent before it may hold an older state, so none is shared.
        flight = self._joinable(number, not_before) if shared else None
        if flight is None:
            flight = self._depart(number, Patience(until), not_before=not_before if shared else None, is_hot=is_hot)
            if shared:
                self._shared[number] = flight
        else:
            flight.patience.extend(until)
        # asyncio.wait never cancels what it waits for: a first caller who hangs up takes nothing from those who joined.
        await asyncio.wait((flight.answer,), timeout=max(0.0, until - self._clock.monotonic()))
        if not flight.answer.done():
            raise NationalDatabaseUnavailableError("no answer before the caller's deadline")
        return flight.answer.result()

    def _joinable(self, number: CitizenNumber, not_before: float) -> _Flight | None:
        """A question under way whose answer is young enough, and no change has been heard of since it was sent."""
        flight = self._shared.get(number)
        if flight is None or flight.asked_at < not_before or self._cache.changed_since(number, flight.ticket):
            return None
        return flight

    def _depart(self, number: CitizenNumber, patience: Patience, *, not_before: float | None, is_hot: bool) -> _Flight:
        answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        flight = _Flight(answer, self._clock.now(), self._cache.ticket(), patience)
        task = asyncio.create_task(self._fly(number, flight, not_before=not_before, is_hot=is_hot))
        self._under_way[task] = flight
        task.add_done_callback(self._under_way.pop)
        answer.add_done_callback(lambda answer: self._land(number, answer))
        return flight

    def _land(self, number: CitizenNumber, answer: asyncio.Future[Found]) -> None:
        flight = self._shared.get(number)
        if flight is not None and flight.answer is answer:
            del self._shared[number]
        # A flight whose callers all left may fail unseen; asking for the exception keeps asyncio from complaining.
        if not answer.cancelled():
            answer.exception()

    async def _fly(self, number: CitizenNumber, flight: _Flight, *, not_before: float | None, is_hot: bool) -> None:
        answer, claimed = flight.answer, False
        try:
            if is_hot and not_before is not None:
                brought, claimed = await self._others(number, not_before)
                if brought is not None:
                    answer.set_result(Found(brought, common_pb2.Provenance.SOURCE_CACHE))
                    return
            record = await self._national_db.find(number, flight.patience)
            # Nobody waits until the copy is kept; it is at hand in this worker before the answer is heard.
            answer.set_result(Found(record, common_pb2.Provenance.SOURCE_NATIONAL_DB))
            await self._cache.put(record, ticket=flight.ticket)
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except Exception as error:
            if answer.done():
                raise
            answer.set_exception(error)
        finally:
            if claimed:
                await self._claims.release(number)

    async def _others(self, number: CitizenNumber, not_before: float) -> tuple[CitizenRecord | None, bool]:
        """What another worker that asks already brings, and whether this one is to ask in its turn with a claim."""
        for patience in PATIENCE_SECONDS:
            claimed = await self._claims.take(number)
            if not claimed:
                await asyncio.sleep(patience)
            # Also once claimed: the one who asked before may just have finished.
            now, copy = self._clock.now(), await self._cache.get(number, not_before=not_before)
            if copy is not None and is_fresh(copy, now=now, staleness_seconds=now - not_before):
                return copy, claimed
            if claimed:
                return None, True
        return None, False
