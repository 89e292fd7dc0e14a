"""A ledger in memory that counts record by record: the recount that the real one's counts are held to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from dancu.audit.v1 import audit_service_pb2 as pb
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from gateway.audit.ledger import (
    Count,
    CountQuery,
    LedgerRecord,
    LedgerUnavailableError,
    Position,
    RecordFilter,
    Statistics,
    TooManyRowsError,
)

VIETNAM = timezone(timedelta(hours=7))


@dataclass
class MemoryLedger:
    """`gateway.audit.ledger.Ledger` over what `add` was given."""

    held: list[LedgerRecord] = field(default_factory=list)
    confidential: dict[str, float] = field(default_factory=dict)
    """Until when accounts are confidential, by name."""
    gone: bool = False
    lag: int = 0
    looks: int = 0

    def add(self, origin: str, journal: int, stored: Sequence[bytes], *, first_index: int = 0) -> None:
        """Hold what a journal stored."""
        for index, data in enumerate(stored, first_index):
            time = AuditRecord.FromString(data).time
            self.held.append(LedgerRecord(origin, Position(time.ToNanoseconds(), journal, index), data))

    async def records(self, which: RecordFilter, *, before: Position | None, limit: int) -> Sequence[LedgerRecord]:
        self._answer()
        found = [one for one in self.held if (before is None or one.position < before) and self._matches(which, one)]
        return sorted(found, key=lambda one: one.position, reverse=True)[:limit]

    async def record(self, origin: str, index: int) -> LedgerRecord | None:
        self._answer()
        self.looks += 1
        return next((one for one in self.held if (one.origin, one.position.index) == (origin, index)), None)

    async def count(self, query: CountQuery) -> Statistics:
        self._answer()
        rows = recount([AuditRecord.FromString(one.data) for one in self.held], query)
        if len(rows) > query.max_rows:
            raise TooManyRowsError
        return Statistics(rows, self.lag)

    def _answer(self) -> None:
        if self.gone:
            raise LedgerUnavailableError("gone")

    def _matches(self, which: RecordFilter, one: LedgerRecord) -> bool:
        record = AuditRecord.FromString(one.data)
        time = one.position.time_ns
        return (
            which.account in ("", record.account)
            and which.organisation in ("", record.organisation)
            and which.procedure in ("", record.procedure)
            and which.request_id in ("", record.request_id)
            and (not which.methods or record.method in which.methods)
            and (not which.subject_tokens or record.subject_token in which.subject_tokens)
            and (which.outcome is None or record.outcome == which.outcome)
            and (which.from_ns is None or time >= which.from_ns)
            and (which.to_ns is None or time < which.to_ns)
            and (not which.disclosing or (record.outcome == 0 and len(record.fields) > 0))
            and (which.public_at is None or self.confidential.get(record.account, 0.0) <= which.public_at)
        )


def recount(records: Sequence[AuditRecord], query: CountQuery) -> list[Count]:
    """Count by the words of the contract, one record after the other."""
    groups: dict[tuple[Any, ...], list[AuditRecord]] = defaultdict(list)
    for record in records:
        hour = record.time.seconds // 3600
        if (query.from_hour is None or hour >= query.from_hour) and (query.to_hour is None or hour < query.to_hour):
            key = (_period_start(record, query.period), *(_value(record, one) for one in query.dimensions))
            groups[key].append(record)
    return [
        Count(
            period_start=key[0],
            values=key[1:],
            calls=sum(max(one.count, 1) for one in group if not one.continuation),
            citizens=sum(1 for one in group if one.outcome == 0 and one.subject_token),
            fields=sum(_fields(one) for one in group if one.outcome == 0),
            dossiers=len({one.dossier for one in group if one.dossier}),
        )
        for key, group in groups.items()
    ]


def _period_start(record: AuditRecord, period: int) -> int | None:
    local = datetime.fromtimestamp(record.time.seconds, VIETNAM).replace(minute=0, second=0)
    match period:
        case pb.PERIOD_HOUR:
            start = local
        case pb.PERIOD_DAY:
            start = local.replace(hour=0)
        case pb.PERIOD_MONTH:
            start = local.replace(hour=0, day=1)
        case _:
            return None
    return int(start.timestamp()) // 3600


def _value(record: AuditRecord, dimension: pb.Dimension.ValueType) -> str | int:
    name = pb.Dimension.Name(dimension).removeprefix("DIMENSION_").lower()
    value: str | int = getattr(record, name)
    return value


def _fields(record: AuditRecord) -> int:
    # The fields of Citizen stand in its proto: 25.
    return sum(25 if path == "*" else 1 for path in record.fields)
