"""`dancu report` against a real gRPC server, in every form, and on the ledger of a stopped installation."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dancu.account.v1.account_pb2 import ORGANISATION_KIND_MINISTRY, ORGANISATION_KIND_PROVINCE, Organisation
from dancu.audit.v1.audit_service_pb2 import PERIOD_DAY, PERIOD_MONTH, StatisticsRow
from dancu.cli import main
from tests.fakes.scripted_audit import FIRST_SECOND, LOOKUP, ScriptedAudit, serving


@pytest.fixture(autouse=True)
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DANCU_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAudit]:
    scripted = ScriptedAudit()
    scripted.organisations = [
        Organisation(code="01", name="Thành phố Hà Nội", kind=ORGANISATION_KIND_PROVINCE),
        Organisation(code="BTP", name="Bộ Tư pháp", kind=ORGANISATION_KIND_MINISTRY),
        Organisation(code="BYT", name="Bộ Y tế", kind=ORGANISATION_KIND_MINISTRY),
    ]
    for code, outcome, source, calls, citizens in (
        ("01", "OK", "cache", 3000, 3000),
        ("01", "OK", "national_db", 1000, 1000),
        ("BTP", "OK", "cache", 500, 500),
        ("BTP", "RATE_LIMITED", "none", 12, 0),
    ):
        made = StatisticsRow(values=[code, LOOKUP, outcome, source], calls=calls, citizens=citizens)
        made.period_start.seconds = FIRST_SECOND - 9 * 3600
        scripted.rows.append(made)
    scripted.dossiers = 77
    with serving(scripted) as target:
        monkeypatch.setenv("DANCU_ADMIN_TARGET", target)
        monkeypatch.setenv("DANCU_ADMIN_KEY", "dck_admin_secret")
        yield scripted


def test_a_terminal_shows_who_is_connected_and_what_was_refused(
    audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole review of nine months on one screen."""
    assert main(["report", "--from", "2026-01", "--to", "2026-09", "--lang", "vi"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    squeezed = [" ".join(line.split()) for line in told.out.splitlines()]
    assert squeezed[0].endswith("từ 01/01/2026 đến 30/09/2026")
    for line in (
        "Bộ, ngành đã kết nối 1 trên 2",
        "Lượt tra cứu được trả lời 4.500",
        "Trả lời từ bản sao tại cổng 77,8 %",
        "Hồ sơ được nêu 77",
        "01 Thành phố Hà Nội 4.000 4.000 75,0 0 0,0 0,5",
        "Chưa có cuộc gọi từ: Bộ Y tế.",
    ):
        assert line in squeezed
    assert any(line.startswith("RATE_LIMITED 12 100,0 ") for line in squeezed)


def test_short_spans_are_counted_by_day_and_long_ones_by_month(audit: ScriptedAudit) -> None:
    """Nine months of days cannot be read; a week as one month says nothing."""
    assert main(["report", "--from", "2026-01", "--to", "2026-02"]) == 0
    assert main(["report", "--from", "2026-01", "--to", "2026-03"]) == 0
    assert main(["report", "--from", "2026-01", "--to", "2026-01", "--by", "month"]) == 0
    periods = [request.period for request in audit.requests if getattr(request, "dimensions", ())]
    assert periods == [PERIOD_DAY, PERIOD_MONTH, PERIOD_MONTH]
    (since,) = {getattr(one, "from").ToDatetime(UTC) for one in audit.requests if hasattr(one, "dimensions")}
    assert since == datetime(2025, 12, 31, 17, tzinfo=UTC)


def test_csv_opens_in_excel_with_its_diacritics(audit: ScriptedAudit) -> None:
    """Excel takes a file without a byte order mark for one in the machine's code page."""
    assert main(["report", "--format", "csv", "-o", "out.csv"]) == 0
    raw = Path("out.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    assert [row["Organisation"] for row in rows] == ["Thành phố Hà Nội", "Bộ Tư pháp", "Bộ Y tế"]
    assert [row["Lookups"] for row in rows] == ["4000", "500", "0"]


def test_html_goes_to_a_file_whole(audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]) -> None:
    """What is mailed to the committee."""
    assert main(["report", "--format", "html", "--by", "province", "-o", "out.html"]) == 0
    assert "out.html" in capsys.readouterr().err
    page = Path("out.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert [path.name for path in Path().iterdir()] == ["out.html"]


def test_more_rows_than_an_answer_holds_are_asked_for_period_by_period(
    audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    """A national report of two years must not fail for its size."""
    audit.too_many_at_once = True
    assert main(["report"]) == 0
    assert "4,500" in capsys.readouterr().out
    asked = [one for one in audit.requests if getattr(one, "dimensions", ())]
    starts = [getattr(one, "from").ToDatetime(UTC) for one in asked if one.HasField("from")]
    assert starts == [datetime(2026, 1, 4, 17, tzinfo=UTC)]


def test_an_empty_time_is_no_failure(audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]) -> None:
    """The first report of a new installation."""
    audit.rows.clear()
    assert main(["report", "--lang", "vi"]) == 0
    assert "Không có cuộc gọi nào" in capsys.readouterr().out


def test_provinces_have_names_where_accounts_are_not_listed(
    audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    """A viewer of statistics need not be a reader of accounts."""
    audit.lists_organisations = False
    assert main(["report", "--by", "province"]) == 0
    assert "Thành phố Hà Nội" in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_named(audit: ScriptedAudit, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback."""
    assert main(["report", "-o", "missing/out.txt"]) == 1
    assert capsys.readouterr().err == "dancu: missing/out.txt: No such file or directory\n"
