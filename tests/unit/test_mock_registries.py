"""The registries of the mock know the same people as its population."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from mock_national_db import wire
from mock_national_db.households import MaritalStatus, Sex
from mock_national_db.live import LiveNation
from mock_national_db.people import Nation
from mock_national_db.person import Person
from mock_national_db.registries.civil_status import DIVORCED, ENDED_BY_DEATH, IN_FORCE
from mock_national_db.registries.driving import CLASSES, FULL_POINTS
from mock_national_db.registries.enterprises import Enterprises, with_check_digit
from mock_national_db.registries.people import turns, years_after
from mock_national_db.registries.registers import NAMES, Registers
from mock_national_db.store import Store
from tests.fakes.mock_desk import Desk, couples, strangers

POPULATION = 2400


class World:
    """A nation with its registers."""

    def __init__(self, *, population: int = POPULATION, seed: int = 1) -> None:
        self.live = LiveNation(nation=Nation(population=population, seed=seed), store=Store(data_dir=None, nation={}))
        self.registers = Registers(self.live)

    def of(self, name: str, index: int) -> Any:
        return self.registers._registers[name].of(index)

    @cache  # noqa: B019  one world lives as long as the module
    def all(self, name: str) -> list[tuple[Person, Any]]:
        found = ((index, self.of(name, index)) for index in range(POPULATION))
        return [(self.live.person(index), record) for index, record in found if record is not None]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007  a day has no zone


@pytest.mark.parametrize("name", NAMES)
def test_a_register_is_the_same_every_time_and_does_not_depend_on_the_size_of_the_nation(name: str) -> None:
    """What a test saw yesterday it must see today, on a laptop and on the bench."""
    small, again, large, other = World(), World(), World(population=240_000), World(seed=2)
    indexes = range(0, 700, 3)
    first = [small.of(name, index) for index in indexes]
    assert first == [again.of(name, index) for index in indexes]
    assert first != [other.of(name, index) for index in indexes]
    if name != "social_insurance":  # employers are drawn from the whole nation
        assert first == [large.of(name, index) for index in indexes]


@pytest.mark.parametrize("name", NAMES)
def test_every_record_is_about_who_was_asked_for(name: str, world: World) -> None:
    """The gateway refuses anything else."""
    for person, record in world.all(name):
        assert record["SoDinhDanh"] == person.personal_number
        assert record["PhienBan"] == person.record_version


def test_both_spouses_find_the_same_marriage(world: World) -> None:
    """One wedding, two records: they must never differ."""
    linked: Counter[int] = Counter()
    for person, record in world.all("civil_status"):
        for marriage in record.get("KetHon", ()):
            number = marriage["VoChong"].get("SoDinhDanh")
            if number is None:
                assert marriage["TrangThai"] != IN_FORCE
                continue
            index = world.live.index_of(number)
            assert index is not None
            theirs = world.of("civil_status", index)["KetHon"]
            (same,) = [one for one in theirs if one["VoChong"].get("SoDinhDanh") == person.personal_number]
            assert {**same, "VoChong": 0} == {**marriage, "VoChong": 0}
            linked[marriage["TrangThai"]] += 1
    assert set(linked) == {IN_FORCE, ENDED_BY_DEATH, DIVORCED} or set(linked) == {IN_FORCE, ENDED_BY_DEATH}


def test_marriages_agree_with_the_marital_status_and_the_law(world: World) -> None:
    """A married person has one marriage in force, everybody else none; nobody marries as a child or after death."""
    least = {Sex.MALE: 20, Sex.FEMALE: 18}
    for person, record in world.all("civil_status"):
        marriages = record.get("KetHon", [])
        in_force = [one for one in marriages if one["TrangThai"] == IN_FORCE]
        married = person.alive and person.marital_status is MaritalStatus.MARRIED
        assert bool(in_force) == (married and person.spouse is not None)
        if in_force:
            assert person.spouse is not None
            assert in_force[0]["VoChong"]["SoDinhDanh"] == person.spouse.personal_number
        if person.marital_status is MaritalStatus.SINGLE:
            assert not marriages
        for one in marriages:
            wedding = day(one["NgayDangKy"])
            assert wedding.year - person.birth_date.year >= least[person.sex]
            if one["TrangThai"] != IN_FORCE:
                assert wedding <= day(one["NgayChamDut"])
            if person.death_date is not None:
                assert wedding <= person.death_date


def test_births_name_the_parents_of_the_population_and_deaths_its_dead(world: World) -> None:
    """Two registers, one family."""
    dead = 0
    for person, record in world.all("civil_status"):
        birth = record["KhaiSinh"]
        for key, parent in (("Cha", person.father), ("Me", person.mother)):
            assert birth.get(key, {}).get("SoDinhDanh") == (parent.personal_number if parent else None)
        assert day(birth["NgayDangKy"]) > turns(person, 0)
        assert ("KhaiTu" in record) == (not person.alive)
        if person.death_date is not None:
            dead += 1
            assert day(record["KhaiTu"]["NgayMat"]) == person.death_date <= day(record["KhaiTu"]["NgayDangKy"])
    assert dead > 10


def test_licences_are_held_by_who_may_hold_them_for_as_long_as_the_law_says(world: World) -> None:
    """A class, its least age and its period belong together (Law 36/2024/QH15)."""
    classes: Counter[str] = Counter()
    for person, record in world.all("driving_licences"):
        for licence in record["GiayPhep"]:
            rules = CLASSES[licence["Hang"]]
            classes[licence["Hang"]] += 1
            issued = day(licence["NgayCap"])
            assert turns(person, 18) <= turns(person, rules.least_age) <= issued
            assert 0 <= licence["Diem"] <= FULL_POINTS
            assert ("NgayHetHan" in licence) == (rules.valid_years is not None)
            if rules.valid_years is not None:
                assert day(licence["NgayHetHan"]) == years_after(issued, rules.valid_years)
            assert person.alive or licence["TrangThai"] == 3
    assert set(classes) >= {"A1", "A", "B", "C1", "C", "D"}


def test_numbers_of_licences_books_and_enterprises_are_each_given_once(world: World) -> None:
    """A number is a key of its register."""
    licences = [one["SoGiayPhep"] for _, record in world.all("driving_licences") for one in record["GiayPhep"]]
    books = [row.held.book_number for i in range(POPULATION) for row in world.registers._social_insurance.rows_of(i)]
    owners = {
        one["MaSoDoanhNghiep"]: one["ChuSoHuu"]["SoDinhDanh"]
        for _, record in world.all("enterprises")
        for one in record["DoanhNghiep"]
    }
    for numbers in (licences, books):
        assert len(numbers) == len(set(numbers)) > 1000
    assert len(owners) > 15
    assert all(re.fullmatch(r"99\d{10}", number) for number in licences)
    assert all(re.fullmatch(r"9\d{9}", number) for number in books)
    assert all(with_check_digit(code[:9]) == code for code in owners)


def test_an_enterprise_is_found_by_its_code_owner_and_representative_alike(world: World) -> None:
    """Whichever number the dossier has, it is the same enterprise."""
    apart = 0
    for person, record in world.all("enterprises"):
        for one in record["DoanhNghiep"]:
            by_code = world.registers._enterprises.by_code(one["MaSoDoanhNghiep"])
            assert by_code is not None
            assert by_code["DoanhNghiep"] == [one]
            numbers = {one["ChuSoHuu"]["SoDinhDanh"], one["NguoiDaiDien"]["SoDinhDanh"]}
            assert person.personal_number in numbers
            apart += len(numbers) - 1
            for number in numbers:
                index = world.live.index_of(number)
                assert index is not None
                assert one in world.of("enterprises", index)["DoanhNghiep"]
                assert world.live.person(index).alive
    assert apart > 0
    assert world.registers._enterprises.by_code("0100109106") is None


def test_digital_identities_come_in_the_published_shares(world: World) -> None:
    """64 files for 100 people, 65 of them activated (FACTS); nobody too young."""
    found = list(world.all("digital_identity"))
    assert 0.58 < len(found) / POPULATION < 0.70
    assert 0.60 < sum("NgayKichHoat" in record for _, record in found) / len(found) < 0.72
    for person, record in found:
        issued = day(record["NgayCap"])
        assert turns(person, 14 if record["MucDo"] == 2 else 6) <= issued
        assert ("NgayKichHoat" in record) == (record["TrangThai"] != 1)
        assert record["TrangThai"] != 2 or person.alive


def test_contributions_are_in_order_and_end_with_the_life(world: World) -> None:
    """A span before the age of work, two at once, or one after death would each be a defect of the mock, not dirt."""
    benefits: Counter[int] = Counter()
    for person, record in world.all("social_insurance"):
        spans = record.get("QuaTrinh", [])
        assert (record["TongSoThang"] > 0) == bool(spans)
        assert (record["TrangThai"] == 4) == (not person.alive)
        for one in spans:
            assert int(one["TuThang"][:4]) >= person.birth_date.year + 18
            assert one["TuThang"] <= one.get("DenThang", "999999")
            if person.death_date is not None:
                assert one["DenThang"] <= f"{person.death_date:%Y%m}"
        for one, following in pairwise(spans):
            assert one["DenThang"] < following["TuThang"]
        benefits.update(one["Loai"] for one in record.get("CheDo", ()))
        employers = [one["MaSoDoanhNghiep"] for one in spans if "MaSoDoanhNghiep" in one]
        assert all(world.registers._enterprises.find(code) is not None for code in employers)
    assert set(benefits) == {1, 2, 3, 4, 5, 6}


def test_a_death_registered_at_run_time_reaches_every_register() -> None:
    """The registers follow the population, or cleansing would find differences that are nobody's."""
    desk = Desk()
    registers = Registers(desk.live)._registers
    head, spouse = next(couples(desk))
    before = registers["civil_status"].of(desk.live.index_of(head.personal_number) or 0)
    assert before is not None
    assert before["KetHon"][-1]["TrangThai"] == IN_FORCE
    desk.applied("KHAI_TU", head.personal_number, {"NgayMat": "20260215"})
    for person in (head, spouse):
        record = registers["civil_status"].of(desk.live.index_of(person.personal_number) or 0)
        assert record is not None
        assert record["KetHon"][-1]["TrangThai"] == ENDED_BY_DEATH
        assert record["KetHon"][-1]["NgayChamDut"] == "20260215"
        assert ("KhaiTu" in record) == (person is head)


def test_a_marriage_registered_at_run_time_is_in_both_records_with_its_day() -> None:
    """A wedding between strangers ties two blocks."""
    desk = Desk()
    groom, bride = strangers(desk)
    desk.applied("HO_TICH", groom.personal_number, {"TinhTrangHonNhan": 2, "SoDinhDanhVoChong": bride.personal_number})
    registers = Registers(desk.live)._registers
    for one, other in ((groom, bride), (bride, groom)):
        record = registers["civil_status"].of(desk.live.index_of(one.personal_number) or 0)
        assert record is not None
        last = record["KetHon"][-1]
        assert (last["VoChong"]["SoDinhDanh"], last["NgayDangKy"]) == (other.personal_number, f"{desk.now:%Y%m%d}")
        assert last["TrangThai"] == IN_FORCE


def test_a_child_born_at_run_time_is_registered_and_nothing_else_is_known_of_it() -> None:
    """Newborns have a birth, parents, and no past."""
    desk = Desk()
    mother, father = next(pair for pair in couples(desk) if all(1975 < one.birth_date.year < 2004 for one in pair))
    content = {
        "HoVaTen": {"Ho": "Lê", "Ten": "An"},
        "GioiTinh": 2,
        "NgayThangNamSinh": {"NgayThangNam": "20260226"},
        "SoDinhDanhChaMeKia": father.personal_number,
    }
    born = desk.applied("KHAI_SINH", mother.personal_number, content)
    registers = Registers(desk.live)._registers
    index = desk.live.index_of(born["SoDinhDanh"])
    assert index is not None
    record = registers["civil_status"].of(index)
    assert record is not None
    parents = {record["KhaiSinh"][key]["SoDinhDanh"] for key in ("Cha", "Me")}
    assert parents == {mother.personal_number, father.personal_number}
    assert "KetHon" not in record
    for name in set(NAMES) - {"civil_status"}:
        assert registers[name].of(index) is None


def test_a_spouse_whose_record_was_withdrawn_is_known_by_name_only() -> None:
    """A withdrawn number is nobody's, in every register."""
    desk = Desk()
    head, spouse = next(couples(desk))
    desk.applied("HUY_SO", spouse.personal_number, {})
    record = Registers(desk.live)._registers["civil_status"].of(desk.live.index_of(head.personal_number) or 0)
    assert record is not None
    (marriage,) = [one for one in record["KetHon"] if one["TrangThai"] == IN_FORCE]
    assert marriage["VoChong"] == {"HoVaTen": wire.name(spouse.name)}


def test_an_owner_who_dies_leaves_the_enterprise_to_another() -> None:
    """The dead own nothing, and the enterprise keeps its code, name and founding day."""
    desk = Desk()
    enterprises = Enterprises(desk.live)
    one = next(found for index in range(0, 240, 40) for found in enterprises.around(index))
    owner = desk.live.person(one.owner)
    desk.applied("KHAI_TU", owner.personal_number, {"NgayMat": "20260215"})
    after = enterprises.find(one.code)
    assert after is not None
    assert after.owner != one.owner
    assert (after.name, after.legal_type) == (one.name, one.legal_type)
