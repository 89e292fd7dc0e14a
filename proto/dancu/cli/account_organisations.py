"""`dancu account organisation`: ministries, provinces and the limits that all accounts of one share."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dancu.cli.account_access import ask, limits_text, pages
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
    from dancu.account.v1.account_pb2 import Organisation


class Kind(StrEnum):
    """What an organisation is."""

    MINISTRY = "ministry"
    PROVINCE = "province"
    OTHER = "other"


CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="Code of the organisation, such as 01 or BCA.")]
ClearOption = Annotated[
    list[str] | None,
    typer.Option(
        "--clear",
        metavar="LIMITS",
        help="Limits to take away, such as rate; misses_per_hour takes away misses-unlimited as well.",
    ),
]


def list_organisations(
    *,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """List organisations."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        found = list(pages(client, "ListOrganisations", "organisations"))
    if as_json:
        for one in found:
            print_json(_json(one))
        return
    columns = ("code", "name", "kind", "status", "limits")
    print_table(columns, [[str(one.get(column, "")) for column in columns] for one in map(_row, found)])


def create(
    code: CodeArgument,
    *,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="Its name.")],
    kind: Annotated[Kind, typer.Option("--kind", help="What it is.")] = Kind.OTHER,
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
    """Create an organisation. Its limits are shared by all of its accounts."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        from dancu.account.v1.account_pb2 import Organisation
        from dancu.cli.account_toml import ORGANISATION_KINDS

        organisation = Organisation(
            code=code,
            name=name,
            kind=ORGANISATION_KINDS[kind],
            limits=limits_of(
                rate=rate,
                burst=burst,
                daily=daily,
                in_flight=in_flight,
                misses_per_hour=misses_per_hour,
                misses_unlimited=misses_unlimited,
            ),
        )
        made = ask(client, "CreateOrganisation", organisation=organisation).organisation
    _show(made, as_json=as_json)


def update(
    code: CodeArgument,
    *,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="Its name.")] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="What it is.")] = None,
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
    """Change what is stated of an organisation; what is not stated stays as it is."""
    cleared = cleared_of(clear, LIMIT_NAMES)
    limits = {
        "rate": rate,
        "burst": burst,
        "daily": daily,
        "in_flight": in_flight,
        "misses_per_hour": misses_per_hour,
    }
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        from dancu.cli.account_toml import ORGANISATION_KINDS

        organisation = ask(client, "GetOrganisation", code=code).organisation
        if name is not None:
            organisation.name = name
        if kind is not None:
            organisation.kind = ORGANISATION_KINDS[kind]
        change_limits(organisation.limits, limits, cleared)
        organisation.limits.misses_unlimited |= misses_unlimited
        changed = ask(client, "UpdateOrganisation", organisation=organisation).organisation
    _show(changed, as_json=as_json)


def suspend(
    code: CodeArgument,
    *,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Refuse all calls of all accounts of an organisation until it is resumed."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        organisation = ask(client, "SuspendOrganisation", code=code).organisation
    _show(organisation, as_json=as_json)


def resume(
    code: CodeArgument,
    *,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """End the suspension of an organisation; accounts suspended by themselves stay so."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        organisation = ask(client, "ResumeOrganisation", code=code).organisation
    _show(organisation, as_json=as_json)


def _show(organisation: Organisation, *, as_json: bool) -> None:
    if as_json:
        print_json({"organisation": _json(organisation)})
    else:
        print_card([(name.replace("_", " "), str(value)) for name, value in _row(organisation).items()])


def _row(organisation: Organisation) -> dict[str, Any]:
    return {**_json(organisation), "limits": limits_text(organisation.limits)}


def _json(organisation: Organisation) -> dict[str, Any]:
    from dancu.client import message_to_json

    return dict(message_to_json(organisation))
