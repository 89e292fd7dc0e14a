"""People as a pure function of seed and index: what is told of them, on top of who belongs to whom (`blocks`).

One keyed hash a block gives the names of all in it, since a record names half a dozen relatives; one keyed hash a
person gives the rest. Each is a row of 16-bit draws with one use each; nobody is stored. Owns content. Refuses to know
of HTTP and of changes at run time: `compose` takes any `Source`, and the changed nation is another one.
"""

import sys
from array import array
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b, shake_128
from typing import Final, NamedTuple, Protocol

from mock_national_db import names, places
from mock_national_db.blocks import BLOCK_SIZE, NOBODY, PLAN_SIZE, Plan, draw_plan
from mock_national_db.demographics import BLOOD_TYPES, ETHNICITIES, KINH, NEW_OF_OLD, RELIGION_OF, RELIGIONS
from mock_national_db.families import REFERENCE_YEAR
from mock_national_db.households import Kin, MaritalStatus, Relation, Sex
from mock_national_db.names import Name
from mock_national_db.numbering import Numbering, NumberingScheme
from mock_national_db.person import VIETNAM_TIME, BirthDate, Membership, Person, Relative
from mock_national_db.places import Address

DEFAULT_POPULATION: Final = 100_000_000
DEFAULT_SEED: Final = 1
GENERATION: Final = 1
"""Goes up when the same seed comes to give other people: changes kept from before would then fit nobody."""

_DAYS: Final = tuple((day.month, day.day) for day in (date(2023, 1, 1) + timedelta(n) for n in range(365)))
# Those born in the reference year were born and registered before the nation's reference day, 1 July.
_LAST_BIRTHDAY_OF_REFERENCE_YEAR: Final = 150
_REGISTER_OPENED: Final = datetime(2025, 1, 1, 7, tzinfo=VIETNAM_TIME)
_YEAR_ONLY_BEFORE: Final = 1960
_MIXED_MARRIAGES: Final = 6_000
_LIVING_ELSEWHERE: Final = 6_000
"""Of 65,536, like every share of draws here."""
_CACHED: Final = 64
"""Within a household the same dozen people are named over and over; more entries than that only crowd the processor."""

# Which of a person's draws among those of the block decides what. Ethnicity and religion are those of the family's
# first person, the surname that of the lineage's.
_SURNAME, _MIXED, _ETHNICITY, _RELIGION, _MIDDLE, _GIVEN = range(6)
_NAME_DRAWS: Final = 6
# Which of a person's own draws decides what; absent parents are named by the eldest child, a home by its head.
_PARENTS_UNKNOWN, _MOTHER_SURNAME, _FATHER_MIDDLE, _FATHER_GIVEN, _MOTHER_MIDDLE, _MOTHER_GIVEN = range(6)
_BIRTHDAY, _PRECISION, _BLOOD, _ELSEWHERE, _THERE, _THERE_KIND, _THERE_PLACE, _THERE_HOUSE = range(6, 14)
_REGISTRATION, _HOME_TOWN, _UPDATED_DAY, _UPDATED_SECOND, _DEATH_DAY = range(14, 19)
_HOME_KIND, _HOME_PLACE, _HOME_HOUSE = range(19, 22)
_DRAWS: Final = 22


class Family(NamedTuple):
    """A person's place among others, as indexes; None where there is nobody or the nation does not hold them."""

    father: int | None
    mother: int | None
    spouse: int | None
    representative: int | None
    head: int | None
    relation: Relation | None
    household: int | None
    """Key of the household (`Numbering.household_number`); None for the dead."""


class Traits(NamedTuple):
    """What a record says of the person alone."""

    legacy_number: str | None
    birth_date: BirthDate
    sex: Sex
    ethnicity_code: str
    religion_code: str
    marital_status: MaritalStatus
    blood_type: str
    birth_registration: Address
    home_town: Address
    permanent_residence: Address
    elsewhere: Address | None
    """Current residence where it is not the permanent one."""
    outside_father: Name | None
    """The father's name where he is not one of the nation; None where nobody knows it."""
    outside_mother: Name | None
    death_date: date | None
    version: int
    updated_at: datetime


class Source(Protocol):
    """Where `compose` learns about people."""

    def number(self, index: int) -> str | None:
        """Return the personal number; None when the nation does not hold the person."""

    def name(self, index: int) -> Name:
        """Return the name."""

    def traits(self, index: int) -> Traits:
        """Return what the record says of the person alone."""

    def family(self, index: int) -> Family:
        """Return the person's place among others."""

    def household_number(self, key: int) -> str:
        """Return the nine digits of a household."""


def compose(index: int, source: Source) -> Person:
    """Return the whole record of a person whom `source` holds."""
    own = source.traits(index)
    ties = source.family(index)
    number = source.number(index)
    assert number is not None
    household = None
    if ties.household is not None and ties.head is not None and ties.relation is not None:
        head = Relative(source.name(ties.head), source.number(ties.head))
        household = Membership(source.household_number(ties.household), head, ties.relation)
    return Person(
        personal_number=number,
        legacy_number=own.legacy_number,
        name=source.name(index),
        birth_date=own.birth_date,
        sex=own.sex,
        ethnicity_code=own.ethnicity_code,
        religion_code=own.religion_code,
        marital_status=own.marital_status,
        blood_type=own.blood_type,
        birth_registration=own.birth_registration,
        home_town=own.home_town,
        permanent_residence=own.permanent_residence,
        current_residence=own.elsewhere or own.permanent_residence,
        father=_relative(ties.father, own.outside_father, source),
        mother=_relative(ties.mother, own.outside_mother, source),
        spouse=_relative(ties.spouse, None, source),
        representative=_relative(ties.representative, None, source),
        household=household,
        death_date=own.death_date,
        record_version=own.version,
        updated_at=own.updated_at,
    )


def _relative(index: int | None, outside: Name | None, source: Source) -> Relative | None:
    if index is not None:
        return Relative(source.name(index), source.number(index))
    return Relative(outside, None) if outside is not None else None


class Nation:
    """The invented nation before any change: a `Source` whose answers depend on seed and index alone."""

    def __init__(
        self,
        *,
        population: int = DEFAULT_POPULATION,
        seed: int = DEFAULT_SEED,
        numbering: NumberingScheme = NumberingScheme.TEST,
    ) -> None:
        """Draw the plan; a third of a second, whatever the population.

        Raises ValueError for a population below 1 and CapacityError for one too large.
        """
        if population < 1:
            raise ValueError("the population must be at least 1")
        key = blake2b(str(seed).encode(), digest_size=32, person=b"mock nation").digest()
        self.key = key
        """The seed of every further draw about this nation."""
        self.population = population
        self.plan: Plan = draw_plan(key)
        self.numbering = Numbering(plan=self.plan, seed=key, scheme=numbering, population=population)
        self._person_hash = blake2b(key=key, digest_size=2 * _DRAWS, person=b"person")
        self._block_hash = shake_128(key + b"names")
        # On the instance, so that two nations in one process share nothing.
        self._draws = lru_cache(_CACHED)(self._draw)
        self._name_draws = lru_cache(_CACHED)(self._draw_names)
        self.name = lru_cache(_CACHED)(self._name)
        self.number = lru_cache(_CACHED)(self._number)

    def person(self, index: int) -> Person:
        """Return the record of the person `index`, 0 … population-1."""
        return compose(index, self)

    def index_of(self, number: str) -> int | None:
        """Return who holds the personal number; None for nobody."""
        return self.numbering.index_of(number)

    def indexes_of_legacy(self, number: str) -> tuple[int, ...]:
        """Return everyone who holds the legacy number."""
        return self.numbering.indexes_of_legacy(number)

    def household_of(self, index: int) -> Sequence[int]:
        """Return the person's household, the head first; empty for the dead."""
        head = self.family(index).head
        return () if head is None else self._members(head)

    def someone_else(self, index: int) -> int:
        """Return another person; the same in a nation of one."""
        return index + 1 if index + 1 < self.population else 0

    def household_number(self, key: int) -> str:
        """Return the nine digits of a household."""
        return self.numbering.household_number(key)

    def _members(self, head: int) -> list[int]:
        position = head % BLOCK_SIZE
        start = head - position
        first = start % PLAN_SIZE
        heads = self.plan.head[first : first + BLOCK_SIZE]
        # Heads come first in their households, so the order of positions is the order wanted.
        return [start + at for at, one in enumerate(heads) if one == position and start + at < self.population]

    def kin(self, index: int) -> Kin:
        """Return a person's ties."""
        plan, place = self.plan, index % PLAN_SIZE
        start = index - index % BLOCK_SIZE
        return Kin(
            index,
            plan.sex[place],
            plan.birth_year[place],
            _in_block(start, plan.father[place]),
            _in_block(start, plan.mother[place]),
            _in_block(start, plan.spouse[place]),
            alive=not plan.death_year[place],
        )

    def family(self, index: int) -> Family:
        """Return a person's place among others."""
        plan, place = self.plan, index % PLAN_SIZE
        start = index - index % BLOCK_SIZE
        head = _in_block(start, plan.head[place])
        return Family(
            _in_block(start, plan.father[place]),
            _in_block(start, plan.mother[place]),
            _in_block(start, plan.spouse[place]),
            _in_block(start, plan.representative[place]),
            head,
            Relation(plan.relation[place]) if head is not None else None,
            head,
        )

    def traits(self, index: int) -> Traits:
        """Return what the record says of the person alone."""
        plan, place = self.plan, index % PLAN_SIZE
        start = index - index % BLOCK_SIZE
        draws = self._draws(index)
        birth_year = plan.birth_year[place]
        lineage = start + plan.lineage[place]
        ethnicity = self._ethnicity(lineage)
        origin = plan.origin[place]
        outside_father, outside_mother = self._outside_parents(start, place)
        death_date = None
        if plan.death_year[place]:
            death_date = date(plan.death_year[place], *_DAYS[draws[_DEATH_DAY] * 365 >> 16])
        religion = RELIGION_OF.get(ethnicity)
        if religion is None:
            named = self._name_draws(start // BLOCK_SIZE)
            religion = RELIGIONS[named[plan.family[place] * _NAME_DRAWS + _RELIGION] * 100 >> 16]
        home_town = places.home_town(NEW_OF_OLD[plan.origin[lineage % PLAN_SIZE]], self._draws(lineage)[_HOME_TOWN])
        return Traits(
            self.numbering.legacy_number_of(index),
            _birth_date(birth_year, draws),
            Sex(plan.sex[place]),
            ethnicity,
            religion,
            MaritalStatus(plan.marital[place]),
            BLOOD_TYPES[draws[_BLOOD] * 100 >> 16],
            places.birth_registration(origin, draws[_REGISTRATION]),
            home_town,
            self.home(start + plan.home[place]),
            self._elsewhere(draws) if death_date is None and draws[_ELSEWHERE] < _LIVING_ELSEWHERE else None,
            outside_father,
            outside_mother,
            death_date,
            1,
            _updated_at(birth_year, draws),
        )

    def home(self, head: int) -> Address:
        """Return the address of the household which the person `head` heads."""
        draws = self._draws(head)
        province = self.plan.residence[head % PLAN_SIZE]
        return places.residence(province, draws[_HOME_KIND], draws[_HOME_PLACE], draws[_HOME_HOUSE])

    def _draw(self, index: int) -> "array[int]":
        digest = self._person_hash.copy()
        digest.update(index.to_bytes(8, "little"))
        return _words(digest.digest())

    def _draw_names(self, block: int) -> "array[int]":
        digest = self._block_hash.copy()
        digest.update(block.to_bytes(8, "little"))
        return _words(digest.digest(2 * _NAME_DRAWS * BLOCK_SIZE))

    def _number(self, index: int) -> str | None:
        return self.numbering.number_of(index) if index < self.population else None

    def _name(self, index: int) -> Name:
        plan, place = self.plan, index % PLAN_SIZE
        position = index % BLOCK_SIZE
        draws = self._name_draws(index // BLOCK_SIZE)
        return names.name(
            self._surname(index - position + plan.lineage[place]),
            sex=plan.sex[place],
            birth_year=plan.birth_year[place],
            middle_draw=draws[position * _NAME_DRAWS + _MIDDLE],
            given_draw=draws[position * _NAME_DRAWS + _GIVEN],
        )

    def _surname(self, root: int) -> str:
        """Return the surname of the lineage from `root`."""
        draw = self._name_draws(root // BLOCK_SIZE)[root % BLOCK_SIZE * _NAME_DRAWS + _SURNAME]
        return names.surname(ethnicity=self._ethnicity(root), origin=self.plan.origin[root % PLAN_SIZE], draw=draw)

    def _ethnicity(self, root: int) -> str:
        """Return the ethnicity of the lineage from `root`: its family's, or that of one who married in."""
        plan, place = self.plan, root % PLAN_SIZE
        position, first = root % BLOCK_SIZE, plan.family[place]
        draws = self._name_draws(root // BLOCK_SIZE)
        if position == first or draws[position * _NAME_DRAWS + _MIXED] >= _MIXED_MARRIAGES:
            place += first - position
            position = first
        return ETHNICITIES[NEW_OF_OLD[plan.origin[place]]][draws[position * _NAME_DRAWS + _ETHNICITY] * 100 >> 16]

    def _outside_parents(self, start: int, place: int) -> tuple[Name | None, Name | None]:
        """Return the names of parents who are not of the nation; brothers and sisters name the same."""
        plan = self.plan
        no_father, no_mother = plan.father[place] == NOBODY, plan.mother[place] == NOBODY
        if not no_father and not no_mother:
            return None, None
        eldest = plan.eldest[place]
        draws = self._draws(start + eldest)
        birth_year = plan.birth_year[(start + eldest) % PLAN_SIZE] - 26
        if draws[_PARENTS_UNKNOWN] < (20_000 if birth_year < 1930 else 3_000):
            return None, None
        father = mother = None
        if no_father:
            father = names.name(
                self._surname(start + plan.lineage[place]),
                sex=Sex.MALE,
                birth_year=birth_year,
                middle_draw=draws[_FATHER_MIDDLE],
                given_draw=draws[_FATHER_GIVEN],
            )
        if no_mother:
            mother = names.name(
                names.surname(ethnicity=KINH, origin=plan.origin[place], draw=draws[_MOTHER_SURNAME]),
                sex=Sex.FEMALE,
                birth_year=birth_year,
                middle_draw=draws[_MOTHER_MIDDLE],
                given_draw=draws[_MOTHER_GIVEN],
            )
        return father, mother

    def _elsewhere(self, draws: "array[int]") -> Address:
        province = draws[_THERE] * len(ETHNICITIES) >> 16
        return places.residence(province, draws[_THERE_KIND], draws[_THERE_PLACE], draws[_THERE_HOUSE])


def _in_block(start: int, position: int) -> int | None:
    return None if position == NOBODY else start + position


def _birth_date(year: int, draws: "array[int]") -> BirthDate:
    days = _LAST_BIRTHDAY_OF_REFERENCE_YEAR if year == REFERENCE_YEAR else len(_DAYS)
    month, day = _DAYS[draws[_BIRTHDAY] * days >> 16]
    if year < _YEAR_ONLY_BEFORE:
        if draws[_PRECISION] < 9000:
            return BirthDate(year)
        if draws[_PRECISION] < 12_000:
            return BirthDate(year, month)
    return BirthDate(year, month, day)


def _updated_at(birth_year: int, draws: "array[int]") -> datetime:
    """Return a moment of a working day before 1 July 2025, after any birth in that year."""
    spare = 28 if birth_year == REFERENCE_YEAR else 180
    days = (draws[_UPDATED_DAY] * spare >> 16) + 180 - spare
    return _REGISTER_OPENED + timedelta(days=days, seconds=draws[_UPDATED_SECOND] * 36_000 >> 16)


def _words(digest: bytes) -> "array[int]":
    words = array("H", digest)
    if sys.byteorder == "big":
        words.byteswap()
    return words
