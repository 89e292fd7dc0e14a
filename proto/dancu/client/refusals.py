"""What the gateway's refusals look like to a caller.

    Refused                   any refusal: `.code` and `.reason` say why
    ├─ Unauthenticated        UNAUTHENTICATED      who are you?
    ├─ PermissionDenied       PERMISSION_DENIED    you may not
    ├─ InvalidRequest         INVALID_ARGUMENT     `.violations` lists what is wrong
    ├─ NotFound               NOT_FOUND
    ├─ PreconditionFailed     FAILED_PRECONDITION
    ├─ Conflict               ALREADY_EXISTS
    ├─ LimitExceeded          RESOURCE_EXHAUSTED   `.retry_after` says when to come back
    ├─ Unavailable            UNAVAILABLE          a retry can cure it
    │  └─ Unreachable         UNAVAILABLE          nothing that speaks for the gateway answered
    ├─ DeadlineExceeded       DEADLINE_EXCEEDED
    └─ Internal               INTERNAL             a defect of the gateway

Owns the way from a gRPC status with its details (google.rpc) to one of these. Refuses to know how a call is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage

    from dancu.common.v1.common_pb2 import Status

DOMAIN = "dancu"
"""The domain of the gateway's reasons in google.rpc.ErrorInfo."""

UNREACHABLE = "UNREACHABLE"
"""Reason of `Unreachable`. Made here, never sent by a gateway: where none answers, none can say why."""

REQUEST_ID_KEY = "dancu-request-id"
RECEIPT_KEY = "dancu-receipt"
_DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of a request: the field's path, and what is wrong (`description_vi` may be empty)."""

    field: str
    description: str
    description_vi: str = ""


@dataclass(frozen=True, slots=True)
class QuotaViolation:
    """Which limit is used up, for example `account:ha-noi.mot-cua`."""

    subject: str
    description: str


@dataclass(kw_only=True, eq=False, repr=False)
class Refused(Exception):  # noqa: N818  the public name of a refusal; it is no error of the program
    """The call was refused. All attributes are safe to log: no value that the caller sent is among them."""

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    """The status of the call."""
    reason: str = ""
    """Name in `dancu.errors.v1.ErrorReason` without its prefix, for example "RATE_LIMITED". Where no gateway gave
    one: "UNREACHABLE", or the name of the status code."""
    message: str = ""
    """What happened and what to do, in English."""
    message_vi: str = ""
    """The same in Vietnamese; empty where no gateway gave one."""
    violations: tuple[Violation, ...] = ()
    """Every broken rule of the request, for INVALID_REQUEST."""
    retry_after: timedelta | None = None
    """When to come back, where the gateway said so."""
    quota: tuple[QuotaViolation, ...] = ()
    """Which limits are used up, for RESOURCE_EXHAUSTED."""
    request_id: str = ""
    """What the gateway's operators need to find the call; empty where none answered."""
    receipt: str = ""
    """Receipt of the refusal's audit record, where one was written for this very call."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Further facts of the reason, such as the field that is not granted."""

    def __str__(self) -> str:
        """One line for a log."""
        told = [f"{self.reason}: {self.message}"]
        told += [f"{violation.field}: {violation.description}" for violation in self.violations]
        if self.retry_after is not None:
            told.append(f"retry after {round(self.retry_after.total_seconds(), 3):.12g} s")
        if self.request_id:
            told.append(f"request {self.request_id}")
        return "; ".join(told)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class Unauthenticated(Refused):
    """The caller is not known."""


class PermissionDenied(Refused):
    """The caller is known and may not."""


class InvalidRequest(Refused):
    """The request breaks its contract."""


class NotFound(Refused):
    """Nobody holds the number, or what was claimed does not match."""


class PreconditionFailed(Refused):
    """The question cannot be answered as things stand."""


class Conflict(Refused):
    """The identifier was used for something else."""


class LimitExceeded(Refused):
    """More than allowed."""


class Unavailable(Refused):
    """The gateway cannot answer now; a retry can cure it."""


class Unreachable(Unavailable):
    """No gateway answered: nobody listens there, the connection broke, or TLS failed. `message` is gRPC's."""


class DeadlineExceeded(Refused):
    """No answer within the call's deadline."""


class Internal(Refused):
    """A defect of the gateway; `request_id` leads its operators to the cause."""


_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_BY_CODE: dict[grpc.StatusCode, type[Refused]] = {
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionFailed,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitExceeded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.INTERNAL: Internal,
}


def refusal(code: grpc.StatusCode, details: str, trailing: Iterable[tuple[str, str | bytes]]) -> Refused:
    """The refusal that a failed call means. Never raises: details that cannot be read leave the bare status."""
    told = dict(trailing)
    found = Refused(
        code=code, message=details, request_id=_text(told, REQUEST_ID_KEY), receipt=_text(told, RECEIPT_KEY)
    )
    status = status_pb2.Status()
    raw = told.get(_DETAILS_KEY)
    if isinstance(raw, bytes):
        try:
            status.ParseFromString(raw)
        except DecodeError:
            status.Clear()
    for detail in status.details:
        _read(detail, found)
    kind = _BY_CODE.get(code, Refused)
    if not found.reason:
        kind = Unreachable if kind is Unavailable else kind
        found.reason = UNREACHABLE if kind is Unreachable else code.name
    return kind(**vars(found))


def refusal_in(status: Status, *, request_id: str, receipt: str) -> Refused:
    """The refusal of one part of a call that was answered."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    trailing = ((_DETAILS_KEY, status.SerializeToString()), (REQUEST_ID_KEY, request_id), (RECEIPT_KEY, receipt))
    return refusal(code, status.message, trailing)


def _read(detail: AnyMessage, found: Refused) -> None:
    """Take over what one google.rpc detail says; unknown and unreadable ones are passed over."""
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    quota = error_details_pb2.QuotaFailure()
    text = error_details_pb2.LocalizedMessage()
    try:
        if detail.Unpack(info) and info.domain == DOMAIN:
            found.reason = info.reason
            found.metadata = dict(info.metadata)
        elif detail.Unpack(bad):
            found.violations = tuple(_violation(violation) for violation in bad.field_violations)
        elif detail.Unpack(retry):
            found.retry_after = max(retry.retry_delay.ToTimedelta(), timedelta())
        elif detail.Unpack(quota):
            found.quota = tuple(QuotaViolation(one.subject, one.description) for one in quota.violations)
        elif detail.Unpack(text) and _is_vietnamese(text.locale):
            found.message_vi = text.message
    except DecodeError:
        return


def _violation(sent: error_details_pb2.BadRequest.FieldViolation) -> Violation:
    local = sent.localized_message
    return Violation(sent.field, sent.description, local.message if _is_vietnamese(local.locale) else "")


def _is_vietnamese(locale: str) -> bool:
    return locale.lower().replace("_", "-").partition("-")[0] == "vi"


def _text(told: Mapping[str, str | bytes], key: str) -> str:
    value = told.get(key, "")
    return value if isinstance(value, str) else ""
