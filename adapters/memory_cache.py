"""Copies of records in a worker's own memory: least recently used first to go, nothing older than its time to live."""

from __future__ import annotations

from collections import OrderedDict

from gateway.model import CitizenNumber, CitizenRecord
from gateway.ports import Clock


class MemoryIdentityCache:
    """`gateway.ports.IdentityCache` in a dictionary."""

    def __init__(self, *, clock: Clock, entries: int, ttl_seconds: float, negative_ttl_seconds: float) -> None:
        """`entries` bounds the memory; `negative_ttl_seconds` is for numbers that nobody holds."""
        self._clock = clock
        self._entries = entries
        self._ttl_seconds = ttl_seconds
        self._negative_ttl_seconds = negative_ttl_seconds
        self._records: OrderedDict[CitizenNumber, CitizenRecord] = OrderedDict()

    def near(self, number: CitizenNumber, *, now: float, not_before: float) -> CitizenRecord | None:
        """The copy, if it is young enough."""
        record = self._held(number, now)
        return record if record is not None and record.data_as_of >= not_before else None

    async def get(self, number: CitizenNumber, *, not_before: float) -> CitizenRecord | None:  # noqa: ARG002
        """The copy, of any age within its time to live."""
        return self._held(number, self._clock.now())

    async def put(self, record: CitizenRecord) -> None:
        """Keep a copy, unless a later state of the record is kept already."""
        held = self._records.get(record.number)
        if held is not None and (held.version, held.data_as_of) > (record.version, record.data_as_of):
            return
        self._records[record.number] = record
        self._records.move_to_end(record.number)
        while len(self._records) > self._entries:
            self._records.popitem(last=False)

    def _held(self, number: CitizenNumber, now: float) -> CitizenRecord | None:
        record = self._records.get(number)
        if record is None:
            return None
        ttl = self._negative_ttl_seconds if record.citizen is None else self._ttl_seconds
        if now - record.data_as_of > ttl:
            del self._records[number]
            return None
        self._records.move_to_end(number)
        return record
