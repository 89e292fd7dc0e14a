"""Registry lookups through a real gateway and the real mock: library, command line, journal, one registry down."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from adapters.journal.reader import JournalReader, journals_in
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.cli import main
from dancu.client import (
    CIVIL_STATUS,
    DRIVING_LICENCES,
    ENTERPRISES,
    REGISTRIES,
    AsyncClient,
    Client,
    InvalidRequest,
    NotFound,
    RetryPolicy,
    Unavailable,
    message_to_json,
)
from mock_national_db import sample
from tests.integration.conftest import GatewayUp

PEOPLE = [person for person in sample(400, population=1_000_000) if person.alive]
ABSENT = "099199000000"


@pytest.fixture
def client(gateway_up: GatewayUp) -> Iterator[Client]:
    # Without retries, so that a refusal is seen as it comes.
    with Client(
        target=gateway_up.target, key=gateway_up.demo["DANCU_BENCH_KEY"], retry=RetryPolicy(max_attempts=1)
    ) as made:
        yield made


def holder(client: Client, registry: Any) -> Any:
    for person in PEOPLE:
        try:
            return client.lookup_registry(registry, personal_number=person.personal_number, procedure="1.1")
        except NotFound:
            continue
    raise AssertionError("nobody in the sample is in this registry")


def journalled(gateway: GatewayUp, request_id: str) -> list[AuditRecord]:
    records = (
        AuditRecord.FromString(stored.data)
        for journal in journals_in(gateway.data_dir / "journal")
        for stored in JournalReader(journal)
    )
    return [record for record in records if record.request_id == request_id]


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_registry_answers_with_its_record_its_provenance_and_a_receipt(
    name: str, client: Client, gateway_up: GatewayUp
) -> None:
    """The mission names five registries; each answers through the gateway."""
    found = holder(client, REGISTRIES[name])
    assert found.record.personal_number in {person.personal_number for person in PEOPLE}
    assert found.provenance.record_version == 1
    assert found.provenance.data_as_of.seconds > 0
    again = client.lookup_registry(
        REGISTRIES[name], personal_number=found.record.personal_number, procedure="1.1", request_id=f"up-{name}"
    )
    assert again.record == found.record
    assert again.receipt != found.receipt
    (record,) = journalled(gateway_up, f"up-{name}")
    assert (list(record.fields), record.outcome, len(record.subject_token)) == ([name], 0, 32)
    assert found.record.personal_number.encode() not in record.SerializeToString()


def test_spouses_agree_through_the_gateway(client: Client) -> None:
    """Two lookups of one marriage tell the same day."""
    married = next(person for person in PEOPLE if person.spouse is not None and person.spouse.personal_number)
    assert married.spouse is not None
    pair = (married.personal_number, str(married.spouse.personal_number))
    records = [
        client.lookup_registry(CIVIL_STATUS, personal_number=number, procedure="1.1", fields=["marriages"]).record
        for number in pair
    ]
    (mine,) = [one for one in records[0].marriages if one.spouse.personal_number == pair[1]]
    (theirs,) = [one for one in records[1].marriages if one.spouse.personal_number == pair[0]]
    assert (mine.certificate_number, mine.registered_on) == (theirs.certificate_number, theirs.registered_on)


def test_an_enterprise_is_found_by_code_and_each_person_it_names_has_a_record(
    client: Client, gateway_up: GatewayUp
) -> None:
    """Who is named learns of it."""
    by_person = holder(client, ENTERPRISES).record
    code = by_person.entries[0].enterprise_code
    found = client.lookup_registry(ENTERPRISES, enterprise_code=code, procedure="1.1", request_id="up-by-code")
    assert list(found.record.entries) == [one for one in by_person.entries if one.enterprise_code == code]
    entry = found.record.entries[0]
    records = journalled(gateway_up, "up-by-code")
    assert len(records) == len({entry.owner.personal_number, entry.representative.personal_number})
    assert {record.target for record in records} == {f"enterprise {code}"}


def test_bad_requests_are_refused_with_every_violation(client: Client) -> None:
    """Integrators fix one round of mistakes, not six."""
    with pytest.raises(InvalidRequest) as refusal:
        client.lookup_registry(
            DRIVING_LICENCES, personal_number="097", procedure="?", fields=["book_number", "licences.points"]
        )
    assert [violation.field for violation in refusal.value.violations] == [
        "personal_number", "read_mask.paths[0]", "purpose.procedure_code",
    ]  # fmt: skip
    with pytest.raises(NotFound) as nothing:
        client.lookup_registry(DRIVING_LICENCES, personal_number=ABSENT, procedure="1.1")
    assert nothing.value.message_vi == "Cơ sở dữ liệu chuyên ngành không có dữ liệu nào theo số này."
    assert ABSENT not in str(nothing.value)


async def test_a_registry_that_is_down_is_down_alone_and_comes_back(gateway_up: GatewayUp) -> None:
    """One authority's outage is not five, and nobody restarts anything."""
    number = PEOPLE[-1].personal_number
    options: dict[str, Any] = {"target": gateway_up.target, "key": gateway_up.demo["DANCU_BENCH_KEY"]}
    async with AsyncClient(**options, retry=RetryPolicy(max_attempts=1)) as calling:
        await set_faults(gateway_up, endpoints=["registries.civil_status"], outage=True)
        try:
            with pytest.raises(Unavailable) as refusal:
                await calling.lookup_registry(
                    CIVIL_STATUS, personal_number=number, procedure="1.1", max_staleness=timedelta(0)
                )
            assert (refusal.value.reason, refusal.value.metadata) == (
                "REGISTRY_UNAVAILABLE",
                {"registry": "civil_status"},
            )
            assert refusal.value.retry_after is not None
            assert (await calling.lookup_citizen(personal_number=number, procedure="1.1")).citizen.personal_number
            for name in set(REGISTRIES) - {"civil_status"}:
                # That there is nothing under a number is an answer too.
                with suppress(NotFound):
                    await calling.lookup_registry(REGISTRIES[name], personal_number=number, procedure="1.1")
        finally:
            await set_faults(gateway_up)
    # The failed attempts may have opened the worker's breaker: whoever comes back when told to is served.
    async with AsyncClient(**options, timeout_seconds=20) as calling:
        found = await calling.lookup_registry(CIVIL_STATUS, personal_number=number, procedure="1.1")
        assert found.record.birth.certificate_number


def test_the_command_line_shows_a_record_as_a_person_reads_it(
    client: Client, gateway_up: GatewayUp, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a counter, in Vietnamese."""
    found = holder(client, DRIVING_LICENCES)
    number = found.record.personal_number
    where = ["--data-dir", str(gateway_up.data_dir)]
    assert main(["registry", "driving-licences", number, "--lang", "vi", *where]) == 0
    told = capsys.readouterr().out
    for text in ("Giấy phép lái xe 1", "Hạng", "Số điểm còn lại", found.record.licences[0].licence_number, "Biên nhận"):
        assert text in told
    assert main(["registry", "driving-licences", number, "--max-staleness", "0", "--lang", "vi", *where]) == 0
    assert "CSDL giấy phép lái xe" in capsys.readouterr().out
    assert main(["registry", "driving-licences", number, "--field", "licences.points", "--json", *where]) == 0
    told_json = json.loads(capsys.readouterr().out)
    points = [{"points": one.points} for one in found.record.licences]
    assert told_json["driving_licences"] == {"licences": points}
    assert told_json["receipt"]
    code = holder(client, ENTERPRISES).record.entries[0].enterprise_code
    assert main(["registry", "enterprises", code, "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["enterprises"]["entries"][0]["enterprise_code"] == code
    assert main(["registry", "civil-status", number, "--field", "licences", *where]) == 1
    assert "INVALID_REQUEST" in capsys.readouterr().err


def test_json_of_the_command_line_is_that_of_the_contract(
    client: Client, gateway_up: GatewayUp, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts read what the protos name."""
    found = holder(client, REGISTRIES["social_insurance"])
    number = found.record.personal_number
    assert main(["registry", "social-insurance", number, "--json", "--data-dir", str(gateway_up.data_dir)]) == 0
    assert json.loads(capsys.readouterr().out)["social_insurance"] == message_to_json(found.record)


def test_nothing_a_registry_told_of_a_person_stands_anywhere_but_in_answers(
    client: Client, gateway_up: GatewayUp
) -> None:
    """Five registries know more numbers than one; none of them may end in a log, a metric or a record."""
    record = holder(client, REGISTRIES["social_insurance"]).record
    with pytest.raises(NotFound):
        client.lookup_registry(ENTERPRISES, personal_number=ABSENT, procedure="1.1")
    with urllib.request.urlopen(f"{gateway_up.http_url}/metrics") as answer:  # noqa: S310
        seen = [answer.read()]
    seen += [path.read_bytes() for path in gateway_up.data_dir.rglob("*") if path.is_file()]
    everything = b"\n".join(seen)
    assert b'registry="social_insurance"' in everything
    for secret in (record.personal_number, record.book_number, record.full_name, record.address, ABSENT):
        assert secret.encode() not in everything


async def set_faults(gateway: GatewayUp, **faults: object) -> None:
    token = (gateway.data_dir / "secrets" / "mock-token").read_text().strip()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.post(f"{gateway.mock_url}/control/faults", json=faults) as answer,
    ):
        assert answer.status == 200
