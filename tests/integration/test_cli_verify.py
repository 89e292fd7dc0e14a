"""`dancu verify` and `dancu household` against a real gRPC server that answers what each test scripts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.citizen.v1.citizen_service_pb2 import (
    ClaimResult,
    HouseholdMember,
    LookupHouseholdResponse,
    Normalization,
    Verdict,
    VerifyCitizenResponse,
)
from dancu.cli import main
from dancu.cli.verify import LABELS, NORMALIZATIONS, VERDICTS
from dancu.client import message_to_json
from gateway.citizens.matching import COMPARED_FIELDS
from tests.fakes.scripted_gateway import PERSON, RECEIPT, Refusal, ScriptedGateway, found, running

AN = PERSON.personal_number
HEAD = citizen_pb2.Citizen(personal_number="097062654321", full_name="Nguyễn Văn Bình")
VERDICT = VerifyCitizenResponse(
    results=[
        ClaimResult(
            claim="full_name",
            verdict=citizen_service_pb2.VERDICT_MATCH_NORMALIZED,
            normalizations=[
                citizen_service_pb2.NORMALIZATION_CASE,
                citizen_service_pb2.NORMALIZATION_DIACRITICS,
            ],
        ),
        ClaimResult(claim="birth_date", verdict=citizen_service_pb2.VERDICT_MATCH),
        ClaimResult(claim="marital_status", verdict=citizen_service_pb2.VERDICT_MISMATCH),
        ClaimResult(claim="legacy_number", verdict=citizen_service_pb2.VERDICT_NOT_HELD),
    ],
    provenance=found().provenance,
)
HOUSEHOLD = LookupHouseholdResponse(
    household_id="400000001",
    members=[
        HouseholdMember(relation=citizen_pb2.HOUSEHOLD_RELATION_HEAD, citizen=HEAD, record_version=2),
        HouseholdMember(
            relation=citizen_pb2.HOUSEHOLD_RELATION_CHILD, citizen=PERSON, is_subject=True, record_version=3
        ),
    ],
    provenance=found().provenance,
)


@pytest.fixture(autouse=True)
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DANCU_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway(VERDICT)


@pytest.fixture
def target(gateway: ScriptedGateway) -> Iterator[str]:
    with running(gateway) as where:
        yield where


def rows(out: str) -> dict[str, str]:
    lines = [line.split("  ") for line in out.splitlines() if line]
    return {line[0]: line[-1].strip() for line in lines}


def test_every_verdict_is_told_in_words(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A person at a counter reads it, and a mismatch must catch the eye."""
    assert main(["verify", AN, "--name", "x", "--target", target]) == 0
    shown = rows(capsys.readouterr().out)
    assert shown["Full name"] == "matches, written differently (capitals, no diacritics)"
    assert shown["Date of birth"] == "matches"
    assert shown["Marital status"] == "DOES NOT MATCH"
    assert shown["Legacy number (CMND)"] == "not on record"
    assert shown["Receipt"] == RECEIPT


def test_verdicts_read_vietnamese(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The language of its readers."""
    assert main(["verify", AN, "--name", "x", "--target", target, "--lang", "vi"]) == 0
    shown = rows(capsys.readouterr().out)
    assert shown["Họ và tên"] == "khớp, cách viết khác (chữ hoa, chữ thường, không dấu)"
    assert shown["Tình trạng hôn nhân"] == "KHÔNG KHỚP"


def test_every_word_of_the_contract_is_known_in_both_languages() -> None:
    """A verdict that is printed by its number helps nobody."""
    assert set(LABELS) == set(COMPARED_FIELDS)
    assert set(VERDICTS) == {name.removeprefix("VERDICT_").lower() for name in Verdict.keys()[1:]}
    assert set(NORMALIZATIONS) == {name.removeprefix("NORMALIZATION_").lower() for name in Normalization.keys()[1:]}


def test_verdicts_as_json_are_one_object(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts branch on the contract's names."""
    assert main(["verify", AN, "--name", "x", "--target", target, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert told["results"][0] == {
        "claim": "full_name",
        "verdict": "match_normalized",
        "normalizations": ["case", "diacritics"],
    }
    assert told["receipt"] == RECEIPT


def test_every_claim_reaches_the_gateway(gateway: ScriptedGateway, target: str) -> None:
    """A claim lost on the way would be taken for one that was true."""
    asked = ["verify", AN, "--target", target, "--name", "Nguyễn Thị Hoa", "--birth-date", "1990-02", "--sex", "female"]
    asked += ["--legacy-number", "512345678", "--province", "30", "--province-as-of", "2024-03-01", "--dead"]
    asked += ["--head", "Nguyễn Văn Bình", "--marital-status", "widowed", "--procedure", "1.001193"]
    assert main(asked) == 0
    (call,) = gateway.calls
    assert message_to_json(call.request.claims) == {
        "full_name": "Nguyễn Thị Hoa",
        "birth_date": "1990-02",
        "sex": "female",
        "legacy_number": "512345678",
        "residence_province_code": "30",
        "household_head_name": "Nguyễn Văn Bình",
        "marital_status": "widowed",
        "alive": False,
        "residence_as_of": "2024-03-01",
    }
    assert call.request.purpose.procedure_code == "1.001193"
    assert call.request.personal_number == AN


def test_a_date_that_is_none_is_a_usage_mistake(
    gateway: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told before anything is asked or recorded."""
    assert main(["verify", AN, "--target", target, "--birth-date", "1990-02-31"]) == 2
    assert "--birth-date" in capsys.readouterr().err
    assert gateway.calls == []


def test_a_household_is_a_table_with_the_one_asked_for_marked(
    gateway: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is who, at a glance."""
    gateway.script = [HOUSEHOLD]
    assert main(["household", AN, "--target", target, "--field", "full_name"]) == 0
    heading, head, child = capsys.readouterr().out.splitlines()[:3]
    assert heading.split()[0] == "RELATION"
    assert head.split() == ["head", HEAD.personal_number, *HEAD.full_name.split()]
    assert child.split()[:3] == ["*", "child", AN]
    assert list(gateway.calls[0].request.read_mask.paths) == ["full_name"]


def test_a_household_as_json_has_every_field_of_every_member(
    gateway: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts get what the table leaves out."""
    gateway.script = [HOUSEHOLD]
    assert main(["household", AN, "--target", target, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [member["relation"] for member in told["members"]] == ["head", "child"]
    assert told["members"][1]["citizen"] == message_to_json(PERSON)
    assert told["members"][1]["is_subject"] is True
    assert told["receipts"] == [RECEIPT]


def test_no_household_is_told_as_that(
    gateway: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty table would look like a failure."""
    gateway.script = [LookupHouseholdResponse(provenance=found().provenance)]
    assert main(["household", AN, "--target", target, "--lang", "vi"]) == 0
    assert rows(capsys.readouterr().out)["Hộ gia đình"] == "không có"


@pytest.mark.parametrize("command", ["verify", "household"])
def test_a_refusal_ends_the_command_with_one(
    command: str, gateway: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts see the exit code, people the reason in their language."""
    gateway.script = [
        Refusal(code=grpc.StatusCode.NOT_FOUND, reason="CITIZEN_NOT_FOUND", message="Nobody.", message_vi="Không ai.")
    ]
    assert main([command, AN, "--name", "x", "--target", target, "--lang", "vi"]) == 1
    assert "Không ai." in capsys.readouterr().err
