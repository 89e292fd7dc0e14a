"""`VerifyCitizen` through the whole pipeline: what it tells, what it records, what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.common.v1 import common_pb2
from gateway.accounts.model import Limits
from gateway.errors import Reason
from tests.fakes.gateway import PURPOSE, FakeGateway, claims, policy, refused
from tests.fakes.national_db import AN, BINH, NOBODY, SHARED_LEGACY

VERIFY = "dancu.citizen.v1.CitizenService/VerifyCitizen"
RIGHT = claims("Nguyễn Văn An", 1990, 2, 14)
WRONG = claims("Nguyễn Văn Anh", 1990, 2, 14)


def request(number: str, about: citizen_pb2.Claims, **fields: Any) -> citizen_service_pb2.VerifyCitizenRequest:
    made = citizen_service_pb2.VerifyCitizenRequest(**({"purpose": PURPOSE, "claims": about} | fields))
    if len(number) == 9:
        made.legacy_number = number
    else:
        made.personal_number = number
    return made


async def verify(
    gateway: FakeGateway, number: str, about: citizen_pb2.Claims, **fields: Any
) -> citizen_service_pb2.VerifyCitizenResponse:
    reply = await gateway.call(request(number, about, **fields).SerializeToString(), VERIFY)
    return citizen_service_pb2.VerifyCitizenResponse.FromString(reply.response)


async def test_each_claim_gets_its_verdict_and_nothing_else_is_told() -> None:
    """The caller learns of its own claims alone."""
    gateway = FakeGateway()
    about = citizen_pb2.Claims(
        full_name="NGUYEN VAN AN", birth_date=common_pb2.BirthDate(year=1990), sex=citizen_pb2.SEX_FEMALE, alive=True
    )
    about.marital_status = citizen_pb2.MARITAL_STATUS_MARRIED
    answer = await verify(gateway, AN.personal_number, about)
    assert [(one.claim, one.verdict, list(one.normalizations)) for one in answer.results] == [
        (
            "full_name",
            citizen_service_pb2.VERDICT_MATCH_NORMALIZED,
            [citizen_service_pb2.NORMALIZATION_CASE, citizen_service_pb2.NORMALIZATION_DIACRITICS],
        ),
        (
            "birth_date",
            citizen_service_pb2.VERDICT_MATCH_NORMALIZED,
            [citizen_service_pb2.NORMALIZATION_YEAR_ONLY_BIRTH],
        ),
        ("sex", citizen_service_pb2.VERDICT_MISMATCH, []),
        ("marital_status", citizen_service_pb2.VERDICT_MATCH, []),
        ("alive", citizen_service_pb2.VERDICT_MATCH, []),
    ]
    wire = answer.SerializeToString()
    for secret in (AN.full_name, AN.legacy_number, AN.permanent_residence.province_name, AN.personal_number):
        assert secret.encode() not in wire
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_NATIONAL_DB


async def test_the_record_names_what_was_compared_and_what_did_not_match() -> None:
    """Who investigates probing must see it; values never stand in a record."""
    gateway = FakeGateway()
    about = citizen_pb2.Claims(full_name="Nguyễn Văn Anh", sex=citizen_pb2.SEX_MALE)
    await verify(gateway, AN.personal_number, about)
    (record,) = gateway.records
    assert record.method == VERIFY
    assert list(record.fields) == ["claims.full_name", "claims.sex"]
    assert list(record.mismatched) == ["claims.full_name"]
    assert record.outcome == 0
    assert record.subject_token == gateway.tokens.of(gateway.methods[VERIFY].parse(
        request(AN.personal_number, about).SerializeToString()
    ).subjects[0])  # fmt: skip
    assert b"Anh" not in gateway.journal.payloads[0]


async def test_a_mismatch_is_a_miss_and_a_match_is_none() -> None:
    """Trying claims until one fits is enumeration as well."""
    gateway = FakeGateway(limits=Limits(misses_per_hour=2))
    for _ in range(5):
        await verify(gateway, AN.personal_number, RIGHT)
    await verify(gateway, AN.personal_number, WRONG)
    await verify(gateway, AN.personal_number, WRONG)
    with refused("RESOURCE_EXHAUSTED", Reason.ENUMERATION_SUSPECTED):
        await verify(gateway, AN.personal_number, RIGHT)


async def test_what_is_not_held_is_no_miss() -> None:
    """Nobody guesses at what is not there."""
    gateway = FakeGateway(limits=Limits(misses_per_hour=1))
    for _ in range(3):
        answer = await verify(gateway, BINH.personal_number, citizen_pb2.Claims(legacy_number="500000001"))
        assert answer.results[0].verdict == citizen_service_pb2.VERDICT_NOT_HELD


async def test_a_number_nobody_holds_is_told_as_that_and_is_a_miss() -> None:
    """Any claim at all would show it: there is nothing to hide."""
    gateway = FakeGateway(limits=Limits(misses_per_hour=1))
    with refused("NOT_FOUND", Reason.CITIZEN_NOT_FOUND):
        await verify(gateway, NOBODY, RIGHT)
    with refused("RESOURCE_EXHAUSTED", Reason.ENUMERATION_SUSPECTED):
        await verify(gateway, AN.personal_number, RIGHT)


async def test_with_identity_check_a_stranger_and_a_mismatch_are_one_answer() -> None:
    """Decree 70/2024 art. 10: without name and birth date nothing is learnt, not even that the number is held."""
    gateway = FakeGateway(policy=policy(identity_check=True))
    both = []
    for number, about in ((NOBODY, RIGHT), (AN.personal_number, WRONG)):
        with refused("NOT_FOUND", Reason.IDENTITY_MISMATCH) as refusal:
            await verify(gateway, number, about)
        both.append((refusal[0].kind, refusal[0].reason, refusal[0].metadata))
    assert both[0] == both[1]
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await verify(gateway, AN.personal_number, citizen_pb2.Claims(alive=True))
    assert {one.field for one in refusal[0].violations} == {"claims.full_name", "claims.birth_date"}
    about = claims("NGUYỄN VĂN AN", 1990, 2, 14)
    about.alive = False
    answer = await verify(gateway, AN.personal_number, about)
    assert answer.results[2].verdict == citizen_service_pb2.VERDICT_MISMATCH


async def test_a_claim_needs_the_right_to_its_field_but_identity_does_not() -> None:
    """Three questions tell a marital status: comparing is no way round FIELD_NOT_GRANTED."""
    gateway = FakeGateway(policy=policy(fields=frozenset({"sex"})))
    await verify(gateway, AN.personal_number, RIGHT)
    await verify(gateway, AN.personal_number, citizen_pb2.Claims(sex=citizen_pb2.SEX_MALE))
    asked = list(gateway.national_db.asked)
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED) as refusal:
        await verify(gateway, AN.personal_number, citizen_pb2.Claims(marital_status=citizen_pb2.MARITAL_STATUS_MARRIED))
    assert refusal[0].metadata == {"field": "marital_status"}
    assert gateway.national_db.asked == asked


async def test_claims_of_a_lookup_need_the_same_rights() -> None:
    """Otherwise a lookup of the name alone would tell by its refusal what the account may not see."""
    gateway = FakeGateway(policy=policy(fields=frozenset({"full_name"})))
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED) as refusal:
        await gateway.lookup(AN.personal_number, claims=citizen_pb2.Claims(alive=True))
    assert refusal[0].metadata == {"field": "life_status"}
    assert (await gateway.lookup(AN.personal_number, claims=RIGHT)).citizen.full_name == AN.full_name


async def test_the_right_to_look_up_is_not_the_right_to_verify() -> None:
    """Two rights: most callers of the one have no business with the other."""
    gateway = FakeGateway(policy=policy(methods=frozenset({"citizen.lookup"})))
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED) as refusal:
        await verify(gateway, AN.personal_number, RIGHT)
    assert refusal[0].metadata == {"scope": "citizen.verify"}


async def test_a_unique_legacy_number_is_verified_and_a_shared_one_discloses_nobody() -> None:
    """Two people share it; a verdict about either would be about the wrong one half of the time."""
    gateway = FakeGateway()
    answer = await verify(gateway, AN.legacy_number, RIGHT)
    assert {one.verdict for one in answer.results} == {citizen_service_pb2.VERDICT_MATCH}
    with refused("FAILED_PRECONDITION", Reason.AMBIGUOUS):
        await verify(gateway, SHARED_LEGACY, RIGHT)
    assert gateway.records[-1].fields == []


async def test_a_copy_serves_a_verification() -> None:
    """The same records, the same freshness."""
    gateway = FakeGateway()
    await gateway.lookup(AN.personal_number)
    answer = await verify(gateway, AN.personal_number, RIGHT)
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_CACHE
    assert gateway.national_db.asked == [AN.personal_number]


@pytest.mark.parametrize(
    ("about", "fields"),
    [
        (citizen_pb2.Claims(), {"claims"}),
        (citizen_pb2.Claims(residence_as_of="2024-01-01"), {"claims", "claims.residence_as_of"}),
        (citizen_pb2.Claims(full_name="x" * 500), {"claims.full_name"}),
        (citizen_pb2.Claims(full_name="An\x00"), {"claims.full_name"}),
        (citizen_pb2.Claims(full_name="  "), {"claims.full_name"}),
        (citizen_pb2.Claims(household_head_name="x" * 201), {"claims.household_head_name"}),
        (citizen_pb2.Claims(birth_date=common_pb2.BirthDate(year=1990, month=2, day=30)), {"claims.birth_date"}),
        (citizen_pb2.Claims(birth_date=common_pb2.BirthDate(year=1990, day=3)), {"claims.birth_date"}),
        (citizen_pb2.Claims(birth_date=common_pb2.BirthDate(year=1899)), {"claims.birth_date"}),
        (citizen_pb2.Claims(sex=citizen_pb2.SEX_UNSPECIFIED), {"claims.sex"}),
        (citizen_pb2.Claims(sex=9), {"claims.sex"}),  # type: ignore[arg-type]
        (citizen_pb2.Claims(marital_status=9), {"claims.marital_status"}),  # type: ignore[arg-type]
        (citizen_pb2.Claims(legacy_number="12"), {"claims.legacy_number"}),
        (citizen_pb2.Claims(residence_province_code="00"), {"claims.residence_province_code"}),
        (
            citizen_pb2.Claims(residence_province_code="10", residence_as_of="2025-07-01"),
            {"claims.residence_province_code"},
        ),
        (citizen_pb2.Claims(residence_province_code="01", residence_as_of="2025-02-30"), {"claims.residence_as_of"}),
        (citizen_pb2.Claims(residence_province_code="01", residence_as_of="20250201"), {"claims.residence_as_of"}),
        (citizen_pb2.Claims(residence_province_code="01", residence_as_of="1999-01-01"), {"claims.residence_as_of"}),
        (citizen_pb2.Claims(residence_province_code="01", residence_as_of="2999-01-01"), {"claims.residence_as_of"}),
    ],
)
async def test_claims_that_cannot_be_true_of_anybody_are_refused(about: citizen_pb2.Claims, fields: set[str]) -> None:
    """A mistake in a form is told as one, not answered with MISMATCH and debited."""
    gateway = FakeGateway()
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await verify(gateway, AN.personal_number, about)
    assert {one.field for one in refusal[0].violations} == fields
    assert gateway.national_db.asked == []


async def test_every_violation_of_a_verification_is_told_at_once() -> None:
    """One round trip, not one per mistake."""
    gateway = FakeGateway()
    message = citizen_service_pb2.VerifyCitizenRequest(personal_number="1", request_id="a b")
    message.max_staleness.seconds = -1
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await gateway.call(message.SerializeToString(), VERIFY)
    assert {one.field for one in refusal[0].violations} == {
        *("personal_number", "claims", "purpose", "max_staleness", "request_id"),
    }
