"""`BulkLookupCitizens` through the whole pipeline: order, statuses, cost, records and receipts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.common.v1 import common_pb2
from gateway.accounts.model import Limits
from gateway.audit.receipt import Receipt
from gateway.citizens.numbers import legacy, personal
from gateway.errors import Reason
from tests.fakes.gateway import PURPOSE, FakeGateway, claims, policy, refused
from tests.fakes.national_db import AN, BINH, NOBODY, SHARED_LEGACY

BULK = "dancu.citizen.v1.CitizenService/BulkLookupCitizens"
MANY = [f"0970900{index:05}" for index in range(500)]


def item(number: str, about: citizen_pb2.Claims | None = None) -> citizen_service_pb2.BulkLookupCitizensItem:
    kind = "legacy_number" if len(number) == 9 else "personal_number"
    return citizen_service_pb2.BulkLookupCitizensItem(claims=about, **{kind: number})


def request(
    *items: citizen_service_pb2.BulkLookupCitizensItem | str, mask: tuple[str, ...] = (), **fields: Any
) -> citizen_service_pb2.BulkLookupCitizensRequest:
    made = citizen_service_pb2.BulkLookupCitizensRequest(**({"purpose": PURPOSE} | fields))
    made.items.extend(item(one) if isinstance(one, str) else one for one in items)
    made.read_mask.paths.extend(mask)
    return made


async def bulk(
    gateway: FakeGateway, *items: citizen_service_pb2.BulkLookupCitizensItem | str, **fields: Any
) -> list[citizen_service_pb2.BulkLookupCitizensResult]:
    reply = await gateway.call(request(*items, **fields).SerializeToString(), BULK)
    return list(citizen_service_pb2.BulkLookupCitizensResponse.FromString(reply.response).items)


def detail(result: citizen_service_pb2.BulkLookupCitizensResult, wanted: Message) -> bool:
    """Fill `wanted` from the status read as the google.rpc.Status that it is on the wire."""
    status = status_pb2.Status.FromString(result.status.SerializeToString())
    return any(one.Unpack(wanted) for one in status.details)


def reason(result: citizen_service_pb2.BulkLookupCitizensResult) -> str:
    info = error_details_pb2.ErrorInfo()
    return info.reason if detail(result, info) else ""


async def test_results_keep_the_order_and_each_is_an_answer_or_a_status() -> None:
    """The caller pairs them by position."""
    gateway = FakeGateway()
    results = await bulk(
        gateway, BINH.personal_number, NOBODY, AN.legacy_number, SHARED_LEGACY, "123", AN.personal_number
    )
    assert [reason(one) for one in results] == ["", "CITIZEN_NOT_FOUND", "", "AMBIGUOUS", "INVALID_REQUEST", ""]
    assert [one.citizen for one in results if not reason(one)] == [BINH, AN, AN]
    for one in results:
        assert one.HasField("citizen") == one.HasField("provenance") == (not one.HasField("status"))
    assert [one.status.code for one in results] == [0, 5, 0, 9, 3, 0]


async def test_an_invalid_item_tells_every_violation_of_its_own() -> None:
    """As the single call would, its fields named from the item."""
    gateway = FakeGateway()
    bad = item("1", citizen_pb2.Claims(full_name="x" * 500, birth_date=common_pb2.BirthDate(year=1990, month=13)))
    results = await bulk(gateway, bad, AN.personal_number, citizen_service_pb2.BulkLookupCitizensItem())
    told, text = error_details_pb2.BadRequest(), error_details_pb2.LocalizedMessage()
    assert detail(results[0], told)
    assert {one.field for one in told.field_violations} == {"personal_number", "claims.full_name", "claims.birth_date"}
    assert detail(results[0], text)
    assert text.locale == "vi"
    assert [reason(one) for one in results] == ["INVALID_REQUEST", "", "INVALID_REQUEST"]


async def test_each_citizen_is_one_record_and_what_is_invalid_is_one_together() -> None:
    """One record per citizen asked for; five hundred pieces of nonsense must not be five hundred."""
    gateway = FakeGateway()
    await bulk(gateway, AN.personal_number, "1", NOBODY, "2", SHARED_LEGACY, "3", mask=("full_name",))
    told = [(record.subject_token, record.outcome, list(record.fields), record.items) for record in gateway.records]
    assert told == [
        (gateway.tokens.of(personal(AN.personal_number)), 0, ["full_name"], 0),
        (gateway.tokens.of(personal(NOBODY)), Reason.CITIZEN_NOT_FOUND, [], 0),
        (gateway.tokens.of(legacy(SHARED_LEGACY)), Reason.AMBIGUOUS, [], 0),
        (b"", Reason.INVALID_REQUEST, [], 3),
    ]
    assert [record.continuation for record in gateway.records] == [False, True, True, True]
    assert len({record.request_id for record in gateway.records}) == 1
    assert gateway.journal.batches == [4]


async def test_each_result_carries_the_receipt_of_its_own_record() -> None:
    """Trailing metadata has no room for five hundred."""
    gateway = FakeGateway()
    results = await bulk(gateway, "1", AN.personal_number, NOBODY, "2", BINH.personal_number)
    indexes = [Receipt.parse(one.receipt).index for one in results]
    assert indexes == [3, 0, 1, 3, 2]
    for one in (1, 4):
        subject = gateway.records[indexes[one]].subject_token
        assert subject == gateway.tokens.of(personal(results[one].citizen.personal_number))


async def test_trailing_metadata_stays_small() -> None:
    """Stock clients refuse more than 8 KiB of it."""
    gateway = FakeGateway()
    reply = await gateway.call(request(*MANY).SerializeToString(), BULK)
    assert 1 <= sum(name == "dancu-receipt" for name, _ in reply.trailing) <= 16
    assert sum(len(name) + len(value) + 32 for name, value in reply.trailing) < 4096


async def test_duplicates_are_fetched_once_answered_and_charged_each() -> None:
    """A list with a person twice is a question with that person twice."""
    gateway = FakeGateway(limits=Limits(rate=1, burst=4))
    results = await bulk(gateway, AN.personal_number, BINH.personal_number, AN.personal_number)
    assert gateway.national_db.asked == [AN.personal_number, BINH.personal_number]
    assert [one.citizen for one in results] == [AN, BINH, AN]
    assert len(gateway.records) == 3
    # Three of four are taken: one more citizen is admitted, a second is not.
    await bulk(gateway, AN.personal_number)
    with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED):
        await bulk(gateway, AN.personal_number)


async def test_admission_is_all_or_nothing() -> None:
    """Half a list answered is a list asked twice."""
    gateway = FakeGateway(limits=Limits(daily=4))
    await bulk(gateway, AN.personal_number, BINH.personal_number, NOBODY)
    asked = list(gateway.national_db.asked)
    with refused("RESOURCE_EXHAUSTED", Reason.DAILY_QUOTA_EXHAUSTED):
        await bulk(gateway, AN.personal_number, BINH.personal_number)
    assert gateway.national_db.asked == asked
    await bulk(gateway, AN.personal_number, "not a number", "nor this")


async def test_each_miss_of_a_list_is_debited() -> None:
    """Lists of tried numbers are what the budget is for."""
    gateway = FakeGateway(limits=Limits(misses_per_hour=3))
    wrong = item(AN.personal_number, claims("Nguyễn Văn Anh", 1990, 2, 14))
    results = await bulk(gateway, NOBODY, wrong, NOBODY, AN.personal_number)
    assert [reason(one) for one in results] == ["CITIZEN_NOT_FOUND", "IDENTITY_MISMATCH", "CITIZEN_NOT_FOUND", ""]
    with refused("RESOURCE_EXHAUSTED", Reason.ENUMERATION_SUSPECTED):
        await bulk(gateway, AN.personal_number)


async def test_with_identity_check_each_item_must_claim_and_match() -> None:
    """The law's rule holds for every citizen of a list."""
    gateway = FakeGateway(policy=policy(identity_check=True))
    right, wrong = claims("NGUYỄN VĂN AN", 1990, 2, 14), claims("Nguyễn Văn Anh", 1990, 2, 14)
    results = await bulk(
        gateway,
        item(AN.personal_number, right),
        item(AN.personal_number, wrong),
        item(NOBODY, right),
        AN.personal_number,
    )
    assert [reason(one) for one in results] == ["", "IDENTITY_MISMATCH", "IDENTITY_MISMATCH", "INVALID_REQUEST"]
    assert results[1].status == results[2].status
    told = error_details_pb2.BadRequest()
    assert detail(results[3], told)
    assert {one.field for one in told.field_violations} == {"claims.full_name", "claims.birth_date"}


async def test_a_failure_of_the_national_database_is_each_items_own() -> None:
    """Copies still answer; the rest says when to come back."""
    gateway = FakeGateway()
    await gateway.lookup(AN.personal_number)
    gateway.national_db.down = True
    results = await bulk(gateway, AN.personal_number, BINH.personal_number, NOBODY)
    assert [reason(one) for one in results] == ["", "NATIONAL_DB_UNAVAILABLE", "NATIONAL_DB_UNAVAILABLE"]
    retry = error_details_pb2.RetryInfo()
    assert detail(results[1], retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() == pytest.approx(2.5, abs=0.001)
    assert results[0].provenance.source == common_pb2.Provenance.SOURCE_CACHE
    outcomes = [int(record.outcome) for record in gateway.records[1:]]
    assert outcomes == [0, Reason.NATIONAL_DB_UNAVAILABLE, Reason.NATIONAL_DB_UNAVAILABLE]


async def test_a_defect_of_one_search_is_not_told_as_an_answer() -> None:
    """What is no failure of the national database is ours, and the whole call's."""
    gateway = FakeGateway()
    gateway.national_db.broken = RuntimeError("a defect")
    with refused("INTERNAL", Reason.INTERNAL):
        await bulk(gateway, AN.personal_number, BINH.personal_number)


async def test_a_list_asks_side_by_side_and_copies_need_no_question() -> None:
    """One after the other, five hundred questions would take minutes."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    asking = asyncio.create_task(bulk(gateway, *MANY))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(gateway.national_db.asked) == 500
    gateway.national_db.gate.set()
    await asking
    results = await bulk(gateway, *[AN.personal_number] * 500)
    assert gateway.national_db.asked == MANY
    assert {one.provenance.source for one in results} == {common_pb2.Provenance.SOURCE_CACHE}


async def test_a_caller_who_hangs_up_ends_its_questions_and_stays_on_record() -> None:
    """Nobody waits for the answers; who asked must stay known."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    asking = asyncio.create_task(bulk(gateway, AN.personal_number, BINH.personal_number))
    for _ in range(5):
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [int(record.outcome) for record in gateway.records] == [Reason.CALLER_GONE, Reason.CALLER_GONE]
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if "Records.find" in repr(task)]
    gateway.national_db.gate.set()
    await asyncio.sleep(0)


async def test_zero_staleness_goes_to_the_national_database_for_each() -> None:
    """As of my call, for every citizen of it."""
    gateway = FakeGateway()
    await bulk(gateway, AN.personal_number, BINH.personal_number)
    message = request(AN.personal_number, BINH.personal_number)
    message.max_staleness.seconds = 0
    message.max_staleness.SetInParent()
    await gateway.call(message.SerializeToString(), BULK)
    assert gateway.national_db.asked == [AN.personal_number, BINH.personal_number] * 2


async def test_items_are_narrowed_and_a_field_not_granted_refuses_the_call() -> None:
    """Fields are the call's, so their refusal is as well."""
    gateway = FakeGateway(policy=policy(fields=frozenset({"full_name", "sex"})))
    (result,) = await bulk(gateway, AN.personal_number, mask=("full_name",))
    assert result.citizen == citizen_pb2.Citizen(full_name=AN.full_name)
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED):
        await bulk(gateway, AN.personal_number, mask=("birth_date",))
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED) as refusal:
        await bulk(gateway, BINH.personal_number, item(AN.personal_number, citizen_pb2.Claims(alive=True)))
    assert refusal[0].metadata == {"field": "life_status"}


@pytest.mark.parametrize("count", [0, 501])
async def test_an_empty_or_oversized_list_is_refused_as_a_whole(count: int) -> None:
    """A limit that is exceeded by one is exceeded."""
    gateway = FakeGateway()
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await bulk(gateway, *[*MANY, AN.personal_number][:count])
    assert [one.field for one in refusal[0].violations] == ["items"]
    assert gateway.national_db.asked == []


async def test_every_violation_of_the_call_is_told_at_once() -> None:
    """One round trip, not one per mistake."""
    gateway = FakeGateway()
    message = citizen_service_pb2.BulkLookupCitizensRequest(request_id="a b")
    message.read_mask.paths.append("book_number")
    message.max_staleness.seconds = -1
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await gateway.call(message.SerializeToString(), BULK)
    assert {one.field for one in refusal[0].violations} == {
        *("items", "read_mask.paths[0]", "purpose", "max_staleness", "request_id"),
    }


async def test_a_call_that_is_refused_before_admission_writes_one_record() -> None:
    """No limit holds for it yet: five hundred records a call would let a caller without rights fill the disk."""
    gateway = FakeGateway(policy=policy(methods=frozenset({"citizen.lookup"})))
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await bulk(gateway, *MANY)
    (record,) = gateway.records
    assert (int(record.outcome), record.items, record.subject_token) == (Reason.METHOD_NOT_GRANTED, 500, b"")


async def test_nothing_but_invalid_items_is_one_call_on_record() -> None:
    """Calls are counted by the records that open them."""
    gateway = FakeGateway()
    await bulk(gateway, "1", "2", "3")
    (record,) = gateway.records
    assert (int(record.outcome), record.items, record.count, record.continuation) == (
        Reason.INVALID_REQUEST,
        3,
        0,
        False,
    )


async def test_nothing_is_told_of_anybody_when_the_records_cannot_be_written() -> None:
    """P1 for lists."""
    gateway = FakeGateway()
    gateway.journal.fail()
    with refused("UNAVAILABLE", Reason.AUDIT_UNAVAILABLE):
        await bulk(gateway, AN.personal_number, BINH.personal_number)


def test_lists_are_shed_before_single_questions() -> None:
    """Behind a list waits a program."""
    assert FakeGateway().methods[BULK].is_bulk
