"""`LookupHousehold` through the whole pipeline: whom it shows, what it records, what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.common.v1 import common_pb2
from gateway.accounts.model import Limits
from gateway.citizens.household_rights import may_see_member
from gateway.citizens.numbers import personal
from gateway.errors import Reason
from tests.fakes.gateway import PURPOSE, FakeGateway, claims, policy, refused
from tests.fakes.national_db import AN, BINH, CHI, DUNG, NOBODY, SHARED_LEGACY

HOUSEHOLD = "dancu.citizen.v1.CitizenService/LookupHousehold"
HEAD, SPOUSE, CHILD = (
    citizen_pb2.HOUSEHOLD_RELATION_HEAD,
    citizen_pb2.HOUSEHOLD_RELATION_SPOUSE,
    citizen_pb2.HOUSEHOLD_RELATION_CHILD,
)


async def household(
    gateway: FakeGateway, number: str, *, mask: tuple[str, ...] = (), **fields: Any
) -> citizen_service_pb2.LookupHouseholdResponse:
    request = citizen_service_pb2.LookupHouseholdRequest(**({"purpose": PURPOSE} | fields))
    if len(number) == 9:
        request.legacy_number = number
    else:
        request.personal_number = number
    request.read_mask.paths.extend(mask)
    reply = await gateway.call(request.SerializeToString(), HOUSEHOLD)
    return citizen_service_pb2.LookupHouseholdResponse.FromString(reply.response)


async def test_members_come_with_their_relations_the_head_first() -> None:
    """What a household is asked for."""
    gateway = FakeGateway()
    answer = await household(gateway, AN.personal_number)
    assert answer.household_id == "400000001"
    assert [(one.relation, one.citizen, one.is_subject) for one in answer.members] == [
        (HEAD, BINH, False),
        (SPOUSE, AN, True),
        (CHILD, CHI, False),
    ]
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_NATIONAL_DB
    assert answer.provenance.record_version == 1


async def test_every_member_shown_is_one_record_of_one_call() -> None:
    """Each of them can ask who looked."""
    gateway = FakeGateway()
    await household(gateway, AN.personal_number, mask=("full_name",))
    assert [record.subject_token for record in gateway.records] == [
        gateway.tokens.of(personal(one.personal_number)) for one in (BINH, AN, CHI)
    ]
    assert [record.continuation for record in gateway.records] == [False, True, True]
    assert {tuple(record.fields) for record in gateway.records} == {("household.relation", "full_name")}
    assert gateway.journal.batches == [3]


async def test_members_are_narrowed_to_what_is_granted_and_asked() -> None:
    """The same rights as for one citizen."""
    fields = frozenset({"household", "full_name", "sex"})
    gateway = FakeGateway(policy=policy(fields=fields))
    answer = await household(gateway, AN.personal_number, mask=("full_name",))
    assert [one.citizen for one in answer.members] == [
        citizen_pb2.Citizen(full_name=one.full_name) for one in (BINH, AN, CHI)
    ]
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED):
        await household(gateway, AN.personal_number, mask=("birth_date",))


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"household.relation", "full_name"}, [AN]),
        ({"household.relation", "household.head", "full_name"}, [BINH, AN]),
        ({"household", "full_name"}, [BINH, AN, CHI]),
        ({"*"}, [BINH, AN, CHI]),
    ],
)
async def test_only_members_whom_the_account_may_see_are_shown(
    fields: set[str], seen: list[citizen_pb2.Citizen]
) -> None:
    """The others are third persons: neither told, nor counted, nor on record as told."""
    gateway = FakeGateway(policy=policy(fields=frozenset(fields)))
    answer = await household(gateway, AN.personal_number)
    assert [one.citizen.full_name for one in answer.members] == [one.full_name for one in seen]
    assert len(gateway.records) == len(seen)
    assert bool(answer.household_id) == ("household" in fields or "*" in fields)


async def test_without_any_right_to_households_nothing_is_fetched() -> None:
    """A method that is granted by a wide rule must not show more than the fields do."""
    gateway = FakeGateway(policy=policy(fields=frozenset({"full_name"})))
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED) as refusal:
        await household(gateway, AN.personal_number)
    assert refusal[0].metadata == {"field": "household.relation"}
    assert gateway.national_db.asked == []


@pytest.mark.parametrize(
    ("fields", "relation", "is_subject", "seen"),
    [
        (set(), HEAD, True, True),
        (set(), HEAD, False, False),
        ({"household.head.full_name"}, HEAD, False, False),
        ({"household.head"}, HEAD, False, True),
        ({"household.head"}, CHILD, False, False),
        ({"household"}, CHILD, False, True),
        ({"*"}, CHILD, False, True),
    ],
)
def test_the_rule_of_members(fields: set[str], relation: Any, is_subject: bool, seen: bool) -> None:  # noqa: FBT001
    """Policy as a table."""
    assert may_see_member(frozenset(fields), relation, is_subject=is_subject) is seen


async def test_each_member_costs_one_citizen() -> None:
    """A household is no cheaper way to look up its members."""
    gateway = FakeGateway(limits=Limits(rate=1, burst=4))
    await household(gateway, AN.personal_number)
    with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED):
        await household(gateway, AN.personal_number)
    assert len([record for record in gateway.records if record.outcome == 0]) == 3


async def test_a_citizen_without_a_household_is_answered_and_on_record() -> None:
    """That somebody has none is told of them, too."""
    gateway = FakeGateway()
    answer = await household(gateway, DUNG.personal_number)
    assert (answer.household_id, len(answer.members)) == ("", 0)
    (record,) = gateway.records
    assert list(record.fields) == ["household.relation"]
    assert record.subject_token == gateway.tokens.of(personal(DUNG.personal_number))


async def test_a_number_nobody_holds_has_no_household() -> None:
    """And counts as a miss."""
    gateway = FakeGateway(limits=Limits(misses_per_hour=1))
    with refused("NOT_FOUND", Reason.CITIZEN_NOT_FOUND):
        await household(gateway, NOBODY)
    with refused("RESOURCE_EXHAUSTED", Reason.ENUMERATION_SUSPECTED):
        await household(gateway, AN.personal_number)


async def test_a_unique_legacy_number_finds_the_household_and_a_shared_one_discloses_nobody() -> None:
    """Households answer to personal numbers, so the legacy number is resolved first."""
    gateway = FakeGateway()
    assert len((await household(gateway, AN.legacy_number)).members) == 3
    with refused("FAILED_PRECONDITION", Reason.AMBIGUOUS):
        await household(gateway, SHARED_LEGACY)


async def test_claims_must_match_before_a_household_is_shown() -> None:
    """As for a lookup, and with identity_check they must be made."""
    gateway = FakeGateway(policy=policy(identity_check=True))
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await household(gateway, AN.personal_number)
    for number in (AN.personal_number, NOBODY):
        with refused("NOT_FOUND", Reason.IDENTITY_MISMATCH):
            await household(gateway, number, claims=claims("Nguyễn Văn Anh", 1990, 2, 14))
    assert len((await household(gateway, AN.personal_number, claims=claims("Nguyễn Văn An", 1990))).members) == 3


async def test_an_outage_is_told_with_when_to_retry() -> None:
    """No copy stands in: who lives with whom is in none."""
    gateway = FakeGateway()
    await gateway.lookup(AN.personal_number)
    gateway.national_db.down = True
    with refused("UNAVAILABLE", Reason.NATIONAL_DB_UNAVAILABLE) as refusal:
        await household(gateway, AN.personal_number)
    assert refusal[0].retry_after_seconds == 2.5


async def test_every_violation_of_a_household_request_is_told_at_once() -> None:
    """One round trip, not one per mistake."""
    gateway = FakeGateway()
    request = citizen_service_pb2.LookupHouseholdRequest(legacy_number="12", request_id="a b")
    request.read_mask.paths.append("book_number")
    request.claims.full_name = "x" * 500
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await gateway.call(request.SerializeToString(), HOUSEHOLD)
    assert {one.field for one in refusal[0].violations} == {
        *("legacy_number", "read_mask.paths[0]", "claims.full_name", "purpose", "request_id"),
    }
