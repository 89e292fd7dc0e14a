"""What a record becomes in the ledger, and which records stop the ingest instead."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from adapters.journal.errors import JournalDamagedError
from adapters.journal.reader import StoredRecord
from adapters.ledger.batch import Cursor, batch_of
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.common.v1 import common_pb2
from gateway.audit.stamp import stamp_index
from gateway.audit.statistics import calls_of, citizens_of, fields_of, month_starts, outcome_name, source_name
from gateway.errors import Reason
from tests.fakes.ledger import EPOCH, audit_record

CURSOR = Cursor(1, "m-w0", 0, 7, None)
VIETNAM = timezone(timedelta(hours=7))


def stored(record: AuditRecord, index: int = 7) -> StoredRecord:
    return StoredRecord(7, stamp_index(record.SerializeToString(), index))


@pytest.mark.parametrize(
    ("damaged", "cause"),
    [
        (StoredRecord(7, b"\xff\xff\xff"), "no audit record"),
        (stored(audit_record(), index=8), "says it is record 8"),
        (stored(audit_record(time=float(1 << 34))), "impossible time"),
        (stored(audit_record(time=-5.0)), "impossible time"),
    ],
)
def test_a_record_that_cannot_be_counted_stops_the_counting(damaged: StoredRecord, cause: str) -> None:
    """Left out, it would make every statistic silently wrong."""
    with pytest.raises(JournalDamagedError, match=cause):
        batch_of(CURSOR, [damaged])


def test_records_of_one_hour_and_series_are_counted_together() -> None:
    """A row for each record would make the statistics as large as the journals."""
    same = [audit_record(time=EPOCH + at, dossier=f"H-{at % 2}") for at in range(5)]
    later = audit_record(time=EPOCH + 3600)
    batch = batch_of(
        CURSOR,
        [StoredRecord(at, stamp_index(one.SerializeToString(), at)) for at, one in enumerate([*same, later], 7)],
    )
    assert batch.next_index == 13
    assert [(key[0] - EPOCH // 3600, sums.calls, len(sums.dossiers)) for key, sums in batch.tally.items()] == [
        (0, 5, 2),
        (1, 1, 1),
    ]


def test_how_a_record_counts() -> None:
    """The table of `docs/ledger.md`."""
    assert [calls_of(count, continuation=False) for count in (0, 1, 400)] == [1, 1, 400]
    assert calls_of(0, continuation=True) == 0
    assert citizens_of(0, names_citizen=True) == 1
    assert citizens_of(0, names_citizen=False) == 0
    assert citizens_of(Reason.CITIZEN_NOT_FOUND, names_citizen=True) == 0
    assert fields_of(0, ["full_name", "birth_date.year"]) == 2
    assert fields_of(0, ["*"]) == 25
    assert fields_of(Reason.FIELD_NOT_GRANTED, ["full_name"]) == 0


def test_months_are_those_of_vietnam() -> None:
    """Seven hours of every month would be told in another one."""

    def hour(*moment: int) -> int:
        return int(datetime(*moment, tzinfo=VIETNAM).timestamp()) // 3600  # type: ignore[arg-type,misc]

    first, last = hour(2026, 1, 31, 23), hour(2026, 4, 1, 0)
    assert month_starts(first, last) == [hour(2026, month, 1) for month in (1, 2, 3, 4)]
    assert month_starts(first, last - 1) == [hour(2026, month, 1) for month in (1, 2, 3)]
    assert month_starts(hour(2025, 12, 1), hour(2026, 1, 1)) == [hour(2025, 12, 1), hour(2026, 1, 1)]
    assert month_starts(first, first) == [hour(2026, 1, 1)]


def test_outcomes_and_sources_have_the_names_of_the_contract() -> None:
    """A number of a later version stays a number instead of failing the whole answer."""
    assert [outcome_name(one) for one in (0, Reason.RATE_LIMITED, 9999)] == ["OK", "RATE_LIMITED", "9999"]
    named = {one: source_name(one) for one in common_pb2.Provenance.Source.values()}
    assert sorted(named.values()) == ["cache", "national_db", "none", "stale_cache"]
    assert source_name(77) == "77"
