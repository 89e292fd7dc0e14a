from datetime import date

import pytest

from gateway.geography.provinces import (
    NEW_PROVINCES,
    OLD_PROVINCES,
    all_provinces,
    as_of,
    is_within,
    new_to_olds,
    old_to_new,
    province,
    province_of_prefix,
    read_code,
)

LAST_OLD_DAY = date(2025, 6, 30)
FIRST_NEW_DAY = date(2025, 7, 1)


def test_there_are_63_old_and_34_new_provinces() -> None:
    """The two decisions say so; a missing row would lose a province's people."""
    assert len(OLD_PROVINCES) == 63
    assert len(NEW_PROVINCES) == 34


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("15", "Yên Bái", "Lào Cai"),
        ("24", "Bắc Giang", "Bắc Ninh"),
        ("44", "Quảng Bình", "Quảng Trị"),
        ("52", "Bình Định", "Gia Lai"),
        ("80", "Long An", "Tây Ninh"),
        ("82", "Tiền Giang", "Đồng Tháp"),
        ("91", "Kiên Giang", "An Giang"),
    ],
)
def test_a_reused_code_is_read_by_its_day(code: str, before: str, after: str) -> None:
    """Seven codes changed their meaning on 1 July 2025: without the day a lookup shows the wrong province."""
    was, became = province(code, on=LAST_OLD_DAY), province(code, on=FIRST_NEW_DAY)
    assert was is not None
    assert became is not None
    assert (was.name, became.name) == (before, after)
    assert old_to_new(code) == became  # each of the seven was absorbed by the province that took its code


def test_every_old_province_went_into_exactly_one_new_one() -> None:
    """The mapping moves people from the old table to the new one: no one may be lost or doubled."""
    absorbed = [old.code for new in NEW_PROVINCES for old in new_to_olds(new)]
    assert sorted(absorbed) == sorted(OLD_PROVINCES)
    for old in OLD_PROVINCES:
        new = old_to_new(old)
        assert new is not None
        assert OLD_PROVINCES[old] in new_to_olds(new.code)


def test_a_province_is_valid_in_its_own_table_only() -> None:
    """Both tables are kept with their days, so that an old address can still be read."""
    for unit in all_provinces():
        old = unit.code in OLD_PROVINCES and OLD_PROVINCES[unit.code] is unit
        assert unit.is_valid_on(LAST_OLD_DAY) is old
        assert unit.is_valid_on(FIRST_NEW_DAY) is not old
    assert province("01", on=date(2000, 1, 1)) is None
    assert province("02", on=FIRST_NEW_DAY) is None


def test_official_names_tell_cities_from_provinces() -> None:
    """Records print full official names; there are six cities of provincial rank."""
    assert sum(unit.official_name.startswith("Thành phố ") for unit in NEW_PROVINCES.values()) == 6
    assert NEW_PROVINCES["79"].official_name == "Thành phố Hồ Chí Minh"
    assert OLD_PROVINCES["46"].official_name == "Tỉnh Thừa Thiên Huế"
    assert OLD_PROVINCES["77"].official_name == "Tỉnh Bà Rịa - Vũng Tàu"


def test_the_prefix_of_a_number_names_the_old_province() -> None:
    """A number tells where the birth was registered; the test prefixes belong to nowhere."""
    assert province_of_prefix("015") is OLD_PROVINCES["15"]
    assert OLD_PROVINCES["15"].number_prefix == "015"
    assert [province_of_prefix(prefix) for prefix in ("097", "098", "099", "115", "15")] == [None] * 5


TRAPS = ["15", "24", "44", "52", "80", "82", "91"]


@pytest.mark.parametrize("code", TRAPS)
def test_an_undated_trap_code_is_read_in_the_table_of_today(code: str) -> None:
    """The likeliest meaning, and the only one that places nobody in another province."""
    unit = read_code(code, written=None, today=FIRST_NEW_DAY)
    assert unit is NEW_PROVINCES[code]
    assert read_code(code, written=LAST_OLD_DAY, today=FIRST_NEW_DAY) is OLD_PROVINCES[code]
    assert read_code(code, written=None, today=LAST_OLD_DAY) is OLD_PROVINCES[code]


def test_a_code_of_both_tables_never_means_another_province_by_the_guess() -> None:
    """Why an undated code may be read at all: where both tables have it, the older unit became part of the newer."""
    shared = NEW_PROVINCES.keys() & OLD_PROVINCES.keys()
    assert set(TRAPS) <= shared
    for code in shared:
        assert old_to_new(code) is NEW_PROVINCES[code]


def test_a_code_that_only_the_old_table_has_is_still_read_undated() -> None:
    """Dossiers go on carrying the codes they were opened with."""
    assert read_code("30", written=None, today=FIRST_NEW_DAY) is OLD_PROVINCES["30"]
    assert read_code("30", written=FIRST_NEW_DAY, today=FIRST_NEW_DAY) is None
    assert read_code("00", written=None, today=FIRST_NEW_DAY) is None
    assert read_code("1", written=None, today=FIRST_NEW_DAY) is None


def test_every_unit_of_either_table_lies_within_exactly_one_of_today() -> None:
    """A verification of residence has one answer."""
    for unit in all_provinces():
        assert sum(is_within(unit, code) for code in NEW_PROVINCES) == 1


def test_units_convert_to_any_day_and_back() -> None:
    """Forwards to one, backwards to all that were merged, its namesake first; before the first table to none."""
    for old in OLD_PROVINCES.values():
        (new,) = as_of(old, FIRST_NEW_DAY)
        assert old in as_of(new, LAST_OLD_DAY)
        assert as_of(old, LAST_OLD_DAY) == (old,)
        assert as_of(new, FIRST_NEW_DAY) == (new,)
        assert as_of(old, date(2008, 7, 31)) == as_of(new, date(1999, 1, 1)) == ()
    assert [one.name for one in as_of(NEW_PROVINCES["25"], LAST_OLD_DAY)] == ["Phú Thọ", "Vĩnh Phúc", "Hòa Bình"]
