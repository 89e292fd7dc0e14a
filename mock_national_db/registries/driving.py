"""Driving licences as after the Law on Road Traffic Order and Safety 36/2024/QH15 (articles 57 to 60).

Owns who drives what since when. What authorities did (`TrangThai`) is on the record, whether a licence has expired is
for the reader to compare: a record must not change by being read on another day.
"""

from datetime import date
from typing import Final, NamedTuple

from mock_national_db import wire
from mock_national_db.households import Sex
from mock_national_db.live import is_newborn
from mock_national_db.permutation import Permutation
from mock_national_db.person import Person
from mock_national_db.registries.dice import Dice
from mock_national_db.registries.people import (
    REFERENCE_DAY,
    People,
    age_on,
    last_day_of,
    old_province_of,
    place,
    stamp,
    turns,
    years_after,
    years_before,
)
from mock_national_db.wire import Json

VALID, SUSPENDED, REVOKED = 1, 2, 3
FULL_POINTS: Final = 12
"""Points of a licence; they return in full after twelve months without a deduction (article 58)."""


class Rules(NamedTuple):
    """What the law says of one class."""

    least_age: int
    valid_years: int | None
    """None: without end."""


CLASSES: Final = {
    "A1": Rules(18, None),
    "A": Rules(18, None),
    "B1": Rules(18, None),
    "B": Rules(18, 10),
    "C1": Rules(18, 10),
    "C": Rules(21, 5),
    "D1": Rules(24, 5),
    "D2": Rules(24, 5),
    "D": Rules(27, 5),
    "BE": Rules(21, 5),
    "C1E": Rules(24, 5),
    "CE": Rules(24, 5),
    "D1E": Rules(27, 5),
    "D2E": Rules(27, 5),
    "DE": Rules(27, 5),
}
"""Least ages of article 59, periods of article 57."""

_MOTORCYCLES: Final = (("A1", 92), ("A", 6), ("B1", 2))
_CARS: Final = (("B", 78), ("C1", 5), ("C", 9), ("D1", 2), ("D2", 2), ("D", 4))
_TRAILERS: Final = {"B": "BE", "C1": "C1E", "C": "CE", "D1": "D1E", "D2": "D2E", "D": "DE"}


class DrivingLicences:
    """The registry of driving licences."""

    name = "driving_licences"

    def __init__(self, people: People) -> None:
        self._people = people
        self._numbers = Permutation(key=people.key[:24] + b"licences", left=31_250, right=32_000)

    def of(self, index: int) -> Json | None:
        """Return what the registry holds of a person; None for nothing."""
        if is_newborn(index):
            return None
        person = self._people.person(index)
        dice = Dice(self._people.key, self.name, index)
        classes = _classes(person, dice)
        if not classes:
            return None
        issued = [self._licence(index, nth, one, person, dice) for nth, one in enumerate(classes)]
        return {"SoDinhDanh": person.personal_number, "GiayPhep": issued, **stamp(person)}

    def _licence(self, index: int, nth: int, licence_class: str, person: Person, dice: Dice) -> Json:
        rules = CLASSES[licence_class]
        issued, expires = _period(rules, person, dice)
        status = REVOKED if not person.alive else dice.weighted(((VALID, 970), (SUSPENDED, 25), (REVOKED, 5)))
        points = FULL_POINTS
        if dice.chance(9):
            points -= dice.pick((2, 2, 2, 3, 4, 4, 6, 8, 10, 12))
        licence: Json = {
            "SoGiayPhep": f"99{self._numbers.forward(2 * index + nth):010d}",
            "Hang": licence_class,
            "NgayCap": wire.day(issued),
            "NoiCap": place(old_province_of(person, dice)),
            "TrangThai": status,
            "Diem": points,
        }
        if expires is not None:
            licence["NgayHetHan"] = wire.day(expires)
        return licence


def _classes(person: Person, dice: Dice) -> list[str]:
    age = age_on(person, last_day_of(person))
    if age < CLASSES["A1"].least_age:
        return []
    man = person.sex is Sex.MALE
    riders = (84 if man else 70) if age < 65 else 38 if man else 9
    drivers = (34 if man else 11) if age < 65 else 8 if man else 1
    found = [dice.weighted(_MOTORCYCLES)] if dice.chance(riders) else []
    if dice.chance(drivers):
        car = dice.weighted(_CARS)
        trailer = _TRAILERS[car]
        if dice.chance(3 if car == "B" else 15) and age >= CLASSES[trailer].least_age:
            car = trailer
        found.append(car if age >= CLASSES[car].least_age else "B")
    return found


def _period(rules: Rules, person: Person, dice: Dice) -> tuple[date, date | None]:
    earliest, latest = turns(person, rules.least_age), last_day_of(person)
    if rules.valid_years is None:
        return dice.day(earliest, min(latest, years_after(earliest, 12))), None
    # Most are renewed in time; some ran out and were left so.
    overdue = years_before(REFERENCE_DAY, rules.valid_years + (3 if dice.chance(7) else 0))
    issued = dice.day(max(earliest, min(overdue, latest)), latest)
    return issued, years_after(issued, rules.valid_years)
