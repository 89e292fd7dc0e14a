"""`dancu bulk` against a real gRPC server: its inputs, its results, and going on after an interruption."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from dancu.citizen.v1 import citizen_pb2
from dancu.citizen.v1.citizen_service_pb2 import BulkLookupCitizensResponse
from dancu.cli import main
from tests.fakes.scripted_gateway import Refusal, ScriptedGateway, running

NUMBERS = [f"0970900{index:05}" for index in range(1200)]
NOBODY = "099099999999"


class Registry(ScriptedGateway):
    """Answers every list with the numbers it names; `fail_at` breaks that call, counted from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.fail_at = 0
        self.interrupt_at = 0
        self.away: dict[str, int] = {}
        """How often a number is refused for the moment before it is answered."""
        self.lists: list[list[str]] = []
        self.requests: list[Any] = []

    async def BulkLookupCitizens(  # noqa: N802
        self, request: Any, context: Any
    ) -> BulkLookupCitizensResponse:
        self.requests.append(request)
        if len(self.requests) == self.fail_at:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "broken")
        if len(self.requests) == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(5)
        self.lists.append([item.personal_number or item.legacy_number for item in request.items])
        answer = BulkLookupCitizensResponse()
        for position, item in enumerate(request.items):
            result = answer.items.add(receipt=f"r-{position}")
            number = item.personal_number or item.legacy_number
            if self.away.get(number, 0) > 0:
                self.away[number] -= 1
                result.status.code = 14
                gone = error_details_pb2.ErrorInfo(reason="NATIONAL_DB_UNAVAILABLE", domain="dancu")
                later = error_details_pb2.RetryInfo()
                later.retry_delay.FromMilliseconds(1)
                result.status.details.add().Pack(gone)
                result.status.details.add().Pack(later)
            elif number == NOBODY:
                result.status.code = 5
                result.status.message = "Nobody holds this number."
                details: list[Message] = [
                    error_details_pb2.ErrorInfo(reason="CITIZEN_NOT_FOUND", domain="dancu"),
                    error_details_pb2.LocalizedMessage(locale="vi", message="Không có ai."),
                ]
                for detail in details:
                    result.status.details.add().Pack(detail)
            else:
                result.citizen.CopyFrom(citizen_pb2.Citizen(personal_number=number))
                result.provenance.source = 1  # type: ignore[assignment]
        return answer


@pytest.fixture(autouse=True)
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DANCU_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def gateway() -> Registry:
    return Registry()


@pytest.fixture
def bulk(gateway: Registry) -> Iterator[Callable[..., int]]:
    with running(gateway) as target:
        yield lambda *arguments: main(["bulk", *arguments, "--target", target])


def results(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(f"{name}.results.jsonl").read_text().splitlines()]


def write(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (f"personal_number\n{NUMBERS[0]}\n{NUMBERS[1]}\n", [NUMBERS[0], NUMBERS[1]]),
        (f"{NUMBERS[0]}\n\n{NUMBERS[1]}", [NUMBERS[0], NUMBERS[1]]),
        (f"\ufeffName;Personal_Number\nAn;{NUMBERS[0]}\n", [NUMBERS[0]]),
        (f'name\tlegacy_number\n"An\tBình"\t512345678\nC\t{NUMBERS[1]}\n', ["512345678", NUMBERS[1]]),
        ("number\n0970 9000 0000\n", ["097090000000"]),
        ('{"personal_number": "097090000000", "legacy_number": "512345678"}\n', ["097090000000"]),
        ('{"legacy_number": "512345678"}\n\n{"number": "097090000000"}\n', ["512345678", "097090000000"]),
        ("personal_number,x\n,1\n12,2\n", ["", "12"]),
    ],
)
def test_the_forms_people_have_are_read(
    text: str, asked: list[str], gateway: Registry, bulk: Callable[..., int]
) -> None:
    """Exports of spreadsheets and of programs, with and without a heading."""
    assert bulk(write("people.csv", text)) == 0
    assert gateway.lists == [asked]
    assert len(results("people.csv")) == len(asked)


def test_long_files_travel_in_lists_of_five_hundred_and_keep_their_order(
    gateway: Registry, bulk: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Row for row: the caller joins results with its own table."""
    assert bulk(write("n.csv", "\n".join(["number", *NUMBERS]))) == 0
    assert [len(one) for one in gateway.lists] == [500, 500, 200]
    told = results("n.csv")
    assert [one["citizen"]["personal_number"] for one in told] == NUMBERS
    assert [one["line"] for one in told] == list(range(2, 1202))
    assert not Path("n.csv.bulk-run").exists()
    assert Path("n.csv.results.jsonl").stat().st_mode & 0o777 == 0o600
    assert "1,200" in capsys.readouterr().out


def test_a_refused_row_is_told_with_its_reason_and_ends_nothing(
    gateway: Registry, bulk: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest of the list is not its fault."""
    rows = [{"personal_number": NUMBERS[0]}, {"personal_number": NOBODY}]
    text = "\n".join(json.dumps(row) for row in rows) + '\n{"broken\n[1]\n'
    assert bulk(write("p.jsonl", text), "--lang", "vi", "--json") == 0
    found, nobody, broken, other = results("p.jsonl")
    assert found["citizen"] == {"personal_number": NUMBERS[0]}
    assert found["receipt"] == "r-0"
    assert (nobody["error"]["reason"], nobody["error"]["message"]) == ("CITIZEN_NOT_FOUND", "Không có ai.")
    assert [one["error"]["reason"] for one in (broken, other)] == ["UNREADABLE_ROW"] * 2
    assert (broken["line"], other["line"]) == (3, 4)
    summary = json.loads(capsys.readouterr().out)
    assert summary["outcomes"] == {"CITIZEN_NOT_FOUND": 1, "FOUND": 1, "UNREADABLE_ROW": 2}
    assert gateway.lists == [[NUMBERS[0], NOBODY]]


@pytest.mark.parametrize(
    "broken",
    ['"An', f'"An,{NUMBERS[3]}', '"An"x,1', f"An,{'7' * 131_073}", "7" * 1_000_000, f"An,{'7' * 2_500_000}"],
    ids=["open quote", "open quote before a cell", "text after a quote", "huge cell", "a million", "millions"],
)
def test_a_broken_line_costs_no_other_row(broken: str, gateway: Registry, bulk: Callable[..., int]) -> None:
    """One open quote must not take the rest of the file with it, nor shift the numbers of its lines."""
    text = "\n".join(["name,number", f"An,{NUMBERS[0]}", broken, "", f"Binh,{NUMBERS[1]}", f'"Chi",{NUMBERS[2]}'])
    assert bulk(write("b.csv", text)) == 0
    assert gateway.lists == [NUMBERS[:3]]
    told = [(one["line"], one.get("error", {}).get("reason")) for one in results("b.csv")]
    assert told == [(2, None), (3, "UNREADABLE_ROW"), (5, None), (6, None)]


@pytest.mark.parametrize("length", [999_999, 1_000_000, 2_000_000])
def test_a_huge_json_line_is_one_broken_row(length: int, gateway: Registry, bulk: Callable[..., int]) -> None:
    """Cut into pieces it would count as several lines."""
    good = json.dumps({"number": NUMBERS[0]})
    assert bulk(write("b.jsonl", f"{good}\n{'7' * length}\n{good}\n")) == 0
    told = [(one["line"], one.get("error", {}).get("reason")) for one in results("b.jsonl")]
    assert told == [(1, None), (2, "UNREADABLE_ROW"), (3, None)]


def test_columns_become_claims_only_where_told(gateway: Registry, bulk: Callable[..., int]) -> None:
    """A column of names is not by itself a claim that must match."""
    text = f"personal_number,full_name,birth_date\n{NUMBERS[0]},Nguyễn An,1990-02\n{NUMBERS[1]},,1990-13\n"
    assert bulk(write("c.csv", text)) == 0
    assert not any(item.HasField("claims") for item in gateway.requests[0].items)
    claims = ("--claim", "full_name", "--claim", "birth_date")
    assert bulk("c.csv", "--restart", *claims, "--field", "sex", "--procedure", "1.5", "--max-staleness", "0") == 0
    request = gateway.requests[1]
    (item,) = request.items
    assert item.claims.full_name == "Nguyễn An"
    assert (item.claims.birth_date.year, item.claims.birth_date.month) == (1990, 2)
    assert list(request.read_mask.paths) == ["sex"]
    assert request.purpose.procedure_code == "1.5"
    assert request.HasField("max_staleness")
    assert results("c.csv")[1]["error"]["message"].startswith("birth_date")
    assert bulk("c.csv", "--restart", "--claim", "shoe_size") == 2


def test_an_interrupted_run_goes_on_where_it_ended(gateway: Registry, bulk: Callable[..., int]) -> None:
    """What was answered is neither asked nor charged again."""
    write("n.csv", "\n".join(["number", *NUMBERS]))
    gateway.fail_at = 2
    assert bulk("n.csv") == 1
    assert len(results("n.csv")) == 500
    with Path("n.csv.results.jsonl").open("a") as file:
        file.write('{"line": 502, "citi')  # as a power cut leaves it
    gateway.fail_at = 0
    assert bulk("n.csv") == 0
    assert [one["citizen"]["personal_number"] for one in results("n.csv")] == NUMBERS
    assert [number for one in gateway.lists for number in one] == NUMBERS


def test_a_run_is_never_finished_with_another_question(
    gateway: Registry, bulk: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a file of names and half of addresses would pass for one result."""
    write("n.csv", "\n".join(["number", *NUMBERS]))
    gateway.fail_at = 2
    assert bulk("n.csv") == 1
    gateway.fail_at = 0
    assert bulk("n.csv", "--field", "full_name") == 1
    assert "--restart" in capsys.readouterr().err
    write("n.csv", "\n".join(["number", *NUMBERS[1:]]))
    assert bulk("n.csv") == 1
    assert bulk("n.csv", "--restart", "--field", "full_name") == 0
    assert len(results("n.csv")) == len(NUMBERS) - 1


def test_finished_results_are_not_overwritten(
    gateway: Registry, bulk: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """They cost a limit and are on record."""
    assert bulk(write("n.csv", NUMBERS[0])) == 0
    assert bulk("n.csv") == 1
    assert "finished run" in capsys.readouterr().err
    assert len(gateway.lists) == 1


def test_a_limit_is_waited_out(gateway: Registry) -> None:
    """A list of any length fits an account of any rate; it takes its time."""
    limited = ScriptedGateway(
        Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="RATE_LIMITED", retry_after_seconds=0.05),
        BulkLookupCitizensResponse(items=[{}]),  # type: ignore[list-item]
    )
    with running(limited) as target:
        assert main(["bulk", write("n.csv", NUMBERS[0]), "--target", target]) == 0
    assert len(limited.calls) == 2


@pytest.mark.parametrize("content", [b"name,age\nAn,7\n", b"\xff\xfe\x00", b"number\n\xc3\x28\n"])
def test_a_file_that_cannot_be_read_is_told_as_that(
    content: bytes, bulk: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Which file and why, not a trace."""
    Path("bad.csv").write_bytes(content)
    assert bulk("bad.csv") == 1
    assert "bad.csv" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["bad.csv"], "what never began must not stand in the way"


def test_a_missing_file_is_a_usage_mistake(bulk: Callable[..., int]) -> None:
    """Exit codes: 2 usage."""
    assert bulk("nowhere.csv") == 2


def test_a_row_refused_for_the_moment_is_asked_again(gateway: Registry, bulk: Callable[..., int]) -> None:
    """An outage of a second must not stand in the results as if it were the answer."""
    gateway.away = {NUMBERS[1]: 2}
    assert bulk(write("n.csv", "\n".join(["number", *NUMBERS[:3]]))) == 0
    assert gateway.lists == [NUMBERS[:3], [NUMBERS[1]], [NUMBERS[1]]]
    assert [one["citizen"]["personal_number"] for one in results("n.csv")] == NUMBERS[:3]


def test_rows_that_stay_unanswered_are_asked_by_the_next_run(
    gateway: Registry, bulk: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever joins the results would take an outage for a missing person; asking all again would charge all again."""
    gateway.away = {NUMBERS[1]: 1000, NUMBERS[502]: 1000}
    write("n.csv", "\n".join(["number", *NUMBERS]))
    assert bulk("n.csv") == 1
    assert "2 rows got no answer (NATIONAL_DB_UNAVAILABLE)" in capsys.readouterr().err
    assert len(results("n.csv")) == len(NUMBERS) - 2
    gateway.away.clear()
    gateway.lists.clear()
    assert bulk("n.csv") == 0
    assert gateway.lists == [[NUMBERS[1], NUMBERS[502]]]
    assert [one["line"] for one in results("n.csv")] == list(range(2, 1202))
    assert [one["citizen"]["personal_number"] for one in results("n.csv")] == NUMBERS
    assert Path("n.csv.results.jsonl").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in Path().iterdir()) == ["n.csv", "n.csv.results.jsonl"]
    assert "1,200, of which 1,198 before" in capsys.readouterr().out


def test_an_outage_is_not_asked_for_the_rest_of_a_long_file(
    gateway: Registry, bulk: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every attempt is charged; three lists without one answer say enough."""
    gateway.away = dict.fromkeys(NUMBERS, 1000)
    write("n.csv", "\n".join(["number", *NUMBERS]))
    assert bulk("n.csv", "--batch", "10") == 1
    assert "30 rows got no answer" in capsys.readouterr().err
    assert len(gateway.lists) == 12
    assert [path.name for path in Path().iterdir()] == ["n.csv"]


def test_an_interrupted_run_says_how_it_goes_on(
    gateway: Registry, bulk: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The one who pressed Ctrl-C wonders what is lost: nothing; and the last summary is about the whole file."""
    gateway.interrupt_at = 2
    write("n.csv", "\n".join(["number", NOBODY, *NUMBERS[1:]]))
    assert bulk("n.csv") == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert bulk("n.csv", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["rows"], summary["rows_before"]) == (1200, 500)
    assert summary["outcomes"] == {"CITIZEN_NOT_FOUND": 1, "FOUND": 1199}


@pytest.mark.parametrize("text", ["", "number\n"])
def test_a_file_without_rows_says_so(text: str, bulk: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing printed would leave open whether anything was read."""
    assert bulk(write("n.csv", text)) == 0
    assert capsys.readouterr().out.startswith("0 rows")
    assert results("n.csv") == []
