"""`dancu account update`: change what is stated of an account, and leave the rest as it is."""

from __future__ import annotations

from typing import Annotated

import typer

from dancu.cli.account_access import NameArgument, ask, full_name, listed, rows_of
from dancu.cli.account_options import (
    LIMIT_NAMES,
    BurstOption,
    DailyOption,
    FieldsOption,
    IdentityCheckOption,
    InFlightOption,
    MethodsOption,
    MissesOption,
    MissesUnlimitedOption,
    NetworksOption,
    OfficerBurstOption,
    OfficerDailyOption,
    OfficerInFlightOption,
    OfficerMissesOption,
    OfficerRateOption,
    OfficerRequiredOption,
    ProceduresOption,
    RateOption,
    ShadowOption,
    change_limits,
    cleared_of,
)
from dancu.cli.administration import AdminKeyOption, AdminTargetOption, administration
from dancu.cli.gateway import DataDirOption
from dancu.cli.output import JsonOption, LangOption, Language, print_card, print_json

_OFFICER = "officer_"
ClearOption = Annotated[
    list[str] | None,
    typer.Option(
        "--clear",
        metavar="LIMITS",
        help="Limits to take away, such as rate or officer_daily; misses_per_hour goes back to the gateway's own.",
    ),
]


def update(
    name: NameArgument,
    *,
    rate: RateOption = None,
    burst: BurstOption = None,
    daily: DailyOption = None,
    in_flight: InFlightOption = None,
    misses_per_hour: MissesOption = None,
    misses_unlimited: MissesUnlimitedOption = False,
    officer_rate: OfficerRateOption = None,
    officer_burst: OfficerBurstOption = None,
    officer_daily: OfficerDailyOption = None,
    officer_in_flight: OfficerInFlightOption = None,
    officer_misses_per_hour: OfficerMissesOption = None,
    clear: ClearOption = None,
    methods: MethodsOption = None,
    fields: FieldsOption = None,
    procedures: ProceduresOption = None,
    networks: NetworksOption = None,
    officer_required: OfficerRequiredOption = None,
    identity_check: IdentityCheckOption = None,
    shadow: ShadowOption = None,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Change what is stated of an account; what is not stated stays as it is.

    A list (methods, fields, procedures, networks) replaces the one there was; an empty text empties it.
    """
    cleared = cleared_of(clear, (*LIMIT_NAMES, *(_OFFICER + name for name in LIMIT_NAMES)))
    limits = {
        "rate": rate,
        "burst": burst,
        "daily": daily,
        "in_flight": in_flight,
        "misses_per_hour": misses_per_hour,
    }
    of_officers = {
        "rate": officer_rate,
        "burst": officer_burst,
        "daily": officer_daily,
        "in_flight": officer_in_flight,
        "misses_per_hour": officer_misses_per_hour,
    }
    lists = {"methods": methods, "fields": fields, "procedures": procedures, "networks": networks}
    flags = {"officer_required": officer_required, "identity_check": identity_check, "shadow": shadow}
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        account = ask(client, "GetAccount", name=full_name(client, name)).account
        change_limits(account.limits, limits, [one for one in cleared if not one.startswith(_OFFICER)])
        account.limits.misses_unlimited |= misses_unlimited
        of_officer = [one.removeprefix(_OFFICER) for one in cleared if one.startswith(_OFFICER)]
        change_limits(account.policy.officer_limits, of_officers, of_officer)
        for one, values in lists.items():
            if values is not None:
                getattr(account.policy, one)[:] = listed(values)
        for one, value in flags.items():
            if value is not None:
                setattr(account.policy, one, value)
        changed = ask(client, "UpdateAccount", account=account).account
    if as_json:
        from dancu.client import message_to_json

        print_json({"account": message_to_json(changed)})
    else:
        print_card(rows_of(changed))
