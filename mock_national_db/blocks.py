"""The plan of the nation: a few hundred blocks of 40 people which repeat for ever.

Person `index` stands in block `index // 40`; block b follows the plan of block b mod 500 in everything that ties
people together: sex, birth year, parents, spouse, household, province, who is dead, who has a legacy number. Names,
dates and streets are another matter (`people`). The plan is drawn from the seed at start-up; it is all the state the
nation needs, whatever its size.

Owns the plan. Refuses to know numbers, names or how large the nation is.
"""

import heapq
from array import array
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import shake_128
from itertools import chain, count
from struct import iter_unpack
from typing import Final

from mock_national_db.demographics import (
    NEW_OF_OLD,
    NEW_SHARES,
    OLD_CODES,
    OLD_SHARES,
    OLD_SHARES_SUMMED,
    OLDS_OF_NEW,
)
from mock_national_db.families import REFERENCE_YEAR, Chances, Draft, FamilyBuilder
from mock_national_db.households import Kin, choose_head, relation_to_head, representative_of

BLOCK_SIZE: Final = 40
VARIANTS: Final = 500
PLAN_SIZE: Final = BLOCK_SIZE * VARIANTS
NOBODY: Final = 255
NO_LEGACY: Final = 0xFFFF
_MOVE_FROM_CROWDED: Final = 0.25
_MOVE_FROM_EMPTY: Final = 0.04
_SHARED_LEGACY: Final = 0.003


@dataclass(frozen=True, slots=True)
class Plan:
    """One entry per place of the plan; place = variant * 40 + position. Relatives are positions within the block."""

    sex: bytes
    birth_year: "array[int]"
    father: bytes
    mother: bytes
    spouse: bytes
    """NOBODY unless both live."""
    head: bytes
    """Head of the household; NOBODY for the dead."""
    relation: bytes
    """Relation to the head; 0 for the dead."""
    representative: bytes
    marital: bytes
    lineage: bytes
    """Whose surname and ethnicity a person bears."""
    eldest: bytes
    """First child of the same parents."""
    family: bytes
    """First person of the family."""
    home: bytes
    """Whose household's address is on the record: the head, for the dead that of the household they left."""
    origin: bytes
    """Old province of birth registration, as a place in `OLD_CODES`."""
    residence: bytes
    """New province of permanent residence, as a place in `NEW_CODES`."""
    death_year: "array[int]"
    """0 for the living."""
    legacy: "array[int]"
    """Ordinal among the legacy numbers of the plan; NO_LEGACY for those without."""
    legacy_holders: tuple[tuple[int, ...], ...]
    """Ordinal → its places: one, or two where a number was given out twice."""


@lru_cache(2)
def draw_plan(seed: bytes) -> Plan:
    """Return the plan for `seed`; the same for ever, so the last two are remembered (half a megabyte each)."""
    return _Draftsman(seed).plan()


def _uniforms(seed: bytes) -> Iterator[float]:
    # Not `random`, whose methods may change between versions of Python: the nation must not.
    for part in count():
        words = shake_128(seed + part.to_bytes(4, "big")).digest(65536)
        yield from (word / 2**32 for (word,) in iter_unpack("<I", words))


def _fair_queue(shares: Sequence[float], uniform: Callable[[], float]) -> Callable[[int], int]:
    """Return a function that gives each group of people a province, so that the shares come out even early on."""
    queue = [(uniform() / share, place) for place, share in enumerate(shares)]
    heapq.heapify(queue)

    def place_for(people: int) -> int:
        due, place = queue[0]
        heapq.heapreplace(queue, (due + people / shares[place], place))
        return place

    return place_for


class _Draftsman:
    """Draws the plan block by block."""

    def __init__(self, seed: bytes) -> None:
        self._uniform = _uniforms(seed).__next__
        self._chances = Chances(uniform=self._uniform)
        self._origin_for = _fair_queue(OLD_SHARES, self._uniform)
        self._residents = [0] * len(NEW_SHARES)
        self._columns: dict[str, bytearray] = {
            name: bytearray()
            for name in (
                *("sex", "marital", "father", "mother", "spouse", "head", "relation", "representative", "home"),
                *("lineage", "eldest", "family", "origin", "residence"),
            )
        }
        self._birth_year = array("H")
        self._death_year = array("H")

    def plan(self) -> Plan:
        for _ in range(VARIANTS):
            self._lay_out(FamilyBuilder(size=BLOCK_SIZE, chances=self._chances).fill())
        legacy, holders = self._legacy()
        return Plan(
            birth_year=self._birth_year,
            death_year=self._death_year,
            legacy=legacy,
            legacy_holders=holders,
            **{name: bytes(column) for name, column in self._columns.items()},
        )

    def _lay_out(self, people: list[Draft]) -> None:
        households: dict[int, list[Draft]] = {}
        for person in people:
            households.setdefault(person.home, []).append(person)
        heads = {home: _head_of(members) for home, members in households.items()}
        # The head first and the dead last: a nation that ends in the middle of a block keeps its heads.
        living = [
            [heads[home], *(m for m in members if m is not heads[home] and not m.death_year)]
            for home, members in households.items()
        ]
        dead = [m for home, members in households.items() for m in members if m.death_year and m is not heads[home]]
        ordered = list(chain.from_iterable(living)) + dead
        at = {id(person): position for position, person in enumerate(ordered)}
        self._ties(ordered, at, heads)
        self._provinces(people, ordered)

    def _ties(self, ordered: list[Draft], at: dict[int, int], heads: dict[int, Draft]) -> None:
        columns = self._columns
        kin = {
            at[id(p)]: Kin(
                at[id(p)],
                p.sex,
                p.birth_year,
                _at(at, p.father),
                _at(at, p.mother),
                _at(at, p.spouse),
                not p.death_year,
            )
            for p in ordered
        }
        first_of_family: dict[int, int] = {}
        for position, person in enumerate(ordered):
            ties = kin[position]
            head = kin[at[id(heads[person.home])]]
            settled = ties.alive
            guardian = representative_of(ties, head, kin, year=REFERENCE_YEAR) if settled else None
            self._birth_year.append(person.birth_year)
            self._death_year.append(person.death_year)
            columns["sex"].append(person.sex)
            columns["marital"].append(person.marital)
            columns["father"].append(_or_nobody(ties.father))
            columns["mother"].append(_or_nobody(ties.mother))
            columns["spouse"].append(_or_nobody(ties.spouse))
            columns["head"].append(head.who if settled else NOBODY)
            columns["relation"].append(relation_to_head(ties, head, kin) if settled else 0)
            columns["representative"].append(_or_nobody(guardian))
            columns["home"].append(head.who)
            columns["lineage"].append(at[id(person.lineage or person)])
            columns["eldest"].append(at[id(person.eldest or person)])
            columns["family"].append(first_of_family.setdefault(person.family, position))

    def _provinces(self, people: list[Draft], ordered: list[Draft]) -> None:
        sizes: dict[int, int] = {}
        family_of_home: dict[int, int] = {}
        people_at_home: dict[int, int] = {}
        for person in people:
            sizes[person.family] = sizes.get(person.family, 0) + 1
            family_of_home.setdefault(person.home, person.family)
            people_at_home[person.home] = people_at_home.get(person.home, 0) + 1
        origin = {family: self._origin_for(size) for family, size in sizes.items()}
        residence = {
            home: self._residence(origin[family], people_at_home[home]) for home, family in family_of_home.items()
        }
        for person in ordered:
            self._columns["origin"].append(self._birthplace(person, origin[person.family], residence[person.home]))
            self._columns["residence"].append(residence[person.home])

    def _residence(self, origin: int, people: int) -> int:
        """Return where a household lives: where its family comes from, or where people are wanting most."""
        place = NEW_OF_OLD[origin]
        total = sum(self._residents) + people
        crowded = self._residents[place] + people > NEW_SHARES[place] * total
        if self._chances.happens(_MOVE_FROM_CROWDED if crowded else _MOVE_FROM_EMPTY):
            wanting = [share * total - held for share, held in zip(NEW_SHARES, self._residents, strict=True)]
            place = wanting.index(max(wanting))
        self._residents[place] += people
        return place

    def _birthplace(self, person: Draft, origin: int, residence: int) -> int:
        if person.father is None and person.mother is None:
            if self._chances.happens(0.15):
                return min(bisect(OLD_SHARES_SUMMED, self._uniform()), len(OLD_CODES) - 1)
            return origin
        if NEW_OF_OLD[origin] != residence and REFERENCE_YEAR - person.birth_year < 15:
            olds = OLDS_OF_NEW[residence]
            return olds[int(self._uniform() * len(olds))]
        return origin

    def _legacy(self) -> tuple["array[int]", tuple[tuple[int, ...], ...]]:
        legacy = array("H", [NO_LEGACY]) * PLAN_SIZE
        holders: list[tuple[int, ...]] = []
        waiting: int | None = None
        for place, year in enumerate(self._birth_year):
            if not self._chances.happens(_legacy_share(year)):
                continue
            if waiting is not None and place // BLOCK_SIZE > holders[waiting][0] // BLOCK_SIZE:
                # Strangers, from blocks next to each other so that small nations have such pairs too.
                holders[waiting] = (*holders[waiting], place)
                legacy[place] = waiting
                waiting = None
                continue
            legacy[place] = len(holders)
            if waiting is None and self._chances.happens(_SHARED_LEGACY):
                waiting = len(holders)
            holders.append((place,))
        return legacy, tuple(holders)


def _legacy_share(birth_year: int) -> float:
    """Return how many of a cohort have a nine-digit number: it came at 14 and was given out until about 2018."""
    if birth_year < 2000:
        return 0.94
    return 0.5 if birth_year < 2003 else 0.05 if birth_year < 2006 else 0.0


def _head_of(members: list[Draft]) -> Draft:
    living = [(at, m) for at, m in enumerate(members) if not m.death_year] or list(enumerate(members))
    kin = [Kin(at, m.sex, m.birth_year, None, None, None, alive=True) for at, m in living]
    return members[choose_head(kin, year=REFERENCE_YEAR).who]


def _at(positions: dict[int, int], person: Draft | None) -> int | None:
    return None if person is None else positions[id(person)]


def _or_nobody(position: int | None) -> int:
    return NOBODY if position is None else position
