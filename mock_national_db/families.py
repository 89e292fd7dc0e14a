"""Invents families until a block of the nation is full: who is whose child, spouse and housemate, and born when.

Owns demographic chances. Refuses to know names, numbers, provinces and positions: `blocks` lays the families out.
The chances are tuned by hand so that ages, household size and the share of the dead come near those of the 2019
census and the registers; nothing else depends on them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from mock_national_db.households import ADULT_AGE, MaritalStatus, Sex

REFERENCE_YEAR: Final = 2025
"""The nation is as it was on 1 July of this year."""

_FIRST_REGISTERED_DEATH: Final = 2018
_OLDEST_MOTHER: Final = 38
"""Years; with husbands up to six years older no parent is more than 45 years older than a child."""
_YOUNGEST_PARENT: Final = 20
"""Calendar years; one above 18, since months may lie the other way, and one more for younger husbands."""


@dataclass(slots=True, eq=False)
class Draft:
    """A person in the making."""

    sex: int
    birth_year: int
    home: int
    """Household, numbered within the block."""
    family: int
    """Family, numbered within the block: the people who descend from or married into one couple."""
    father: "Draft | None" = None
    mother: "Draft | None" = None
    spouse: "Draft | None" = None
    lineage: "Draft | None" = None
    """Whose surname and ethnicity this person bears; None for their own."""
    eldest: "Draft | None" = None
    """The first child of the same parents, by whom absent parents are named; None for oneself."""
    marital: int = MaritalStatus.SINGLE
    death_year: int = 0
    """0 for the living."""


@dataclass(slots=True)
class Chances:
    """Random draws, with the sexes kept in balance over everything drawn."""

    uniform: Callable[[], float]
    """Gives numbers in [0, 1)."""
    men_too_many: float = 0.0

    def happens(self, chance: float) -> bool:
        """Tell whether something of this chance happens."""
        return self.uniform() < chance

    def between(self, low: int, high: int) -> int:
        """Return an integer from low to high, both inclusive."""
        return low + int(self.uniform() * (high - low + 1))

    def child_sex(self) -> int:
        """Draw a sex so that there come to be 99 men for 100 women."""
        return Sex.MALE if self.uniform() < 0.5 - self.men_too_many / 40 else Sex.FEMALE

    def note(self, sex: int) -> None:
        """Count a person towards the balance."""
        self.men_too_many += 1.0 if sex == Sex.MALE else -0.99


@dataclass(slots=True)
class FamilyBuilder:
    """Fills one block with `size` people; `people` in the order in which they were thought of."""

    size: int
    chances: Chances
    people: list[Draft] = field(default_factory=list)
    homes: int = 0
    families: int = 0

    def fill(self) -> list[Draft]:
        """Return exactly `size` people."""
        while self._room():
            first = len(self.people)
            home = self._new_home()
            if self._room() == 1 or self.chances.happens(0.15):
                self._lone(home)
            else:
                self._founders(home)
            self._bury(first)
            self.families += 1
        return self.people

    def _room(self) -> int:
        return self.size - len(self.people)

    def _new_home(self) -> int:
        self.homes += 1
        return self.homes - 1

    def _add(self, sex: int, birth_year: int, home: int) -> Draft:
        self.chances.note(sex)
        person = Draft(sex=sex, birth_year=birth_year, home=home, family=self.families)
        self.people.append(person)
        return person

    def _lone(self, home: int) -> None:
        draw = self.chances
        person = self._add(draw.child_sex(), draw.between(1938, 2001), home)
        if person.birth_year < 1975 and draw.happens(0.6):
            person.marital = MaritalStatus.WIDOWED if draw.happens(0.6) else MaritalStatus.DIVORCED

    def _founders(self, home: int) -> None:
        draw = self.chances
        # Young couples keep the last family of a block small enough to end with children of its own.
        young = self._room() <= 5 or draw.happens(0.32)
        birth_year = draw.between(1978, 1999) if young else draw.between(1930, 1972)
        husband = self._add(Sex.MALE, birth_year - draw.between(-1, 6), home)
        wife = self._add(Sex.FEMALE, birth_year, home)
        self._raise_children(husband, wife, home)

    def _raise_children(self, husband: Draft, wife: Draft, home: int) -> None:
        husband.spouse, wife.spouse = wife, husband
        husband.marital = wife.marital = MaritalStatus.MARRIED
        children = self._children(husband, wife, home)
        heir_at_home = False
        for child in children:
            heir_at_home = self._settle(child, home, heir_at_home=heir_at_home)

    def _children(self, father: Draft | None, mother: Draft, home: int) -> list[Draft]:
        draw = self.chances
        fewest, most = (2, 5) if mother.birth_year < 1958 else (1, 3)
        wanted = draw.between(fewest, most) if father is not None else 1
        year = mother.birth_year + _YOUNGEST_PARENT + draw.between(1, 9)
        children: list[Draft] = []
        while len(children) < wanted and self._room():
            if year > REFERENCE_YEAR or year - mother.birth_year > _OLDEST_MOTHER:
                break
            child = self._add(draw.child_sex(), year, home)
            child.father, child.mother = father, mother
            child.eldest = children[0] if children else None
            child.lineage = (father.lineage or father) if father is not None else child.eldest
            children.append(child)
            year += draw.between(2, 5)
        return children

    def _settle(self, child: Draft, home: int, *, heir_at_home: bool) -> bool:
        """Let a grown child marry, move out, or stay; return whether a married child now lives in `home`."""
        draw = self.chances
        age = REFERENCE_YEAR - child.birth_year
        if age < _YOUNGEST_PARENT + 1:
            return heir_at_home
        ripe = min(0.88, (age - (19 if child.sex == Sex.FEMALE else 21)) * 0.085)
        if self._room() and draw.happens(ripe):
            stays = not heir_at_home and draw.happens(0.32)
            new_home = home if stays else self._new_home()
            child.home = new_home
            if child.sex == Sex.MALE:
                latest = REFERENCE_YEAR - _YOUNGEST_PARENT
                spouse = self._add(Sex.FEMALE, min(latest, child.birth_year + draw.between(-1, 6)), new_home)
                self._raise_children(child, spouse, new_home)
            else:
                spouse = self._add(Sex.MALE, child.birth_year - draw.between(-1, 6), new_home)
                self._raise_children(spouse, child, new_home)
            return heir_at_home or stays
        if age > 28 and draw.happens(0.35):
            if draw.happens(0.5):
                child.marital = MaritalStatus.DIVORCED
            if draw.happens(0.5):
                child.home = self._new_home()
            if child.sex == Sex.FEMALE and self._room() and draw.happens(0.5):
                self._children(None, child, child.home)
        return heir_at_home

    def _bury(self, first: int) -> None:
        """Let some of the family from `first` on have died since the register began."""
        draw = self.chances
        family = self.people[first:]
        for person in family:
            age = REFERENCE_YEAR - person.birth_year
            if not draw.happens(_share_dead(age)):
                continue
            year = draw.between(_FIRST_REGISTERED_DEATH, REFERENCE_YEAR - 1)
            if year <= person.birth_year or _needed_alive(person, family, year):
                continue
            person.death_year = year
            widowed = person.spouse
            if widowed is not None:
                widowed.spouse = person.spouse = None
                widowed.marital = MaritalStatus.WIDOWED


def _needed_alive(person: Draft, family: list[Draft], year: int) -> bool:
    """Tell whether a death in `year` would come before a child's birth or leave minors in a home without an adult."""
    if any(c.birth_year >= year for c in family if c.father is person or c.mother is person):
        return True
    left = [p for p in family if p.home == person.home and p is not person and not p.death_year]
    return bool(left) and all(REFERENCE_YEAR - p.birth_year < ADULT_AGE for p in left)


def _share_dead(age: int) -> float:
    """Return the share of the people of this age (had they lived) whom the register holds as dead."""
    if age < 50:
        return 0.004
    return 0.03 if age < 60 else 0.06 if age < 70 else 0.16 if age < 80 else 0.4 if age < 85 else 0.65
