import hashlib
import os
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.geography.provinces import NEW_PROVINCES, OLD_PROVINCES, old_to_new
from mock_national_db import CapacityError, Nation, NumberingScheme, Person, sample, wire
from mock_national_db.blocks import BLOCK_SIZE, NOBODY, PLAN_SIZE
from mock_national_db.families import Draft, _needed_alive
from mock_national_db.households import MaritalStatus, Relation, Sex
from mock_national_db.numbering import NEWBORN_RESERVE
from mock_national_db.people import GENERATION
from mock_national_db.permutation import Permutation

POPULATION = 100_000_000
INDEXES = st.integers(0, POPULATION - 1)
PROPERTY = settings(max_examples=50, deadline=None)


@pytest.fixture(scope="module", params=list(NumberingScheme))
def nation(request: pytest.FixtureRequest) -> Nation:
    return Nation(population=POPULATION, seed=1, numbering=request.param)


@pytest.fixture(scope="module")
def tested() -> Nation:
    return Nation(population=POPULATION, seed=1)


@pytest.fixture(scope="module")
def one_plan(tested: Nation) -> list[Person]:
    """Everyone of one whole turn of the plan."""
    return [tested.person(index) for index in range(PLAN_SIZE)]


@PROPERTY
@given(
    left=st.integers(1, 40),
    right=st.integers(1, 40),
    tweak=st.integers(0, 2**40),
    key=st.binary(min_size=1, max_size=32),
)
def test_a_permutation_meets_every_number_once_and_can_be_undone(left: int, right: int, tweak: int, key: bytes) -> None:
    """Numbers are told apart only because two people can never be given the same one."""
    permutation = Permutation(key=key, left=left, right=right)
    image = [permutation.forward(value, tweak) for value in range(permutation.size)]
    assert sorted(image) == list(range(left * right))
    assert [permutation.backward(value, tweak) for value in image] == list(range(left * right))


def test_a_permutation_scatters_neighbours() -> None:
    """A number must not give away the next one: guessed neighbours are how registers get enumerated."""
    permutation = Permutation(key=b"scatter", left=1500, right=2000)
    image = [permutation.forward(value, 190) for value in range(2000)]
    steps = [abs(a - b) for a, b in pairwise(image)]
    assert sum(step < 1000 for step in steps) < 10
    assert image != [permutation.forward(value, 191) for value in range(2000)]


@PROPERTY
@given(index=INDEXES)
def test_number_and_index_lead_to_each_other(nation: Nation, index: int) -> None:
    """The map is a bijection on the valid numbers: every person is found by their number, and nobody else is."""
    number = nation.number(index)
    assert number is not None
    assert len(number) == 12
    assert nation.index_of(number) == index


@PROPERTY
@given(number=st.from_regex(r"09[789][0-9]{9}", fullmatch=True) | st.from_regex(r"0[0-9]{11}", fullmatch=True))
def test_every_number_is_nobodys_or_its_holders(nation: Nation, number: str) -> None:
    """The other direction of the bijection: a number found belongs to the person it finds."""
    index = nation.index_of(number)
    assert index is None or nation.number(index) == number


def test_numbers_do_not_depend_on_how_large_the_nation_is(tested: Nation) -> None:
    """A test that runs on a village finds the same people in the whole nation; who lies beyond the end is nobody."""
    village = Nation(population=1000, seed=1)
    for index in range(1000):
        assert village.number(index) == tested.number(index)
    beyond = tested.number(1000)
    assert beyond is not None
    assert village.index_of(beyond) is None
    assert village.number(1000) is None


@PROPERTY
@given(index=INDEXES)
def test_a_legacy_number_leads_back_to_its_holder(nation: Nation, index: int) -> None:
    """Old dossiers know people by the nine digits only."""
    legacy = nation.numbering.legacy_number_of(index)
    if legacy is not None:
        assert len(legacy) == 9
        assert index in nation.indexes_of_legacy(legacy)


def test_a_few_legacy_numbers_are_held_by_two_strangers(tested: Nation) -> None:
    """It happened when provinces numbered by hand: a gateway that picks one of the two discloses the wrong person."""
    village = Nation(population=2000, seed=1)
    holders = Counter(legacy for i in range(2000) if (legacy := village.numbering.legacy_number_of(i)))
    shared = [legacy for legacy, held in holders.items() if held > 1]
    assert 1 <= len(shared) < 20
    for legacy in shared:
        one, other = village.indexes_of_legacy(legacy)
        assert village.person(one).household != village.person(other).household
        assert one // BLOCK_SIZE != other // BLOCK_SIZE


def test_legacy_numbers_belong_to_the_older_cohorts(one_plan: list[Person]) -> None:
    """The card ended with the twelve digits: nobody born since 2006 ever had one."""
    old = [p for p in one_plan if p.birth_date.year < 2000]
    assert 0.9 < sum(p.legacy_number is not None for p in old) / len(old) < 0.98
    assert all(p.legacy_number is None for p in one_plan if p.birth_date.year >= 2006)


def test_test_numbers_belong_to_no_province_and_realistic_ones_to_that_of_birth_registration(nation: Nation) -> None:
    """A number with a real prefix may be a living person's, so the default must not make one."""
    for index in range(0, POPULATION, POPULATION // 300):
        person = nation.person(index)
        number = person.personal_number
        if nation.numbering.scheme is NumberingScheme.TEST:
            assert number[:3] in {"097", "098", "099"}
            assert person.legacy_number is None or person.legacy_number[0] in "456789"
        else:
            assert number[:3] == "0" + person.birth_registration.province_code
        century, year = divmod(person.birth_date.year - 1900, 100)
        assert number[3] == str(2 * century + (person.sex is Sex.FEMALE))
        assert number[4:6] == f"{year:02d}"


def test_a_citizen_is_equal_to_itself_after_a_restart(tested: Nation) -> None:
    """Another process, with other hash seeds, must invent exactly the same people."""
    indexes = [0, 1, 39, 40, 20_000, 31_415_926, POPULATION - 1]
    script = (
        "import orjson, sys; from mock_national_db import Nation, wire; n = Nation(population=100_000_000, seed=1);"
        f"sys.stdout.buffer.write(orjson.dumps([wire.citizen(n.person(i)) for i in {indexes}]))"
    )
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert orjson.loads(run.stdout) == [wire.citizen(tested.person(index)) for index in indexes]


def test_the_generation_goes_up_when_the_people_change() -> None:
    """Changes kept by an earlier version would otherwise be laid upon other people. If this fails, raise GENERATION."""
    nation = Nation(population=10_000, seed=1)
    digest = hashlib.sha256()
    for index in range(0, 10_000, 7):
        digest.update(orjson.dumps(wire.citizen(nation.person(index))))
    assert {GENERATION: digest.hexdigest()} == {1: "bca16115c582c7063fb72a910b2ddd80130d51e59d9042dcf89cb71b612846a1"}


def test_another_seed_is_another_nation(tested: Nation) -> None:
    """Two installations with their own seeds must not share people."""
    other = Nation(population=1000, seed=2)
    assert not {tested.number(i) for i in range(1000)} & {other.number(i) for i in range(1000)}


@PROPERTY
@given(index=INDEXES)
def test_household_members_agree_with_each_other(tested: Nation, index: int) -> None:
    """A household lookup shows the same house, head and family whoever of them is asked about."""
    members = tested.household_of(index)
    person = tested.person(index)
    if not members:
        assert person.household is None
        assert not person.alive
        return
    assert index in members
    together = [tested.person(member) for member in members]
    head = together[0]
    for member in together:
        assert tested.household_of(tested.index_of(member.personal_number) or 0) == members
        assert member.alive
        assert member.household is not None
        assert head.household is not None
        assert member.household.household_id == head.household.household_id
        assert member.household.head == (head.name, head.personal_number)
        assert member.permanent_residence == head.permanent_residence
        assert (member.household.relation is Relation.HEAD) is (member is head)
    assert head.alive


@PROPERTY
@given(index=INDEXES)
def test_relatives_agree_with_each_other(tested: Nation, index: int) -> None:
    """Spouses name each other, children bear the father's surname, parents are 18 to 46 years older."""
    person = tested.person(index)
    assert (person.spouse is not None) is (person.marital_status is MaritalStatus.MARRIED and person.alive)
    if person.spouse is not None:
        spouse = _record(tested, person.spouse.personal_number)
        assert spouse.spouse == (person.name, person.personal_number)
        assert spouse.sex is not person.sex
        assert spouse.alive
    for relative, sex in ((person.father, Sex.MALE), (person.mother, Sex.FEMALE)):
        if relative is None or relative.personal_number is None:
            continue
        parent = _record(tested, relative.personal_number)
        assert parent.name == relative.name
        assert parent.sex is sex
        assert 19 <= person.birth_date.year - parent.birth_date.year <= 45
        if parent.death_date is not None:
            assert parent.death_date.year > person.birth_date.year
    if person.father is not None:
        assert person.father.name.surname == person.surname
    if person.representative is not None:
        guardian = _record(tested, person.representative.personal_number)
        assert guardian.alive
        assert person.birth_date.year > 2007
    if person.death_date is not None:
        assert person.death_date.year > person.birth_date.year
        assert person.death_date <= person.updated_at.date()


def test_nobody_dies_before_birth_or_leaves_a_home_of_children(tested: Nation) -> None:
    """Over the whole plan, since such cases are one in thousands: each would be a family that cannot be."""
    plan = tested.plan
    adults: dict[tuple[int, int], bool] = {}
    for place in range(PLAN_SIZE):
        start = place - place % BLOCK_SIZE
        born, died = plan.birth_year[place], plan.death_year[place]
        if died:
            assert died > born
            assert plan.spouse[place] == plan.head[place] == NOBODY
        else:
            home = (start, plan.head[place])
            adults[home] = adults.get(home, False) or 2025 - born >= 18
        for parent in (plan.father[place], plan.mother[place]):
            if parent != NOBODY and plan.death_year[start + parent]:
                assert plan.death_year[start + parent] > born
        if plan.spouse[place] != NOBODY:
            assert plan.spouse[start + plan.spouse[place]] == place - start
    assert all(adults.values())


def test_the_only_adult_of_a_home_with_children_is_not_taken_from_them() -> None:
    """Rarer than one in a plan, so asked directly: a household headed by a toddler would break every rule about heads."""
    mother = Draft(sex=Sex.FEMALE, birth_year=1995, home=0, family=0)
    child = Draft(sex=Sex.MALE, birth_year=2019, home=0, family=0, mother=mother)
    aunt = Draft(sex=Sex.FEMALE, birth_year=1990, home=0, family=0)
    assert _needed_alive(mother, [mother, child], 2023)
    assert not _needed_alive(mother, [mother, child, aunt], 2023)
    assert not _needed_alive(aunt, [mother, child, aunt], 2018)
    assert _needed_alive(mother, [mother, child, aunt], 2018)


def _record(nation: Nation, number: str | None) -> Person:
    assert number is not None
    index = nation.index_of(number)
    assert index is not None
    return nation.person(index)


@PROPERTY
@given(index=INDEXES)
def test_the_national_record_is_clean(tested: Nation, index: int) -> None:
    """Dirt belongs to the registries: here text is NFC, codes exist, and old and new codes are not mixed."""
    person = tested.person(index)
    text = orjson.dumps(wire.citizen(person)).decode()
    assert text == unicodedata.normalize("NFC", text)
    assert "  " not in text
    assert 1 <= int(person.ethnicity_code) <= 54
    birth = person.birth_registration
    assert OLD_PROVINCES[birth.province_code].official_name == birth.province_name
    for address in (person.home_town, person.permanent_residence, person.current_residence):
        assert NEW_PROVINCES[address.province_code].official_name == address.province_name
        assert address.commune.split()[0] in {"Phường", "Xã"}
    assert old_to_new(birth.province_code) is not None


def test_the_provinces_weigh_what_the_register_says(one_plan: list[Person]) -> None:
    """Load and reports per province are only believable if Hồ Chí Minh City outweighs Lai Châu as in life."""
    total = sum(p.population_thousands or 0 for p in NEW_PROVINCES.values())
    lived_in = Counter(p.permanent_residence.province_code for p in one_plan)
    for code, unit in NEW_PROVINCES.items():
        share = (unit.population_thousands or 0) / total
        assert lived_in[code] / len(one_plan) == pytest.approx(share, abs=0.002), unit.name


def test_the_nation_looks_like_a_nation(one_plan: list[Person]) -> None:
    """Ages, sexes, households, peoples and names near the published figures."""
    men = sum(p.sex is Sex.MALE for p in one_plan)
    assert men / (len(one_plan) - men) == pytest.approx(0.99, abs=0.01)
    living = [p for p in one_plan if p.alive]
    assert 0.94 < len(living) / len(one_plan) < 0.97
    households = {p.household.household_id for p in living if p.household is not None}
    assert len(living) / len(households) == pytest.approx(3.4, abs=0.15)
    ages = [2025 - p.birth_date.year for p in living]
    assert sum(age < 15 for age in ages) / len(ages) == pytest.approx(0.235, abs=0.03)
    assert sum(age >= 60 for age in ages) / len(ages) == pytest.approx(0.14, abs=0.02)
    assert sum(p.ethnicity_code == "01" for p in living) / len(living) == pytest.approx(0.85, abs=0.04)
    surnames = Counter(p.surname for p in one_plan)
    for surname, share in (("Nguyễn", 0.38), ("Trần", 0.11), ("Lê", 0.095), ("Phạm", 0.07)):
        assert surnames[surname] / len(one_plan) == pytest.approx(share, rel=0.25), surname
    assert sum(p.father is not None and p.father.personal_number is None for p in one_plan) > 1000
    assert sum(p.father is None for p in one_plan) > 500
    assert {len(str(p.birth_date)) for p in one_plan} == {4, 7, 10}


def test_a_nation_may_end_in_the_middle_of_a_family() -> None:
    """Any population is allowed: households keep their heads, and nobody beyond the end is listed or numbered."""
    for population in (1, 2, 6, BLOCK_SIZE - 3, BLOCK_SIZE + 1, BLOCK_SIZE + 11):
        nation = Nation(population=population, seed=3)
        numbers = {nation.number(index) for index in range(population)}
        for index in range(population):
            person = nation.person(index)
            members = nation.household_of(index)
            assert all(member < population for member in members)
            assert bool(members) is person.alive
            for relative in _relatives(person):
                assert relative is None or relative in numbers


def _relatives(person: Person) -> Iterator[str | None]:
    for relative in (person.father, person.mother, person.spouse, person.representative):
        if relative is not None:
            yield relative.personal_number
    if person.household is not None:
        yield person.household.head.personal_number


def test_a_nation_too_large_for_its_numbers_is_refused() -> None:
    """Beyond the capacity two people would share a number: better no nation than that."""
    with pytest.raises(CapacityError, match="at most"):
        Nation(population=10**10)
    with pytest.raises(ValueError, match="at least 1"):
        Nation(population=0)


def test_newborns_numbers_meet_nobody_elses(nation: Nation) -> None:
    """Children born at run time take numbers which the invented nation never reaches."""
    for sex in Sex:
        born = nation.numbering.newborn_class(origin=0, sex=sex, birth_year=1990)
        numbers = {nation.numbering.newborn_number(born, nth) for nth in range(0, NEWBORN_RESERVE, 97)}
        assert len(numbers) == len(range(0, NEWBORN_RESERVE, 97))
        assert all(nation.index_of(number) is None for number in numbers)
        with pytest.raises(CapacityError):
            nation.numbering.newborn_number(born, NEWBORN_RESERVE)


def test_a_sample_is_spread_repeatable_and_repeats_nobody() -> None:
    """`dancu sample` hands out people to try things on: the same tomorrow, of all ages and places."""
    people = list(sample(200, population=POPULATION))
    assert [p.personal_number for p in sample(200, population=POPULATION)] == [p.personal_number for p in people]
    assert len({p.personal_number for p in people}) == 200
    assert len({p.permanent_residence.province_code for p in people}) > 20
    assert len({p.household.relation for p in people if p.household}) > 3
    assert len(list(sample(50, population=50))) == 50
    assert list(sample(0, population=50)) == []
    with pytest.raises(ValueError, match="sample"):
        sample(51, population=50)
