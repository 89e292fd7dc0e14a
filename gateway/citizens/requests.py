"""What requests about citizens share: numbers, claims, and who must make which claims.

Pure. Each check returns what is wrong, so that all violations of a request are told at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Final, TypeAlias

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.common.v1 import common_pb2
from gateway.calls.validation import check_text
from gateway.citizens.numbers import check_legacy_number, check_personal_number, legacy, personal
from gateway.errors import InvalidRequestError, Violation
from gateway.geography.provinces import OLD_TABLE_FROM, read_code
from gateway.model import CitizenNumber

VIETNAM: Final = timezone(timedelta(hours=7))
_MAX_NAME: Final = 200

Numbered: TypeAlias = (
    citizen_service_pb2.LookupCitizenRequest
    | citizen_service_pb2.VerifyCitizenRequest
    | citizen_service_pb2.LookupHouseholdRequest
    | citizen_service_pb2.BulkLookupCitizensItem
)
"""Messages that ask for one citizen by `personal_number` or `legacy_number`."""


def day_of(now: float) -> date:
    """The day in Viet Nam; `now` in seconds since the epoch."""
    return datetime.fromtimestamp(now, VIETNAM).date()


def check_number(message: Numbered, *, allow_test: bool, this_year: int) -> list[Violation]:
    """What is wrong with the number asked by, or with there being none."""
    digits = message.personal_number
    if digits:
        return check_personal_number(digits, field="personal_number", allow_test=allow_test, this_year=this_year)
    match message.WhichOneof("number"):
        case "personal_number":
            return check_personal_number("", field="personal_number", allow_test=allow_test, this_year=this_year)
        case "legacy_number":
            return check_legacy_number(message.legacy_number, field="legacy_number")
    return [
        Violation(
            "personal_number",
            "either personal_number or legacy_number is required",
            "cần có personal_number hoặc legacy_number",
        )
    ]


def number_of(message: Numbered) -> CitizenNumber:
    """The number of a checked message."""
    digits = message.personal_number
    return personal(digits) if digits else legacy(message.legacy_number)


def check_claims(claims: citizen_pb2.Claims, *, today: date) -> list[Violation]:
    """What is wrong with claims."""
    found = [
        *_check_name(claims.full_name, field="claims.full_name", present=claims.HasField("full_name")),
        *_check_name(
            claims.household_head_name,
            field="claims.household_head_name",
            present=claims.HasField("household_head_name"),
        ),
    ]
    if claims.HasField("birth_date"):
        found += check_birth_date(claims.birth_date, field="claims.birth_date", this_year=today.year)
    if claims.HasField("legacy_number"):
        found += check_legacy_number(claims.legacy_number, field="claims.legacy_number")
    if claims.HasField("sex"):
        found += _check_known(claims.sex, citizen_pb2.Sex.values(), field="claims.sex")
    if claims.HasField("marital_status"):
        found += _check_known(claims.marital_status, citizen_pb2.MaritalStatus.values(), field="claims.marital_status")
    return found + _check_residence(claims, today)


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


def check_identity_claims(claims: citizen_pb2.Claims) -> list[Violation]:
    """What an account with `identity_check` left out: name and birth date (Decree 70/2024 art. 10)."""
    missing = []
    if not claims.full_name.strip():
        missing.append("claims.full_name")
    if not claims.HasField("birth_date"):
        missing.append("claims.birth_date")
    return [
        Violation(name, "is required by the account's identity_check", "là bắt buộc theo identity_check của tài khoản")
        for name in missing
    ]


def require_identity_claims(claims: citizen_pb2.Claims) -> None:
    """Raise `InvalidRequestError` unless name and birth date are claimed."""
    missing = check_identity_claims(claims)
    if missing:
        raise InvalidRequestError(missing)


def _check_name(name: str, *, field: str, present: bool) -> list[Violation]:
    if present and not name.strip():
        return [Violation(field, "is empty", "để trống")]
    return check_text(name, field=field, longest=_MAX_NAME)


def _check_known(value: int, known: Sequence[int], *, field: str) -> list[Violation]:
    # Nobody can claim "not known", and a number of a later version cannot be compared.
    if value and value in known:
        return []
    return [Violation(field, "is not a value that can be claimed", "không phải giá trị có thể khai")]


def _check_residence(claims: citizen_pb2.Claims, today: date) -> list[Violation]:
    found, written = [], None
    if claims.HasField("residence_as_of"):
        written = _day(claims.residence_as_of)
        if written is None or not OLD_TABLE_FROM <= written <= today:
            return [
                Violation(
                    "claims.residence_as_of",
                    f"must be a day from {OLD_TABLE_FROM} to today, YYYY-MM-DD",
                    f"phải là ngày từ {OLD_TABLE_FROM} đến hôm nay, dạng YYYY-MM-DD",
                )
            ]
        if not claims.HasField("residence_province_code"):
            found.append(
                Violation(
                    "claims.residence_as_of",
                    "says when residence_province_code was written, which is absent",
                    "nêu ngày của residence_province_code nhưng trường này không có",
                )
            )
    if claims.HasField("residence_province_code"):
        code = claims.residence_province_code
        if read_code(code, written=written, today=today) is None:
            found.append(
                Violation(
                    "claims.residence_province_code",
                    "is no province's code on the day it was written",
                    "không phải mã tỉnh, thành phố vào ngày được nêu",
                )
            )
    return found


def _day(text: str) -> date | None:
    # fromisoformat also takes week dates and dates without dashes, which the contract does not.
    try:
        return date.fromisoformat(text) if len(text) == 10 and text[4] == text[7] == "-" else None
    except ValueError:
        return None
