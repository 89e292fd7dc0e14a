"""Verify, household and bulk through `dancu up`: real sockets, the real mock, real Valkey, the real journals."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import grpc
import pytest

from adapters.journal.reader import JournalReader, journals_in
from adapters.national_db_wire import citizen_from_wire
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.client import AsyncClient, Claims, Client, Refused, bulk_item
from dancu.common.v1 import common_pb2
from gateway.audit.receipt import Receipt
from mock_national_db import sample, wire
from tests.integration.conftest import DANCU, POPULATION, GatewayUp

# Numbers of their own: other tests on the same gateway take the first few hundred of other samples.
PEOPLE = [citizen_from_wire(wire.citizen(person)) for person in sample(2_017, population=POPULATION)]
SOMEBODY = next(one for one in PEOPLE if one.household.household_id and one.legacy_number)
FAMILY = next(one for one in PEOPLE if one.household.relation == citizen_pb2.HOUSEHOLD_RELATION_SPOUSE)
DEAD = next(one for one in PEOPLE if one.life_status == citizen_pb2.LIFE_STATUS_DECEASED)
ABSENT = "099199000000"
MATCH = citizen_service_pb2.VERDICT_MATCH


def client(gateway: GatewayUp, key: str = "DANCU_BENCH_KEY") -> Client:
    return Client(target=gateway.target, key=gateway.demo[key], timeout_seconds=20)


def journalled(gateway: GatewayUp, receipt: str) -> AuditRecord:
    """The record that a receipt names."""
    wanted = Receipt.parse(receipt)
    (journal,) = [one for one in journals_in(gateway.data_dir / "journal") if one.name == wanted.origin]
    (stored,) = [one for one in JournalReader(journal) if one.index == wanted.index]
    return AuditRecord.FromString(stored.data)


def test_claims_written_as_people_write_them_are_verified(gateway_up: GatewayUp) -> None:
    """The mission's question: is this who they say, without being told who they are."""
    about = Claims(
        full_name=f"  {SOMEBODY.full_name.upper()}",
        birth_date=common_pb2.BirthDate(year=SOMEBODY.birth_date.year),
        residence_province_code=SOMEBODY.permanent_residence.province_code,
        household_head_name=SOMEBODY.household.head.full_name,
        alive=False,
    )
    with client(gateway_up) as gateway:
        told = gateway.verify_citizen(personal_number=SOMEBODY.personal_number, claims=about, procedure="1.004222")
    verdicts = {one.claim: one.verdict for one in told.results}
    assert verdicts == {
        "full_name": citizen_service_pb2.VERDICT_MATCH_NORMALIZED,
        "birth_date": citizen_service_pb2.VERDICT_MATCH_NORMALIZED,
        "residence_province_code": MATCH,
        "household_head_name": MATCH,
        "alive": citizen_service_pb2.VERDICT_MISMATCH,
    }
    record = journalled(gateway_up, told.receipt)
    assert record.method == "dancu.citizen.v1.CitizenService/VerifyCitizen"
    assert (record.procedure, list(record.mismatched)) == ("1.004222", ["claims.alive"])
    assert len(record.fields) == 5
    assert SOMEBODY.full_name.encode() not in record.SerializeToString()


def test_a_legacy_number_leads_to_the_same_verdict(gateway_up: GatewayUp) -> None:
    """Dossiers of years carry nothing else."""
    about = Claims(full_name=SOMEBODY.full_name)
    with client(gateway_up) as gateway:
        told = gateway.verify_citizen(legacy_number=SOMEBODY.legacy_number, claims=about, procedure="1.1")
        with pytest.raises(Refused) as refused:
            gateway.verify_citizen(personal_number=ABSENT, claims=about, procedure="1.1")
    assert [one.verdict for one in told.results] == [MATCH]
    assert refused.value.reason == "CITIZEN_NOT_FOUND"


def test_a_household_comes_whole_and_each_member_is_on_record(gateway_up: GatewayUp) -> None:
    """Each of them can ask who looked."""
    with client(gateway_up) as gateway:
        found = gateway.lookup_household(personal_number=FAMILY.personal_number, procedure="1.1")
        none = gateway.lookup_household(personal_number=DEAD.personal_number, procedure="1.1")
    head = found.members[0]
    assert found.household_id == FAMILY.household.household_id
    assert head.relation == citizen_pb2.HOUSEHOLD_RELATION_HEAD
    assert head.citizen.personal_number == FAMILY.household.head.personal_number
    assert [one.citizen for one in found.members if one.is_subject] == [FAMILY]
    records = [journalled(gateway_up, receipt) for receipt in found.receipts]
    assert len(records) == len(found.members) == len({record.subject_token for record in records})
    assert [record.continuation for record in records] == [False] + [True] * (len(records) - 1)
    assert (none.household_id, none.members, len(none.receipts)) == ("", (), 1)


async def test_a_list_is_answered_in_order_each_with_its_receipt(gateway_up: GatewayUp) -> None:
    """What `dancu bulk` and every nightly job stand on."""
    people = PEOPLE[100:598]
    numbers = [one.personal_number for one in people]
    async with AsyncClient(target=gateway_up.target, key=gateway_up.demo["DANCU_BENCH_KEY"]) as gateway:
        first = await gateway.bulk_lookup_citizens([*numbers, ABSENT, "12"], procedure="1.1", timeout_seconds=30)
        again = await gateway.bulk_lookup_citizens(numbers, procedure="1.1", fields=["full_name"], timeout_seconds=30)
    assert [one.citizen for one in first.items[:-2]] == people
    assert [one.refused.reason for one in first.items if one.refused] == ["CITIZEN_NOT_FOUND", "INVALID_REQUEST"]
    invalid = first.items[-1].refused
    assert invalid is not None
    assert [one.field for one in invalid.violations] == ["personal_number"]
    assert [one.citizen for one in again.items] == [citizen_pb2.Citizen(full_name=one.full_name) for one in people]
    assert {one.provenance.source for one in again.items if one.provenance} == {common_pb2.Provenance.SOURCE_CACHE}
    assert len({one.receipt for one in first.items}) == 500
    for at, outcome, fields in ((0, 0, ["*"]), (498, 11, []), (499, 10, [])):
        record = journalled(gateway_up, first.items[at].receipt)
        assert (record.request_id, record.outcome, list(record.fields)) == (first.request_id, outcome, fields)


def test_a_list_beyond_the_rate_is_refused_whole(gateway_up: GatewayUp) -> None:
    """All or nothing, with when to come back: the demo account has 200 a second."""
    numbers = [one.personal_number for one in PEOPLE[600:750]]
    refusals = []
    with client(gateway_up, "DANCU_API_KEY") as gateway:
        for _ in range(4):
            try:
                gateway.bulk_lookup_citizens(numbers, procedure="1.1")
            except Refused as refused:
                refusals.append(refused)
    assert {refused.reason for refused in refusals} == {"RATE_LIMITED"}
    assert all(refused.retry_after is not None for refused in refusals)
    time.sleep(1.0)  # leaves the account with a full second's worth, as it was found


def test_an_oversized_list_is_refused_with_its_violation(gateway_up: GatewayUp) -> None:
    """Through the wire, as integrators see it."""
    with client(gateway_up) as gateway:
        for count in (0, 501):
            with pytest.raises(Refused) as refused:
                gateway.bulk_lookup_citizens([bulk_item(ABSENT)] * count, procedure="1.1")
            assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
            assert [one.field for one in refused.value.violations] == ["items"]


def test_the_commands_work_as_a_person_types_them(gateway_up: GatewayUp, tmp_path: Path) -> None:
    """The whole way: flags, demo.env, gateway, mock, files."""
    folder = ["--data-dir", str(gateway_up.data_dir)]

    def dancu(*arguments: str) -> str:
        ran = subprocess.run([str(DANCU), *arguments, *folder], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    number = SOMEBODY.personal_number
    assert "khớp" in dancu("verify", number, "--name", SOMEBODY.full_name, "--lang", "vi")
    told = json.loads(dancu("household", number, "--json"))
    assert told["household_id"] == SOMEBODY.household.household_id
    file = tmp_path / "people.jsonl"
    file.write_text(dancu("sample", "-n", "30", "--population", str(POPULATION), "--json"))
    summary = json.loads(dancu("bulk", str(file), "--json", "--batch", "20"))
    assert summary["outcomes"] == {"FOUND": 30}
    asked = [json.loads(line)["personal_number"] for line in file.read_text().splitlines()]
    results = [json.loads(line) for line in Path(f"{file}.results.jsonl").read_text().splitlines()]
    assert [one["citizen"]["personal_number"] for one in results] == asked
