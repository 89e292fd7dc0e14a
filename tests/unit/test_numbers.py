"""Which digits can be a citizen's number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.citizens.numbers import birth_year_of, check_legacy_number, check_personal_number
from gateway.geography.provinces import OLD_PROVINCES


def problems(digits: str, *, allow_test: bool = True) -> int:
    return len(check_personal_number(digits, field="personal_number", allow_test=allow_test, this_year=2026))


@pytest.mark.parametrize(
    ("digits", "year"),
    [
        ("001090000001", 1990),
        ("079199123456", 1999),
        ("038200000000", 2000),
        ("096326999999", 2026),
        ("001400000001", 2100),
        ("001999000001", 2399),
    ],
)
def test_the_year_of_birth_is_read_from_century_and_year(digits: str, year: int) -> None:
    """Circular 59/2021: 0 and 1 are the 1900s, 2 and 3 the 2000s, and so on to 2399."""
    assert birth_year_of(digits) == year


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("001090000001", 0),
        ("097090000001", 0),
        ("00109000000", 1),
        ("0010900000012", 1),
        ("", 1),
        ("00109000000a", 1),
        ("\uff10\uff10\uff11090000001", 1),  # full-width digits are not digits of a number
        ("\u0660\u0660\u0661090000001", 1),  # nor are Arabic ones
        ("000090000001", 1),
        ("003090000001", 1),
        ("100090000001", 1),
        ("001227000001", 1),
        ("003227000001", 2),
    ],
)
def test_impossible_numbers_are_told_with_every_reason(digits: str, expected: int) -> None:
    """A clerk who mistypes must learn all of it at once."""
    assert problems(digits) == expected


@pytest.mark.parametrize("prefix", ["097", "098", "099"])
def test_test_numbers_are_valid_only_where_settings_say_so(prefix: str) -> None:
    """No citizen holds one, so in production such a number is a mistake."""
    assert problems(f"{prefix}090000001") == 0
    assert problems(f"{prefix}090000001", allow_test=False) == 1


def test_all_63_prefixes_are_known() -> None:
    """A province left out would lock out its people."""
    assert len(OLD_PROVINCES) == 63
    assert all(problems(f"0{code}090000001", allow_test=False) == 0 for code in OLD_PROVINCES)


@given(st.text(max_size=20))
def test_no_text_breaks_the_check_and_no_violation_repeats_it(text: str) -> None:
    """P8: error messages never hold what the caller sent."""
    for violation in check_personal_number(text, field="personal_number", allow_test=False, this_year=2026):
        assert len(text) < 4 or text not in violation.description + violation.description_vi


@pytest.mark.parametrize(("digits", "expected"), [("123456789", 0), ("12345678", 1), ("12345678x", 1), ("", 1)])
def test_legacy_numbers_have_nine_digits(digits: str, expected: int) -> None:
    """The CMND has no other structure to check."""
    assert len(check_legacy_number(digits, field="legacy_number")) == expected
