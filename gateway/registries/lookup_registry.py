"""The lookup in a registry: one use case for all of them, told by a `RegistryKind` which one it is.

Owns the contract the requests share and what is compared before anything is disclosed. Refuses to know any registry.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from google.protobuf.message import Message

from gateway.accounts.model import EVERYTHING
from gateway.calls.inquiry import Answer, Disclosure, Inquiry, Question
from gateway.calls.validation import (
    check_mask,
    check_purpose,
    check_request_id,
    check_staleness,
    decode,
    staleness,
)
from gateway.citizens.answers import provenance
from gateway.citizens.freshness import allowed_staleness
from gateway.citizens.matching import compared_fields
from gateway.citizens.numbers import check_personal_number, personal
from gateway.citizens.requests import check_claims, day_of, require_identity_claims
from gateway.errors import (
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    Reason,
    UnavailableError,
    Violation,
)
from gateway.model import CitizenNumber
from gateway.ports import Clock
from gateway.registries.identity import IdentityCheck
from gateway.registries.kinds import RegistryKind
from gateway.registries.model import EnterpriseCode, RegistrySubject
from gateway.registries.ports import RegistryUnavailableError
from gateway.registries.records import FoundRecord, RegistryRecords
from gateway.registries.rights import granted_within, qualified, registry_selection

_ENTERPRISE_CODE = re.compile(r"[0-9]{10}")
_ENTERPRISE = "enterprise_code"


class LookupRegistry:
    """Parses and answers the lookup of one registry."""

    def __init__(
        self,
        *,
        kind: RegistryKind,
        records: RegistryRecords,
        identity: IdentityCheck,
        clock: Clock,
        allow_test_numbers: bool,
    ) -> None:
        """`allow_test_numbers`: whether 097 to 099 are accepted."""
        self._kind = kind
        self._records = records
        self._identity = identity
        self._clock = clock
        self._allow_test_numbers = allow_test_numbers

    def parse(self, request: bytes) -> Question:
        """The question behind the bytes. Raises `InvalidRequestError` with every violation."""
        message: Any = decode(request, self._kind.request)
        today = day_of(self._clock.now())
        violations = [
            *self._check_number(message, today),
            *check_claims(message.claims, today=today),
            *check_mask(message.read_mask, self._kind.record),
            *check_purpose(message.purpose, present=message.HasField("purpose")),
            *check_staleness(message.max_staleness, present=message.HasField("max_staleness")),
            *check_request_id(message.request_id),
        ]
        if message.HasField("claims") and self._asks_by_code(message):
            violations.append(
                Violation("claims", "cannot be made of an enterprise", "không áp dụng cho tra cứu doanh nghiệp")
            )
        if violations:
            raise InvalidRequestError(violations)
        subject = self._subject(message)
        # `*` asks for what is granted, not for more: it is no path to be authorised.
        asked = [] if EVERYTHING in message.read_mask.paths else message.read_mask.paths
        return Question(
            message,
            (subject,) if isinstance(subject, CitizenNumber) else (),
            qualified(self._kind, asked),
            message.purpose,
            message.request_id,
            tells=compared_fields(message.claims),
        )

    async def handle(self, question: Question, inquiry: Inquiry) -> Answer:
        """The record, or `NotFoundError`, `PermissionDeniedError`, `UnavailableError`, `InvalidRequestError`."""
        kind = self._kind
        message: Any = question.message
        assert inquiry.account is not None
        policy = inquiry.account.policy
        if not granted_within(kind, policy.fields):
            raise PermissionDeniedError(Reason.FIELD_NOT_GRANTED, metadata={"field": kind.name})
        subject = self._subject(message)
        asked = staleness(message.max_staleness, present=message.HasField("max_staleness"))
        allowed = allowed_staleness(asked, policy.staleness_ceiling)
        if policy.identity_check:
            _require_claims(subject, message)
        if isinstance(subject, CitizenNumber) and message.HasField("claims"):
            await self._identity.require(
                subject,
                message.claims,
                staleness=allowed,
                stale_if_error=policy.stale_if_error,
                deadline=inquiry.call.deadline,
                today=day_of(self._clock.now()),
            )
        try:
            found = await self._records.find(
                subject, staleness=allowed, stale_if_error=policy.stale_if_error, deadline=inquiry.call.deadline
            )
        except RegistryUnavailableError as error:
            raise UnavailableError(
                Reason.REGISTRY_UNAVAILABLE,
                retry_after_seconds=error.retry_after_seconds,
                metadata={"registry": kind.name},
                cause=f"{kind.name}: {error.cause}",
            ) from error
        inquiry.source = found.source
        if found.record.record is None:
            raise NotFoundError(Reason.REGISTRY_RECORD_NOT_FOUND, metadata={"registry": kind.name})
        masked = tuple(message.read_mask.paths)
        selection = registry_selection(kind, policy.fields, masked)
        narrowed = selection.narrow(found.record.record)
        response: Any = kind.response(
            provenance=provenance(
                found.source,
                data_as_of=found.record.data_as_of,
                fetched_at=found.record.fetched_at,
                version=found.record.version,
            )
        )
        getattr(response, kind.name).CopyFrom(narrowed)
        return Answer(response, self._disclosures(subject, narrowed, qualified(kind, selection.paths), found))

    def _disclosures(
        self, subject: RegistrySubject, narrowed: Message, fields: tuple[str, ...], found: FoundRecord
    ) -> tuple[Disclosure, ...]:
        as_of = found.record.data_as_of
        if isinstance(subject, CitizenNumber):
            return (Disclosure(subject, fields, None, found.source, as_of),)
        # Nobody was asked for by number, yet the answer may name people: each of them has a right to know.
        target = f"enterprise {subject.digits}"
        named: list[CitizenNumber | None] = [personal(number) for number in personal_numbers_in(narrowed)]
        return tuple(Disclosure(one, fields, None, found.source, as_of, target) for one in named or [None])

    def _subject(self, message: Any) -> RegistrySubject:
        if self._asks_by_code(message):
            return EnterpriseCode(message.enterprise_code)
        return personal(message.personal_number)

    def _asks_by_code(self, message: Any) -> bool:
        return self._kind.by_enterprise_code and message.WhichOneof("number") == _ENTERPRISE

    def _check_number(self, message: Any, today: date) -> list[Violation]:
        if self._asks_by_code(message):
            if _ENTERPRISE_CODE.fullmatch(message.enterprise_code):
                return []
            return [Violation(_ENTERPRISE, "must be exactly 10 digits", "phải gồm đúng 10 chữ số")]
        if not message.personal_number:
            return [_number_missing(self._kind)]
        return check_personal_number(
            message.personal_number,
            field="personal_number",
            allow_test=self._allow_test_numbers,
            this_year=today.year,
        )


def personal_numbers_in(message: Message) -> Sequence[str]:
    """Every personal number that a message tells, each once, in the order of its fields."""
    found: dict[str, None] = {}
    for field, value in message.ListFields():
        values = value if field.is_repeated else (value,)
        if field.message_type is not None:
            for one in values:
                found |= dict.fromkeys(personal_numbers_in(one))
        elif field.name == "personal_number":
            found[value] = None
    return list(found)


def _require_claims(subject: RegistrySubject, message: Any) -> None:
    if isinstance(subject, EnterpriseCode):
        # Its answer names people about whom the caller has shown no knowledge (Decree 70/2024 art. 10).
        raise InvalidRequestError(
            [
                Violation(
                    _ENTERPRISE,
                    "cannot be asked for under the account's identity_check; ask by personal number with claims",
                    "tài khoản có identity_check phải tra cứu bằng số định danh kèm thông tin khai",
                )
            ]
        )
    require_identity_claims(message.claims)


def _number_missing(kind: RegistryKind) -> Violation:
    if kind.by_enterprise_code:
        return Violation(
            "personal_number",
            "either personal_number or enterprise_code is required",
            "cần có personal_number hoặc enterprise_code",
        )
    return Violation("personal_number", "is required", "là bắt buộc")
