"""What a client may ask of the evidence, apart from how a call travels: records, disclosures, counts and proofs.

Owns the names of the RPCs and the building of their requests for both clients. AuditService answers on the admin port
to administrators' keys, ReceiptService on the public port to the account whose receipt it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TypeAlias, TypedDict

from dancu.audit.v1.audit_service_pb2 import (
    Dimension,
    GetStatisticsRequest,
    ListAuditRecordsRequest,
    ListDisclosuresRequest,
    Period,
)
from dancu.errors.v1.errors_pb2 import ERROR_REASON_UNSPECIFIED, ErrorReason

LIST_AUDIT_RECORDS = "dancu.audit.v1.AuditService/ListAuditRecords"
LIST_DISCLOSURES = "dancu.audit.v1.AuditService/ListDisclosures"
GET_STATISTICS = "dancu.audit.v1.AuditService/GetStatistics"
GET_CONSISTENCY_PROOF = "dancu.audit.v1.AuditService/GetConsistencyProof"
GET_INCLUSION_PROOF = "dancu.receipt.v1.ReceiptService/GetInclusionProof"
GET_CHECKPOINT = "dancu.receipt.v1.ReceiptService/GetCheckpoint"

ANSWERED = "OK"
"""The outcome of a call that was answered; every other outcome is the name of a reason."""

PeriodName: TypeAlias = Literal["hour", "day", "month"]
DimensionName: TypeAlias = Literal["organisation", "account", "method", "procedure", "outcome", "source"]

_REASON_PREFIX = "ERROR_REASON_"


class Span(TypedDict, total=False):
    """A stretch of time; either end may be open."""

    since: datetime | None
    """First moment, inclusive; with a time zone."""
    until: datetime | None
    """Last moment, exclusive; with a time zone."""


class Page(TypedDict, total=False):
    """Which page of a list."""

    page_size: int
    """1 to 1000; absent: 100."""
    page_token: str
    """`next_page_token` of the page before; absent: the first page."""


class RecordFilter(Span, Page, total=False):
    """Which audit records; all that are named must hold."""

    account: str
    """`<organisation>/<name>`."""
    organisation: str
    """Code of the organisation."""
    method: str
    """Scope or full name of the method."""
    personal_number: str
    """The citizen, 12 digits."""
    outcome: str
    """"OK", or the name of a reason such as "RATE_LIMITED"; absent means any."""
    procedure: str
    """Code of the procedure."""
    request_id: str
    """As the caller saw it."""


class DisclosureFilter(Span, Page, total=False):
    """Beside the citizen: which disclosures."""


class CountFilter(Span, total=False):
    """What is counted, and by what."""

    period: PeriodName
    """Length of the periods, in Vietnam's time; absent: the whole span as one."""
    dimensions: Iterable[DimensionName]
    """Absent: totals."""


def records_request(asked: RecordFilter) -> ListAuditRecordsRequest:
    """The request that a filter means. Raises ValueError for an outcome this version does not know."""
    request = ListAuditRecordsRequest(
        account=asked.get("account", ""),
        organisation=asked.get("organisation", ""),
        method=asked.get("method", ""),
        personal_number=asked.get("personal_number", ""),
        procedure=asked.get("procedure", ""),
        request_id=asked.get("request_id", ""),
        page_size=asked.get("page_size", 0),
        page_token=asked.get("page_token", ""),
    )
    outcome = asked.get("outcome", "")
    if outcome:
        request.outcome = outcome_value(outcome)
    _set_span(request, asked)
    return request


def disclosures_request(personal_number: str, asked: DisclosureFilter) -> ListDisclosuresRequest:
    """The request for who was told something of a citizen."""
    request = ListDisclosuresRequest(
        personal_number=personal_number, page_size=asked.get("page_size", 0), page_token=asked.get("page_token", "")
    )
    _set_span(request, asked)
    return request


def statistics_request(asked: CountFilter) -> GetStatisticsRequest:
    """The request for counts."""
    request = GetStatisticsRequest()
    if "period" in asked:
        request.period = Period.Value(f"PERIOD_{asked['period'].upper()}")
    request.dimensions.extend(Dimension.Value(f"DIMENSION_{name.upper()}") for name in asked.get("dimensions", ()))
    _set_span(request, asked)
    return request


def outcome_value(name: str) -> ErrorReason.ValueType:
    """The number of an outcome; raises ValueError for a name that is none."""
    if name == ANSWERED:
        return ERROR_REASON_UNSPECIFIED
    try:
        return ErrorReason.Value(_REASON_PREFIX + name)
    except ValueError:
        raise ValueError("an outcome is OK or the name of a reason") from None


def outcome_text(outcome: int) -> str:
    """`OK`, or the name of the reason; a number this version does not know stays a number."""
    if outcome == ERROR_REASON_UNSPECIFIED:
        return ANSWERED
    value = ErrorReason.DESCRIPTOR.values_by_number.get(outcome)
    return str(outcome) if value is None else value.name.removeprefix(_REASON_PREFIX)


def _set_span(request: ListAuditRecordsRequest | ListDisclosuresRequest | GetStatisticsRequest, asked: Span) -> None:
    since, until = asked.get("since"), asked.get("until")
    if since is not None:
        # `from` is a keyword of the language, so the field has no attribute that could be written.
        getattr(request, "from").FromDatetime(since.astimezone(UTC))
    if until is not None:
        request.to.FromDatetime(until.astimezone(UTC))
