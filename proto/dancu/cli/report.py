"""`dancu report`: the national report, as a steering committee reads it.

Owns what is asked of the statistics and the forms for a terminal and a spreadsheet; `report_html` is the form for
reading and printing.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from dancu.cli.administration import AdminKeyOption, AdminTargetOption
from dancu.cli.audit_source import InstallationOption, audit_source
from dancu.cli.gateway import TimeoutOption
from dancu.cli.output import LangOption, Language, complain, print_card, print_table
from dancu.cli.report_numbers import DIMENSIONS, Report, report_of
from dancu.cli.report_organisations import in_force
from dancu.cli.report_tables import (
    By,
    Table,
    breakdown,
    csv_value,
    empty_text,
    flat_table,
    headline,
    headline_text,
    refusal_table,
    remarks,
    text,
    title,
)
from dancu.cli.spans import VIETNAM, FromOption, Span, ToOption, span

if TYPE_CHECKING:
    from dancu.audit.v1.audit_service_pb2 import StatisticsRow
    from dancu.cli.audit_source import AuditSource
    from dancu.client.audit_calls import PeriodName

# Excel takes a file without it for one in the code page of the machine, and shows Vietnamese as mojibake.
_BYTE_ORDER_MARK = "\ufeff"
_LONGEST_BY_DAY = timedelta(days=62)


class Format(StrEnum):
    """A form of the report."""

    TABLE = "table"
    CSV = "csv"
    HTML = "html"


def report(
    *,
    since: FromOption = "",
    until: ToOption = "",
    by: Annotated[By, typer.Option("--by", help="What the numbers are broken down by.")] = By.ORGANISATION,
    form: Annotated[
        Format, typer.Option("--format", help="table for terminals, csv for spreadsheets, html for reading and paper.")
    ] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write; default: standard output.")
    ] = None,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: InstallationOption = None,
    timeout: TimeoutOption = 60.0,
    language: LangOption = Language.EN,
) -> None:
    """Print the national report: who is connected, lookups, share of copies, refusals, per ministry and province.

    Without --from and --to: everything that was recorded. The HTML file needs nothing else, also offline.
    """
    within = span(since, until)
    days = by is not By.MONTH and _is_short(within)
    with audit_source(
        target=target, key=key, data_dir=data_dir, timeout_seconds=timeout, language=language, as_json=False
    ) as source:
        told = gather(source, within, days=days)

    def emit(stream: TextIO) -> None:
        if form is Format.HTML:
            from dancu.cli.report_html import html

            stream.writelines(html(told, by=by, span_text=within.text(language), language=language, days=days))
        elif form is Format.CSV:
            stream.write(csv_text(flat_table(told, by, language, days=days), language))
        else:
            with redirect_stdout(stream):
                _print(told, by=by, within=within, language=language, days=days)

    if output is None:
        emit(sys.stdout)
        return
    try:
        _write(output, emit)
    except OSError as error:
        complain(f"{output}: {error.strerror or error}")
        raise typer.Exit(1) from None
    complain(language.of(f"report in {output}", f"báo cáo trong {output}"))


def gather(source: AuditSource, within: Span, *, days: bool) -> Report:
    """Ask for the counts and make the report of them. Raises `Refused`."""
    period: PeriodName = "day" if days else "month"
    # Distinct dossiers cannot be added up from rows, so they are asked for by themselves.
    totals = source.get_statistics(since=within.since, until=within.until)
    organisations, taken_in = in_force(source.organisations())
    return report_of(
        _rows(source, within, period),
        organisations,
        taken_in=taken_in,
        dossiers=sum(row.dossiers for row in totals.rows),
        lag_records=totals.lag_records,
    )


def _rows(source: AuditSource, within: Span, period: PeriodName) -> list[StatisticsRow]:
    """The rows of all periods; asked for one period at a time where together they are more than an answer holds."""
    from dancu.client import InvalidRequest

    try:
        told = source.get_statistics(since=within.since, until=within.until, period=period, dimensions=DIMENSIONS)
    except InvalidRequest as refused:
        if [violation.field for violation in refused.violations] != ["period"]:
            raise
    else:
        return list(told.rows)
    rows: list[StatisticsRow] = []
    for one in source.get_statistics(since=within.since, until=within.until, period=period).rows:
        start = datetime.fromtimestamp(one.period_start.seconds, VIETNAM)
        end = start + timedelta(days=1) if period == "day" else (start + timedelta(days=31)).replace(day=1)
        rows += source.get_statistics(since=start, until=end, period=period, dimensions=DIMENSIONS).rows
    return rows


def csv_text(table: Table, language: Language) -> str:
    """RFC 4180 with a byte order mark; whole numbers plain, so that a spreadsheet adds them up."""
    stream = StringIO(newline="")
    rows = csv.writer(stream)
    rows.writerow(table.columns)
    rows.writerows([csv_value(cell, language) for cell in row] for row in table.rows)
    return _BYTE_ORDER_MARK + stream.getvalue()


def _is_short(within: Span) -> bool:
    if within.since is None or within.until is None:
        return False
    return within.until - within.since <= _LONGEST_BY_DAY


def _print(told: Report, *, by: By, within: Span, language: Language, days: bool) -> None:
    sys.stdout.write(f"{title(language)}, {within.text(language)}\n\n")
    if told.empty:
        sys.stdout.write(empty_text(language) + "\n")
        return
    print_card((label, headline_text(cell, language)) for label, cell in headline(told, language))
    tables = breakdown(told, by, language, days=days)
    if told.refusals:
        tables.append(refusal_table(told, language))
    for table in tables:
        sys.stdout.write(f"\n{table.title}\n")
        if table.rows:
            print_table(table.columns, [[text(cell, language) for cell in row] for row in table.rows])
        if table.remark:
            sys.stdout.write(f"{table.remark}\n")
    for remark in remarks(told, language):
        sys.stdout.write(f"\n{remark}\n")


def _write(output: Path, emit: Callable[[TextIO], None]) -> None:
    """Write the file whole or not at all."""
    scratch = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with scratch.open("w", encoding="utf-8", newline="") as stream:
            emit(stream)
        scratch.replace(output)
    finally:
        scratch.unlink(missing_ok=True)
