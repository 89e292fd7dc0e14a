"""What people read of a citizen: every field has a label and every value a word, in both languages."""

from __future__ import annotations

import pytest

from dancu.citizen.v1.citizen_pb2 import (
    Address,
    BirthRegistration,
    BloodType,
    Citizen,
    HouseholdMembership,
    HouseholdRelation,
    LifeStatus,
    MaritalStatus,
    Relative,
    Sex,
)
from dancu.cli.citizen_card import LABELS, WORDS, citizen_rows, evidence_rows
from dancu.cli.output import Language
from dancu.client import BirthDate, Provenance
from dancu.client.message_json import enum_text

EN, VI = Language.EN, Language.VI


def test_every_field_of_a_citizen_has_a_label_in_both_languages() -> None:
    """A field shown by its bare name was forgotten here."""
    assert set(LABELS) == set(Citizen.DESCRIPTOR.fields_by_name)
    assert all(english and vietnamese for english, vietnamese in LABELS.values())


def test_every_value_of_an_enum_has_a_vietnamese_word() -> None:
    """An English word in a Vietnamese card was forgotten here."""
    enums = (Sex, MaritalStatus, LifeStatus, HouseholdRelation)
    words = {
        enum_text(enum.DESCRIPTOR, number)
        for enum in enums
        for number in enum.DESCRIPTOR.values_by_number
        if number != 0
    }
    assert words == set(WORDS)


def test_places_people_and_households_are_one_line_each() -> None:
    """A card is read at a glance."""
    citizen = Citizen(
        birth_registration=BirthRegistration(province_code="098"),
        permanent_residence=Address(
            province_code="31", province_name="Thành phố Hải Phòng", commune_name="Phường Hòa Bình", detail="Số 12"
        ),
        father=Relative(full_name="Nguyễn Văn Bình"),
        household=HouseholdMembership(
            household_id="402118734",
            head=Relative(full_name="Phạm Quốc Huy", personal_number="099087000111"),
            relation=HouseholdRelation.HOUSEHOLD_RELATION_SPOUSE,
        ),
        blood_type=BloodType.BLOOD_TYPE_AB,
        ethnicity_code="01",
        religion_code="00",
    )
    shown = dict(citizen_rows(citizen, EN))
    assert shown["Birth registered in"] == "098"
    assert shown["Permanent residence"] == "Số 12, Phường Hòa Bình, Thành phố Hải Phòng (31)"
    assert shown["Father"] == "Nguyễn Văn Bình"
    assert shown["Household"] == "402118734; head: Phạm Quốc Huy (099087000111); relation: spouse"
    assert (shown["Blood group"], shown["Ethnic group"], shown["Religion"]) == ("AB", "01 (Kinh)", "00 (none)")
    assert dict(citizen_rows(citizen, VI))["Hộ gia đình"].endswith("quan hệ: vợ hoặc chồng")


@pytest.mark.parametrize(
    ("date", "english", "vietnamese"),
    [
        (BirthDate(year=1990, month=2, day=14), "1990-02-14", "14/02/1990"),
        (BirthDate(year=1990, month=2), "1990-02", "02/1990"),
        (BirthDate(year=1950), "1950", "1950"),
    ],
)
def test_a_date_is_shown_as_far_as_it_is_known(date: BirthDate, english: str, vietnamese: str) -> None:
    """A first of January made up for a year alone would be somebody else's birthday."""
    citizen = Citizen(birth_date=date)
    assert list(citizen_rows(citizen, EN)) == [("Date of birth", english)]
    assert list(citizen_rows(citizen, VI)) == [("Ngày sinh", vietnamese)]


def test_parts_of_a_name_are_shown_only_where_the_whole_is_not() -> None:
    """An account may see the surname alone."""
    assert list(citizen_rows(Citizen(full_name="Nguyễn An", surname="Nguyễn", given_name="An"), EN)) == [
        ("Full name", "Nguyễn An")
    ]
    assert list(citizen_rows(Citizen(surname="Nguyễn"), EN)) == [("Surname", "Nguyễn")]


@pytest.mark.parametrize("language", [EN, VI])
@pytest.mark.parametrize(
    "source", [Provenance.SOURCE_NATIONAL_DB, Provenance.SOURCE_CACHE, Provenance.SOURCE_STALE_CACHE]
)
def test_every_source_is_named_in_words(source: Provenance.Source.ValueType, language: Language) -> None:
    """An old copy must not pass for a fresh answer."""
    (_, told), *_ = evidence_rows(Provenance(source=source), request_id="r", receipt="x", language=language)
    assert " " in told
    assert "_" not in told
