"""Where a registry's record comes from: a copy that is young enough, a question already under way, or the registry.

The order and the rules are those of `gateway.citizens.records`; copies live as long as the registry's own policy says.
Refuses to know who asks and what they may see.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from dancu.common.v1 import common_pb2
from gateway.citizens.freshness import is_fresh
from gateway.ports import Clock
from gateway.registries.kinds import RegistryKind
from gateway.registries.model import RegistryRecord, RegistrySubject
from gateway.registries.ports import Registry, RegistryCache, RegistryUnavailableError


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
        self._flights: dict[RegistrySubject, asyncio.Task[RegistryRecord]] = {}

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
        try:
            record = await self._ask(subject, shared=staleness > timedelta(0), deadline=deadline)
        except RegistryUnavailableError:
            limit = 0.0 if stale_if_error is None else stale_if_error.total_seconds()
            if copy is not None and is_fresh(copy, now=now, staleness_seconds=limit):
                return FoundRecord(copy, common_pb2.Provenance.SOURCE_STALE_CACHE)
            raise
        return FoundRecord(record, common_pb2.Provenance.SOURCE_NATIONAL_DB)

    async def _ask(self, subject: RegistrySubject, *, shared: bool, deadline: float | None) -> RegistryRecord:
        # Zero staleness means "as of my call": a question sent before it may hold an older state, so none is shared.
        flight = self._flights.get(subject) if shared else None
        if flight is None:
            flight = asyncio.create_task(self._fetch(subject))
            if shared:
                self._flights[subject] = flight
                flight.add_done_callback(lambda _: self._flights.pop(subject, None))
            flight.add_done_callback(_retrieve)
        timeout = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
        try:
            # Shielded, so that the first caller's hanging up does not take the answer from those who joined.
            return await asyncio.wait_for(asyncio.shield(flight), timeout)
        except TimeoutError as error:
            raise RegistryUnavailableError("the caller's deadline passed first") from error

    async def _fetch(self, subject: RegistrySubject) -> RegistryRecord:
        record = await self._registry.find(subject, timeout_seconds=self._timeout_seconds)
        policy = self._kind.cache
        await self._cache.put(record, lifetime=policy.negative_ttl if record.record is None else policy.ttl)
        return record


def _retrieve(flight: asyncio.Task[RegistryRecord]) -> None:
    # A flight whose callers all left may fail unseen; asking for the exception keeps asyncio from complaining.
    if not flight.cancelled():
        flight.exception()
