"""Messages as JSON values, and what is read from trailing metadata."""

from __future__ import annotations

import datetime as dt
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dancu.citizen.v1.citizen_pb2 import (
    Address,
    BirthRegistration,
    BloodType,
    Citizen,
    Claims,
    HouseholdMembership,
    HouseholdRelation,
    LifeStatus,
    MaritalStatus,
    Relative,
    Sex,
)
from dancu.client import BirthDate, Provenance, RateLimit, message_to_json, parse_birth_date
from dancu.client.calls import rate_limit
from dancu.client.message_json import birth_date_text, enum_text


def test_a_citizen_reads_like_its_contract() -> None:
    """Scripts compare this object; its names and values are a promise."""
    citizen = Citizen(
        personal_number="098190000017",
        full_name="Nguyễn Thị Hoa",
        birth_date=BirthDate(year=1990, month=2, day=14),
        sex=Sex.SEX_FEMALE,
        marital_status=MaritalStatus.MARITAL_STATUS_MARRIED,
        blood_type=BloodType.BLOOD_TYPE_AB,
        birth_registration=BirthRegistration(province_code="098"),
        permanent_residence=Address(province_code="31", province_name="Thành phố Hải Phòng"),
        household=HouseholdMembership(
            household_id="402118734", head=Relative(full_name="A"), relation=HouseholdRelation.HOUSEHOLD_RELATION_SPOUSE
        ),
        life_status=LifeStatus.LIFE_STATUS_ALIVE,
    )
    citizen.updated_at.FromJsonString("2025-04-12T02:30:00Z")
    told = message_to_json(citizen)
    assert told == {
        "personal_number": "098190000017",
        "full_name": "Nguyễn Thị Hoa",
        "birth_date": "1990-02-14",
        "sex": "female",
        "marital_status": "married",
        "blood_type": "ab",
        "birth_registration": {"province_code": "098"},
        "permanent_residence": {"province_code": "31", "province_name": "Thành phố Hải Phòng"},
        "household": {"household_id": "402118734", "head": {"full_name": "A"}, "relation": "spouse"},
        "life_status": "alive",
        "updated_at": "2025-04-12T02:30:00Z",
    }
    assert json.loads(json.dumps(told)) == told
    assert list(told)[:3] == ["personal_number", "full_name", "birth_date"]


def test_empty_fields_are_left_out_and_a_stated_false_is_not() -> None:
    """Absent and false are different claims."""
    empty = Citizen()
    empty.permanent_residence.SetInParent()
    assert message_to_json(empty) == {}
    assert message_to_json(Claims(alive=False)) == {"alive": False}


def test_a_provenance_names_its_source_in_words() -> None:
    """People read it beside the answer."""
    assert message_to_json(Provenance(source=Provenance.SOURCE_STALE_CACHE, record_version=4)) == {
        "source": "stale_cache",
        "record_version": 4,
    }


def test_every_enum_of_a_citizen_loses_its_prefix() -> None:
    """A prefix left over would break a comparison somewhere."""
    assert enum_text(HouseholdRelation.DESCRIPTOR, HouseholdRelation.HOUSEHOLD_RELATION_HEAD) == "head"
    assert enum_text(BloodType.DESCRIPTOR, BloodType.BLOOD_TYPE_O) == "o"
    assert enum_text(BloodType.DESCRIPTOR, 99) == "99"


@given(st.dates(min_value=dt.date(1900, 1, 1)), st.sampled_from(["day", "month", "year"]))
def test_a_birth_date_reads_back_as_far_as_it_is_known(day: dt.date, known: str) -> None:
    """What is printed can be claimed with --birth-date."""
    year, month, number = (int(part) for part in str(day).split("-"))
    date = BirthDate(year=year)
    if known != "year":
        date.month = month
    if known == "day":
        date.day = number
    text = birth_date_text(date)
    assert text == str(day)[: {"day": 10, "month": 7, "year": 4}[known]]
    assert parse_birth_date(text) == date


@pytest.mark.parametrize(
    "text", ["", "14/02/1990", "1990-2-14", "1990-02-30", "1990-13", "90", "1990-02-14T00:00", "0000"]
)
def test_what_is_no_date_is_not_guessed_at(text: str) -> None:
    """Day and month in the wrong order are a common error; a guess would compare another birthday."""
    with pytest.raises(ValueError, match=r"date|month|day|year"):
        parse_birth_date(text)


@pytest.mark.parametrize(
    ("limits", "policies", "expected"),
    [
        (
            '"account";r=5;t=1',
            '"account";q=200;w=1',
            RateLimit("account", 5, timedelta(seconds=1), 200, timedelta(seconds=1)),
        ),
        ('"a";r=5, "b";r=2;t=9', '"a";q=1;w=1', RateLimit("b", 2, timedelta(seconds=9))),
        ("default;r=0", "", RateLimit("default", 0)),
        ('"odd, name;r=1";r=3', "", RateLimit("odd, name;r=1", 3)),
        ("", '"account";q=200;w=1', None),
        ("unlimited", "", None),
        (";;;===,,", "\x00", None),
    ],
)
def test_the_tightest_limit_is_read_and_nonsense_is_none(
    limits: str, policies: str, expected: RateLimit | None
) -> None:
    """A side note must never cost the answer it came with."""
    assert rate_limit(limits, policies) == expected


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_header_breaks_an_answer(limits: str, policies: str) -> None:
    """Proxies rewrite headers."""
    read = rate_limit(limits, policies)
    assert read is None or read.remaining >= 0
