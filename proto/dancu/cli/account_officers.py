"""`dancu account officer`: the people behind the screens of an account, and the limits of each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dancu.cli.account_access import NameArgument, ask, full_name, limits_text, pages
from dancu.cli.account_bindings import AccountOption
from dancu.cli.account_options import (
    LIMIT_NAMES,
    BurstOption,
    DailyOption,
    InFlightOption,
    MissesOption,
    MissesUnlimitedOption,
    RateOption,
    change_limits,
    cleared_of,
    limits_of,
)
from dancu.cli.administration import AdminKeyOption, AdminTargetOption, administration
from dancu.cli.gateway import DataDirOption
from dancu.cli.output import JsonOption, LangOption, Language, print_card, print_json, print_table

if TYPE_CHECKING:
    from dancu.account.v1.account_pb2 import Officer

_UNTIL = "until"
OfficerArgument = Annotated[
    str, typer.Argument(metavar="OFFICER", help="Identifier of the officer, as questions name it.")
]
UntilOption = Annotated[
    datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="First day on which it may not ask, UTC.")
]
ClearOption = Annotated[
    list[str] | None,
    typer.Option("--clear", metavar="NAMES", help="Limits to take away, such as rate; until: no last day."),
]


def list_officers(
    *,
    account: AccountOption = "",
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """List officers."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        name = full_name(client, account) if account else ""
        found = list(pages(client, "ListOfficers", "officers", account=name))
    if as_json:
        for one in found:
            print_json(_json(one))
        return
    columns = ("account", "officer_id", "label", "status", "not_after", "limits")
    rows = [[str(one.get(column, "")) for column in columns] for one in map(_row, found)]
    print_table([column.replace("_", " ") for column in columns], rows)


def add(
    name: NameArgument,
    officer_id: OfficerArgument,
    *,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="A label, such as the counter.")] = "",
    until: UntilOption = None,
    rate: RateOption = None,
    burst: BurstOption = None,
    daily: DailyOption = None,
    in_flight: InFlightOption = None,
    misses_per_hour: MissesOption = None,
    misses_unlimited: MissesUnlimitedOption = False,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Register an officer with an account."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        from dancu.account.v1.account_pb2 import Officer

        officer = Officer(
            account=full_name(client, name),
            officer_id=officer_id,
            label=label,
            limits=limits_of(
                rate=rate,
                burst=burst,
                daily=daily,
                in_flight=in_flight,
                misses_per_hour=misses_per_hour,
                misses_unlimited=misses_unlimited,
            ),
        )
        if until is not None:
            officer.not_after.FromDatetime(until.replace(tzinfo=UTC))
        made = ask(client, "CreateOfficer", officer=officer).officer
    _show(made, as_json=as_json)


def update(
    name: NameArgument,
    officer_id: OfficerArgument,
    *,
    label: Annotated[str | None, typer.Option("--label", metavar="TEXT", help="A label; empty: none.")] = None,
    until: UntilOption = None,
    rate: RateOption = None,
    burst: BurstOption = None,
    daily: DailyOption = None,
    in_flight: InFlightOption = None,
    misses_per_hour: MissesOption = None,
    misses_unlimited: MissesUnlimitedOption = False,
    clear: ClearOption = None,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Change what is stated of an officer; what is not stated stays as it is."""
    cleared = cleared_of(clear, (*LIMIT_NAMES, _UNTIL))
    limits = {
        "rate": rate,
        "burst": burst,
        "daily": daily,
        "in_flight": in_flight,
        "misses_per_hour": misses_per_hour,
    }
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        officer = ask(client, "GetOfficer", account=full_name(client, name), officer_id=officer_id).officer
        if label is not None:
            officer.label = label
        if _UNTIL in cleared:
            officer.ClearField("not_after")
        if until is not None:
            officer.not_after.FromDatetime(until.replace(tzinfo=UTC))
        change_limits(officer.limits, limits, [one for one in cleared if one != _UNTIL])
        officer.limits.misses_unlimited |= misses_unlimited
        changed = ask(client, "UpdateOfficer", officer=officer).officer
    _show(changed, as_json=as_json)


def suspend(
    name: NameArgument,
    officer_id: OfficerArgument,
    *,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Refuse all questions that name an officer until he is resumed."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        officer = ask(client, "SuspendOfficer", account=full_name(client, name), officer_id=officer_id).officer
    _show(officer, as_json=as_json)


def resume(
    name: NameArgument,
    officer_id: OfficerArgument,
    *,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """End the suspension of an officer."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        officer = ask(client, "ResumeOfficer", account=full_name(client, name), officer_id=officer_id).officer
    _show(officer, as_json=as_json)


def _show(officer: Officer, *, as_json: bool) -> None:
    if as_json:
        print_json({"officer": _json(officer)})
    else:
        print_card([(name.replace("_", " "), str(value)) for name, value in _row(officer).items()])


def _row(officer: Officer) -> dict[str, Any]:
    return {**_json(officer), "limits": limits_text(officer.limits)}


def _json(officer: Officer) -> dict[str, Any]:
    from dancu.client import message_to_json

    return dict(message_to_json(officer))
