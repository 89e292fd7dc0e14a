"""`LookupCitizen`: one citizen, narrowed to what is granted and asked.

Owns the contract of the request and what is compared before anything is disclosed.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.common.v1 import common_pb2
from gateway.calls.inquiry import Answer, Disclosure, Inquiry, Question
from gateway.calls.validation import (
    check_mask,
    check_purpose,
    check_request_id,
    check_staleness,
    check_text,
    decode,
    staleness,
)
from gateway.citizens.fields import citizen_selection
from gateway.citizens.freshness import allowed_staleness
from gateway.citizens.matching import first_mismatch
from gateway.citizens.numbers import check_legacy_number, check_personal_number, legacy, personal
from gateway.citizens.provenance import provenance_of
from gateway.citizens.records import Records
from gateway.errors import InvalidRequestError, NotFoundError, PreconditionError, Reason, UnavailableError, Violation
from gateway.ports import AmbiguousNumberError, Clock, NationalDatabaseUnavailableError

VIETNAM = timezone(timedelta(hours=7))
_MAX_NAME = 200


class LookupCitizen:
    """Parses and answers `LookupCitizen`."""

    def __init__(self, *, records: Records, clock: Clock, allow_test_numbers: bool) -> None:
        """`allow_test_numbers`: whether 097 to 099 are accepted."""
        self._records = records
        self._clock = clock
        self._allow_test_numbers = allow_test_numbers

    def parse(self, request: bytes) -> Question:
        """The question behind the bytes. Raises `InvalidRequestError` with every violation."""
        message = decode(request, citizen_service_pb2.LookupCitizenRequest)
        violations = [
            *self._check_number(message),
            *check_claims(message.claims, this_year=self._today().year),
            *check_mask(message.read_mask, citizen_pb2.Citizen),
            *check_purpose(message.purpose, present=message.HasField("purpose")),
            *check_staleness(message.max_staleness, present=message.HasField("max_staleness")),
            *check_request_id(message.request_id),
        ]
        if violations:
            raise InvalidRequestError(violations)
        number = personal(message.personal_number) if message.personal_number else legacy(message.legacy_number)
        return Question(message, (number,), tuple(message.read_mask.paths), message.purpose, message.request_id)

    async def handle(self, question: Question, inquiry: Inquiry) -> Answer:
        """The citizen, or `NotFoundError`, `PreconditionError`, `UnavailableError`, `InvalidRequestError`."""
        message = question.message
        assert isinstance(message, citizen_service_pb2.LookupCitizenRequest)
        assert inquiry.account is not None
        policy = inquiry.account.policy
        if policy.identity_check:
            require_identity_claims(message.claims)
        asked = staleness(message.max_staleness, present=message.HasField("max_staleness"))
        try:
            found = await self._records.find(
                question.subjects[0],
                staleness=allowed_staleness(asked, policy.staleness_ceiling),
                stale_if_error=policy.stale_if_error,
                deadline=inquiry.call.deadline,
            )
        except NationalDatabaseUnavailableError as error:
            raise UnavailableError(
                Reason.NATIONAL_DB_UNAVAILABLE, retry_after_seconds=error.retry_after_seconds, cause=error.cause
            ) from error
        except AmbiguousNumberError as error:
            raise PreconditionError(Reason.AMBIGUOUS) from error
        inquiry.source = found.source
        citizen = found.record.citizen
        if citizen is None or first_mismatch(message.claims, citizen) is not None:
            # With claims, "nobody" and "not this person" are one answer: neither confirms that the number is held.
            claimed = message.HasField("claims")
            raise NotFoundError(Reason.IDENTITY_MISMATCH if claimed else Reason.CITIZEN_NOT_FOUND)
        selection = citizen_selection(policy.fields, question.fields)
        narrowed = selection.narrow(citizen)
        response = citizen_service_pb2.LookupCitizenResponse(citizen=narrowed, provenance=provenance_of(found))
        subject = personal(citizen.personal_number)
        return Answer(
            response,
            (Disclosure(subject, selection.paths, None, found.source, found.record.data_as_of),),
        )

    def _check_number(self, message: citizen_service_pb2.LookupCitizenRequest) -> list[Violation]:
        match message.WhichOneof("number"):
            case "personal_number":
                return check_personal_number(
                    message.personal_number,
                    field="personal_number",
                    allow_test=self._allow_test_numbers,
                    this_year=self._today().year,
                )
            case "legacy_number":
                return check_legacy_number(message.legacy_number, field="legacy_number")
        return [
            Violation(
                "personal_number",
                "either personal_number or legacy_number is required",
                "cần có personal_number hoặc legacy_number",
            )
        ]

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.now(), VIETNAM).date()


def check_claims(claims: citizen_pb2.Claims, *, this_year: int) -> list[Violation]:
    """What is wrong with claims."""
    found = [
        *check_text(claims.full_name, field="claims.full_name", longest=_MAX_NAME),
        *check_text(claims.household_head_name, field="claims.household_head_name", longest=_MAX_NAME),
    ]
    if claims.HasField("birth_date"):
        found += check_birth_date(claims.birth_date, field="claims.birth_date", this_year=this_year)
    if claims.HasField("legacy_number"):
        found += check_legacy_number(claims.legacy_number, field="claims.legacy_number")
    return found


def check_birth_date(birth_date: common_pb2.BirthDate, *, field: str, this_year: int) -> list[Violation]:
    """What is wrong with a birth date: impossible days, a day without a month, a year outside 1900 to this one."""
    wrong = Violation(field, "is not a possible date of birth", "không phải là ngày sinh có thể có")
    if not 1900 <= birth_date.year <= this_year or (birth_date.HasField("day") and not birth_date.HasField("month")):
        return [wrong]
    try:
        date(
            birth_date.year,
            birth_date.month if birth_date.HasField("month") else 1,
            birth_date.day if birth_date.HasField("day") else 1,
        )
    except ValueError:
        return [wrong]
    return []


def require_identity_claims(claims: citizen_pb2.Claims) -> None:
    """Raise `InvalidRequestError` unless name and birth date are claimed (Decree 70/2024 art. 10)."""
    missing = []
    if not claims.full_name.strip():
        missing.append("claims.full_name")
    if not claims.HasField("birth_date"):
        missing.append("claims.birth_date")
    if missing:
        raise InvalidRequestError(
            [
                Violation(
                    name, "is required by the account's identity_check", "là bắt buộc theo identity_check của tài khoản"
                )
                for name in missing
            ]
        )
