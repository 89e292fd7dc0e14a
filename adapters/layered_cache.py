"""Two caches as one: the nearer is asked first and filled from the farther."""

from __future__ import annotations

from gateway.model import CitizenNumber, CitizenRecord
from gateway.ports import CallObserver, IdentityCache


class LayeredIdentityCache:
    """`gateway.ports.IdentityCache` over a worker's own (`l1`) and the shared one (`l2`)."""

    def __init__(self, *, l1: IdentityCache, l2: IdentityCache, observer: CallObserver) -> None:
        """`observer` is told what each layer had."""
        self._l1 = l1
        self._l2 = l2
        self._observer = observer

    def near(self, number: CitizenNumber, *, now: float, not_before: float) -> CitizenRecord | None:
        """The worker's own copy, if it is young enough."""
        record = self._l1.near(number, now=now, not_before=not_before)
        if record is not None:
            self._observer.cache_request(layer="l1", result="hit")
        return record

    async def get(self, number: CitizenNumber, *, not_before: float) -> CitizenRecord | None:
        """The nearest copy that is young enough, else the youngest held."""
        near = await self._ask("l1", self._l1, number, not_before)
        if near is not None and near.data_as_of >= not_before:
            return near
        far = await self._ask("l2", self._l2, number, not_before)
        if far is None or (near is not None and near.data_as_of >= far.data_as_of):
            return near
        await self._l1.put(far)
        return far

    async def put(self, record: CitizenRecord) -> None:
        """Keep a copy in both."""
        await self._l1.put(record)
        await self._l2.put(record)

    async def _ask(
        self, layer: str, cache: IdentityCache, number: CitizenNumber, not_before: float
    ) -> CitizenRecord | None:
        record = await cache.get(number, not_before=not_before)
        result = "miss" if record is None else "hit" if record.data_as_of >= not_before else "stale"
        self._observer.cache_request(layer=layer, result=result)
        return record
