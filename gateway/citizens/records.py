"""Where a record comes from: a copy that is young enough, a question already under way, or the national database.

Owns the order of these and the rule for stale copies. Refuses to know who asks and what they may see.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from dancu.common.v1 import common_pb2
from gateway.citizens.freshness import is_fresh
from gateway.model import CitizenNumber, CitizenRecord
from gateway.ports import Clock, IdentityCache, NationalDatabase, NationalDatabaseUnavailableError
from gateway.upstream.flights import Flights
from gateway.upstream.patience import Patience


class Found(NamedTuple):
    """A record and where it came from."""

    record: CitizenRecord
    source: common_pb2.Provenance.Source.ValueType


class Records:
    """Finds records, never staler than allowed."""

    def __init__(
        self, *, cache: IdentityCache, national_db: NationalDatabase, clock: Clock, timeout_seconds: float
    ) -> None:
        """`timeout_seconds`: the longest wait for the national database; a caller's earlier deadline wins."""
        self._cache = cache
        self._national_db = national_db
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._flights: Flights[CitizenNumber, CitizenRecord] = Flights(now=clock.monotonic)

    def at_hand(self, number: CitizenNumber, *, staleness: timedelta) -> Found | None:
        """The record behind a number where a copy that is young enough can be had without waiting."""
        if staleness <= timedelta(0):
            return None
        now = self._clock.now()
        copy = self._cache.near(number, now=now, not_before=now - staleness.total_seconds())
        return None if copy is None else Found(copy, common_pb2.Provenance.SOURCE_CACHE)

    async def find(
        self, number: CitizenNumber, *, staleness: timedelta, stale_if_error: timedelta | None, deadline: float | None
    ) -> Found:
        """The record behind a number.

        Raises `AmbiguousNumberError`, and `NationalDatabaseUnavailableError` when neither the national database nor a
        permitted copy can answer. `deadline` is monotonic.
        """
        now = self._clock.now()
        copy = None
        if staleness > timedelta(0) or stale_if_error is not None:
            copy = await self._cache.get(number, not_before=now - staleness.total_seconds())
            if copy is not None and is_fresh(copy, now=now, staleness=staleness):
                return Found(copy, common_pb2.Provenance.SOURCE_CACHE)
        until = self._clock.monotonic() + self._timeout_seconds
        try:
            record = await self._flights.answer(
                number,
                self._fetch,
                until=until if deadline is None else min(until, deadline),
                # Zero staleness means "as of my call": a question sent before it may hold an older state.
                shared=staleness > timedelta(0),
            )
        except NationalDatabaseUnavailableError:
            if copy is not None and stale_if_error is not None and is_fresh(copy, now=now, staleness=stale_if_error):
                return Found(copy, common_pb2.Provenance.SOURCE_STALE_CACHE)
            raise
        return Found(record, common_pb2.Provenance.SOURCE_NATIONAL_DB)

    async def close(self) -> None:
        """End the questions under way."""
        await self._flights.close()

    async def _fetch(self, number: CitizenNumber, patience: Patience) -> CitizenRecord:
        record = await self._national_db.find(number, patience)
        await self._cache.put(record)
        return record
