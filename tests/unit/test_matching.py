"""The verdict on every claim: tables of dirt, and what holds for every two people of the mock."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.national_db_wire import citizen_from_wire
from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.client import parse_birth_date
from gateway.citizens.matching import (
    COMPARED_FIELDS,
    QUALIFIERS,
    ClaimVerdict,
    claims_in,
    compared_fields,
    first_mismatch,
    verdicts,
)
from mock_national_db import sample, wire
from tests.fakes.dirt import BIRTHS, MISMATCH, NAMES, NOT_HELD, RESIDENCES

TODAY = date(2026, 1, 5)
PEOPLE = [citizen_from_wire(wire.citizen(person)) for person in sample(250, population=1_000_000)]


def told(verdict: ClaimVerdict) -> str:
    """The verdict as the tables write it."""
    name = citizen_service_pb2.Verdict.Name(verdict.verdict).removeprefix("VERDICT_")
    needed = [
        citizen_service_pb2.Normalization.Name(one).removeprefix("NORMALIZATION_") for one in verdict.normalizations
    ]
    assert (name == "MATCH_NORMALIZED") == bool(needed)
    return " ".join(needed) if name == "MATCH_NORMALIZED" else "" if name == "MATCH" else name


def only(claims: citizen_pb2.Claims, citizen: citizen_pb2.Citizen) -> str:
    (verdict,) = verdicts(claims, citizen, today=TODAY)
    return told(verdict)


def claims_about(citizen: citizen_pb2.Citizen) -> citizen_pb2.Claims:
    """Every claim that is true of a citizen, as far as the record holds it."""
    claims = citizen_pb2.Claims(full_name=citizen.full_name, birth_date=citizen.birth_date, sex=citizen.sex)
    claims.residence_province_code = citizen.permanent_residence.province_code
    claims.alive = citizen.life_status == citizen_pb2.LIFE_STATUS_ALIVE
    if citizen.legacy_number:
        claims.legacy_number = citizen.legacy_number
    if citizen.household.head.full_name:
        claims.household_head_name = citizen.household.head.full_name
    if citizen.marital_status:
        claims.marital_status = citizen.marital_status
    return claims


def in_order(expected: str) -> list[str]:
    return sorted(expected.split(), key=lambda name: citizen_service_pb2.Normalization.Value(f"NORMALIZATION_{name}"))


@pytest.mark.parametrize(("claimed", "held", "expected"), NAMES)
def test_names(claimed: str, held: str, expected: str) -> None:
    """The same table for a person's own name and for the head of the household."""
    wanted = expected if expected in {MISMATCH, NOT_HELD} else " ".join(in_order(expected))
    assert only(citizen_pb2.Claims(full_name=claimed), citizen_pb2.Citizen(full_name=held)) == wanted
    headed = citizen_pb2.Citizen()
    headed.household.head.full_name = held
    assert only(citizen_pb2.Claims(household_head_name=claimed), headed) == wanted


@pytest.mark.parametrize(("claimed", "held", "expected"), BIRTHS)
def test_birth_dates(claimed: str, held: str, expected: str) -> None:
    """Older records and older people know a year only."""
    citizen = citizen_pb2.Citizen(birth_date=parse_birth_date(held)) if held else citizen_pb2.Citizen()
    assert only(citizen_pb2.Claims(birth_date=parse_birth_date(claimed)), citizen) == expected


@pytest.mark.parametrize(("code", "written", "held", "expected"), RESIDENCES)
def test_residences(code: str, written: str, held: str, expected: str) -> None:
    """Dossiers carry the codes of their day; seven of them mean another province now."""
    claims = citizen_pb2.Claims(residence_province_code=code, residence_as_of=written or None)
    citizen = citizen_pb2.Citizen(permanent_residence=citizen_pb2.Address(province_code=held))
    assert only(claims, citizen) == expected


@pytest.mark.parametrize(
    ("claim", "citizen", "expected"),
    [
        ({"sex": citizen_pb2.SEX_MALE}, {"sex": citizen_pb2.SEX_MALE}, ""),
        ({"sex": citizen_pb2.SEX_MALE}, {"sex": citizen_pb2.SEX_FEMALE}, MISMATCH),
        ({"sex": citizen_pb2.SEX_MALE}, {}, NOT_HELD),
        ({"legacy_number": "500000001"}, {"legacy_number": "500000001"}, ""),
        ({"legacy_number": "500000001"}, {"legacy_number": "500000002"}, MISMATCH),
        ({"legacy_number": "500000001"}, {}, NOT_HELD),
        ({"marital_status": 2}, {"marital_status": 2}, ""),
        ({"marital_status": 2}, {"marital_status": 4}, MISMATCH),
        ({"marital_status": 2}, {}, NOT_HELD),
        ({"alive": True}, {"life_status": citizen_pb2.LIFE_STATUS_ALIVE}, ""),
        ({"alive": False}, {"life_status": citizen_pb2.LIFE_STATUS_DECEASED}, ""),
        ({"alive": True}, {"life_status": citizen_pb2.LIFE_STATUS_DECEASED}, MISMATCH),
        ({"alive": False}, {"life_status": citizen_pb2.LIFE_STATUS_ALIVE}, MISMATCH),
        ({"alive": True}, {}, NOT_HELD),
        ({"alive": False}, {}, NOT_HELD),
    ],
)
def test_codes(claim: dict[str, Any], citizen: dict[str, Any], expected: str) -> None:
    """What is one of a few values is equal, not equal, or not on record."""
    assert only(citizen_pb2.Claims(**claim), citizen_pb2.Citizen(**citizen)) == expected


def test_every_claim_of_the_contract_is_judged_and_needs_a_field_that_exists() -> None:
    """A claim added to the contract and forgotten here would be answered with silence."""
    names = {field.name for field in citizen_pb2.Claims.DESCRIPTOR.fields} - QUALIFIERS
    assert set(COMPARED_FIELDS) == names
    everything = claims_about(next(one for one in PEOPLE if one.legacy_number and one.household.household_id))
    assert set(claims_in(everything)) == names
    assert set(compared_fields(everything)) == set(COMPARED_FIELDS.values()) - {"full_name", "birth_date"}


@given(st.sampled_from(PEOPLE))
def test_whatever_is_true_of_somebody_matches(citizen: citizen_pb2.Citizen) -> None:
    """The answer for the honest caller."""
    claims = claims_about(citizen)
    told_verdicts = verdicts(claims, citizen, today=TODAY)
    assert [verdict.claim for verdict in told_verdicts] == list(claims_in(claims))
    assert {told(verdict) for verdict in told_verdicts} == {""}
    assert first_mismatch(claims, citizen, today=TODAY) is None


@given(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE))
def test_two_people_who_differ_in_a_field_never_match_in_it(
    one: citizen_pb2.Citizen, other: citizen_pb2.Citizen
) -> None:
    """The promise of MATCH: what differs by a single character is never told to be the same."""
    claims = claims_about(one)
    true_of_other = claims_about(other)
    for verdict in verdicts(claims, other, today=TODAY):
        same = true_of_other.HasField(verdict.claim) and getattr(claims, verdict.claim) == getattr(  # type: ignore[arg-type]
            true_of_other, verdict.claim
        )
        assert (verdict.verdict == citizen_service_pb2.VERDICT_MATCH) == same, verdict.claim


@given(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE))
def test_comparing_is_symmetric_where_both_sides_hold_the_field(
    one: citizen_pb2.Citizen, other: citizen_pb2.Citizen
) -> None:
    """It must not matter which of two registers is asked about the other."""
    there = {verdict.claim: told(verdict) for verdict in verdicts(claims_about(one), other, today=TODAY)}
    back = {verdict.claim: told(verdict) for verdict in verdicts(claims_about(other), one, today=TODAY)}
    for claim in there.keys() & back.keys():
        assert there[claim] == back[claim]


@pytest.mark.parametrize(
    ("name", "identifies"),
    [
        ("Trần Thị Hòa", True),
        ("TRẦN THỊ HÒA", True),
        ("  trần thị  hòa", True),
        ("Trần Thị Hoà", True),
        ("Tran Thi Hoa", False),
        ("Hòa Trần Thị", False),
        ("Trần Thị Hoa", False),
        ("", False),
    ],
)
def test_identity_takes_typing_and_no_more(name: str, identifies: bool) -> None:  # noqa: FBT001
    """Whoever has the citizen's paper before them has the diacritics; whoever guesses from lists often has not."""
    citizen = citizen_pb2.Citizen(full_name="Trần Thị Hòa")
    mismatch = first_mismatch(citizen_pb2.Claims(full_name=name), citizen, today=TODAY)
    assert mismatch == (None if identifies else "full_name")


def test_what_the_record_does_not_hold_identifies_nobody() -> None:
    """A verification says NOT_HELD; a lookup must not take silence for agreement."""
    claims = citizen_pb2.Claims(legacy_number="500000001")
    assert first_mismatch(claims, citizen_pb2.Citizen(), today=TODAY) == "legacy_number"
    assert first_mismatch(citizen_pb2.Claims(household_head_name="A"), citizen_pb2.Citizen(), today=TODAY)
    assert first_mismatch(citizen_pb2.Claims(), citizen_pb2.Citizen(), today=TODAY) is None
