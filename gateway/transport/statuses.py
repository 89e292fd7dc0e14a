"""The one place that maps a refusal to a wire status: `google.rpc.Status` with its details (AIP-193)."""

from __future__ import annotations

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from gateway.errors import GatewayError
from gateway.messages import MESSAGES

DOMAIN = "dancu"

# google.rpc.Code
CODES = {
    "CANCELLED": 1,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}


def status_of(refusal: GatewayError) -> status_pb2.Status:
    """The rich status: exactly one ErrorInfo, then what applies, then the message in Vietnamese."""
    message = MESSAGES[refusal.reason]
    status = status_pb2.Status(code=CODES[refusal.kind], message=message.en)
    details = status.details
    _pack(
        details.add(),
        error_details_pb2.ErrorInfo(reason=refusal.reason.name, domain=DOMAIN, metadata=refusal.metadata),
    )
    if refusal.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in refusal.violations:
            told = bad_request.field_violations.add(field=violation.field, description=violation.description)
            told.localized_message.locale = "vi"
            told.localized_message.message = violation.description_vi
        _pack(details.add(), bad_request)
    if refusal.retry_after_seconds is not None:
        delay = Duration()
        delay.FromMicroseconds(max(0, int(refusal.retry_after_seconds * 1e6)) + 1)
        _pack(details.add(), error_details_pb2.RetryInfo(retry_delay=delay))
    if refusal.quota is not None:
        quota = error_details_pb2.QuotaFailure()
        quota.violations.add(subject=refusal.quota.subject, description=refusal.quota.description)
        _pack(details.add(), quota)
    _pack(details.add(), error_details_pb2.LocalizedMessage(locale="vi", message=message.vi))
    return status


def _pack(
    detail: Any,
    message: error_details_pb2.ErrorInfo
    | error_details_pb2.BadRequest
    | error_details_pb2.RetryInfo
    | error_details_pb2.QuotaFailure
    | error_details_pb2.LocalizedMessage,
) -> None:
    detail.Pack(message)
