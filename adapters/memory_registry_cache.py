"""Copies of registries' records in a worker's own memory, each with a lifetime; the least recently used go first."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import TypeAlias

from gateway.ports import Clock
from gateway.registries.model import RegistryRecord, RegistrySubject

_Key: TypeAlias = tuple[str, RegistrySubject]


class MemoryRegistryCache:
    """`gateway.registries.ports.RegistryCache` in a dictionary, for all registries together."""

    def __init__(self, *, clock: Clock, entries: int) -> None:
        """`entries` bounds the memory."""
        self._clock = clock
        self._entries = entries
        self._records: OrderedDict[_Key, tuple[RegistryRecord, float]] = OrderedDict()

    async def get(self, registry: str, subject: RegistrySubject) -> RegistryRecord | None:
        """The copy, of any age within its lifetime."""
        held = self._records.get((registry, subject))
        if held is None:
            return None
        record, until = held
        if self._clock.now() > until:
            del self._records[registry, subject]
            return None
        self._records.move_to_end((registry, subject))
        return record

    async def put(self, record: RegistryRecord, *, lifetime: timedelta) -> None:
        """Keep a copy, unless a later state of the record is kept already."""
        key = (record.registry, record.subject)
        held = self._records.get(key)
        if held is not None and _is_later(held[0], record):
            return
        self._records[key] = (record, record.data_as_of + lifetime.total_seconds())
        self._records.move_to_end(key)
        while len(self._records) > self._entries:
            self._records.popitem(last=False)


def _is_later(held: RegistryRecord, record: RegistryRecord) -> bool:
    if held.record is None or record.record is None:  # nothing has no version
        return held.data_as_of > record.data_as_of
    return (held.version, held.data_as_of) > (record.version, record.data_as_of)
