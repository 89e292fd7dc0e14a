"""Which digits can be a citizen's number.

Pure. The personal number reads `PPP C YY RRRRRR`: province of birth registration, century and sex, year of birth,
random part; it has no check digit (Decree 137/2015 art. 13, Circular 59/2021 art. 4). The legacy number (CMND) has
9 digits and no structure that could be checked.
"""

from __future__ import annotations

from gateway.errors import Violation
from gateway.geography.provinces import province_of_prefix
from gateway.model import CitizenNumber, NumberKind

TEST_PREFIXES = frozenset({"097", "098", "099"})
"""Assigned to no province, so no living person can hold such a number."""

_DIGITS = frozenset("0123456789")


def birth_year_of(personal_number: str) -> int:
    """The year of birth that the number states: the century digit counts sexes in pairs from 1900."""
    return 1900 + 100 * (int(personal_number[3]) // 2) + int(personal_number[4:6])


def check_personal_number(digits: str, *, field: str, allow_test: bool, this_year: int) -> list[Violation]:
    """What is wrong with a personal number; empty when it can be one."""
    if len(digits) != 12 or not _DIGITS.issuperset(digits):
        return [Violation(field, "must be exactly 12 digits", "phải gồm đúng 12 chữ số")]
    found = []
    if digits[:3] in TEST_PREFIXES:
        if not allow_test:
            found.append(
                Violation(
                    field,
                    "is a test number (097 to 099), which the settings of this gateway do not allow",
                    "là số thử nghiệm (097 đến 099), cấu hình của cổng không cho phép",
                )
            )
    elif province_of_prefix(digits[:3]) is None:
        found.append(
            Violation(
                field,
                "does not begin with the code of a province of birth registration",
                "không bắt đầu bằng mã tỉnh, thành phố đăng ký khai sinh",
            )
        )
    if birth_year_of(digits) > this_year:
        found.append(
            Violation(
                field,
                "states a century and year of birth in the future (digits 4 to 6)",
                "nêu thế kỷ và năm sinh ở tương lai (chữ số thứ 4 đến thứ 6)",
            )
        )
    return found


def reads_as_number(text: str) -> bool:
    """Whether a text is just what a citizen's number looks like: a possible prefix in 12 digits, or 9 digits."""
    if not _DIGITS.issuperset(text):
        return False
    if len(text) == 12:
        return text[:3] in TEST_PREFIXES or province_of_prefix(text[:3]) is not None
    return len(text) == 9


def check_legacy_number(digits: str, *, field: str) -> list[Violation]:
    """What is wrong with a legacy number; empty when it can be one."""
    if len(digits) != 9 or not _DIGITS.issuperset(digits):
        return [Violation(field, "must be exactly 9 digits", "phải gồm đúng 9 chữ số")]
    return []


def personal(digits: str) -> CitizenNumber:
    """A checked personal number."""
    return CitizenNumber(NumberKind.PERSONAL, digits)


def legacy(digits: str) -> CitizenNumber:
    """A checked legacy number."""
    return CitizenNumber(NumberKind.LEGACY, digits)
