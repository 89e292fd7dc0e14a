"""The refusals of the gateway.

    GatewayError
    ├─ UnauthenticatedError      UNAUTHENTICATED      who are you?
    ├─ PermissionDeniedError     PERMISSION_DENIED    you may not
    ├─ InvalidRequestError       INVALID_ARGUMENT     with every violation
    ├─ NotFoundError             NOT_FOUND
    ├─ PreconditionError         FAILED_PRECONDITION
    ├─ ConflictError             ALREADY_EXISTS
    ├─ LimitExceededError        RESOURCE_EXHAUSTED   with when to come back
    ├─ UnavailableError          UNAVAILABLE          only what a retry can cure, with when to come back
    ├─ UnimplementedError        UNIMPLEMENTED
    ├─ CallerGoneError           CANCELLED            recorded, never sent
    ├─ DeadlineError             DEADLINE_EXCEEDED
    └─ InternalError             INTERNAL             a defect of ours

Each carries one `Reason`; `gateway.messages` holds the static texts per reason, and the transport is the one place
that maps a kind to a wire status. Texts of drivers never travel: they stay in the log.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class Reason(enum.IntEnum):
    """Why a call is refused: names and values of `dancu.errors.v1.ErrorReason` without the prefix (a test compares)."""

    KEY_MISSING = 1
    KEY_UNKNOWN = 2
    KEY_EXPIRED = 3
    ACCOUNT_SUSPENDED = 4
    NETWORK_NOT_ALLOWED = 5
    METHOD_NOT_GRANTED = 6
    FIELD_NOT_GRANTED = 7
    PURPOSE_NOT_GRANTED = 8
    OFFICER_UNKNOWN = 9
    INVALID_REQUEST = 10
    CITIZEN_NOT_FOUND = 11
    IDENTITY_MISMATCH = 12
    AMBIGUOUS = 13
    RATE_LIMITED = 14
    DAILY_QUOTA_EXHAUSTED = 15
    TOO_MANY_IN_FLIGHT = 16
    ENUMERATION_SUSPECTED = 17
    OVERLOADED = 18
    NATIONAL_DB_UNAVAILABLE = 19
    AUDIT_UNAVAILABLE = 20
    REQUEST_ID_REUSED = 21
    METHOD_UNKNOWN = 22
    CALLER_GONE = 23
    DEADLINE_EXCEEDED = 24
    INTERNAL = 25
    CERTIFICATE_MISMATCH = 26
    RECEIPT_NOT_FOUND = 27
    CHECKPOINT_PENDING = 28
    ACCOUNT_EXPIRED = 29
    RESOURCE_NOT_FOUND = 30
    RESOURCE_EXISTS = 31
    STATE_CONFLICT = 32
    ACCOUNTS_UNAVAILABLE = 33
    REGISTRY_UNAVAILABLE = 40
    REGISTRY_RECORD_NOT_FOUND = 41
    CERTIFICATE_UNKNOWN = 50
    CERTIFICATE_EXPIRED = 51
    TOKEN_INVALID = 52
    TOKEN_EXPIRED = 53
    TOKEN_UNKNOWN = 54
    TOKEN_KEYS_UNAVAILABLE = 55
    TOO_MANY_FAILED_LOGINS = 56


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of a request: the field's path, and what is wrong in both languages.

    The texts never repeat what the caller sent: it may be a citizen's number.
    """

    field: str
    description: str
    description_vi: str


@dataclass(frozen=True, slots=True)
class QuotaViolation:
    """Which limit is used up: `subject` names the node of the limit tree, for example `account:ha-noi.mot-cua`."""

    subject: str
    description: str


class GatewayError(Exception):
    """A refusal with one reason."""

    kind: ClassVar[str]

    def __init__(
        self,
        reason: Reason,
        *,
        violations: Sequence[Violation] = (),
        retry_after_seconds: float | None = None,
        quota: QuotaViolation | None = None,
        metadata: Mapping[str, str] | None = None,
        cause: str = "",
    ) -> None:
        """`metadata` travels in ErrorInfo (static or harmless values only); `cause` goes to the log only."""
        super().__init__(reason.name)
        self.reason = reason
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds
        self.quota = quota
        self.metadata = dict(metadata or {})
        self.cause = cause
        self.trailing: tuple[tuple[str, str], ...] = ()
        """Trailing metadata of the refusal; the pipeline sets it."""


class UnauthenticatedError(GatewayError):
    """The caller is not known."""

    kind = "UNAUTHENTICATED"


class PermissionDeniedError(GatewayError):
    """The caller is known and may not."""

    kind = "PERMISSION_DENIED"


class InvalidRequestError(GatewayError):
    """The request breaks its contract."""

    kind = "INVALID_ARGUMENT"

    def __init__(self, violations: Sequence[Violation]) -> None:
        """Every violation at once, at least one."""
        super().__init__(Reason.INVALID_REQUEST, violations=violations)


class NotFoundError(GatewayError):
    """What was asked for does not exist, or is not said to."""

    kind = "NOT_FOUND"


class PreconditionError(GatewayError):
    """The question cannot be answered as things stand."""

    kind = "FAILED_PRECONDITION"


class ConflictError(GatewayError):
    """The identifier was used for something else."""

    kind = "ALREADY_EXISTS"


class LimitExceededError(GatewayError):
    """More than allowed; carries when to come back."""

    kind = "RESOURCE_EXHAUSTED"


class UnavailableError(GatewayError):
    """A retry can cure it; carries when to come back."""

    kind = "UNAVAILABLE"


class UnimplementedError(GatewayError):
    """There is no such method."""

    kind = "UNIMPLEMENTED"


class CallerGoneError(GatewayError):
    """The caller hung up. Recorded, never sent."""

    kind = "CANCELLED"


class DeadlineError(GatewayError):
    """The caller's deadline passed."""

    kind = "DEADLINE_EXCEEDED"


class InternalError(GatewayError):
    """A defect of the gateway."""

    kind = "INTERNAL"
