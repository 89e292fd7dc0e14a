"""The way of a call on fakes: what each step refuses, and that evidence comes first."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from ipaddress import ip_network

import pytest

from dancu.common.v1 import common_pb2
from dancu.errors.v1 import errors_pb2
from gateway.accounts.model import AccountStatus, Policy
from gateway.errors import Reason
from tests.fakes.gateway import PURPOSE, FakeGateway, claims, lookup_request, policy, refused
from tests.fakes.national_db import AN, NOBODY, SHARED_LEGACY


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
    gateway.national_db.gate.set()


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
