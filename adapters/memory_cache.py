"""Copies of records in a worker's own memory: bounded in bytes, least recently used first to go, none beyond its time.

Owns the fences of this worker: for a while after a change, or after everything was dropped, what was asked for before
cannot come in late. Knows nothing of how changes are heard of.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import NamedTuple

from gateway.citizens.changes import Change, may_keep, supersedes
from gateway.citizens.freshness import CLOCK_TOLERANCE_SECONDS
from gateway.model import CitizenNumber, CitizenRecord, NumberKind
from gateway.ports import Clock

FENCE_SECONDS = 120.0
"""Longer than any question to the national database may take (`national_db.timeout_seconds` is at most 60)."""
MAX_FENCES = 50_000
"""About 10 MB. Beyond it, as in a mass change, everything is dropped instead."""

# Measured on CPython 3.11 with protobuf's upb by the growth of a process: a message of 14 bytes takes 1.0 KB, one of
# 460 bytes (the mock's mean) 2.1 KB, and what Python keeps around it 1.2 KB. tests/unit/test_cache_memory.py.
_COST_OF_ENTRY = 1_250
_COST_OF_MESSAGE = 1_024
_COST_PER_BYTE = 2.5


class _Entry(NamedTuple):
    record: CitizenRecord
    cost: int


class _Fence(NamedTuple):
    version: int
    withdrawn: bool
    heard: int
    ends: float


class MemoryIdentityCache:
    """`gateway.ports.IdentityCache` in a dictionary."""

    vouched_seconds = math.inf

    def __init__(self, *, clock: Clock, max_bytes: int, ttl_seconds: float, negative_ttl_seconds: float) -> None:
        """`negative_ttl_seconds` is for numbers that nobody holds."""
        self._clock = clock
        self._max_bytes = max_bytes
        self._ttl_seconds = ttl_seconds
        self._negative_ttl_seconds = negative_ttl_seconds
        # By digits: personal and legacy numbers differ in length, and a string hashes in a tenth of the time.
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._fences: OrderedDict[str, _Fence] = OrderedDict()
        self._count = 0
        self._dropped_at = 0

    @property
    def bytes_held(self) -> int:
        """What the copies take, by estimate."""
        return self._bytes

    def near(self, number: CitizenNumber, *, now: float, not_before: float) -> CitizenRecord | None:
        """The copy, if it is young enough."""
        entry = self._entries.get(number.digits)
        if entry is None:
            return None
        record = entry.record
        if record.data_as_of < not_before:
            return None
        if now - record.data_as_of > (self._ttl_seconds if record.citizen is not None else self._negative_ttl_seconds):
            self._remove(number.digits)
            return None
        self._entries.move_to_end(number.digits)
        return record

    async def get(self, number: CitizenNumber, *, not_before: float) -> CitizenRecord | None:  # noqa: ARG002
        """The copy, of any age within its time to live."""
        return self.held(number)

    def held(self, number: CitizenNumber) -> CitizenRecord | None:
        """The copy, of any age within its time to live, without waiting."""
        return self.near(number, now=self._clock.now(), not_before=-math.inf)

    def ticket(self) -> int:
        """How many changes were heard of."""
        return self._count

    def changed_since(self, number: CitizenNumber, ticket: int) -> bool:
        """Whether a change of this record, or a drop, was heard of since."""
        if self._count == ticket:
            return False
        if number.kind is NumberKind.LEGACY or self._dropped_at > ticket:
            # Changes name personal numbers: any of them may be about the holder of a legacy number.
            return True
        fence = self._fences.get(number.digits)
        return fence is not None and fence.heard > ticket

    def is_contended(self, number: CitizenNumber) -> bool:
        """Whether the record changed a moment ago, so that every worker lost its copy."""
        return number.digits in self._fences

    async def put(self, record: CitizenRecord, *, ticket: int) -> None:
        """Keep a copy, unless a later state is held or a change since speaks against it."""
        self.keep(record, ticket=ticket)

    def keep(self, record: CitizenRecord, *, ticket: int) -> bool:
        """As `put`, without waiting; False where a change since speaks against the copy."""
        if self._dropped_at > ticket:
            return False
        digits = record.number.digits
        fence = self._fences.get(digits)
        if fence is not None:
            if fence.ends > self._clock.monotonic():
                if not may_keep(record.version, changed_to=fence.version, withdrawn=fence.withdrawn):
                    return False
            else:
                del self._fences[digits]
        entry = self._entries.get(digits)
        # A copy from the future was told by a wrong clock, and must not stand in the way of right ones.
        if entry is None or supersedes(record, entry.record) or self._is_from_the_future(entry.record):
            self._remove(digits)
            self._add(digits, record)
        return True

    def change(self, change: Change) -> None:
        """Take an older copy away, and keep older ones out for a while."""
        self._count += 1
        now = self._clock.monotonic()
        digits = change.number.digits
        entry = self._entries.get(digits)
        if entry is not None and not may_keep(
            entry.record.version, changed_to=change.version, withdrawn=change.withdrawn
        ):
            self._remove(digits)
        known = self._fences.pop(digits, None)
        version, withdrawn = change.version, change.withdrawn
        if known is not None and (known.version, known.withdrawn) > (version, withdrawn):
            version, withdrawn = known.version, known.withdrawn
        self._fences[digits] = _Fence(version, withdrawn, self._count, now + FENCE_SECONDS)
        while self._fences and next(iter(self._fences.values())).ends <= now:
            self._fences.popitem(last=False)
        if len(self._fences) > MAX_FENCES:
            self.drop()

    def drop(self) -> None:
        """Take all copies away, and keep out what was asked for before now."""
        self._count += 1
        self._dropped_at = self._count
        self._entries.clear()
        self._fences.clear()
        self._bytes = 0

    def _is_from_the_future(self, record: CitizenRecord) -> bool:
        return record.data_as_of > self._clock.now() + CLOCK_TOLERANCE_SECONDS

    def _add(self, digits: str, record: CitizenRecord) -> None:
        cost = cost_of(record)
        self._entries[digits] = _Entry(record, cost)
        self._bytes += cost
        while self._bytes > self._max_bytes:
            _, entry = self._entries.popitem(last=False)
            self._bytes -= entry.cost

    def _remove(self, digits: str) -> None:
        entry = self._entries.pop(digits, None)
        if entry is not None:
            self._bytes -= entry.cost


def cost_of(record: CitizenRecord) -> int:
    """How much of a worker's memory a copy takes, in bytes."""
    if record.citizen is None:
        return _COST_OF_ENTRY
    return _COST_OF_ENTRY + _COST_OF_MESSAGE + int(_COST_PER_BYTE * record.citizen.ByteSize())
