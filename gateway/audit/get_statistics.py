"""`GetStatistics`: counts by period and dimension.

Owns the contract of the request and the names of what is counted; how a record is counted is `statistics.py`'s.
"""

from __future__ import annotations

from dancu.audit.v1 import audit_service_pb2 as pb
from gateway.audit.ledger import Count, CountQuery, Ledger, LedgerUnavailableError, TooManyRowsError
from gateway.audit.record_lists import ledger_unavailable
from gateway.audit.request_checks import check_span, first_moment, last_moment
from gateway.audit.statistics import SECONDS_PER_HOUR, hour_of, outcome_name, source_name
from gateway.calls.inquiry import Answer, Disclosure, Inquiry, Question
from gateway.calls.validation import decode
from gateway.errors import InvalidRequestError, Violation

MAX_ROWS = 20_000
"""Rows of one answer: about 3 MB with every dimension, under gRPC's default limit of 4 MiB."""


class GetStatistics:
    """Parses and answers `GetStatistics`."""

    def __init__(self, *, ledger: Ledger, max_rows: int = MAX_ROWS) -> None:
        """`max_rows`: more are refused."""
        self._ledger = ledger
        self._max_rows = max_rows

    def parse(self, request: bytes) -> Question:
        """The question behind the bytes. Raises `InvalidRequestError` with every violation."""
        message = decode(request, pb.GetStatisticsRequest)
        violations = check_span(message)
        if message.period not in pb.Period.values():
            violations.append(Violation("period", "is no period of this version", "không phải kỳ đã biết"))
        seen = {pb.DIMENSION_UNSPECIFIED}
        for position, dimension in enumerate(message.dimensions):
            if dimension in seen or dimension not in pb.Dimension.values():
                violations.append(
                    Violation(
                        f"dimensions[{position}]",
                        "is no dimension of this version, or is named twice",
                        "không phải chiều đã biết, hoặc bị lặp lại",
                    )
                )
            seen.add(dimension)
        if violations:
            raise InvalidRequestError(violations)
        return Question(message, (), (), None, "")

    async def handle(self, question: Question, _inquiry: Inquiry) -> Answer:
        """The counts. Raises `UnavailableError`, and `InvalidRequestError` for more rows than one answer holds."""
        message = question.message
        assert isinstance(message, pb.GetStatisticsRequest)
        first, last = first_moment(message), last_moment(message)
        query = CountQuery(
            from_hour=None if first is None else hour_of(first.seconds),
            to_hour=None if last is None else hour_of(last.seconds),
            period=message.period,
            dimensions=tuple(message.dimensions),
            max_rows=self._max_rows,
        )
        try:
            statistics = await self._ledger.count(query)
        except LedgerUnavailableError as error:
            raise ledger_unavailable(error) from error
        except TooManyRowsError as error:
            raise InvalidRequestError([self._too_many()]) from error
        rows = [_row(count, query) for count in statistics.rows]
        rows.sort(key=lambda row: (row.period_start.seconds, *row.values))
        return Answer(pb.GetStatisticsResponse(rows=rows, lag_records=statistics.lag_records), (Disclosure(None),))

    def _too_many(self) -> Violation:
        return Violation(
            "period",
            f"gives more than {self._max_rows} rows; take longer periods, fewer dimensions or a shorter time",
            f"cho hơn {self._max_rows} dòng; hãy chọn kỳ dài hơn, ít chiều hơn hoặc khoảng thời gian ngắn hơn",
        )


def _row(count: Count, query: CountQuery) -> pb.StatisticsRow:
    row = pb.StatisticsRow(
        values=[_name(value, dimension) for value, dimension in zip(count.values, query.dimensions, strict=True)],
        calls=count.calls,
        citizens=count.citizens,
        fields=count.fields,
        dossiers=count.dossiers,
    )
    if count.period_start is not None:
        row.period_start.seconds = count.period_start * SECONDS_PER_HOUR
    return row


def _name(value: str | int, dimension: pb.Dimension.ValueType) -> str:
    if dimension == pb.DIMENSION_OUTCOME:
        return outcome_name(int(value))
    if dimension == pb.DIMENSION_SOURCE:
        return source_name(int(value))
    return str(value)
