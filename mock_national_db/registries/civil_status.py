"""Civil status (hộ tịch): births, marriages and how they ended, deaths.

A marriage belongs to a couple, so that both find the same one. Couples are who is married now, and the parents of a
common child who were once; of other marriages that ended the register knows the spouse by name only, as registers do
of people from before the numbers. Owns what was registered when. Refuses to decide who is whose child or spouse.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, NamedTuple

from gateway.geography.provinces import NEW_PROVINCES, NEW_TABLE_FROM, Province
from mock_national_db import names, wire
from mock_national_db.demographics import KINH, OLD_CODES
from mock_national_db.households import MaritalStatus, Sex
from mock_national_db.live import block_of
from mock_national_db.names import Name
from mock_national_db.person import Person, Relative
from mock_national_db.registries.dice import Dice
from mock_national_db.registries.people import (
    REFERENCE_DAY,
    People,
    last_day_of,
    old_province_of,
    place,
    stamp,
    turns,
)
from mock_national_db.wire import Json

IN_FORCE, ENDED_BY_DEATH, DIVORCED = 1, 2, 3
_MARRIAGE_AGE: Final = {Sex.MALE: 20, Sex.FEMALE: 18}
"""Law on Marriage and Family 2014, article 8."""
_ONCE_MARRIED: Final = frozenset({MaritalStatus.MARRIED, MaritalStatus.WIDOWED, MaritalStatus.DIVORCED})
_MARITAL_FIELD: Final = "TinhTrangHonNhan"


class _End(NamedTuple):
    status: int
    day: date | None


class CivilStatus:
    """The civil status register."""

    name = "civil_status"

    def __init__(self, people: People) -> None:
        self._people = people

    def of(self, index: int) -> Json | None:
        """Return what the register holds of a person; everyone was born."""
        person = self._people.person(index)
        record: Json = {"SoDinhDanh": person.personal_number, "KhaiSinh": self._birth(index, person)}
        marriages = sorted(self._marriages(index, person), key=lambda one: str(one["NgayDangKy"]))
        if marriages:
            record["KetHon"] = marriages
        if person.death_date is not None:
            record["KhaiTu"] = self._death(index, person, person.death_date)
        return record | stamp(person)

    def _birth(self, index: int, person: Person) -> Json:
        dice = Dice(self._people.key, "birth", index)
        born = turns(person, 0)
        registered = born + timedelta(dice.between(1, 60))
        written: Json = {
            "So": f"{dice.between(1, 400):03d}/{registered.year}",
            "NgayDangKy": wire.day(registered),
            "NoiDangKy": wire.address(person.birth_registration),
        }
        for key, parent in (("Cha", person.father), ("Me", person.mother)):
            if parent is not None:
                written[key] = wire.relative(parent)
        return written

    def _death(self, index: int, person: Person, day: date) -> Json:
        dice = Dice(self._people.key, "death", index)
        registered = day + timedelta(dice.between(1, 15))
        return {
            "So": f"{dice.between(1, 300):03d}/{registered.year}",
            "NgayDangKy": wire.day(registered),
            "NoiDangKy": place(_province(person, registered, dice), person.permanent_residence.commune),
            "NgayMat": wire.day(day),
        }

    def _marriages(self, index: int, person: Person) -> Iterator[Json]:
        now = self._people.kin(index).spouse
        former = self._co_parents(index) if person.marital_status in _ONCE_MARRIED else set()
        held = now is not None and now in self._people.everyone(block_of(now))
        for spouse in sorted({*former, *((now,) if now is not None and held else ())}):
            yield self._marriage(index, spouse, in_force=spouse == now)
        if now is not None and not held:
            yield self._marriage_outside(index, person, withdrawn=self._people.name(now))
        elif now is None and not former and person.marital_status in _ONCE_MARRIED:
            yield self._marriage_outside(index, person)

    def _co_parents(self, index: int) -> set[int]:
        """Return who has a child with the person and was once married."""
        found = set()
        for child in self._people.everyone(block_of(index)):
            ties = self._people.kin(child)
            if index in (ties.father, ties.mother) and ties.father is not None and ties.mother is not None:
                found.add(ties.mother if ties.father == index else ties.father)
        held = set(self._people.everyone(block_of(index)))
        return {
            other for other in found if other in held and self._people.person(other).marital_status in _ONCE_MARRIED
        }

    def _marriage(self, index: int, spouse: int, *, in_force: bool) -> Json:
        first, second = sorted((index, spouse))
        couple = (self._people.person(first), self._people.person(second))
        dice = Dice(self._people.key, "marriage", first, second)
        day = self._wedding(first, second, couple, dice)
        end = _End(IN_FORCE, None) if in_force else self._end(first, couple, day, dice)
        other = couple[1] if index == first else couple[0]
        return _written(day, end, couple[0], Relative(other.name, other.personal_number), dice)

    def _wedding(self, first: int, second: int, couple: tuple[Person, Person], dice: Dice) -> date:
        if first // 40 != second // 40:  # only what happened at run time ties blocks together
            return self._people.changed_on(first, _MARITAL_FIELD) or REFERENCE_DAY
        earliest = max(turns(one, _MARRIAGE_AGE[one.sex]) for one in couple)
        births = [
            turns(self._people.person(child), 0)
            for child in self._people.everyone(block_of(first))
            if {first, second} == {self._people.kin(child).father, self._people.kin(child).mother}
        ]
        latest = min([*births, *(last_day_of(one) for one in couple), earliest + timedelta(6 * 365)])
        return min(dice.day(earliest, latest), *(last_day_of(one) for one in couple))

    def _end(self, first: int, couple: tuple[Person, Person], wedding: date, dice: Dice) -> _End:
        deaths = [one.death_date for one in couple if one.death_date is not None]
        if deaths and all(one.marital_status is not MaritalStatus.DIVORCED for one in couple):
            return _End(ENDED_BY_DEATH, min(deaths))
        changed = self._people.changed_on(first, _MARITAL_FIELD)
        last = min(last_day_of(one) for one in couple)
        return _End(DIVORCED, changed or dice.day(min(wedding + timedelta(365), last), last))

    def _marriage_outside(self, index: int, person: Person, *, withdrawn: Name | None = None) -> Json:
        """Write a marriage with someone the nation does not hold; `withdrawn` is whose number was taken back."""
        dice = Dice(self._people.key, "marriage outside", index)
        sex = Sex.FEMALE if person.sex is Sex.MALE else Sex.MALE
        birth_year = person.birth_date.year + (dice.between(-1, 6) if sex is Sex.FEMALE else -dice.between(-1, 6))
        origin = OLD_CODES.index(old_province_of(person, dice).code)
        surname = names.surname(ethnicity=KINH, origin=origin, draw=dice.below(65_536))
        draws = {"middle_draw": dice.below(65_536), "given_draw": dice.below(65_536)}
        spouse = names.name(surname, sex=sex, birth_year=birth_year, **draws)
        last = last_day_of(person)
        earliest = min(turns(person, _MARRIAGE_AGE[person.sex] + 2), last)
        day = min(dice.day(earliest, earliest + timedelta(8 * 365)), last)
        if withdrawn is not None:
            return _written(day, _End(IN_FORCE, None), person, Relative(withdrawn, None), dice)
        ended = dice.day(min(day + timedelta(365), last), last)
        if person.marital_status is MaritalStatus.DIVORCED:
            end = _End(DIVORCED, ended)
        else:
            end = _End(ENDED_BY_DEATH, ended if person.marital_status is MaritalStatus.WIDOWED else person.death_date)
        return _written(day, end, person, Relative(spouse, None), dice)


def _written(day: date, end: _End, registered_for: Person, spouse: Relative, dice: Dice) -> Json:
    written: Json = {
        "So": f"{dice.between(1, 250):02d}/{day.year}",
        "NgayDangKy": wire.day(day),
        "NoiDangKy": place(_province(registered_for, day, dice), registered_for.permanent_residence.commune),
        "VoChong": wire.relative(spouse),
        "TrangThai": end.status,
    }
    if end.day is not None:
        written["NgayChamDut"] = wire.day(end.day)
    if end.status == DIVORCED:
        year = (end.day or day).year
        written["SoBanAn"] = f"{dice.between(1, 900)}/{year}/QĐST-HNGĐ"
    return written


def _province(person: Person, day: date, dice: Dice) -> Province:
    """Return where the person lives as the tables of that day name it."""
    old = old_province_of(person, dice)
    return NEW_PROVINCES[person.permanent_residence.province_code] if day >= NEW_TABLE_FROM else old
