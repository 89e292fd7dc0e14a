"""Where a registry's record comes from: a copy that is young enough, a question already under way, or the registry.

The order and the rules are those of `gateway.citizens.records`; copies live as long as the registry's own policy says.
Refuses to know who asks and what they may see.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dancu.common.v1 import common_pb2
from gateway.citizens.freshness import is_fresh
from gateway.ports import Clock
from gateway.registries.kinds import RegistryKind
from gateway.registries.model import RegistryRecord, RegistrySubject
from gateway.registries.ports import Registry, RegistryCache, RegistryUnavailableError
from gateway.upstream.flights import Flights
from gateway.upstream.patience import Patience


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record and where it came from."""

    record: RegistryRecord
    source: common_pb2.Provenance.Source.ValueType


class RegistryRecords:
    """Finds records of one registry, never staler than allowed."""

    def __init__(
        self, *, kind: RegistryKind, registry: Registry, cache: RegistryCache, clock: Clock, timeout_seconds: float
    ) -> None:
        """`timeout_seconds`: the longest wait for the registry; a caller's earlier deadline wins."""
        self._kind = kind
        self._registry = registry
        self._cache = cache
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._flights: Flights[RegistrySubject, RegistryRecord] = Flights(now=clock.monotonic)

    async def find(
        self,
        subject: RegistrySubject,
        *,
        staleness: timedelta,
        stale_if_error: timedelta | None,
        deadline: float | None,
    ) -> FoundRecord:
        """The record under a number.

        Raises `RegistryUnavailableError` when neither the registry nor a permitted copy can answer. `deadline` is
        monotonic.
        """
        now = self._clock.now()
        staleness = min(staleness, self._kind.cache.staleness_ceiling)
        copy = None
        if staleness > timedelta(0) or stale_if_error is not None:
            copy = await self._cache.get(self._kind.name, subject)
            if copy is not None and is_fresh(copy, now=now, staleness_seconds=staleness.total_seconds()):
                return FoundRecord(copy, common_pb2.Provenance.SOURCE_CACHE)
        until = self._clock.monotonic() + self._timeout_seconds
        try:
            record = await self._flights.answer(
                subject,
                self._fetch,
                until=until if deadline is None else min(until, deadline),
                # Zero staleness means "as of my call": a question sent before it may hold an older state.
                shared=staleness > timedelta(0),
            )
        except RegistryUnavailableError:
            limit = 0.0 if stale_if_error is None else stale_if_error.total_seconds()
            if copy is not None and is_fresh(copy, now=now, staleness_seconds=limit):
                return FoundRecord(copy, common_pb2.Provenance.SOURCE_STALE_CACHE)
            raise
        return FoundRecord(record, common_pb2.Provenance.SOURCE_NATIONAL_DB)

    async def close(self) -> None:
        """End the questions under way."""
        await self._flights.close()

    async def _fetch(self, subject: RegistrySubject, patience: Patience) -> RegistryRecord:
        record = await self._registry.find(subject, patience)
        policy = self._kind.cache
        await self._cache.put(record, lifetime=policy.negative_ttl if record.record is None else policy.ttl)
        return record
