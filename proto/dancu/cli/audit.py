"""`dancu audit list` and `disclosures`: the records themselves, for people and for scripts.

Owns what is asked and how it is shown. A number that is asked for is neither shown, logged nor repeated in an error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from dancu.cli.administration import AdminKeyOption, AdminTargetOption
from dancu.cli.audit_rows import (
    DISCLOSURE_COLUMNS,
    LIST_COLUMNS,
    Row,
    disclosure_line,
    json_row,
    list_line,
    row_of,
)
from dancu.cli.audit_source import (
    InstallationOption,
    audit_source,
    disclosure_pages,
    record_pages,
)
from dancu.cli.gateway import TimeoutOption
from dancu.cli.output import JsonOption, LangOption, Language, complain, print_json, print_table
from dancu.cli.spans import FromOption, Span, ToOption, span

if TYPE_CHECKING:
    from dancu.audit.v1.audit_service_pb2 import ListedRecord
    from dancu.client.audit_calls import RecordFilter

AccountOption = Annotated[str, typer.Option("--account", metavar="NAME", help="Account, <organisation>/<name>.")]
OrganisationOption = Annotated[str, typer.Option("--organisation", metavar="CODE", help="Organisation's code.")]
MethodOption = Annotated[
    str, typer.Option("--method", metavar="NAME", help="Scope such as citizen.lookup, or the full name of a method.")
]
OutcomeOption = Annotated[
    str, typer.Option("--outcome", metavar="NAME", help="OK, or the reason of a refusal such as RATE_LIMITED.")
]
ProcedureFilter = Annotated[str, typer.Option("--procedure", metavar="CODE", help="Administrative procedure.")]
RequestIdOption = Annotated[str, typer.Option("--request-id", metavar="ID", help="Request as its caller saw it.")]
SubjectOption = Annotated[
    str,
    typer.Option("--subject", metavar="NUMBER", help="Citizen, by personal number; '-' reads it from standard input."),
]
LimitOption = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=10_000_000, help="Most records shown, the latest first.")
]


def list_records(
    *,
    account: AccountOption = "",
    organisation: OrganisationOption = "",
    method: MethodOption = "",
    subject: SubjectOption = "",
    outcome: OutcomeOption = "",
    procedure: ProcedureFilter = "",
    request_id: RequestIdOption = "",
    since: FromOption = "",
    until: ToOption = "",
    limit: LimitOption = 100,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: InstallationOption = None,
    timeout: TimeoutOption = 30.0,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """List audit records, the latest first; all filters that are given must hold.

    With --json each record is one object a line, with its receipt.
    """
    asked = record_filter(
        account=account,
        organisation=organisation,
        method=method,
        subject=subject,
        outcome=outcome,
        procedure=procedure,
        request_id=request_id,
        within=span(since, until),
    )
    with audit_source(
        target=target, key=key, data_dir=data_dir, timeout_seconds=timeout, language=language, as_json=as_json
    ) as source:
        # One more than is shown tells whether there are more.
        pages = record_pages(source, asked, limit=limit + 1)
        _show(pages, limit, LIST_COLUMNS[language], list_line, language=language, as_json=as_json)


def disclosures(
    number: Annotated[
        str,
        typer.Argument(metavar="NUMBER", help="Personal number, 12 digits. '-' reads it from standard input."),
    ],
    *,
    since: FromOption = "",
    until: ToOption = "",
    limit: LimitOption = 100,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: InstallationOption = None,
    timeout: TimeoutOption = 30.0,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """List who was told something of a citizen: when, who, why and which fields, the latest first."""
    within = span(since, until)
    digits = digits_of(number, option="NUMBER")
    with audit_source(
        target=target, key=key, data_dir=data_dir, timeout_seconds=timeout, language=language, as_json=as_json
    ) as source:
        pages = disclosure_pages(source, digits, {"since": within.since, "until": within.until}, limit=limit + 1)
        _show(pages, limit, DISCLOSURE_COLUMNS[language], disclosure_line, language=language, as_json=as_json)


def record_filter(
    *,
    account: str = "",
    organisation: str = "",
    method: str = "",
    subject: str = "",
    outcome: str = "",
    procedure: str = "",
    request_id: str = "",
    within: Span,
) -> RecordFilter:
    """The filter that the options mean; a mistake is a usage error that names the option."""
    asked: RecordFilter = {
        "account": account,
        "organisation": organisation,
        "method": method,
        "procedure": procedure,
        "request_id": request_id,
        "since": within.since,
        "until": within.until,
    }
    if subject:
        asked["personal_number"] = digits_of(subject, option="--subject")
    if outcome:
        from dancu.client.audit_calls import outcome_value

        asked["outcome"] = outcome.strip().upper().replace("-", "_")
        try:
            outcome_value(asked["outcome"])
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--outcome") from None
    return asked


def digits_of(number: str, *, option: str) -> str:
    """The 12 digits without the spaces that people copy along; anything else is a usage error that repeats nothing."""
    text = sys.stdin.readline() if number == "-" else number
    digits = "".join(text.split())
    if len(digits) != 12 or not (digits.isascii() and digits.isdigit()):
        raise typer.BadParameter("a personal number has 12 digits", param_hint=option)
    return digits


def _show(
    pages: Iterable[Sequence[ListedRecord]],
    limit: int,
    columns: Sequence[str],
    line: Callable[[Row], list[str]],
    *,
    language: Language,
    as_json: bool,
) -> None:
    lines: list[list[str]] = []
    shown = 0
    more = False
    for page in pages:
        for listed in page:
            if shown == limit:
                more = True
                break
            shown += 1
            row = row_of(listed)
            if as_json:
                print_json(json_row(row))
            else:
                lines.append(line(row))
    if lines:
        print_table(columns, lines)
    elif not as_json:
        complain(language.of("No record matches.", "Không có bản ghi nào phù hợp."))
    if more:
        text = language.of(
            f"Only the latest {limit} are shown; --limit shows more.",
            f"Chỉ hiện {limit} bản ghi mới nhất; dùng --limit để xem thêm.",
        )
        complain(text)
