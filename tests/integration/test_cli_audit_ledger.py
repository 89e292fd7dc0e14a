"""`dancu audit list`, `disclosures` and `export` against a real gRPC server that answers what each test scripts."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyarrow import parquet

from dancu.cli import audit_export, main
from dancu.cli.audit_rows import COLUMNS
from dancu.errors.v1.errors_pb2 import ERROR_REASON_RATE_LIMITED, ERROR_REASON_UNSPECIFIED
from tests.fakes.scripted_audit import LOOKUP, ScriptedAudit, record_at, serving

AN = "098190000017"


@pytest.fixture(autouse=True)
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DANCU_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAudit]:
    scripted = ScriptedAudit(records=[record_at(index) for index in range(7)])
    with serving(scripted) as target:
        monkeypatch.setenv("DANCU_ADMIN_TARGET", target)
        monkeypatch.setenv("DANCU_ADMIN_KEY", "dck_admin_secret")
        yield scripted


def test_json_rows_have_every_column_and_their_receipt(
    audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    """The receipt is what leads from a row to its proof; index 0 must not be lost on the way."""
    assert main(["audit", "list", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [row["index"] for row in rows] == [6, 5, 4, 3, 2, 1, 0]
    assert all(tuple(row) == COLUMNS for row in rows)
    assert rows[-1]["receipt"] == audit.records[-1].receipt
    assert rows[-1]["origin"] == "test-w0"
    assert rows[-1]["time"] == "2026-01-05T02:00:00.000000Z"
    assert (rows[-1]["outcome"], rows[-1]["source"], rows[-1]["fields"]) == ("OK", "cache", ["full_name", "sex"])
    assert audit.keys == ["Bearer dck_admin_secret"]


def test_every_filter_reaches_the_service(audit: ScriptedAudit) -> None:
    """A filter that is lost shows records nobody asked for."""
    asked = ["audit", "list", "--account", "01/mot-cua", "--organisation", "01", "--method", LOOKUP, "--subject", AN]
    asked += ["--outcome", "rate-limited", "--procedure", "1.001193", "--request-id", "r-3"]
    assert main([*asked, "--from", "2026-01-05", "--to", "2026-01"]) == 0
    (request,) = audit.requests
    assert (request.account, request.organisation, request.method) == ("01/mot-cua", "01", LOOKUP)
    assert (request.personal_number, request.procedure, request.request_id) == (AN, "1.001193", "r-3")
    assert request.outcome == ERROR_REASON_RATE_LIMITED
    assert getattr(request, "from").ToDatetime(UTC) == datetime(2026, 1, 4, 17, tzinfo=UTC)
    assert request.to.ToDatetime(UTC) == datetime(2026, 1, 31, 17, tzinfo=UTC)


def test_ok_asks_for_answered_records_and_nothing_for_any(audit: ScriptedAudit) -> None:
    """Absent and answered are two questions."""
    assert main(["audit", "list", "--outcome", "ok"]) == 0
    assert main(["audit", "list"]) == 0
    answered, anything = audit.requests
    assert answered.HasField("outcome")
    assert answered.outcome == ERROR_REASON_UNSPECIFIED
    assert not anything.HasField("outcome")


def test_a_limit_cuts_over_pages_and_says_that_there_is_more(
    audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list that ends silently would be taken for all there is."""
    audit.page_records = 2
    assert main(["audit", "list", "--json", "--limit", "5"]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 5
    assert "--limit" in told.err
    assert main(["audit", "list", "--json", "--limit", "7"]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 7
    assert told.err == ""


def test_disclosures_tell_who_when_why_and_what(audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]) -> None:
    """What a citizen may ask for by law."""
    assert main(["audit", "disclosures", AN, "--limit", "1"]) == 0
    out = capsys.readouterr().out
    for text in ("2026-01-05 09:00:06", "01/mot-cua", "cb-17", "1.001193", "H01/7", "full_name sex"):
        assert text in out
    assert AN not in out
    assert audit.requests[0].personal_number == AN


@pytest.mark.parametrize("flags", [["disclosures", "0981-9000-0017"], ["list", "--subject", "09819000001x"]])
def test_a_mistyped_number_is_a_usage_error_that_repeats_none_of_it(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Error lines end in logs."""
    assert main(["audit", *flags]) == 2
    assert "9819" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ["--from", "2026-13"],
        ["--from", "05/01/2026"],
        ["--from", "2026-02", "--to", "2026-01"],
        ["--outcome", "FINE"],
        ["--limit", "0"],
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Before any gateway is asked."""
    assert main(["audit", "list", *flags]) == 2
    assert capsys.readouterr().err.startswith("dancu: ")


def test_no_match_is_said_and_is_no_failure(audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty screen leaves open whether the command worked."""
    audit.records.clear()
    assert main(["audit", "list", "--lang", "vi"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "Không có bản ghi nào" in told.err


def test_without_a_key_nothing_is_asked(
    audit: ScriptedAudit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An administrator is told which variable is missing, not a caller's."""
    monkeypatch.delenv("DANCU_ADMIN_KEY")
    assert main(["audit", "list"]) == 1
    assert "DANCU_ADMIN_KEY" in capsys.readouterr().err
    assert audit.requests == []


def test_csv_holds_all_records_and_runs_no_formula(audit: ScriptedAudit, tmp_path: Path) -> None:
    """Officers' texts are strangers' texts; a spreadsheet must show them."""
    audit.records[3].record.officer = "=HYPERLINK(1)"
    audit.page_records = 2
    assert main(["audit", "export", "-o", "out.csv"]) == 0
    with Path("out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["index"] for row in rows] == ["6", "5", "4", "3", "2", "1", "0"]
    assert rows[3]["officer"] == "'=HYPERLINK(1)"
    assert rows[0]["receipt"] == audit.records[0].receipt
    assert Path("out.csv").stat().st_mode & 0o777 == 0o600


def test_parquet_comes_in_row_groups_as_pages_arrive(
    audit: ScriptedAudit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Memory follows the page, not the export."""
    monkeypatch.setattr(audit_export, "ROW_GROUP_ROWS", 4)
    audit.page_records = 2
    assert main(["audit", "export", "--format", "parquet", "-o", "out.parquet"]) == 0
    file = parquet.ParquetFile("out.parquet")
    assert file.num_row_groups == 2
    table = file.read()
    assert tuple(table.column_names) == COLUMNS
    assert table.column("index").to_pylist() == [6, 5, 4, 3, 2, 1, 0]
    assert table.column("time")[6].as_py() == datetime(2026, 1, 5, 2, tzinfo=UTC)
    assert table.column("fields")[0].as_py() == ["full_name", "sex"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_failed_export_leaves_no_file_and_keeps_the_old_one(
    form: str, audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half an export looks whole to whoever reads it."""
    Path("out").write_text("of yesterday")
    audit.page_records = 2
    audit.fails_after = 2
    assert main(["audit", "export", "--format", form, "-o", "out"]) == 1
    assert "PERMISSION_DENIED" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["out"]
    assert Path("out").read_text() == "of yesterday"


def test_an_export_that_cannot_be_written_says_where(audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback."""
    assert main(["audit", "export", "-o", "missing/out.csv"]) == 1
    assert capsys.readouterr().err == "dancu: missing/out.csv: No such file or directory\n"
