"""The dirt of registries that were typed from paper: what a row says beside what is true.

Owns the kinds of dirt and how each spoils a row (FACTS: seen in public integration code). Refuses to know whose row it
is. Every kind is a pure function, and the truth is kept beside it, so that a cleansing can be marked.
"""

import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from mock_national_db.person import BirthDate
from mock_national_db.registries.dice import Dice

_NO_STROKE: Final = str.maketrans("đĐ", "dD")


class Dirt(StrEnum):
    """What can be wrong with a row."""

    NO_DIACRITICS = "no_diacritics"
    """The whole name in plain letters."""
    DECOMPOSED = "decomposed"
    """The name in NFD: it looks right and compares wrong."""
    STROKE_LOST = "stroke_lost"
    """đ written d."""
    SPACES = "spaces"
    """Double spaces in the name, or at its end."""
    CAPITALS = "capitals"
    """The name in capitals."""
    YEAR_ONLY = "year_only"
    """Day and month of birth missing."""
    DAY_MONTH_SWAPPED = "day_month_swapped"
    """Day and month of birth in each other's place."""
    NO_PERSONAL_NUMBER = "no_personal_number"
    """From the time before the numbers, never completed."""
    NO_LEGACY_NUMBER = "no_legacy_number"
    """The CMND missing."""
    OLD_ADDRESS = "old_address"
    """Address text with the old province, and with a district, which no longer exist."""
    DUPLICATE = "duplicate"
    """A second row of the same person."""


@dataclass(frozen=True, slots=True)
class Row:
    """One person as a row of a registry states them."""

    book_number: str
    """Number of the social insurance book, 10 digits: the key of the row."""
    personal_number: str
    """12 digits; empty where the row has none."""
    legacy_number: str
    """9 digits; empty where the row has none."""
    full_name: str
    birth_date: BirthDate
    sex: int
    """1 male, 2 female."""
    address: str
    """Free text."""


_CHANCES: Final = (
    (Dirt.NO_DIACRITICS, 7.0),
    (Dirt.STROKE_LOST, 4.0),
    (Dirt.CAPITALS, 6.0),
    (Dirt.DECOMPOSED, 5.0),
    (Dirt.SPACES, 4.0),
    (Dirt.YEAR_ONLY, 6.0),
    (Dirt.DAY_MONTH_SWAPPED, 2.5),
    (Dirt.NO_PERSONAL_NUMBER, 7.0),
    (Dirt.NO_LEGACY_NUMBER, 9.0),
    (Dirt.OLD_ADDRESS, 30.0),
)
"""Per cent of rows, in the order in which a row is spoilt; a kind that cannot apply to a row leaves it as it is."""


def spoilt(truth: Row, *, old_address: str, dice: Dice) -> tuple[Row, tuple[Dirt, ...]]:
    """Return the row as the registry holds it, and every kind of dirt that changed it."""
    row, found = truth, []
    for kind, percent in _CHANCES:
        if dice.chance(percent):
            changed = spoil(row, kind, old_address=old_address)
            if changed != row:
                row = changed
                found.append(kind)
    return row, tuple(found)


def spoil(row: Row, kind: Dirt, *, old_address: str = "") -> Row:  # noqa: C901, PLR0911  a table of cases
    """Return the row with one kind of dirt; the same row where it cannot apply."""
    match kind:
        case Dirt.NO_DIACRITICS:
            return replace(row, full_name=plain(row.full_name))
        case Dirt.STROKE_LOST:
            return replace(row, full_name=row.full_name.translate(_NO_STROKE))
        case Dirt.DECOMPOSED:
            return replace(row, full_name=unicodedata.normalize("NFD", row.full_name))
        case Dirt.SPACES:
            return replace(row, full_name=row.full_name.replace(" ", "  ", 1) + " ")
        case Dirt.CAPITALS:
            return replace(row, full_name=row.full_name.upper())
        case Dirt.YEAR_ONLY:
            return replace(row, birth_date=BirthDate(row.birth_date.year))
        case Dirt.DAY_MONTH_SWAPPED:
            return replace(row, birth_date=_swapped(row.birth_date))
        case Dirt.NO_PERSONAL_NUMBER:
            return replace(row, personal_number="")
        case Dirt.NO_LEGACY_NUMBER:
            return replace(row, legacy_number="")
        case Dirt.OLD_ADDRESS:
            return replace(row, address=old_address or row.address)
        case Dirt.DUPLICATE:
            return row


def plain(text: str) -> str:
    """Return the text in plain letters: no diacritics, đ as d."""
    parts = unicodedata.normalize("NFD", text.translate(_NO_STROKE))
    return "".join(part for part in parts if not unicodedata.combining(part))


def _swapped(born: BirthDate) -> BirthDate:
    if born.month is None or born.day is None or born.day > 12:
        return born
    return BirthDate(born.year, born.day, born.month)
