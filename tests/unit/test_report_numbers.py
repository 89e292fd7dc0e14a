"""The national report: what is counted as what, and how it reads in both languages."""

from __future__ import annotations

import csv
from datetime import datetime
from io import StringIO

import pytest

from dancu.audit.v1.audit_service_pb2 import StatisticsRow
from dancu.cli.output import Language
from dancu.cli.report import csv_text
from dancu.cli.report_html import html
from dancu.cli.report_numbers import MINISTRY, PROVINCE, Organisation, Report, permille, report_of
from dancu.cli.report_organisations import in_force
from dancu.cli.report_tables import By, Tenths, breakdown, decimal, flat_table, headline, number, refusal_table
from dancu.cli.spans import VIETNAM, span

LOOKUP = "dancu.citizen.v1.CitizenService/LookupCitizen"
BULK = "dancu.citizen.v1.CitizenService/BulkLookupCitizens"
SYNC = "dancu.sync.v1.SyncService/SubmitSyncRequest"
UPLOAD = "dancu.cleansing.v1.CleansingService/UploadRecords"
LIST = "dancu.audit.v1.AuditService/ListAuditRecords"
JANUARY = int(datetime(2026, 1, 1, tzinfo=VIETNAM).timestamp())
FEBRUARY = int(datetime(2026, 2, 1, tzinfo=VIETNAM).timestamp())
ORGANISATIONS = [
    Organisation("BTP", "Bộ Tư pháp", MINISTRY),
    Organisation("BYT", "Bộ Y tế", MINISTRY),
    Organisation("01", "Thành phố Hà Nội", PROVINCE, 8_808_000),
    Organisation("04", "Tỉnh Cao Bằng", PROVINCE, 573_000),
]


def row(
    organisation: str,
    method: str,
    outcome: str = "OK",
    source: str = "none",
    *,
    calls: int = 0,
    citizens: int = 0,
    start: int = JANUARY,
) -> StatisticsRow:
    made = StatisticsRow(values=[organisation, method, outcome, source], calls=calls, citizens=citizens)
    made.period_start.seconds = start
    return made


def some_report() -> Report:
    rows = [
        row("01", LOOKUP, "OK", "national_db", calls=400, citizens=400),
        row("01", LOOKUP, "OK", "cache", calls=500, citizens=500),
        row("01", BULK, "OK", "stale_cache", calls=1, citizens=100, start=FEBRUARY),
        row("01", LOOKUP, "RATE_LIMITED", calls=30),
        row("BTP", LOOKUP, "OK", "cache", calls=1_234_567, citizens=1_234_567, start=FEBRUARY),
        row("BTP", LOOKUP, "CITIZEN_NOT_FOUND", calls=7, start=FEBRUARY),
        row("BCA", LIST, "OK", calls=50),
    ]
    return report_of(rows, ORGANISATIONS, dossiers=321, lag_records=4)


def test_a_lookup_is_a_citizen_answered_and_a_call_counts_once() -> None:
    """A bulk call of a hundred is a hundred lookups and one call."""
    report = some_report()
    hanoi = {one.code: tally for one, tally in report.organisations}["01"]
    assert (hanoi.calls, hanoi.lookups, hanoi.from_copies, hanoi.refused) == (931, 1000, 600, 30)
    assert (report.total.calls, report.total.lookups) == (1_235_505, 1_235_567)


def test_who_asks_the_admin_port_is_not_connected() -> None:
    """The operators' own calls would make the ministry that operates look like a user."""
    report = some_report()
    assert (report.connected(MINISTRY), report.connected(PROVINCE)) == (1, 1)
    assert "BCA" not in [one.code for one, _ in report.organisations]
    assert LIST not in [name for name, _, _ in report.methods]


def test_refusals_are_by_cause_and_the_most_frequent_first() -> None:
    """The committee asks what to mend first."""
    assert some_report().refusals == [("RATE_LIMITED", 30), ("CITIZEN_NOT_FOUND", 7)]
    rows = refusal_table(some_report(), Language.VI).rows
    assert rows[0][:3] == ("RATE_LIMITED", 30, Tenths(811))
    assert "giới hạn" in str(rows[0][3])


def test_periods_know_who_was_connected_in_each() -> None:
    """Growth is the number of those who joined."""
    january, february = some_report().periods
    assert (january.start, january.connected) == (datetime(2026, 1, 1, tzinfo=VIETNAM), {MINISTRY: 0, PROVINCE: 1})
    assert (february.tally.lookups, february.connected) == (1_234_667, {MINISTRY: 1, PROVINCE: 1})


def test_columns_for_syncs_and_cleansing_appear_with_the_first_of_them() -> None:
    """A column of zeros reads as a failure of what does not exist yet."""
    without = flat_table(some_report(), By.ORGANISATION, Language.EN, days=False)
    assert not {"Syncs", "Cleansed"} & set(without.columns)
    rows = [row("01", SYNC, calls=5), row("BTP", UPLOAD, calls=1, citizens=900)]
    report = report_of(rows, ORGANISATIONS)
    table = flat_table(report, By.ORGANISATION, Language.EN, days=False)
    assert {"Syncs", "Cleansed"} <= set(table.columns)
    assert (report.total.syncs, report.total.cleansed, report.total.lookups) == (5, 900, 0)
    labels = [label for label, _ in headline(report, Language.EN)]
    assert labels.index("Syncs") + 1 == labels.index("Records cleansed")


def test_provinces_compare_by_lookups_per_thousand_people() -> None:
    """Few provinces dominate by size alone."""
    (table,) = breakdown(some_report(), By.PROVINCE, Language.EN, days=False)
    assert [line[:2] for line in table.rows] == [("01", "Thành phố Hà Nội")]
    assert table.rows[0][-1] == Tenths(1)
    assert table.remark == "No call from: Tỉnh Cao Bằng."


def test_every_organisation_has_a_row_in_a_spreadsheet() -> None:
    """Who is missing is what a steering committee looks for."""
    text = csv_text(flat_table(some_report(), By.ORGANISATION, Language.VI, days=False), Language.VI)
    assert text.startswith("\ufeffMã,Cơ quan,")
    rows = list(csv.reader(StringIO(text.removeprefix("\ufeff"), newline="")))
    assert [line[0] for line in rows[1:]] == ["BTP", "01", "04", "BYT"]
    assert rows[1][3:] == ["1234574", "1234567", "100,0", "7", "0,0"]
    assert rows[3][3:] == ["0", "0", "", "0", ""]


def test_the_html_needs_nothing_from_elsewhere() -> None:
    """It is mailed, opened in closed networks and printed."""
    page = "".join(html(some_report(), by=By.ORGANISATION, span_text="01/2026", language=Language.VI, days=False))
    page_of_ours = page[: page.index("<script>")] + page[page.rindex("<script>") :]
    assert "Plotly.newPlot" in page_of_ours
    assert page.count("</script>") == 2
    assert "default-src 'none'" in page_of_ours
    for fetched in ("http:", "https:", " src=", "@import", "url("):
        assert fetched not in page_of_ours
    assert "1.234.567" in page_of_ours
    assert "Bộ Tư pháp" in page_of_ours


def test_a_name_cannot_act_in_the_html() -> None:
    """Names come from whoever manages accounts."""
    bad = Organisation("X", "</script><script>alert(1)</script>", MINISTRY)
    report = report_of([row("X", LOOKUP, "OK", "cache", calls=1, citizens=1)], [bad])
    page = "".join(html(report, by=By.ORGANISATION, span_text="", language=Language.EN, days=True))
    assert "<script>alert" not in page
    assert page.count("</script>") == 2


@pytest.mark.parametrize("language", list(Language))
def test_an_empty_time_is_said_kindly(language: Language) -> None:
    """Zeros and empty charts would be taken for a fault."""
    page = "".join(html(report_of([], ORGANISATIONS), by=By.MONTH, span_text="", language=language, days=False))
    assert language.of("No call was recorded", "Không có cuộc gọi nào") in page
    assert "Plotly" not in page


def test_numbers_read_as_each_language_writes_them() -> None:
    """1.234 is a thousand to one reader and one to another."""
    assert number(1_234_567, Language.EN) == "1,234,567"
    assert number(1_234_567, Language.VI) == "1.234.567"
    assert (decimal(Tenths(123), Language.EN), decimal(Tenths(123), Language.VI)) == ("12.3", "12,3")


def test_shares_round_to_the_nearest_and_nothing_has_none() -> None:
    """0 of 0 is no share, and neither 0 nor 100 percent."""
    assert [permille(1, 3), permille(2, 3), permille(1, 2000), permille(0, 5)] == [333, 667, 1, 0]
    assert permille(0, 0) is None


def test_days_and_months_are_those_of_vietnam_and_the_last_is_included() -> None:
    """A report for January that misses the 31st is wrong by three percent."""
    january = span("2026-01", "2026-01")
    assert january.since == datetime(2026, 1, 1, tzinfo=VIETNAM)
    assert january.until == datetime(2026, 2, 1, tzinfo=VIETNAM)
    assert january.text(Language.EN) == "2026-01-01 to 2026-01-31"
    assert january.text(Language.VI) == "từ 01/01/2026 đến 31/01/2026"
    assert span("2025-12-31", "2025-12-31").until == datetime(2026, 1, 1, tzinfo=VIETNAM)
    assert span("2024-12", "").text(Language.EN) == "since 2024-12-01"


def test_what_a_former_province_asked_stands_with_the_unit_that_took_it_in() -> None:
    """A committee reads of the 34 units; a province that is none any more would fall out of every comparison."""
    former = [
        Organisation("02", "Tỉnh Hà Giang", PROVINCE),
        Organisation("26", "Tỉnh Vĩnh Phúc", PROVINCE),
        Organisation("25", "Tỉnh Phú Thọ", PROVINCE, 4_023_000),
        Organisation("15", "Tỉnh Yên Bái", PROVINCE),  # a trap: today's code of Lào Cai, which took Yên Bái in
        Organisation("02x", "Trung tâm", "other"),
    ]
    organisations, taken_in = in_force(former)
    assert taken_in == {"02": "08", "26": "25"}
    assert {one.code: one.name for one in organisations if one.code == "08"} == {"08": "Tỉnh Tuyên Quang"}
    rows = [row(code, LOOKUP, "OK", "cache", calls=10, citizens=10) for code in ("02", "25", "26", "15", "02x")]
    report = report_of(rows, organisations, taken_in=taken_in)
    lookups = {one.code: tally.lookups for one, tally in report.organisations}
    assert lookups == {"08": 10, "25": 20, "15": 10, "02x": 10}
    assert report.connected(PROVINCE) == 3
