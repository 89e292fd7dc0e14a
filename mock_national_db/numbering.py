"""The map between people's indexes and their numbers, both ways and in constant time.

Within a class (sex and year of birth, in realistic numbering also the province of birth registration) people are
ranked as they come in the nation, and a keyed permutation of the class's numbers scatters the ranks. So a number
tells nothing of its neighbours, and it does not depend on how large the nation is.

Owns numbers. Refuses to know what else there is to a person.
"""

from enum import StrEnum
from hashlib import blake2b
from typing import Final

from mock_national_db.blocks import NO_LEGACY, PLAN_SIZE, Plan
from mock_national_db.demographics import OLD_CODES
from mock_national_db.permutation import Permutation

PER_PREFIX: Final = 1_000_000
"""Numbers of one prefix, sex and year of birth."""
NEWBORN_RESERVE: Final = 10_000
"""Numbers of every class kept for births at run time; taken from the top rank down."""
_FIRST_TEST_PREFIX: Final = 97
_TEST_PREFIXES: Final = 3


class NumberingScheme(StrEnum):
    """Which prefixes personal numbers start with."""

    TEST = "test"
    """097 to 099, which belong to no province: no number can be a living person's."""
    REALISTIC = "realistic"
    """That of the province of birth registration: numbers may be those of living people."""


class CapacityError(ValueError):
    """The nation is larger than its numbers allow."""


class Numbering:
    """Index ↔ personal number, index ↔ legacy number, household ↔ household number."""

    def __init__(self, *, plan: Plan, seed: bytes, scheme: NumberingScheme, population: int) -> None:
        """Rank the plan.

        Raises CapacityError when `population` people do not fit.
        """
        self.scheme = scheme
        self.population = population
        self._plan = plan
        self._test = scheme is NumberingScheme.TEST
        left, right = (1500, 2000) if self._test else (1000, 1000)
        self._numbers = Permutation(key=_key(seed, "personal"), left=left, right=right)
        # No nine-digit number ever began with 4 to 9; real ones ran from 01 to 38.
        left, right, self._legacy_base = (24_000, 25_000, 400_000_000) if self._test else (19_000, 20_000, 10_000_000)
        self._legacy_numbers = Permutation(key=_key(seed, "legacy"), left=left, right=right)
        self._households = Permutation(key=_key(seed, "household"), left=31_250, right=32_000)
        self._places: dict[int, list[int]] = {}
        ranks: list[tuple[int, int, list[int]]] = []
        for place in range(PLAN_SIZE):
            key = self._class(plan.origin[place], plan.sex[place], plan.birth_year[place])
            places = self._places.setdefault(key, [])
            ranks.append((key, len(places), places))
            places.append(place)
        self._rank = tuple((key, ordinal, len(places)) for key, ordinal, places in ranks)
        self._require_capacity()

    def number_of(self, index: int) -> str:
        """Return the personal number of the person `index`."""
        cycle, place = divmod(index, PLAN_SIZE)
        key, ordinal, class_size = self._rank[place]
        return self._write(key, self._numbers.forward(cycle * class_size + ordinal, key))

    def index_of(self, number: str) -> int | None:
        """Return who holds `number` (12 digits); None for nobody in this nation."""
        read = self._read(number)
        if read is None:
            return None
        key, value = read
        places = self._places.get(key)
        if places is None:
            return None
        cycle, ordinal = divmod(self._numbers.backward(value, key), len(places))
        index = cycle * PLAN_SIZE + places[ordinal]
        return index if index < self.population else None

    def legacy_number_of(self, index: int) -> str | None:
        """Return the nine-digit number of the person `index`, if they have one."""
        cycle, place = divmod(index, PLAN_SIZE)
        ordinal = self._plan.legacy[place]
        if ordinal == NO_LEGACY:
            return None
        rank = cycle * len(self._plan.legacy_holders) + ordinal
        return f"{self._legacy_base + self._legacy_numbers.forward(rank):09d}"

    def indexes_of_legacy(self, number: str) -> tuple[int, ...]:
        """Return everyone who holds the legacy number (9 digits): nobody, one, or two strangers."""
        value = int(number) - self._legacy_base
        if not 0 <= value < self._legacy_numbers.size:
            return ()
        holders = self._plan.legacy_holders
        cycle, ordinal = divmod(self._legacy_numbers.backward(value), len(holders))
        found = [cycle * PLAN_SIZE + place for place in holders[ordinal]]
        return tuple(index for index in found if index < self.population)

    def household_number(self, key: int) -> str:
        """Return the nine digits of a household; `key` is its founding head's index, or from `new_household`."""
        return f"{self._households.forward(key):09d}"

    def new_household(self, nth: int) -> int:
        """Return the key of the nth household (from 0) founded at run time."""
        return self._households.size - 1 - nth

    def newborn_class(self, *, origin: int, sex: int, birth_year: int) -> int:
        """Return the class of a child born at run time; `origin` is a place in `OLD_CODES`."""
        return self._class(origin, sex, birth_year)

    def newborn_number(self, newborn_class: int, nth: int) -> str:
        """Return the number of the nth child (from 0) of its class registered at run time.

        Raises CapacityError after NEWBORN_RESERVE children of one class.
        """
        if nth >= NEWBORN_RESERVE:
            raise CapacityError("no numbers left for children of this class")
        return self._write(newborn_class, self._numbers.forward(self._numbers.size - 1 - nth, newborn_class))

    def _class(self, origin: int, sex: int, birth_year: int) -> int:
        """Return the digits common to a class as an integer: [prefix] century-and-sex digit, two digits of year."""
        century, year = divmod(birth_year - 1900, 100)
        middle = (2 * century + sex - 1) * 100 + year
        return middle if self._test else int(OLD_CODES[origin]) * 1000 + middle

    def _write(self, key: int, value: int) -> str:
        if self._test:
            prefix, rest = divmod(value, PER_PREFIX)
            return "0%d%03d%06d" % (_FIRST_TEST_PREFIX + prefix, key, rest)  # noqa: UP031  half the time of an f-string
        return "%06d%06d" % (key, value)  # noqa: UP031

    def _read(self, number: str) -> tuple[int, int] | None:
        if self._test:
            prefix = int(number[:3]) - _FIRST_TEST_PREFIX
            if not 0 <= prefix < _TEST_PREFIXES:
                return None
            return int(number[3:6]), prefix * PER_PREFIX + int(number[6:])
        return int(number[:6]), int(number[6:])

    def _require_capacity(self) -> None:
        cycles = -(-self.population // PLAN_SIZE)
        fullest = max(len(places) for places in self._places.values())
        fits = min(
            (self._numbers.size - NEWBORN_RESERVE) // fullest,
            self._legacy_numbers.size // len(self._plan.legacy_holders),
            (self._households.size - PER_PREFIX) // PLAN_SIZE,
        )
        if cycles > fits:
            raise CapacityError(f"numbers suffice for at most {fits * PLAN_SIZE} people")


def _key(seed: bytes, purpose: str) -> bytes:
    return blake2b(purpose.encode(), key=seed, digest_size=32).digest()
