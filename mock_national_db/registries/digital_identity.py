"""Digital identities (VNeID): who has one, at which level, and whether it was ever activated.

Shares follow the published ones: files for about 64 of 100 people, about 65 of 100 files activated. Level 2 needs the
chip card of those aged 14 and over (Decree 69/2024/NĐ-CP).
"""

from datetime import date, timedelta
from typing import Final

from mock_national_db import wire
from mock_national_db.live import is_newborn
from mock_national_db.registries.dice import Dice
from mock_national_db.registries.people import (
    People,
    age_on,
    last_day_of,
    old_province_of,
    place,
    stamp,
    turns,
)
from mock_national_db.wire import Json

CARD_AGE: Final = 14
CHILD_AGE: Final = 6
FIRST_DAY: Final = date(2021, 9, 1)
LOCKED, ACTIVE, NOT_ACTIVATED = 3, 2, 1


class DigitalIdentities:
    """The registry of digital identities."""

    name = "digital_identity"

    def __init__(self, people: People) -> None:
        self._people = people

    def of(self, index: int) -> Json | None:
        """Return what the registry holds of a person; None for nothing."""
        if is_newborn(index):
            return None
        person = self._people.person(index)
        dice = Dice(self._people.key, self.name, index)
        last = last_day_of(person)
        age = age_on(person, last)
        share = 81 if 16 <= age < 75 else 70 if age >= CARD_AGE else 4 if age >= CHILD_AGE else 0
        if not dice.chance(share) or last < FIRST_DAY:
            return None
        grown = age >= CARD_AGE
        level = 2 if grown and dice.chance(93) else 1
        earliest = max(FIRST_DAY, turns(person, CARD_AGE if level == 2 else CHILD_AGE))
        issued = dice.day(earliest, last)
        record: Json = {
            "SoDinhDanh": person.personal_number,
            "MucDo": level,
            "NgayCap": wire.day(issued),
            "NoiCap": place(old_province_of(person, dice)),
        }
        status = NOT_ACTIVATED
        if dice.chance(66):
            status = ACTIVE if person.alive else LOCKED
            record["NgayKichHoat"] = wire.day(min(last, issued + timedelta(dice.between(0, 120))))
        return record | {"TrangThai": status} | stamp(person)
