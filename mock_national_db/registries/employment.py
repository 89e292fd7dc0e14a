"""Working lives: who was employed where and from when to when, as contributions to social insurance tell it.

Owns careers. Refuses to know books, cards and benefits (`social_insurance`).
"""

from datetime import date, timedelta
from typing import Final, NamedTuple

from mock_national_db.blocks import BLOCK_SIZE
from mock_national_db.person import Person
from mock_national_db.registries.dice import Dice
from mock_national_db.registries.enterprises import Enterprises
from mock_national_db.registries.people import People, age_on, last_day_of, turns

COMPULSORY, VOLUNTARY = 1, 2
INSURED_SINCE: Final = date(1995, 1, 1)
"""Contributions are recorded since the social insurance fund began."""
_WORKING_AGE: Final = 18
_PUBLIC: Final = (
    "Trường Tiểu học",
    "Trường Trung học cơ sở",
    "Ủy ban nhân dân",
    "Bệnh viện Đa khoa",
    "Trung tâm Y tế",
    "Kho bạc Nhà nước",
)
_PENSION_AGE: Final = 61


class Span(NamedTuple):
    """Contributions from one employer, or of one's own."""

    kind: int
    first: date
    """The first day of a month."""
    last: date | None
    """The first day of the last month; None while it goes on."""
    employer: str
    enterprise_code: str
    """Of the enterprise register; empty for public employers and one's own contributions."""
    monthly_base: int
    """Đồng."""


class Employment:
    """Draws careers; employers are the enterprises of the register, and public bodies."""

    def __init__(self, people: People, enterprises: Enterprises) -> None:
        self._people = people
        self._enterprises = enterprises

    def career(self, person: Person, dice: Dice) -> list[Span]:
        """Return the person's spans in their order; empty for who never contributed."""
        end = last_day_of(person)
        if age_on(person, end) < _WORKING_AGE or not dice.chance(58):
            return []
        at = _month(max(INSURED_SINCE, turns(person, _WORKING_AGE) + timedelta(dice.between(0, 9 * 365))))
        stop = _month(min(end, turns(person, _PENSION_AGE)))
        base = dice.between(35, 90) * 100_000
        spans: list[Span] = []
        while at < stop and len(spans) < 6:
            months = dice.between(4, 140)
            last = _plus(at, months)
            ongoing = last >= stop
            voluntary = not spans and dice.chance(12)
            employer, code = ("", "") if voluntary else self._employer(person, at, dice)
            spans.append(
                Span(
                    VOLUNTARY if voluntary else COMPULSORY,
                    at,
                    (stop if stop < _month(end) or not person.alive else None) if ongoing else last,
                    employer,
                    code,
                    base,
                )
            )
            if ongoing:
                break
            at = _plus(last, dice.between(1, 30))
            base = base * dice.between(105, 140) // 100 // 1000 * 1000
            if dice.chance(8):
                break
        return spans

    def _employer(self, person: Person, since: date, dice: Dice) -> tuple[str, str]:
        if dice.chance(22):
            kind = dice.pick(_PUBLIC)
            return f"{kind} {person.permanent_residence.commune.partition(' ')[2]}", ""
        population = self._people.population
        for _ in range(4):
            start = dice.below(min(population, 1 << 31))
            for one in self._enterprises.around(start - start % BLOCK_SIZE):
                if one.established <= since:
                    return one.name, one.code
        return f"Hợp tác xã {dice.pick(('Tân Tiến', 'Thống Nhất', 'Quyết Thắng', 'Bình Minh'))}", ""


def months_of(spans: list[Span], until: date) -> int:
    """Return the months contributed, the last of each span included."""
    return sum(_between(span.first, span.last or _month(until)) + 1 for span in spans)


def _between(first: date, last: date) -> int:
    return max(0, (last.year - first.year) * 12 + last.month - first.month)


def _month(day: date) -> date:
    return day.replace(day=1)


def _plus(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)
