"""Two caches as one: the nearer is asked first and filled from the farther.

Owns the two ways in which copies hang together: of layers, and of a legacy number with the personal number behind it.
Changes name personal numbers only, so a copy under a legacy number counts only while the copy under the personal number
is of the same version.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from adapters.memory_cache import MemoryIdentityCache
from gateway.citizens.changes import supersedes
from gateway.citizens.numbers import personal
from gateway.model import CitizenNumber, CitizenRecord, NumberKind
from gateway.ports import CallObserver, IdentityCache


class LayeredIdentityCache:
    """`gateway.ports.IdentityCache` over a worker's own (`l1`) and the shared one (`l2`)."""

    def __init__(
        self,
        *,
        l1: MemoryIdentityCache,
        l2: IdentityCache,
        observer: CallObserver,
        unheard_seconds: float = math.inf,
        hears: Callable[[], bool] = lambda: True,
    ) -> None:
        """`observer` is told what each layer had; `unheard_seconds` is vouched for where `hears` denies."""
        self._l1 = l1
        self._l2 = l2
        self._observer = observer
        self._unheard_seconds = unheard_seconds
        self._hears = hears

    @property
    def vouched_seconds(self) -> float:
        """Any age while changes are heard of, else `unheard_seconds`."""
        return math.inf if self._hears() else self._unheard_seconds

    def near(self, number: CitizenNumber, *, now: float, not_before: float) -> CitizenRecord | None:
        """The worker's own copy, if it is young enough."""
        if number.kind is NumberKind.LEGACY:
            return None
        record = self._l1.near(number, now=now, not_before=not_before)
        if record is not None:
            self._observer.cache_request(layer="l1", result="hit")
        return record

    async def get(self, number: CitizenNumber, *, not_before: float) -> CitizenRecord | None:
        """The nearest copy that is young enough, else the latest held."""
        record = await self._get(number, not_before=not_before)
        if record is None or record.citizen is None or number.kind is NumberKind.PERSONAL:
            return record
        holder = await self._get(personal(record.citizen.personal_number), not_before=not_before)
        if holder is None or holder.version != record.version:
            return None
        return record

    def ticket(self) -> int:
        """How many changes this worker heard of."""
        return self._l1.ticket()

    def changed_since(self, number: CitizenNumber, ticket: int) -> bool:
        """Whether this worker heard of a change since."""
        return self._l1.changed_since(number, ticket)

    def is_contended(self, number: CitizenNumber) -> bool:
        """Whether every worker lost its copy a moment ago."""
        return self._l1.is_contended(number)

    async def put(self, record: CitizenRecord, *, ticket: int) -> None:
        """Keep a copy in both, and where the number was a legacy one, one of the person behind it."""
        if not self._l1.keep(record, ticket=ticket):
            return
        if record.number.kind is NumberKind.LEGACY and record.citizen is not None:
            await self.put(replace(record, number=personal(record.citizen.personal_number)), ticket=ticket)
        await self._l2.put(record, ticket=ticket)

    async def _get(self, number: CitizenNumber, *, not_before: float) -> CitizenRecord | None:
        near = self._l1.held(number)
        if self._tell("l1", near, not_before) and near is not None:
            return near
        ticket = self._l1.ticket()
        far = await self._l2.get(number, not_before=not_before)
        self._tell("l2", far, not_before)
        # What was held may have been taken away meanwhile; what was fetched may be what a change took away.
        near = self._l1.held(number)
        if far is None or not self._l1.keep(far, ticket=ticket):
            return near
        return far if near is None or supersedes(far, near) else near

    def _tell(self, layer: str, record: CitizenRecord | None, not_before: float) -> bool:
        is_hit = record is not None and record.data_as_of >= not_before
        self._observer.cache_request(layer=layer, result="miss" if record is None else "hit" if is_hit else "stale")
        return is_hit
