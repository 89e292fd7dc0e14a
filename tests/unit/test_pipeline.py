"""The way of a call on fakes: what each step refuses, and that evidence comes first."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from datetime import timedelta
from ipaddress import ip_network

import pytest

from dancu.common.v1 import common_pb2
from dancu.errors.v1 import errors_pb2
from gateway.accounts.model import AccountStatus, Limits, Policy
from gateway.citizens.numbers import personal
from gateway.citizens.records import Records
from gateway.errors import Reason
from gateway.ports import NationalDatabaseUnavailableError
from tests.fakes.gateway import PURPOSE, FakeGateway, claims, lookup_request, policy, refused
from tests.fakes.national_db import AN, BINH, NOBODY, SHARED_LEGACY


async def test_a_lookup_returns_the_citizen_with_its_provenance_and_a_receipt() -> None:
    """The one thing callers come for."""
    gateway = FakeGateway()
    reply = await gateway.call(lookup_request(AN.personal_number, request_id="mine-1").SerializeToString())
    trailing = dict(reply.trailing)
    assert trailing["dancu-request-id"] == "mine-1"
    assert trailing["dancu-receipt"].startswith("test-w0:0:")
    answer = await gateway.lookup(AN.personal_number)
    assert answer.citizen == AN
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_CACHE
    assert answer.provenance.record_version == 1


async def test_the_record_says_who_asked_what_and_never_the_number() -> None:
    """P8: evidence names a citizen by a keyed hash only."""
    gateway = FakeGateway()
    await gateway.lookup(AN.personal_number, mask=("full_name", "birth_date.year"))
    record = gateway.records[0]
    token = hmac.digest(b"t" * 32, AN.personal_number.encode(), hashlib.sha256)
    assert record.subject_token == token
    assert record.subject_key_version == 3
    assert (record.organisation, record.account, record.credential_id) == ("01", "01/test", "testkey")
    assert (record.procedure, record.dossier, record.officer) == ("1.004222", "H01-1", "cb-17")
    assert list(record.fields) == ["full_name", "birth_date.year"]
    assert record.outcome == errors_pb2.ERROR_REASON_UNSPECIFIED
    assert record.source == common_pb2.Provenance.SOURCE_NATIONAL_DB
    assert (record.policy_version, record.peer) == (7, "192.0.2.7")
    stored = b"".join(gateway.journal.payloads)
    assert AN.personal_number.encode() not in stored
    assert AN.full_name.encode() not in stored


async def test_a_legacy_lookup_is_recorded_under_the_personal_number() -> None:
    """Who looked at a citizen must be found whichever number was typed."""
    gateway = FakeGateway()
    await gateway.lookup(AN.legacy_number)
    assert gateway.records[0].subject_token == hmac.digest(b"t" * 32, AN.personal_number.encode(), hashlib.sha256)


async def test_no_answer_leaves_before_its_record_is_durable() -> None:
    """P1: no record, no answer."""
    gateway = FakeGateway()
    gateway.journal.hold()
    asking = asyncio.create_task(gateway.lookup(AN.personal_number))
    await asyncio.sleep(0.02)
    assert not asking.done()
    assert len(gateway.journal.payloads) == 1
    gateway.journal.heal()
    assert (await asking).citizen == AN


async def test_a_lookup_is_refused_when_the_journal_cannot_write() -> None:
    """Evidence first: an unrecorded answer must be impossible, not unlikely."""
    gateway = FakeGateway()
    gateway.journal.fail()
    with refused("UNAVAILABLE", Reason.AUDIT_UNAVAILABLE) as refusal:
        await gateway.lookup(AN.personal_number)
    assert refusal[0].retry_after_seconds
    gateway.journal.heal()
    assert (await gateway.lookup(AN.personal_number)).citizen == AN


async def test_not_found_is_refused_with_audit_unavailable_when_it_cannot_be_recorded() -> None:
    """That nobody holds a number is a disclosure too."""
    gateway = FakeGateway()
    gateway.journal.fail()
    with refused("UNAVAILABLE", Reason.AUDIT_UNAVAILABLE):
        await gateway.lookup(NOBODY)


async def test_a_caller_who_hangs_up_erases_nothing() -> None:
    """The question was asked; that the asker left does not undo it."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    asking = asyncio.create_task(gateway.lookup(AN.personal_number))
    await asyncio.sleep(0.02)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [record.outcome for record in gateway.records] == [errors_pb2.ERROR_REASON_CALLER_GONE]
    assert gateway.observed.finished[0]["code"] == "CANCELLED"


async def test_a_caller_who_hangs_up_while_the_record_is_written_leaves_one_record() -> None:
    """One call, one record: statistics must equal a recount."""
    gateway = FakeGateway()
    gateway.journal.hold()
    asking = asyncio.create_task(gateway.lookup(AN.personal_number))
    await asyncio.sleep(0.02)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [record.outcome for record in gateway.records] == [errors_pb2.ERROR_REASON_UNSPECIFIED]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, Reason.KEY_MISSING),
        ("", Reason.KEY_MISSING),
        ("Bearer", Reason.KEY_MISSING),
        ("Basic dXNlcjpwYXNz", Reason.KEY_MISSING),
        ("Bearer dck_testkey", Reason.KEY_MISSING),
        ("Bearer dck_testkey_" + "B" * 43, Reason.KEY_UNKNOWN),
        ("Bearer dck_nobody_" + "A" * 43, Reason.KEY_UNKNOWN),
    ],
)
async def test_a_stranger_is_refused_and_not_recorded(header: str | None, reason: Reason) -> None:
    """Strangers must not be able to fill the disk with evidence, nor tell an unknown key from a wrong secret."""
    gateway = FakeGateway()
    with refused("UNAUTHENTICATED", reason) as refusal:
        await gateway.call(b"\xff", authorization=header or "")
    assert gateway.journal.payloads == []
    assert gateway.national_db.asked == []
    assert gateway.observed.finished[0]["organisation"] == ""
    assert dict(refusal[0].trailing)["dancu-request-id"]


async def test_an_expired_key_says_so_only_to_who_knows_its_secret() -> None:
    """Whether a key existed is not for strangers."""
    gateway = FakeGateway()
    gateway.allow(not_after=gateway.clock.now())
    with refused("UNAUTHENTICATED", Reason.KEY_EXPIRED):
        await gateway.lookup(AN.personal_number)
    with refused("UNAUTHENTICATED", Reason.KEY_UNKNOWN):
        await gateway.call(b"", authorization="Bearer dck_testkey_" + "B" * 43)


async def test_a_suspended_account_is_refused_and_recorded() -> None:
    """A known account's attempts are evidence."""
    gateway = FakeGateway()
    gateway.allow(status=AccountStatus.SUSPENDED)
    with refused("PERMISSION_DENIED", Reason.ACCOUNT_SUSPENDED):
        await gateway.lookup(AN.personal_number)
    assert gateway.records[0].outcome == errors_pb2.ERROR_REASON_ACCOUNT_SUSPENDED


@pytest.mark.parametrize(
    ("rights", "reason"),
    [
        (policy(methods=frozenset({"citizen.verify"})), Reason.METHOD_NOT_GRANTED),
        (policy(fields=frozenset({"full_name"})), Reason.FIELD_NOT_GRANTED),
        (policy(procedures=frozenset({"2.*"})), Reason.PURPOSE_NOT_GRANTED),
        (policy(networks=(ip_network("10.0.0.0/8"),)), Reason.NETWORK_NOT_ALLOWED),
    ],
)
async def test_what_is_not_granted_is_refused_before_anything_is_fetched(rights: Policy, reason: Reason) -> None:
    """The national database must never see a question that may not be asked."""
    gateway = FakeGateway(policy=rights)
    with refused("PERMISSION_DENIED", reason):
        await gateway.lookup(AN.personal_number, mask=("full_name", "sex"))
    assert gateway.national_db.asked == []
    assert gateway.records[0].outcome == reason.value


async def test_an_account_that_needs_an_officer_is_refused_without_one() -> None:
    """Decree 70/2024: the person behind the screen is part of the question."""
    gateway = FakeGateway(policy=policy(officer_required=True))
    nameless = common_pb2.Purpose(procedure_code="1.1")
    with refused("PERMISSION_DENIED", Reason.OFFICER_UNKNOWN):
        await gateway.lookup(AN.personal_number, purpose=nameless)
    assert (await gateway.lookup(AN.personal_number, purpose=PURPOSE)).citizen == AN


async def test_an_answer_holds_only_fields_granted_and_asked() -> None:
    """P3: the cache holds whole records, so narrowing must hold on every path."""
    gateway = FakeGateway(policy=policy(fields=frozenset({"full_name", "permanent_residence.province_code"})))
    for _ in range(2):  # from the national database, then from the cache
        answer = await gateway.lookup(AN.personal_number)
        assert answer.citizen.full_name == AN.full_name
        assert answer.citizen.permanent_residence.province_code == "01"
        answer.citizen.ClearField("full_name")
        answer.citizen.permanent_residence.ClearField("province_code")
        answer.citizen.ClearField("permanent_residence")
        assert answer.citizen.ByteSize() == 0


async def test_a_field_granted_in_part_refuses_the_whole_of_it() -> None:
    """Asking for a parent asks for all its children."""
    gateway = FakeGateway(policy=policy(fields=frozenset({"permanent_residence.province_code"})))
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED) as refusal:
        await gateway.lookup(AN.personal_number, mask=("permanent_residence",))
    assert refusal[0].metadata == {"field": "permanent_residence"}


async def test_nobody_and_ambiguous_numbers_disclose_nobody() -> None:
    """A miss is an answer of its own kind, and recorded."""
    gateway = FakeGateway()
    with refused("NOT_FOUND", Reason.CITIZEN_NOT_FOUND):
        await gateway.lookup(NOBODY)
    with refused("FAILED_PRECONDITION", Reason.AMBIGUOUS):
        await gateway.lookup(SHARED_LEGACY)
    assert [record.outcome for record in gateway.records] == [
        errors_pb2.ERROR_REASON_CITIZEN_NOT_FOUND,
        errors_pb2.ERROR_REASON_AMBIGUOUS,
    ]


async def test_identity_check_demands_name_and_birth_date_and_tells_no_misses_apart() -> None:
    """A number nobody holds and a wrong name must look the same, or the check confirms numbers."""
    gateway = FakeGateway(policy=policy(identity_check=True))
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await gateway.lookup(AN.personal_number)
    assert {violation.field for violation in refusal[0].violations} == {"claims.full_name", "claims.birth_date"}
    assert gateway.national_db.asked == []
    wrong = claims("Nguyễn Văn Anh", 1990, 2, 14)
    with refused("NOT_FOUND", Reason.IDENTITY_MISMATCH) as mismatch:
        await gateway.lookup(AN.personal_number, claims=wrong)
    with refused("NOT_FOUND", Reason.IDENTITY_MISMATCH) as nobody:
        await gateway.lookup(NOBODY, claims=wrong)
    assert mismatch[0].metadata == nobody[0].metadata
    right = claims("NGUYỄN VĂN AN", 1990, 2, 14)
    assert (await gateway.lookup(AN.personal_number, claims=right)).citizen == AN


async def test_copies_are_never_older_than_the_stricter_of_caller_and_policy() -> None:
    """P3: never staler than allowed."""
    gateway = FakeGateway(policy=policy(staleness_ceiling=timedelta(seconds=100)))
    await gateway.lookup(AN.personal_number)
    gateway.clock.advance(50)
    assert (await gateway.lookup(AN.personal_number)).provenance.source == common_pb2.Provenance.SOURCE_CACHE
    await gateway.lookup(AN.personal_number, staleness=49)
    assert len(gateway.national_db.asked) == 2
    gateway.clock.advance(101)
    await gateway.lookup(AN.personal_number, staleness=1000)
    assert len(gateway.national_db.asked) == 3
    answer = await gateway.lookup(AN.personal_number, staleness=0)
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_NATIONAL_DB
    assert len(gateway.national_db.asked) == 4


async def test_a_stale_copy_is_given_only_where_the_policy_allows_and_is_marked() -> None:
    """An old address must never pass for a fresh one."""
    gateway = FakeGateway(policy=policy(staleness_ceiling=timedelta(seconds=10)))
    await gateway.lookup(AN.personal_number)
    gateway.clock.advance(60)
    gateway.national_db.down = True
    with refused("UNAVAILABLE", Reason.NATIONAL_DB_UNAVAILABLE) as refusal:
        await gateway.lookup(AN.personal_number)
    assert refusal[0].retry_after_seconds == 2.5
    gateway.allow(policy=policy(staleness_ceiling=timedelta(seconds=10), stale_if_error=timedelta(hours=1)))
    answer = await gateway.lookup(AN.personal_number)
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_STALE_CACHE
    assert gateway.records[-1].data_age_millis == 60_000


async def test_concurrent_questions_about_one_citizen_ask_once_and_each_is_recorded() -> None:
    """Coalescing saves the national database, never the evidence."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    asking = [asyncio.create_task(gateway.lookup(AN.personal_number)) for _ in range(10)]
    other = asyncio.create_task(gateway.lookup(BINH.personal_number))
    await asyncio.sleep(0.02)
    asking[0].cancel()  # the leader leaves; the others must not notice
    gateway.national_db.gate.set()
    answers = await asyncio.gather(*asking[1:])
    assert all(answer.citizen == AN for answer in answers)
    assert (await other).citizen == BINH
    assert sorted(gateway.national_db.asked) == sorted([AN.personal_number, BINH.personal_number])
    assert len(gateway.journal.payloads) == 11


async def test_zero_staleness_never_joins_a_question_asked_before() -> None:
    """Otherwise "as of my call" would mean "as of somebody's earlier call"."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    first = asyncio.create_task(gateway.lookup(AN.personal_number))
    await asyncio.sleep(0.01)
    strict = asyncio.create_task(gateway.lookup(AN.personal_number, staleness=0))
    await asyncio.sleep(0.01)
    gateway.national_db.gate.set()
    await asyncio.gather(first, strict)
    assert len(gateway.national_db.asked) == 2


async def test_a_limit_refusal_says_exactly_when_to_come_back() -> None:
    """Waiting that long and retrying must succeed."""
    gateway = FakeGateway(limits=Limits(rate=10, burst=2))
    for _ in range(2):
        await gateway.lookup(AN.personal_number)
    with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED) as refusal:
        await gateway.lookup(AN.personal_number)
    assert refusal[0].quota is not None
    assert refusal[0].quota.subject == "account:01/test"
    assert refusal[0].retry_after_seconds is not None
    gateway.clock.advance(refusal[0].retry_after_seconds)
    reply = await gateway.call(lookup_request(AN.personal_number).SerializeToString())
    trailing = dict(reply.trailing)
    assert trailing["ratelimit-policy"] == '"account";q=10;w=1'
    assert trailing["ratelimit"] == '"account";r=0;t=1'


async def test_hammering_a_limit_leaves_one_counted_record() -> None:
    """A caller in a loop must not fill the disk."""
    gateway = FakeGateway(limits=Limits(rate=1, burst=1))
    await gateway.lookup(AN.personal_number)
    for _ in range(50):
        with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED):
            await gateway.lookup(AN.personal_number)
    assert len(gateway.journal.payloads) == 1
    gateway.recorder.flush()
    tally = gateway.records[1]
    assert (tally.outcome, tally.count, tally.subject_token) == (errors_pb2.ERROR_REASON_RATE_LIMITED, 50, b"")


async def test_counts_of_refusals_survive_a_journal_that_fails_for_a_while() -> None:
    """A full disk loses time, not counts."""
    gateway = FakeGateway(limits=Limits(rate=1, burst=1))
    await gateway.lookup(AN.personal_number)
    for disk_turns in (gateway.journal.fail, gateway.journal.heal):
        disk_turns()
        with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED):
            await gateway.lookup(AN.personal_number)
        gateway.recorder.flush()
        await asyncio.sleep(0)
    gateway.recorder.flush()
    assert sum(record.count for record in gateway.records) == 2


async def test_calls_under_way_are_capped_per_account_and_per_worker() -> None:
    """A queue that grows without bound answers nobody in time."""
    gateway = FakeGateway(limits=Limits(in_flight=2), in_flight=3)
    gateway.national_db.gate.clear()
    asking = [asyncio.create_task(gateway.lookup(AN.personal_number)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with refused("RESOURCE_EXHAUSTED", Reason.TOO_MANY_IN_FLIGHT):
        await gateway.lookup(AN.personal_number)
    gateway.allow(limits=Limits())
    asking.append(asyncio.create_task(gateway.lookup(AN.personal_number)))
    await asyncio.sleep(0.01)
    with refused("UNAVAILABLE", Reason.OVERLOADED):
        await gateway.lookup(AN.personal_number)
    gateway.national_db.gate.set()
    await asyncio.gather(*asking)
    assert (await gateway.lookup(AN.personal_number)).citizen == AN


async def test_a_defect_is_internal_recorded_and_tells_nothing_of_its_cause() -> None:
    """An exception's text may repeat what the caller sent."""
    gateway = FakeGateway()
    gateway.national_db.broken = ValueError(f"bad {AN.personal_number}")
    with refused("INTERNAL", Reason.INTERNAL) as refusal:
        await gateway.lookup(AN.personal_number)
    assert AN.personal_number not in str(refusal[0])
    assert gateway.records[0].outcome == errors_pb2.ERROR_REASON_INTERNAL


async def test_an_unknown_method_is_unimplemented() -> None:
    """Garbage paths must not reach metrics or evidence."""
    gateway = FakeGateway()
    with refused("UNIMPLEMENTED", Reason.METHOD_UNKNOWN):
        await gateway.call(b"", method="dancu.citizen.v1.CitizenService/Nothing")
    assert gateway.observed.finished == []


async def test_a_deadline_that_passes_while_the_national_database_is_slow_refuses_in_time() -> None:
    """A caller's own deadline wins over ours."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    request = lookup_request(AN.personal_number).SerializeToString()
    with refused("UNAVAILABLE", Reason.NATIONAL_DB_UNAVAILABLE):
        await gateway.call(request, deadline=gateway.clock.monotonic() + 0.05)
    gateway.national_db.gate.set()


async def test_the_caller_gone_after_its_deadline_is_recorded_as_that() -> None:
    """Whether callers leave or our slowness drives them away is what an operator wants to know."""
    gateway = FakeGateway()
    gateway.journal.hold()
    gateway.national_db.gate.clear()
    request = lookup_request(AN.personal_number).SerializeToString()
    asking = asyncio.create_task(gateway.call(request, deadline=gateway.clock.monotonic() + 10))
    await asyncio.sleep(0.01)
    gateway.clock.advance(11)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert gateway.records[0].outcome == errors_pb2.ERROR_REASON_DEADLINE_EXCEEDED
    gateway.national_db.gate.set()


async def test_a_flight_that_fails_after_its_callers_left_disturbs_nobody() -> None:
    """No "exception was never retrieved" in the log of a busy night."""
    gateway = FakeGateway()
    records = Records(cache=gateway.cache, national_db=gateway.national_db, clock=gateway.clock, timeout_seconds=0.05)
    gateway.national_db.gate.clear()
    number = personal(AN.personal_number)
    with pytest.raises(NationalDatabaseUnavailableError):
        await records.find(
            number, staleness=timedelta(1), stale_if_error=None, deadline=gateway.clock.monotonic() + 0.01
        )
    await asyncio.sleep(0.1)
    gateway.national_db.gate.set()
    found = await records.find(number, staleness=timedelta(1), stale_if_error=None, deadline=None)
    assert found.record.citizen == AN
