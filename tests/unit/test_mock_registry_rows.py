"""Dirty rows of the social insurance register, and the truth beside them."""

from __future__ import annotations

import unicodedata
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mock_national_db import sample_rows
from mock_national_db.people import Nation
from mock_national_db.person import BirthDate
from mock_national_db.registries.dirt import Dirt, Row, plain, spoil

POPULATION = 20_000
NAMES = st.lists(
    st.sampled_from(["Nguyễn", "Đặng", "Thị", "Hường", "Đức", "Ánh", "Lê", "Ế"]), min_size=2, max_size=4
).map(" ".join)


def row(name: str = "Đặng Thị Hường", born: BirthDate = BirthDate(1980, 3, 9)) -> Row:  # noqa: B008  a constant
    return Row("9000000001", "097180000001", "400000001", name, born, 2, "Số 1, Xã An Bình, Tỉnh Lào Cai")


def test_rows_are_the_same_every_time_and_another_seed_gives_others() -> None:
    """A cleansing is marked against rows that anyone can draw again."""
    first = list(sample_rows(300, population=POPULATION))
    assert first == list(sample_rows(300, population=POPULATION))
    assert first != list(sample_rows(300, population=POPULATION, rows_seed=1))
    assert len(first) == 300


def test_the_truth_of_a_row_is_what_the_population_holds() -> None:
    """The mark of a cleansing is worth what the truth is worth."""
    nation = Nation(population=POPULATION)
    for found in sample_rows(500, population=POPULATION):
        index = nation.index_of(found.truth.personal_number)
        assert index is not None
        person = nation.person(index)
        assert found.truth.full_name == person.full_name
        assert found.truth.birth_date == person.birth_date
        assert found.truth.legacy_number == (person.legacy_number or "")


def test_every_kind_of_dirt_occurs_and_is_named_where_it_changed_the_row() -> None:
    """Unnamed dirt could not be marked, named dirt that changed nothing would mark clean rows as dirty."""
    kinds: Counter[Dirt] = Counter()
    clean = 0
    for found in sample_rows(2500, population=100_000):
        held, truth = found.held, found.truth
        kinds.update(found.dirt)
        clean += not found.dirt
        assert (held == truth) == (not found.dirt)
        assert (held.personal_number == "") == (Dirt.NO_PERSONAL_NUMBER in found.dirt)
        assert (held.book_number != truth.book_number) == (Dirt.DUPLICATE in found.dirt)
        if Dirt.YEAR_ONLY in found.dirt:
            assert held.birth_date == BirthDate(truth.birth_date.year)
        if found.dirt == (Dirt.OLD_ADDRESS,):
            assert any(word in held.address for word in ("Huyện", "Quận", "Thị xã"))
        assert plain(held.full_name).casefold().split() == plain(truth.full_name).casefold().split()
    assert set(kinds) == set(Dirt)
    assert 0.3 < clean / 2500 < 0.6


def test_each_kind_of_dirt_does_what_it_says() -> None:
    """One line each, as the registers write."""
    assert spoil(row(), Dirt.NO_DIACRITICS).full_name == "Dang Thi Huong"
    assert spoil(row(), Dirt.STROKE_LOST).full_name == "Dặng Thị Hường"
    assert spoil(row(), Dirt.SPACES).full_name == "Đặng  Thị Hường "
    assert spoil(row(), Dirt.CAPITALS).full_name == "ĐẶNG THỊ HƯỜNG"
    assert spoil(row(), Dirt.DAY_MONTH_SWAPPED).birth_date == BirthDate(1980, 9, 3)
    assert spoil(row(born=BirthDate(1980, 3, 19)), Dirt.DAY_MONTH_SWAPPED).birth_date == BirthDate(1980, 3, 19)
    assert spoil(row(), Dirt.OLD_ADDRESS, old_address="Tỉnh Yên Bái").address == "Tỉnh Yên Bái"
    assert spoil(row(), Dirt.NO_LEGACY_NUMBER).legacy_number == ""


@given(NAMES)
def test_a_decomposed_name_looks_the_same_and_is_not(name: str) -> None:
    """The commonest trap of comparing names."""
    spoilt = spoil(row(name), Dirt.DECOMPOSED).full_name
    assert unicodedata.normalize("NFC", spoilt) == name
    assert spoilt != name


@given(NAMES, st.sampled_from(list(Dirt)))
def test_dirt_of_any_kind_keeps_the_key_and_the_sex(name: str, kind: Dirt) -> None:
    """What identifies the row is never spoilt."""
    spoilt = spoil(row(name), kind, old_address="x")
    assert (spoilt.book_number, spoilt.sex) == (row().book_number, row().sex)
