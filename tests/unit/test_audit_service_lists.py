"""`ListAuditRecords` and `ListDisclosures`: who may ask, what is found, what is left out, and that asking is on record."""

from __future__ import annotations

from typing import Any

import pytest

from dancu.audit.v1 import audit_service_pb2 as pb
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from gateway.audit.receipt import Receipt
from gateway.errors import Reason
from tests.fakes.audit_desk import FakeAudit, token_of
from tests.fakes.gateway import refused
from tests.fakes.ledger import BULK, EPOCH, LOOKUP, audit_record

AN = "097090000001"
BINH = "098185000002"


def about(number: str, **fields: Any) -> AuditRecord:
    return audit_record(subject_token=token_of(number, version=fields.pop("version", 2)), **fields)


@pytest.fixture
def audit() -> FakeAudit:
    return FakeAudit()


@pytest.mark.parametrize("role", ["viewer", "operator", "administrator"])
async def test_every_admin_role_may_look_and_callers_may_not(audit: FakeAudit, role: str) -> None:
    """Looking is the least of an operator's rights, and no caller's."""
    audit.hold([audit_record()])
    assert len((await audit.ask("ListAuditRecords", by=f"BCA/{role}")).records) == 1
    for rpc in ("ListAuditRecords", "GetStatistics"):
        with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
            await audit.ask(rpc, by="BCA/nobody")


async def test_a_record_comes_as_it_was_stored_with_its_receipt(audit: FakeAudit) -> None:
    """The receipt is the one the caller got, so that both sides speak of the same thing."""
    receipts = audit.hold([about(AN, officer="cb-17"), about(BINH)])
    listed = (await audit.ask("ListAuditRecords")).records
    assert [Receipt.parse(one.receipt) for one in listed] == receipts[::-1]
    assert listed[1].record.SerializeToString() == AuditRecord.FromString(audit.proofs.records[0]).SerializeToString()


async def test_filters_reach_the_ledger(audit: FakeAudit) -> None:
    """Each on its own; what they mean is the port's contract."""
    audit.hold(
        [
            about(AN, time=EPOCH + 1.0, request_id="a", officer="cb-1"),
            about(BINH, time=EPOCH + 2.0, method=BULK, account="79/x", organisation="79", procedure="2.1"),
            about(AN, time=EPOCH + 3.0, outcome=Reason.FIELD_NOT_GRANTED, fields=[], version=1),
        ]
    )
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({"account": "79/x"}, [1]),
        ({"organisation": "01"}, [2, 0]),
        ({"method": LOOKUP}, [2, 0]),
        ({"method": "citizen.lookup"}, [2, 0]),
        ({"method": BULK}, [1]),
        ({"method": "admin.audit"}, []),
        ({"personal_number": AN}, [2, 0]),
        ({"outcome": Reason.FIELD_NOT_GRANTED}, [2]),
        ({"outcome": 0}, [1, 0]),
        ({"procedure": "2.1"}, [1]),
        ({"request_id": "a"}, [0]),
        ({"since": EPOCH + 2}, [2, 1]),
        ({"until": EPOCH + 2}, [0]),
    ]
    for fields, indexes in expected:
        answer = await audit.ask("ListAuditRecords", **fields)
        assert [one.record.index for one in answer.records] == indexes, fields


async def test_a_citizen_is_found_under_every_version_of_the_token_key(audit: FakeAudit) -> None:
    """Rotating a key must not hide who looked before."""
    audit.hold([about(AN, version=1), about(AN, version=2), about(BINH)])
    assert [one.record.index for one in (await audit.ask("ListDisclosures", personal_number=AN)).disclosures] == [1, 0]


async def test_disclosures_are_what_was_told_and_nothing_else(audit: FakeAudit) -> None:
    """A refusal told nobody anything, and a match without a field neither."""
    audit.hold(
        [
            about(AN, fields=["full_name"]),
            about(AN, fields=[]),
            about(AN, fields=[], outcome=Reason.CITIZEN_NOT_FOUND),
            about(BINH),
        ]
    )
    answer = await audit.ask("ListDisclosures", personal_number=AN)
    assert [one.record.index for one in answer.disclosures] == [0]


async def test_confidential_accounts_are_left_out_until_their_time(audit: FakeAudit) -> None:
    """An inquiry may be hidden from its subject for as long as the law says, and by nobody's forgetting for longer."""
    audit.hold([about(AN, account="BCA/dieu-tra"), about(AN)])
    audit.ledger.confidential["BCA/dieu-tra"] = audit.clock.now() + 3600
    assert [one.record.index for one in (await audit.ask("ListDisclosures", personal_number=AN)).disclosures] == [1]
    assert len((await audit.ask("ListAuditRecords", personal_number=AN)).records) == 2
    audit.clock.advance(3600)
    assert len((await audit.ask("ListDisclosures", personal_number=AN)).disclosures) == 2


async def test_who_looks_into_a_citizens_records_is_on_that_citizens_record(audit: FakeAudit) -> None:
    """The watchers are watched, and by the same token; a number stands in no record."""
    await audit.ask("ListDisclosures", personal_number=AN, by="BCA/operator")
    await audit.ask("ListAuditRecords", personal_number=AN)
    await audit.ask("ListAuditRecords")
    looked, listed, whole = audit.records
    assert looked.method == "dancu.audit.v1.AuditService/ListDisclosures"
    assert (looked.account, looked.outcome, list(looked.fields)) == ("BCA/operator", 0, [])
    assert (looked.subject_token, looked.subject_key_version) == (token_of(AN), 2)
    assert listed.subject_token == token_of(AN)
    assert not whole.subject_token
    assert AN.encode() not in b"".join(audit.journal.payloads)


async def test_pages_lead_from_one_to_the_next(audit: FakeAudit) -> None:
    """The last page says that it is the last."""
    audit.hold([about(AN, time=EPOCH + at // 3) for at in range(25)])
    seen: list[int] = []
    token = ""
    while True:
        page = await audit.ask("ListAuditRecords", page_size=10, page_token=token)
        seen += [one.record.index for one in page.records]
        token = page.next_page_token
        if not token:
            break
    assert seen == list(range(24, -1, -1))
    assert len((await audit.ask("ListAuditRecords", page_size=25)).records) == 25
    assert (await audit.ask("ListAuditRecords", page_size=25)).next_page_token == ""


async def test_a_page_of_long_records_stays_under_what_grpc_takes(audit: FakeAudit) -> None:
    """A page that cannot be received would end the list for good."""
    audit.hold([audit_record(legal_basis="x" * 4000, fields=[f"field_{at:060}" for at in range(64)])] * 1000)
    page = await audit.ask("ListAuditRecords", page_size=1000)
    assert 300 < len(page.records) < 1000
    assert page.ByteSize() < 4 << 20
    rest = await audit.ask("ListAuditRecords", page_size=1000, page_token=page.next_page_token)
    assert rest.records[0].record.index == page.records[-1].record.index - 1


async def test_a_token_continues_its_own_question_only(audit: FakeAudit) -> None:
    """A position without its filters would show what the filters leave out."""
    audit.hold([about(AN) for _ in range(5)])
    token = (await audit.ask("ListDisclosures", personal_number=AN, page_size=2)).next_page_token
    again = await audit.ask("ListDisclosures", personal_number=AN, page_size=3, page_token=token)
    assert len(again.disclosures) == 3
    others: list[tuple[str, dict[str, Any]]] = [
        ("ListDisclosures", {"personal_number": BINH}),
        ("ListDisclosures", {"personal_number": AN, "since": 1}),
        ("ListAuditRecords", {"personal_number": AN}),
        ("ListAuditRecords", {"account": AN}),  # the same bytes as the question of the token
        ("ListAuditRecords", {}),
    ]
    for rpc, fields in others:
        with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
            await audit.ask(rpc, page_token=token, **fields)
        assert [one.field for one in refusal[0].violations] == ["page_token"]


async def test_every_violation_of_a_list_is_told_at_once(audit: FakeAudit) -> None:
    """Requests are mended in one go; and none of the texts repeats what was sent."""
    request = pb.ListAuditRecordsRequest(
        account="a" * 101,
        method="citizen.unheard-of",
        personal_number="12345",
        outcome=999,  # type: ignore[arg-type]
        page_size=1001,
        page_token="forged",
    )
    getattr(request, "from").seconds = -1
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await audit.send("ListAuditRecords", request.SerializeToString())
    told = {one.field for one in refusal[0].violations}
    assert told == {"account", "method", "personal_number", "outcome", "page_size", "page_token", "from"}
    for violation in refusal[0].violations:
        assert "12345" not in violation.description + violation.description_vi
        assert not violation.description_vi.isascii()
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await audit.ask("ListDisclosures", since=5, until=5)
    assert {one.field for one in refusal[0].violations} == {"personal_number", "to"}


async def test_a_ledger_that_is_gone_is_a_reason_to_come_back(audit: FakeAudit) -> None:
    """UNAVAILABLE with a time, recorded like every refusal; the driver's words stay here."""
    audit.ledger.gone = True
    for rpc, fields in (("ListAuditRecords", {}), ("ListDisclosures", {"personal_number": AN}), ("GetStatistics", {})):
        with refused("UNAVAILABLE", Reason.OVERLOADED) as refusal:
            await audit.ask(rpc, **fields)
        assert refusal[0].retry_after_seconds
