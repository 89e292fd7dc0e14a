"""What the registries need of the nation, and the calendar they share.

Owns the port to the population, ages, and how registries write places. Refuses to know any one registry.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, Protocol

from gateway.geography.provinces import NEW_TABLE_FROM, OLD_TABLE_TO, Province, new_to_olds
from mock_national_db import wire
from mock_national_db.households import Kin
from mock_national_db.names import Name
from mock_national_db.person import Person
from mock_national_db.registries.dice import Dice
from mock_national_db.wire import Json

REFERENCE_DAY: Final = date(2025, 6, 30)
"""The registries are as they were on this day, but for what changed in the population since."""


class People(Protocol):
    """The nation as the registries see it."""

    @property
    def key(self) -> bytes:
        """Return the seed of every draw."""

    @property
    def population(self) -> int:
        """Return how many people there were before any change."""

    def index_of(self, number: str) -> int | None:
        """Return who holds the personal number; None for nobody."""

    def person(self, index: int) -> Person:
        """Return a record of the population."""

    def kin(self, index: int) -> Kin:
        """Return a person's ties."""

    def name(self, index: int) -> Name:
        """Return the name, also of someone whose record was withdrawn."""

    def everyone(self, block: int) -> Sequence[int]:
        """Return all people of a block whose records can be found."""

    def someone_else(self, index: int) -> int:
        """Return another person; the same in a nation of one."""

    def changed_on(self, index: int, field: str) -> date | None:
        """Return the day on which a field of the record last changed; None for never."""


def turns(person: Person, age: int) -> date:
    """Return the first day on which the person is certainly of this age."""
    born = person.birth_date
    month = born.month or 12
    return _day(born.year + age, month, born.day or 31)


def age_on(person: Person, day: date) -> int:
    """Return the age that is certain on that day."""
    years = day.year - person.birth_date.year
    return years if turns(person, years) <= day else years - 1


def last_day_of(person: Person) -> date:
    """Return the day before which the records of a person end: the day of death, else the reference day."""
    return min(person.death_date or REFERENCE_DAY, REFERENCE_DAY)


def old_province_of(person: Person, dice: Dice) -> Province:
    """Return one of the old provinces that became the one the person lives in."""
    return dice.pick(new_to_olds(person.permanent_residence.province_code))


def place(province: Province, commune: str = "") -> Json:
    """Return a place as registries write it; the code is to be read on `NgayDanhMuc`."""
    valid = OLD_TABLE_TO if province.valid_to is not None else NEW_TABLE_FROM
    written = {"MaTinh": province.code, "TenTinh": province.official_name}
    return written | ({"TenXa": commune} if commune else {}) | {"NgayDanhMuc": wire.day(valid)}


def stamp(person: Person) -> Json:
    """Return version and moment of a record about one person: registries hear of changes to the population at once."""
    return {"PhienBan": person.record_version, "ThoiDiemDuLieu": wire.moment(person.updated_at)}


def month(day: date) -> str:
    """Return yyyyMM."""
    return f"{day.year:04d}{day.month:02d}"


def years_before(day: date, years: int) -> date:
    """Return the same day some years earlier."""
    return _day(day.year - years, day.month, day.day)


def years_after(day: date, years: int) -> date:
    """Return the same day some years later."""
    return _day(day.year + years, day.month, day.day)


def _day(year: int, month_: int, day: int) -> date:
    if day <= 28:
        return date(year, month_, day)
    following = date(year + month_ // 12, month_ % 12 + 1, 1)
    return min(following - timedelta(1), date(year, month_, 28) + timedelta(day - 28))
