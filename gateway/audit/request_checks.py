"""What is wrong with the requests of operators and provers. Pure; no violation repeats what was sent."""

from __future__ import annotations

import re
from typing import TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from dancu.audit.v1 import audit_service_pb2 as pb
from gateway.calls.validation import check_text
from gateway.errors import Violation

DEFAULT_PAGE_RECORDS = 100
MAX_PAGE_RECORDS = 1000

Spanning: TypeAlias = pb.ListAuditRecordsRequest | pb.ListDisclosuresRequest | pb.GetStatisticsRequest
"""Requests with a `from` and a `to`."""
Paging: TypeAlias = pb.ListAuditRecordsRequest | pb.ListDisclosuresRequest

_ORIGIN = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_NANOS = 1_000_000_000
# The year 2242: nanoseconds up to then fit 64 bits.
_END_OF_TIME_SECONDS = 1 << 33
_LONGEST = {"account": 100, "organisation": 32, "method": 100, "procedure": 32, "request_id": 64}


def first_moment(message: Spanning) -> Timestamp | None:
    """`from`, which Python keeps for itself; None where it is absent."""
    return getattr(message, "from") if message.HasField("from") else None


def last_moment(message: Spanning) -> Timestamp | None:
    """`to`; None where it is absent."""
    return message.to if message.HasField("to") else None


def nanoseconds(moment: Timestamp | None) -> int | None:
    """A checked time in nanoseconds since the epoch."""
    return None if moment is None else moment.seconds * _NANOS + moment.nanos


def check_span(message: Spanning) -> list[Violation]:
    """What is wrong with a stretch of time; either end may be open."""
    first, last = first_moment(message), last_moment(message)
    found = [
        Violation(name, "must be a time from 1970 to 2242", "phải là thời điểm từ năm 1970 đến 2242")
        for name, moment in (("from", first), ("to", last))
        if moment is not None and not (0 <= moment.seconds < _END_OF_TIME_SECONDS and 0 <= moment.nanos < _NANOS)
    ]
    if not found and first is not None and last is not None and not _before(first, last):
        found.append(Violation("to", "must be after from", "phải sau from"))
    return found


def check_page(message: Paging) -> list[Violation]:
    """What is wrong with the size of a page."""
    if 0 <= message.page_size <= MAX_PAGE_RECORDS:
        return []
    return [
        Violation(
            "page_size",
            f"must be 1 to {MAX_PAGE_RECORDS}, or 0 for {DEFAULT_PAGE_RECORDS}",
            f"phải từ 1 đến {MAX_PAGE_RECORDS}, hoặc 0 để lấy {DEFAULT_PAGE_RECORDS}",
        )
    ]


def check_names(message: pb.ListAuditRecordsRequest) -> list[Violation]:
    """What is wrong with the names a list is narrowed by: only that they can be no names."""
    found = []
    for field, longest in _LONGEST.items():
        found += check_text(getattr(message, field), field=field, longest=longest)
    return found


def check_origin(origin: str) -> list[Violation]:
    """What is wrong with the name of a journal."""
    if _ORIGIN.fullmatch(origin):
        return []
    if not origin:
        return [Violation("origin", "is required", "là bắt buộc")]
    return [Violation("origin", "is not the name of a journal", "không phải là tên của một nhật ký")]


def _before(first: Timestamp, last: Timestamp) -> bool:
    return (first.seconds, first.nanos) < (last.seconds, last.nanos)
