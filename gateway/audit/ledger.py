"""The ledger as a port: records by what is asked of them, and counts.

The ledger is a copy. What stands in it is evidence only as far as the journals bear it out; what it lacks is on its way
from them. Owns the questions; knows no SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dancu.audit.v1 import audit_service_pb2


class LedgerUnavailableError(Exception):
    """The ledger does not answer: locked, gone or broken. A retry can cure it; nothing is lost."""


class TooManyRowsError(Exception):
    """The counts asked for are more rows than one answer holds."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A record's place in the order of lists: by time, then journal, then index. Unique, and never changes."""

    time_ns: int
    """Nanoseconds since the epoch."""
    journal: int
    """The ledger's own number of the journal."""
    index: int


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """One record as the journal stored it."""

    origin: str
    position: Position
    data: bytes
    """The stored bytes: a serialised `AuditRecord`, what the leaf hash is taken of."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records; all that are set must hold."""

    account: str = ""
    organisation: str = ""
    methods: tuple[str, ...] = ()
    """Full names; any of them."""
    subject_tokens: tuple[bytes, ...] = ()
    """The citizen under each version of the token key; any of them."""
    outcome: int | None = None
    procedure: str = ""
    request_id: str = ""
    from_ns: int | None = None
    """Inclusive."""
    to_ns: int | None = None
    """Exclusive."""
    disclosing: bool = False
    """Answered records with at least one field only."""
    public_at: float | None = None
    """Without the records of accounts whose policy is confidential at this moment (seconds since the epoch)."""


@dataclass(frozen=True, slots=True)
class CountQuery:
    """Which counts, and by what."""

    from_hour: int | None
    """Inclusive; None means from the first."""
    to_hour: int | None
    """Exclusive; None means to the last."""
    period: audit_service_pb2.Period.ValueType
    dimensions: tuple[audit_service_pb2.Dimension.ValueType, ...]
    max_rows: int


@dataclass(frozen=True, slots=True)
class Count:
    """One row of counts."""

    period_start: int | None
    """Hours since the epoch; None where the whole range is one period."""
    values: tuple[str | int, ...]
    """Of the dimensions in their order; outcome and source as numbers."""
    calls: int
    citizens: int
    fields: int
    dossiers: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """All rows in no order, and how far they may lag behind."""

    rows: Sequence[Count]
    lag_records: int
    """Durable records of this machine's journals that were not counted when the rows were read."""


class Ledger(Protocol):
    """The queryable copy of the journals. Every method raises `LedgerUnavailableError`."""

    async def records(self, which: RecordFilter, *, before: Position | None, limit: int) -> Sequence[LedgerRecord]:
        """The latest `limit` records that come strictly before `before` (None: of all), the latest first.

        MUST return every matching record the ledger holds in that stretch, so that pages neither repeat nor miss.
        """

    async def record(self, origin: str, index: int) -> LedgerRecord | None:
        """One record; None where the ledger does not hold it (yet)."""

    async def count(self, query: CountQuery) -> Statistics:
        """The counts of one moment. MUST equal a recount of all records ingested by then, retired ones included.

        Raises `TooManyRowsError`.
        """
