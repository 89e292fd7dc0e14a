"""`GetStatistics`: periods, dimensions and their names, as a committee reads them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from dancu.audit.v1 import audit_service_pb2 as pb
from gateway.audit.get_statistics import GetStatistics
from gateway.calls.inquiry import Inquiry
from gateway.errors import InvalidRequestError, Reason
from tests.fakes.audit_desk import FakeAudit
from tests.fakes.gateway import refused
from tests.fakes.ledger import audit_record

VIETNAM = timezone(timedelta(hours=7))


def at(*moment: int) -> float:
    return datetime(*moment, tzinfo=VIETNAM).timestamp()  # type: ignore[arg-type,misc]


@pytest.fixture
def audit() -> FakeAudit:
    audit = FakeAudit()
    audit.hold(
        [
            audit_record(time=at(2026, 3, 31, 23, 59), source=1),
            audit_record(time=at(2026, 4, 1, 0, 0), organisation="79", account="79/x", fields=["*"], dossier="H-2"),
            audit_record(time=at(2026, 4, 2, 9, 30), outcome=Reason.RATE_LIMITED, count=9, fields=[], source=0),
        ]
    )
    return audit


async def test_days_and_months_begin_at_midnight_in_vietnam(audit: FakeAudit) -> None:
    """At 23:59 in Hà Nội it is still March, whatever the machine's clock is set to."""
    months = (await audit.ask("GetStatistics", period=pb.PERIOD_MONTH)).rows
    assert [(row.period_start.seconds, row.calls, row.citizens, row.fields) for row in months] == [
        (at(2026, 3, 1), 1, 1, 1),
        (at(2026, 4, 1), 10, 1, 25),
    ]
    days = (await audit.ask("GetStatistics", period=pb.PERIOD_DAY)).rows
    assert [row.period_start.seconds for row in days] == [at(2026, 3, 31), at(2026, 4, 1), at(2026, 4, 2)]
    hours = (await audit.ask("GetStatistics", period=pb.PERIOD_HOUR)).rows
    assert [row.period_start.seconds for row in hours] == [at(2026, 3, 31, 23), at(2026, 4, 1), at(2026, 4, 2, 9)]


async def test_the_whole_range_is_one_row_without_a_start(audit: FakeAudit) -> None:
    """The total that everything else adds up to; the lag says what is missing from it."""
    audit.ledger.lag = 4
    answer = await audit.ask("GetStatistics")
    (row,) = answer.rows
    assert not row.HasField("period_start")
    assert (row.calls, row.citizens, row.fields, row.dossiers) == (11, 2, 26, 2)
    assert answer.lag_records == 4


async def test_values_stand_in_the_order_asked_with_names_for_numbers(audit: FakeAudit) -> None:
    """Readers of a report know no enum numbers."""
    dimensions = [pb.DIMENSION_OUTCOME, pb.DIMENSION_ORGANISATION, pb.DIMENSION_SOURCE]
    rows = (await audit.ask("GetStatistics", dimensions=dimensions)).rows
    assert [tuple(row.values) for row in rows] == [
        ("OK", "01", "national_db"),
        ("OK", "79", "cache"),
        ("RATE_LIMITED", "01", "none"),
    ]


async def test_both_ends_are_cut_to_the_hour(audit: FakeAudit) -> None:
    """Counts are kept by the hour; a part of one would be a guess."""
    cut = await audit.ask("GetStatistics", since=at(2026, 4, 1, 0, 59), until=at(2026, 4, 2, 10, 20))
    assert cut.rows[0].calls == 10
    cut = await audit.ask("GetStatistics", since=at(2026, 4, 1, 1), until=at(2026, 4, 2, 9, 59))
    assert list(cut.rows) == []


async def test_every_violation_is_told_at_once(audit: FakeAudit) -> None:
    """A dimension named twice would give rows that look like more than they are."""
    request = pb.GetStatisticsRequest(period=9, dimensions=[0, 1, 1, 77])  # type: ignore[arg-type,list-item]
    request.to.nanos = -1
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await audit.send("GetStatistics", request.SerializeToString())
    assert sorted(one.field for one in refusal[0].violations) == [
        "dimensions[0]",
        "dimensions[2]",
        "dimensions[3]",
        "period",
        "to",
    ]


async def test_more_rows_than_one_answer_holds_are_refused_with_what_to_do(audit: FakeAudit) -> None:
    """Neither an answer that gRPC cannot carry nor one cut short."""
    statistics = GetStatistics(ledger=audit.ledger, max_rows=2)
    question = statistics.parse(pb.GetStatisticsRequest(period=pb.PERIOD_HOUR).SerializeToString())
    inquiry: Inquiry = None  # type: ignore[assignment]  # not looked at
    with pytest.raises(InvalidRequestError) as refusal:
        await statistics.handle(question, inquiry)
    assert refusal.value.violations[0].field == "period"
    month = statistics.parse(pb.GetStatisticsRequest(period=pb.PERIOD_MONTH).SerializeToString())
    assert len((await statistics.handle(month, inquiry)).response.rows) == 2  # type: ignore[attr-defined]
