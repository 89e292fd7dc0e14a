"""`dancu lookup` against a real gRPC server that answers what each test scripts."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from dancu.citizen.v1.citizen_pb2 import Citizen
from dancu.citizen.v1.citizen_service_pb2 import LookupCitizenResponse
from dancu.cli import main
from dancu.client import message_to_json
from tests.fakes.scripted_gateway import PERSON, RECEIPT, Refusal, ScriptedGateway, found, running

AN = PERSON.personal_number
REFUSAL = Refusal(
    code=grpc.StatusCode.INVALID_ARGUMENT,
    reason="INVALID_REQUEST",
    message="The request is not valid; every violation is listed.",
    message_vi="Yêu cầu không hợp lệ; mọi lỗi được liệt kê kèm theo.",
    violations=(("personal_number", "must be exactly 12 digits", "phải gồm đúng 12 chữ số"),),
)
LIMITED = Refusal(
    code=grpc.StatusCode.RESOURCE_EXHAUSTED,
    reason="RATE_LIMITED",
    message="More calls than the limit allows; retry after the time stated.",
    retry_after_seconds=1.5,
    quota_subject="account:01/demo",
)


@pytest.fixture(autouse=True)
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DANCU_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    monkeypatch.setenv("TZ", "Asia/Ho_Chi_Minh")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def target(gateway: ScriptedGateway) -> Iterator[str]:
    with running(gateway) as where:
        yield where


def write_env(folder: Path, **values: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "demo.env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def test_a_card_shows_the_citizen_and_the_evidence(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person at a counter reads."""
    assert main(["lookup", AN, "--target", target]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    lines = [line.split("  ") for line in told.out.splitlines() if line]
    shown = {line[0]: line[-1].strip() for line in lines}
    assert shown["Personal number"] == AN
    assert shown["Full name"] == "Nguyễn Thị Hoa"
    assert shown["Date of birth"] == "1990-02-14"
    assert shown["Marital status"] == "married"
    assert shown["Source"] == "copy held by the gateway"
    assert shown["Request"] == "r-1"
    assert shown["Receipt"] == RECEIPT


def test_a_card_reads_vietnamese(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The language of its readers, with diacritics."""
    assert main(["lookup", AN, "--target", target, "--lang", "vi"]) == 0
    told = capsys.readouterr().out
    for text in ("Họ và tên", "Giới tính", "nữ", "14/02/1990", "đã kết hôn", "bản sao tại cổng", "Biên nhận"):
        assert text in told


def test_json_is_one_object_with_the_citizen_as_its_contract_names_it(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts compare it with `dancu sample --json`."""
    assert main(["lookup", AN, "--target", target, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "citizen": message_to_json(PERSON),
        "provenance": {
            "source": "cache",
            "data_as_of": "2026-01-05T01:15:00Z",
            "fetched_at": "2026-01-05T02:00:00Z",
            "record_version": 3,
        },
        "request_id": "r-1",
        "receipt": RECEIPT,
    }


def test_every_flag_reaches_the_gateway(gateway: ScriptedGateway, target: str) -> None:
    """A purpose that is lost on the way is missing from the record for ever."""
    asked = ["lookup", AN, "--target", target, "--key", "dck_k1_s1", "--field", "full_name", "--field", "sex"]
    asked += ["--procedure", "1.001193", "--dossier", "H01/7", "--officer", "cb-17", "--legal-basis", "NĐ 70/2024"]
    asked += ["--max-staleness", "0", "--name", "Nguyễn Thị Hoa", "--birth-date", "1990-02"]
    assert main(asked) == 0
    (call,) = gateway.calls
    request = call.request
    assert request.personal_number == AN
    assert list(request.read_mask.paths) == ["full_name", "sex"]
    assert request.purpose.procedure_code == "1.001193"
    assert request.purpose.dossier_code == "H01/7"
    assert request.purpose.officer_id == "cb-17"
    assert request.purpose.legal_basis == "NĐ 70/2024"
    assert request.HasField("max_staleness")
    assert request.max_staleness.ToTimedelta() == timedelta(0)
    assert message_to_json(request.claims) == {"full_name": "Nguyễn Thị Hoa", "birth_date": "1990-02"}
    assert call.metadata["authorization"] == "Bearer dck_k1_s1"


def test_without_flags_the_purpose_is_the_truth(gateway: ScriptedGateway, target: str) -> None:
    """A made-up procedure would sit in the record as if a dossier stood behind it."""
    assert main(["lookup", AN, "--target", target]) == 0
    (call,) = gateway.calls
    assert call.request.purpose.procedure_code == "cli.manual"
    assert not call.request.HasField("claims")
    assert not call.request.HasField("max_staleness")


@pytest.mark.parametrize(
    ("typed", "personal", "legacy"),
    [
        (AN, AN, ""),
        ("0981 9000 0017", AN, ""),
        ("512345678", "", "512345678"),
        ("51234567x", "51234567x", ""),
        ("12", "12", ""),
    ],
)
def test_the_gateway_judges_what_was_typed(
    gateway: ScriptedGateway, target: str, typed: str, personal: str, legacy: str
) -> None:
    """One judge of numbers; the command only tells the two kinds apart."""
    assert main(["lookup", typed, "--target", target]) == 0
    (call,) = gateway.calls
    assert (call.request.personal_number, call.request.legacy_number) == (personal, legacy)


def test_a_number_can_come_from_standard_input(
    gateway: ScriptedGateway, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments are visible to every user of the machine and stay in the shell's history."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{AN}\n"))
    assert main(["lookup", "-", "--target", target]) == 0
    assert gateway.calls[0].request.personal_number == AN


def test_a_refusal_is_told_so_that_a_person_can_act(
    gateway: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text, reason, request and every violation; never the number."""
    gateway.script = [REFUSAL]
    assert main(["lookup", AN, "--target", target]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "dancu: The request is not valid; every violation is listed. (INVALID_REQUEST; request r-refused)",
        "  personal_number: must be exactly 12 digits",
    ]
    assert main(["lookup", AN, "--target", target, "--lang", "vi"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "dancu: Yêu cầu không hợp lệ; mọi lỗi được liệt kê kèm theo. (INVALID_REQUEST; mã yêu cầu r-refused)",
        "  personal_number: phải gồm đúng 12 chữ số",
    ]


def test_a_limit_says_which_one_and_when_to_come_back(
    gateway: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the time people try again at once."""
    gateway.script = [LIMITED]
    assert main(["lookup", AN, "--target", target]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "(RATE_LIMITED; retry in 1.5 s; request r-refused)" in first
    assert second == "  account:01/demo: 200 citizens per second"


def test_a_refusal_as_json_is_one_object_on_standard_output(
    gateway: ScriptedGateway, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script reads one stream whatever the outcome."""
    gateway.script = [REFUSAL]
    assert main(["lookup", AN, "--target", target, "--json"]) == 1
    told = capsys.readouterr()
    assert told.err == ""
    assert json.loads(told.out) == {
        "error": {
            "reason": "INVALID_REQUEST",
            "code": "INVALID_ARGUMENT",
            "message": "The request is not valid; every violation is listed.",
            "violations": [{"field": "personal_number", "description": "must be exactly 12 digits"}],
            "retry_after_seconds": None,
            "request_id": "r-refused",
            "metadata": {},
        }
    }


@pytest.mark.parametrize("language", ["en", "vi"])
def test_nobody_listening_says_where_and_what_to_do(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing that goes wrong for a newcomer."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{reserved.getsockname()[1]}"
        assert main(["lookup", AN, "--target", where, "--lang", language]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    for text in (where, "Connection refused", "dancu up", "--target", "UNREACHABLE"):
        assert text in line
    assert AN not in line


def test_no_answer_in_time_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Waiting for ever looks like a broken keyboard."""
    with running(ScriptedGateway(hang_for_a_minute)) as target:
        assert main(["lookup", AN, "--target", target, "--timeout", "0.2"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert target in line
    assert "--timeout" in line
    assert "DEADLINE_EXCEEDED" in line


def test_a_missing_key_says_where_a_key_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    """The gateway can only say that none came."""
    refusal = Refusal(code=grpc.StatusCode.UNAUTHENTICATED, reason="KEY_MISSING", message="The call carries no key.")
    with running(ScriptedGateway(refusal)) as target:
        assert main(["lookup", AN, "--target", target]) == 1
        without = capsys.readouterr().err
        assert main(["lookup", AN, "--target", target, "--key", "not-a-key"]) == 1
        with_one = capsys.readouterr().err
    assert "DANCU_API_KEY" in without
    assert "--data-dir" in without
    assert "The call carries no key." in with_one


@pytest.mark.parametrize(
    ("flags", "environment", "expected"),
    [
        ([], {}, "dck_default_s"),
        ([], {"DANCU_API_KEY": "dck_env_s"}, "dck_env_s"),
        ([], {"DANCU_API_KEY": ""}, "dck_default_s"),
        ([], {"DANCU_TOKEN": "a.b.c"}, "a.b.c"),
        (["--data-dir", "other"], {"DANCU_TOKEN": "a.b.c"}, "dck_other_s"),
        (["--key", "dck_flag_s"], {"DANCU_TOKEN": "a.b.c"}, "dck_flag_s"),
        ([], {"DANCU_DATA_DIR": "other"}, "dck_other_s"),
        (["--data-dir", "other"], {"DANCU_API_KEY": "dck_env_s"}, "dck_other_s"),
        (["--data-dir", "other", "--key", "dck_flag_s"], {"DANCU_API_KEY": "dck_env_s"}, "dck_flag_s"),
    ],
)
def test_target_and_key_come_from_the_nearest_place(
    *,
    gateway: ScriptedGateway,
    target: str,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    environment: dict[str, str],
    expected: str,
) -> None:
    """Asking another installation than the one meant would record the lookup there."""
    write_env(Path("data"), DANCU_TARGET=target, DANCU_API_KEY="dck_default_s")
    write_env(Path("other"), DANCU_TARGET=target, DANCU_API_KEY="dck_other_s")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["lookup", AN, *flags]) == 0
    assert gateway.calls[0].metadata["authorization"] == f"Bearer {expected}"


def test_a_data_directory_without_an_installation_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Silently asking another gateway would be worse than failing."""
    assert main(["lookup", AN, "--data-dir", "nowhere"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere/demo.env: No such file or directory" in line
    assert "dancu up" in line


def test_a_configuration_mistake_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback is no message to an operator."""
    monkeypatch.setenv("DANCU_TLS_CA", "nowhere.pem")
    assert main(["lookup", AN]) == 1
    assert capsys.readouterr().err == "dancu: DANCU_TLS_CA: nowhere.pem: No such file or directory\n"


def test_a_record_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Names come from other people's systems; an escape sequence in one could rewrite what was shown before."""
    evil = Citizen(full_name="\x1b[2J\x07Nguyễn\u202e An\x9b1m")
    with running(ScriptedGateway(found(evil))) as target:
        assert main(["lookup", AN, "--target", target]) == 0
    told = capsys.readouterr().out
    assert "Nguyễn" in told
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(told)


async def hang_for_a_minute() -> LookupCitizenResponse:
    await asyncio.sleep(60)
    return found()


def test_an_interrupt_ends_quietly_with_130() -> None:
    """Ctrl-C is no defect; a traceback would look like one."""
    arrived = threading.Event()

    async def hang() -> LookupCitizenResponse:
        arrived.set()
        return await hang_for_a_minute()

    with running(ScriptedGateway(hang)) as target:
        command = [sys.executable, "-m", "dancu", "lookup", AN, "--target", target, "--timeout", "50"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert arrived.wait(30)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_left_is_no_error(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dancu … | head` is everyday work, whether the loss is noticed by a write or by the last flush."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    read, write = os.pipe()
    os.close(read)
    with running(ScriptedGateway()) as target:
        command = [sys.executable, "-m", "dancu", "lookup", AN, "--target", target, "--json"]
        run = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)
    assert run.stderr == b""
    assert run.returncode == 1


def test_a_terminal_gets_bold_labels_and_whole_values() -> None:
    """The same content as in a pipe, easier on the eye."""
    ours, theirs = pty.openpty()
    with running(ScriptedGateway()) as target:
        command = [sys.executable, "-m", "dancu", "lookup", AN, "--target", target]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        run = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # how Linux says that the other side has closed
            pass
        assert run.wait(30) == 0
    os.close(ours)
    text = shown.decode()
    assert "\x1b[1mFull name" in text
    assert "Nguyễn Thị Hoa" in text
    assert RECEIPT in text
