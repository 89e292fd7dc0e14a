"""The report as headings and tables, in English or Vietnamese, for whichever form shows them. Pure.

Owns the words and which rows and columns there are; a cell keeps its number until a form writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from dancu.cli.output import Language
from dancu.cli.report_numbers import MINISTRY, PROVINCE, Organisation, Period, Report, Tally, permille


class By(StrEnum):
    """What a report is broken down by."""

    ORGANISATION = "organisation"
    PROVINCE = "province"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Tenths:
    """A number with one decimal, in tenths, such as a percentage; None where there is none."""

    value: int | None


Cell: TypeAlias = "str | int | Tenths"


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, columns, and rows of as many cells."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    remark: str = ""


def number(value: int, language: Language) -> str:
    """1,234,567 or 1.234.567."""
    text = f"{value:,}"
    return text.replace(",", ".") if language is Language.VI else text


def decimal(tenths: Tenths, language: Language) -> str:
    """12.3 or 12,3; a dash where there is nothing."""
    if tenths.value is None:
        return "–"  # noqa: RUF001  the dash of tables
    whole, tenth = divmod(tenths.value, 10)
    return f"{number(whole, language)}{language.of('.', ',')}{tenth}"


def text(cell: Cell, language: Language) -> str:
    """The cell of a table as people read it; its heading says where percent are meant."""
    if isinstance(cell, Tenths):
        return decimal(cell, language)
    return number(cell, language) if isinstance(cell, int) else cell


def headline_text(cell: Cell, language: Language) -> str:
    """The same where no heading stands above it."""
    sign = " %" if isinstance(cell, Tenths) and cell.value is not None else ""
    return text(cell, language) + sign


def csv_value(cell: Cell, language: Language) -> str | int:
    """The cell for a spreadsheet: whole numbers without separators, an empty cell where there is nothing."""
    if isinstance(cell, Tenths):
        return decimal(cell, language) if cell.value is not None else ""
    return cell


def title(language: Language) -> str:
    """Of the whole report."""
    return language.of("Use of the national population database", "Khai thác cơ sở dữ liệu quốc gia về dân cư")


def empty_text(language: Language) -> str:
    """What a report without a call says."""
    return language.of(
        "No call was recorded in this time; another may be named with --from and --to.",
        "Không có cuộc gọi nào được ghi nhận trong thời gian này; có thể chọn thời gian khác bằng --from và --to.",
    )


def headline(report: Report, language: Language) -> list[tuple[str, Cell]]:
    """What a reader should know who reads nothing else."""
    total, of = report.total, language.of
    told: list[tuple[str, Cell]] = [
        (of("Ministries connected", "Bộ, ngành đã kết nối"), _of_all(report, MINISTRY, language)),
        (of("Provinces connected", "Địa phương đã kết nối"), _of_all(report, PROVINCE, language)),
        (of("Lookups answered", "Lượt tra cứu được trả lời"), total.lookups),
        (
            of("Answered from the gateway's copies", "Trả lời từ bản sao tại cổng"),
            Tenths(permille(total.from_copies, total.lookups)),
        ),
        (of("Calls", "Số cuộc gọi"), total.calls),
        (of("Calls refused", "Cuộc gọi bị từ chối"), total.refused),
        (of("Dossiers named", "Hồ sơ được nêu"), report.dossiers),
    ]
    if report.has_syncs:
        told.insert(3, (of("Syncs", "Lượt đồng bộ"), total.syncs))
    if report.has_cleansing:
        told.insert(4 if report.has_syncs else 3, (of("Records cleansed", "Bản ghi được làm sạch"), total.cleansed))
    return told


def remarks(report: Report, language: Language) -> list[str]:
    """How the numbers are meant."""
    told = [
        language.of(
            "A lookup is one citizen answered; a call may ask for several. Every number is counted from the audit "
            "records and equals their recount.",
            "Một lượt tra cứu là một công dân được trả lời; một cuộc gọi có thể hỏi nhiều công dân. Mọi số liệu được "
            "đếm từ bản ghi kiểm toán và bằng đúng kết quả đếm lại.",
        )
    ]
    if report.lag_records:
        count = number(report.lag_records, language)
        told.append(
            language.of(
                f"{count} of the latest records were not counted yet.", f"Còn {count} bản ghi mới nhất chưa được đếm."
            )
        )
    return told


def breakdown(report: Report, by: By, language: Language, *, days: bool) -> list[Table]:
    """The tables for people; those who made no call are named in a remark instead of filling rows."""
    if by is By.MONTH:
        return [period_table(report, language, days=days)]
    tables = [province_table(report, language, everybody=False)]
    if by is By.ORGANISATION:
        ministries = (language.of("Ministries", "Bộ, ngành"), report.of_kind(MINISTRY))
        others = (language.of("Other organisations", "Cơ quan khác"), report.others())
        tables.insert(0, _organisation_table(report, *ministries, language))
        if others[1]:
            tables.append(_organisation_table(report, *others, language))
    return tables


def flat_table(report: Report, by: By, language: Language, *, days: bool) -> Table:
    """One table for a spreadsheet, with a row for everybody."""
    if by is By.MONTH:
        return period_table(report, language, days=days)
    if by is By.PROVINCE:
        return province_table(report, language, everybody=True)
    of = language.of
    kinds = {MINISTRY: of("ministry", "bộ, ngành"), PROVINCE: of("province", "địa phương")}
    return Table(
        title(language),
        (*_organisation_columns(language), of("Kind", "Loại"), *_count_columns(report, language)),
        [
            (one.code, one.name, kinds.get(one.kind, one.kind), *_counts(report, tally))
            for one, tally in report.organisations
        ],
    )


def province_table(report: Report, language: Language, *, everybody: bool) -> Table:
    """Provinces, with lookups per thousand people, so that large and small ones compare."""
    provinces = report.of_kind(PROVINCE)
    of = language.of
    return Table(
        of("Provinces", "Địa phương"),
        (
            *_organisation_columns(language),
            *_count_columns(report, language),
            of("Lookups per 1,000 people", "Lượt tra cứu trên 1.000 dân"),
        ),
        [
            (
                one.code,
                one.name,
                *_counts(report, tally),
                _per_thousand(tally.lookups, one.population),
            )
            for one, tally in provinces
            if tally.calls or everybody
        ],
        "" if everybody else _not_connected(provinces, language),
    )


def period_table(report: Report, language: Language, *, days: bool) -> Table:
    """Days or months with who was connected in each."""
    of = language.of
    return Table(
        of("By day", "Theo ngày") if days else of("By month", "Theo tháng"),
        (
            of("Day", "Ngày") if days else of("Month", "Tháng"),
            of("Ministries", "Bộ, ngành"),
            of("Provinces", "Địa phương"),
            *_count_columns(report, language),
        ),
        [
            (
                period_name(one, language, days=days),
                one.connected.get(MINISTRY, 0),
                one.connected.get(PROVINCE, 0),
                *_counts(report, one.tally),
            )
            for one in report.periods
        ],
    )


def refusal_table(report: Report, language: Language) -> Table:
    """Refusals by cause, with what the caller was told."""
    of = language.of
    return Table(
        of("Refusals by cause", "Từ chối theo nguyên nhân"),
        (
            of("Cause", "Nguyên nhân"),
            of("Calls", "Số cuộc gọi"),
            of("Share, %", "Tỷ lệ, %"),
            of("What the caller was told", "Nội dung báo cho bên gọi"),
        ),
        [
            (reason, calls, Tenths(permille(calls, report.total.refused)), _meaning(reason, language))
            for reason, calls in report.refusals
        ],
    )


def method_table(report: Report, language: Language) -> Table:
    """Which methods were called."""
    of = language.of
    return Table(
        of("By method", "Theo phương thức"),
        (of("Method", "Phương thức"), of("Calls", "Số cuộc gọi"), of("Citizens", "Số công dân")),
        [(name.rpartition(".")[2], calls, citizens) for name, calls, citizens in report.methods],
    )


def period_name(period: Period, language: Language, *, days: bool) -> str:
    """The day or month as its readers write it."""
    if days:
        return f"{period.start:%d/%m/%Y}" if language is Language.VI else f"{period.start:%Y-%m-%d}"
    return f"{period.start:%m/%Y}" if language is Language.VI else f"{period.start:%Y-%m}"


def _organisation_table(
    report: Report, heading: str, organisations: Sequence[tuple[Organisation, Tally]], language: Language
) -> Table:
    return Table(
        heading,
        (*_organisation_columns(language), *_count_columns(report, language)),
        [(one.code, one.name, *_counts(report, tally)) for one, tally in organisations if tally.calls],
        _not_connected(organisations, language),
    )


def _not_connected(organisations: Sequence[tuple[Organisation, Tally]], language: Language) -> str:
    names = [one.name for one, tally in organisations if not tally.calls]
    return f"{language.of('No call from', 'Chưa có cuộc gọi từ')}: {', '.join(names)}." if names else ""


def _of_all(report: Report, kind: str, language: Language) -> str:
    everybody = len(report.of_kind(kind))
    return language.of(f"{report.connected(kind)} of {everybody}", f"{report.connected(kind)} trên {everybody}")


def _organisation_columns(language: Language) -> tuple[str, str]:
    return language.of("Code", "Mã"), language.of("Organisation", "Cơ quan")


def _count_columns(report: Report, language: Language) -> list[str]:
    of = language.of
    columns = [of("Calls", "Số cuộc gọi"), of("Lookups", "Lượt tra cứu")]
    if report.has_syncs:
        columns.append(of("Syncs", "Đồng bộ"))
    if report.has_cleansing:
        columns.append(of("Cleansed", "Làm sạch"))
    columns += [of("From copies, %", "Từ bản sao, %"), of("Refused", "Từ chối"), of("Refused, %", "Từ chối, %")]
    return columns


def _counts(report: Report, tally: Tally) -> list[Cell]:
    cells: list[Cell] = [tally.calls, tally.lookups]
    if report.has_syncs:
        cells.append(tally.syncs)
    if report.has_cleansing:
        cells.append(tally.cleansed)
    cells += [
        Tenths(permille(tally.from_copies, tally.lookups)),
        tally.refused,
        Tenths(permille(tally.refused, tally.calls)),
    ]
    return cells


def _per_thousand(lookups: int, population: int | None) -> Tenths:
    return Tenths((20_000 * lookups + population) // (2 * population) if population else None)


def _meaning(reason: str, language: Language) -> str:
    # Pydantic-free and small, but of the gateway; only reports need it.
    from gateway.errors import Reason
    from gateway.messages import MESSAGES

    if reason not in Reason.__members__ or Reason[reason] not in MESSAGES:
        return ""
    told = MESSAGES[Reason[reason]]
    return language.of(told.en, told.vi)
