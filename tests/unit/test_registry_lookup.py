"""Lookups in registries through the whole pipeline, on fakes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf import descriptor_pool, json_format

from dancu.citizen.v1 import citizen_pb2
from dancu.common.v1 import common_pb2
from dancu.errors.v1 import errors_pb2
from dancu.registry.v1 import registry_service_pb2
from gateway.accounts.model import Limits
from gateway.citizens.numbers import personal
from gateway.errors import GatewayError, Reason
from gateway.registries.kinds import REGISTRIES, RegistryKind
from gateway.transport.statuses import status_of
from tests.fakes.gateway import PURPOSE, FakeGateway, claims, policy, refused
from tests.fakes.national_db import AN, BINH, NOBODY
from tests.fakes.registries import AN_INSURANCE, AN_LICENCES, CODE, ENTERPRISE

KINDS = {kind.name: kind for kind in REGISTRIES}
INSURANCE = KINDS["social_insurance"]
NUMBER = AN.personal_number


def request(kind: RegistryKind, *, mask: tuple[str, ...] = (), staleness: float | None = None, **fields: Any) -> bytes:
    message: Any = kind.request(**({"purpose": PURPOSE} | fields))
    message.read_mask.paths.extend(mask)
    if staleness is not None:
        message.max_staleness.FromMilliseconds(int(staleness * 1000))
    return bytes(message.SerializeToString())


async def ask(gateway: FakeGateway, name: str = "social_insurance", **asked: Any) -> Any:
    kind = KINDS[name]
    asked = asked or {"personal_number": NUMBER}
    reply = await gateway.call(request(kind, **asked), method=kind.method)
    return kind.response.FromString(reply.response)


async def test_a_record_comes_whole_with_where_it_came_from_and_is_on_record_under_its_registry() -> None:
    """Whoever reads the journal sees which registry told what."""
    gateway = FakeGateway()
    answer = await ask(gateway)
    assert answer.social_insurance == AN_INSURANCE
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_NATIONAL_DB
    assert answer.provenance.record_version == 1
    (record,) = gateway.records
    assert record.method == "dancu.registry.v1.RegistryService/LookupSocialInsurance"
    assert list(record.fields) == ["social_insurance"]
    assert record.subject_token == gateway.tokens.of(personal(NUMBER))
    assert record.source == common_pb2.Provenance.SOURCE_NATIONAL_DB


async def test_a_mask_narrows_through_lists_and_the_record_names_each_field() -> None:
    """A counter that needs the months learns no wages."""
    gateway = FakeGateway()
    answer = await ask(gateway, personal_number=NUMBER, mask=("book_number", "contributions.kind"))
    told = answer.social_insurance
    assert (told.book_number, told.full_name, told.HasField("health_card")) == ("9313091931", "", False)
    assert [one.kind for one in told.contributions] == [1, 2]
    assert all(not one.monthly_base_dong and not one.employer_name for one in told.contributions)
    assert list(gateway.records[0].fields) == ["social_insurance.book_number", "social_insurance.contributions.kind"]


@pytest.mark.parametrize(
    ("fields", "granted"),
    [
        ({"social_insurance"}, AN_INSURANCE),
        ({"*"}, AN_INSURANCE),
        ({"social_insurance.book_number", "full_name"}, type(AN_INSURANCE)(book_number="9313091931")),
    ],
)
async def test_without_a_mask_an_account_sees_what_its_policy_grants_in_that_registry(
    fields: Any, granted: Any
) -> None:
    """Rights are qualified: a right on the population's `full_name` is none on a registry's."""
    gateway = FakeGateway(policy=policy(fields=frozenset(fields)))
    assert (await ask(gateway)).social_insurance == granted
    assert (await ask(gateway, personal_number=NUMBER, mask=("*",))).social_insurance == granted


@pytest.mark.parametrize(
    ("fields", "mask", "forbidden"),
    [
        ({"full_name", "civil_status"}, (), "social_insurance"),
        ({"full_name"}, ("full_name",), "social_insurance.full_name"),
        ({"social_insurance.health_card.group_code"}, ("health_card",), "social_insurance.health_card"),
        ({"social_insurance_x"}, (), "social_insurance"),
    ],
)
async def test_a_field_that_is_not_granted_refuses_the_call_before_anything_is_asked(
    fields: Any, mask: tuple[str, ...], forbidden: str
) -> None:
    """Rights of one registry open no other."""
    gateway = FakeGateway(policy=policy(fields=frozenset(fields)))
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED) as caught:
        await ask(gateway, personal_number=NUMBER, mask=mask)
    assert caught[0].metadata == {"field": forbidden}
    assert gateway.registries.asked == []


async def test_each_registry_needs_its_own_scope() -> None:
    """A right to one is none to another."""
    gateway = FakeGateway(policy=policy(methods=frozenset({"registry.driving_licences"})))
    assert (await ask(gateway, "driving_licences")).driving_licences == AN_LICENCES
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED) as caught:
        await ask(gateway)
    assert caught[0].metadata == {"scope": "registry.social_insurance"}


async def test_a_mask_that_names_another_registrys_field_is_invalid_with_every_violation() -> None:
    """A mistyped mask must not silently come back empty."""
    gateway = FakeGateway()
    mask = ("entries.name", "social_insurance.book_number", "book_number")
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as caught:
        await ask(gateway, personal_number="1", mask=mask, staleness=-1, request_id="ü", purpose=common_pb2.Purpose())
    assert [violation.field for violation in caught[0].violations] == [
        "personal_number", "read_mask.paths[0]", "read_mask.paths[1]", "purpose.procedure_code", "max_staleness",
        "request_id",
    ]  # fmt: skip
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await gateway.call(b"\xff", method=INSURANCE.method)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"enterprise_code": "12345"}, "enterprise_code"),
        ({"enterprise_code": "92721998O7"}, "enterprise_code"),
        ({}, "personal_number"),
        ({"enterprise_code": CODE, "claims": claims("An", 1990)}, "claims"),
        ({"personal_number": NUMBER, "claims": claims("x" * 500, 1990)}, "claims.full_name"),
        ({"personal_number": NUMBER, "claims": claims("An", 1990, 2, 30)}, "claims.birth_date"),
    ],
)
async def test_impossible_numbers_and_claims_are_named(asked: dict[str, Any], field: str) -> None:
    """What bad input gets."""
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as caught:
        await ask(FakeGateway(), "enterprises", **{"purpose": PURPOSE} | asked)
    assert field in [violation.field for violation in caught[0].violations]


async def test_nothing_under_a_number_is_said_of_the_registry_and_counts_as_a_miss() -> None:
    """A registry that tells who is in it would help whoever tries numbers."""
    gateway = FakeGateway(limits=Limits(misses_per_hour=1))
    with refused("NOT_FOUND", Reason.REGISTRY_RECORD_NOT_FOUND) as caught:
        await ask(gateway, personal_number=BINH.personal_number)
    assert caught[0].metadata == {"registry": "social_insurance"}
    assert gateway.records[0].outcome == errors_pb2.ERROR_REASON_REGISTRY_RECORD_NOT_FOUND
    assert gateway.records[0].subject_token == gateway.tokens.of(personal(BINH.personal_number))
    with refused("RESOURCE_EXHAUSTED", Reason.ENUMERATION_SUSPECTED):
        await ask(gateway)


async def test_an_enterprise_is_found_by_code_and_whoever_it_names_is_on_record() -> None:
    """A citizen can see that a question about an enterprise disclosed their number."""
    gateway = FakeGateway()
    answer = await ask(gateway, "enterprises", enterprise_code=CODE)
    assert answer.enterprises == ENTERPRISE
    owner, representative = gateway.records
    for record, citizen in ((owner, AN), (representative, BINH)):
        assert record.subject_token == gateway.tokens.of(personal(citizen.personal_number))
        assert (record.target, list(record.fields)) == (f"enterprise {CODE}", ["enterprises"])
    assert (owner.continuation, representative.continuation) == (False, True)


async def test_an_enterprise_answer_that_names_nobody_has_one_record() -> None:
    """What is disclosed is recorded, and nothing else."""
    gateway = FakeGateway()
    answer = await ask(gateway, "enterprises", enterprise_code=CODE, mask=("entries.name", "entries.owner.full_name"))
    assert answer.enterprises.entries[0].name == "CÔNG TY TNHH AN BÌNH"
    (record,) = gateway.records
    assert (record.subject_token, record.target) == (b"", f"enterprise {CODE}")


async def test_a_question_by_code_costs_one() -> None:
    """Questions that name no citizen are limited all the same."""
    gateway = FakeGateway(limits=Limits(rate=1))
    await ask(gateway, "enterprises", enterprise_code=CODE)
    with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED):
        await ask(gateway, "enterprises", enterprise_code=CODE)


async def test_claims_are_compared_with_the_population_before_the_registry_is_asked() -> None:
    """The registry's own dirt would refuse honest people and admit strangers."""
    gateway = FakeGateway(policy=policy(identity_check=True))
    answer = await ask(gateway, personal_number=NUMBER, claims=claims("Nguyễn Văn An", 1990, 2, 14))
    assert answer.social_insurance.full_name == "NGUYEN VAN AN"
    gateway.registries.asked.clear()
    for number, wrong in ((NUMBER, claims("Nguyễn Văn Bảo", 1990)), (NOBODY, claims("Nguyễn Văn An", 1990))):
        with refused("NOT_FOUND", Reason.IDENTITY_MISMATCH):
            await ask(gateway, personal_number=number, claims=wrong)
    assert gateway.registries.asked == []


async def test_an_account_with_identity_check_cannot_do_without_claims() -> None:
    """Registries must be no way around the law's identity check (Decree 70/2024 art. 10)."""
    gateway = FakeGateway(policy=policy(identity_check=True))
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as caught:
        await ask(gateway)
    assert [one.field for one in caught[0].violations] == ["claims.full_name", "claims.birth_date"]
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as caught:
        await ask(gateway, "enterprises", enterprise_code=CODE)
    assert [one.field for one in caught[0].violations] == ["enterprise_code"]
    assert gateway.registries.asked == []


async def test_claims_cannot_be_compared_while_the_population_is_gone() -> None:
    """Unavailable is the population, and the answer says so."""
    gateway = FakeGateway()
    gateway.national_db.down = True
    with refused("UNAVAILABLE", Reason.NATIONAL_DB_UNAVAILABLE):
        await ask(gateway, personal_number=NUMBER, claims=claims("Nguyễn Văn An", 1990))
    assert (await ask(gateway)).social_insurance.book_number


async def test_a_registry_that_is_down_refuses_for_itself_alone_and_says_when_to_come_back() -> None:
    """One authority's outage is not five."""
    gateway = FakeGateway()
    gateway.registries.down.add("social_insurance")
    with refused("UNAVAILABLE", Reason.REGISTRY_UNAVAILABLE) as caught:
        await ask(gateway)
    assert caught[0].metadata == {"registry": "social_insurance"}
    assert caught[0].retry_after_seconds == 2.5
    assert gateway.records[0].outcome == errors_pb2.ERROR_REASON_REGISTRY_UNAVAILABLE
    assert (await ask(gateway, "driving_licences")).driving_licences == AN_LICENCES
    assert (await gateway.lookup(NUMBER)).citizen.full_name == AN.full_name


async def test_after_failures_in_a_row_a_registry_is_left_alone_and_then_tried_by_one() -> None:
    """Hammering keeps a registry down; waiting for ever keeps callers away."""
    gateway = FakeGateway()
    gateway.registries.down.add("social_insurance")
    guards = INSURANCE.guards
    for _ in range(guards.failures_to_open + 3):
        with refused("UNAVAILABLE", Reason.REGISTRY_UNAVAILABLE) as caught:
            await ask(gateway)
    assert len(gateway.registries.asked) == guards.failures_to_open
    assert caught[0].retry_after_seconds == pytest.approx(guards.open_for.total_seconds())
    assert (await ask(gateway, "driving_licences")).driving_licences == AN_LICENCES

    gateway.clock.advance(guards.open_for.total_seconds() + 0.1)
    gateway.registries.asked.clear()
    gateway.registries.gate.clear()
    trials = [asyncio.create_task(ask(gateway, personal_number=NUMBER, staleness=0)) for _ in range(5)]
    for _ in range(30):
        await asyncio.sleep(0)
    gateway.registries.gate.set()
    results = await asyncio.gather(*trials, return_exceptions=True)
    assert len(gateway.registries.asked) == 1
    assert all(isinstance(one, GatewayError) and one.reason is Reason.REGISTRY_UNAVAILABLE for one in results)

    gateway.registries.down.clear()
    gateway.clock.advance(guards.open_for.total_seconds() + 0.1)
    assert (await ask(gateway)).social_insurance == AN_INSURANCE
    assert gateway.registries.breakers == [
        ("social_insurance", True), ("social_insurance", True), ("social_insurance", False),
    ]  # fmt: skip


async def test_more_questions_under_way_than_a_registry_bears_are_told_to_come_back() -> None:
    """A slow registry must not take the worker's memory with it."""
    gateway = FakeGateway(in_flight=1000)
    gateway.registries.gate.clear()
    most = INSURANCE.guards.most_in_flight
    under_way = [asyncio.create_task(ask(gateway, personal_number=NUMBER, staleness=0)) for _ in range(most + 1)]
    done, waiting = await asyncio.wait(under_way, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
    (one_too_many,) = done
    error = one_too_many.exception()
    assert isinstance(error, GatewayError)
    assert error.reason is Reason.REGISTRY_UNAVAILABLE
    gateway.registries.gate.set()
    assert len(await asyncio.gather(*waiting)) == most


async def test_a_copy_serves_as_long_as_the_registrys_own_policy_says() -> None:
    """Points of a licence age faster than months of insurance."""
    gateway = FakeGateway(policy=policy(staleness_ceiling=timedelta(days=30)))
    for name in ("social_insurance", "driving_licences"):
        await ask(gateway, name)
    gateway.clock.advance(3600)
    insurance, licences = await ask(gateway), await ask(gateway, "driving_licences")
    assert insurance.provenance.source == common_pb2.Provenance.SOURCE_CACHE
    assert licences.provenance.source == common_pb2.Provenance.SOURCE_NATIONAL_DB
    assert gateway.records[-1].data_age_millis == 0
    assert gateway.records[-2].data_age_millis == 3_600_000
    gateway.clock.advance(86_400)
    assert (await ask(gateway)).provenance.source == common_pb2.Provenance.SOURCE_NATIONAL_DB


async def test_zero_staleness_goes_to_the_registry_and_a_stale_copy_only_where_the_policy_allows() -> None:
    """Marked as stale, never passed off as fresh."""
    gateway = FakeGateway(policy=policy(stale_if_error=timedelta(hours=12)))
    await ask(gateway)
    answer = await ask(gateway, personal_number=NUMBER, staleness=0)
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_NATIONAL_DB
    gateway.registries.down.add("social_insurance")
    answer = await ask(gateway, personal_number=NUMBER, staleness=0)
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_STALE_CACHE
    gateway.allow(policy=policy())
    with refused("UNAVAILABLE", Reason.REGISTRY_UNAVAILABLE):
        await ask(gateway, personal_number=NUMBER, staleness=0)


async def test_concurrent_questions_about_one_person_ask_a_registry_once_and_never_mix_registries() -> None:
    """Coalescing by number alone would answer one registry's question with another's record."""
    gateway = FakeGateway()
    gateway.registries.gate.clear()
    names = ["social_insurance", "driving_licences"] * 3
    under_way = [asyncio.create_task(ask(gateway, name)) for name in names]
    for _ in range(20):
        await asyncio.sleep(0)
    gateway.registries.gate.set()
    answers = await asyncio.gather(*under_way)
    assert sorted(gateway.registries.asked) == [("driving_licences", NUMBER), ("social_insurance", NUMBER)]
    for name, answer in zip(names, answers, strict=True):
        assert getattr(answer, name).personal_number == NUMBER
        assert answer.HasField(name)


async def test_wire_replies_stay_as_they_are() -> None:
    """Clients of last year read these bytes; the contract may grow, not move."""
    gateway = FakeGateway()
    reply = await gateway.call(
        request(INSURANCE, personal_number=NUMBER, mask=("book_number", "status", "contributed_months")),
        method=INSURANCE.method,
    )
    told = registry_service_pb2.LookupSocialInsuranceResponse.FromString(reply.response)
    told.ClearField("provenance")
    assert told.SerializeToString().hex() == "0a10120a393331333039313933314001482a"
    licences = KINDS["driving_licences"]
    reply = await gateway.call(request(licences, personal_number=NUMBER), method=licences.method)
    told_licences = registry_service_pb2.LookupDrivingLicencesResponse.FromString(reply.response)
    told_licences.ClearField("provenance")
    golden = "0a22" + "0a0c" + NUMBER.encode().hex() + "1212" + "0a0c" + b"990262376359".hex() + "1004" + "380c"
    assert told_licences.SerializeToString().hex() == golden


async def test_the_wire_status_of_a_registry_that_is_down_stays_as_it_is() -> None:
    """Clients read reason, registry and time to come back from these bytes."""
    gateway = FakeGateway()
    gateway.registries.down.add("social_insurance")
    with refused("UNAVAILABLE", Reason.REGISTRY_UNAVAILABLE) as caught:
        await ask(gateway)
    told = json_format.MessageToDict(status_of(caught[0]), descriptor_pool=descriptor_pool.Default())
    assert told == {
        "code": 14,
        "message": "The registry does not answer (the metadata names it); retry after the time stated.",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "REGISTRY_UNAVAILABLE",
                "domain": "dancu",
                "metadata": {"registry": "social_insurance"},
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2.500001s"},
            {
                "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                "locale": "vi",
                "message": "Cơ sở dữ liệu chuyên ngành không phản hồi (tên nằm trong metadata); hãy gọi lại sau thời "
                "gian được nêu.",
            },
        ],
    }


def test_claims_of_registries_are_those_of_citizens() -> None:
    """One message for one idea."""
    for kind in REGISTRIES:
        field = kind.request.DESCRIPTOR.fields_by_name["claims"]
        assert field.message_type is citizen_pb2.Claims.DESCRIPTOR
        assert kind.response.DESCRIPTOR.fields_by_name[kind.name].message_type is kind.descriptor
