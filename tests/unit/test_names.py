"""One name written twice, or two names: the table of dirt, and what holds for any two names."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.citizens.names import TYPING, NameHabit, habits_between, same_when_typed
from tests.fakes.dirt import BIRTHS, MISMATCH, NAMES, NOT_HELD, RESIDENCES, nfd

LETTERS = "aăâbcdđeêghiklmnoôơpqrstuưvxyAĐÊNÐ"
TONES = ["", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323"]
WORD = st.lists(st.tuples(st.sampled_from(LETTERS), st.sampled_from(TONES)), min_size=1, max_size=5).map(
    lambda letters: "".join(letter + tone for letter, tone in letters)
)
NAME = st.lists(WORD, min_size=1, max_size=4).flatmap(
    lambda words: st.sampled_from([" ".join(words), unicodedata.normalize("NFC", " ".join(words)), "  ".join(words)])
)
WAYS = [str.upper, str.lower, nfd, lambda name: f" {name} ", lambda name: unicodedata.normalize("NFC", name)]


def habits_named(expected: str) -> set[str]:
    return {habit.name for habit in NameHabit} & set(expected.split())


@pytest.mark.parametrize(("claimed", "held", "expected"), [row for row in NAMES if row[2] != NOT_HELD])
def test_each_row_of_dirt_needs_exactly_the_habits_it_shows(claimed: str, held: str, expected: str) -> None:
    """What is set aside is told to the caller, so it must be neither more nor less."""
    habits = habits_between(claimed, held)
    assert (None if habits is None else {habit.name for habit in habits}) == (
        None if expected == MISMATCH else habits_named(expected)
    )


def test_the_tables_are_as_large_as_the_dirt() -> None:
    """The promise of the issue: at least 150 cases, and no case twice."""
    rows = [*NAMES, *BIRTHS, *RESIDENCES]
    assert len(rows) >= 150
    assert len(set(rows)) == len(rows)


@given(NAME, NAME)
def test_it_does_not_matter_which_of_two_names_is_claimed(one: str, other: str) -> None:
    """A register may be the dirty side."""
    assert habits_between(one, other) == habits_between(other, one)


@given(NAME, st.lists(st.sampled_from(WAYS), max_size=4))
def test_a_name_is_itself_however_it_is_typed(name: str, ways: list[object]) -> None:
    """Whatever typing does to a name, it stays the name, and the habits needed are those of typing alone."""
    typed = name
    for way in ways:
        typed = way(typed)  # type: ignore[operator]
    habits = habits_between(typed, name)
    assert habits is not None
    assert habits <= TYPING
    assert same_when_typed(typed, name)


@given(NAME)
def test_a_name_needs_no_habit_to_be_itself(name: str) -> None:
    """MATCH, the verdict without habits, is for the same characters."""
    assert habits_between(name, name) == frozenset()


@given(NAME, NAME)
def test_no_habits_means_the_same_characters(one: str, other: str) -> None:
    """Never MATCH for two that differ."""
    assert (habits_between(one, other) == frozenset()) == (one == other)


@given(NAME, NAME)
def test_identity_is_exactly_what_typing_explains(one: str, other: str) -> None:
    """Lookups with claims and verifications follow one notion of a name."""
    habits = habits_between(one, other)
    assert same_when_typed(one, other) == (habits is not None and habits <= TYPING)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_can_be_compared(one: str, other: str) -> None:
    """Claims are any characters; none may break the comparison, and none may depend on the side."""
    assert habits_between(one, other) == habits_between(other, one)


@pytest.mark.parametrize(("one", "other"), [("", ""), (" ", " "), ("", "An"), ("\u200b", "\u200b"), (" ", "\u00a0")])
def test_nothing_is_nobodys_name(one: str, other: str) -> None:
    """An empty claim must not agree with an empty record."""
    assert habits_between(one, other) is None
    assert not same_when_typed(one, other)
