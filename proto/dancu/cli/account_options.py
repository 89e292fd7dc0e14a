"""The options by which commands on accounts state rights and limits, and how limits are put together from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from dancu.cli.account_access import listed

if TYPE_CHECKING:
    from dancu.account.v1.account_pb2 import Limits

LIMIT_NAMES = ("rate", "burst", "daily", "in_flight", "misses_per_hour")

RateOption = Annotated[int | None, typer.Option("--rate", min=1, metavar="N", help="Citizens per second.")]
BurstOption = Annotated[int | None, typer.Option("--burst", min=1, metavar="N", help="Citizens at once beyond it.")]
DailyOption = Annotated[int | None, typer.Option("--daily", min=1, metavar="N", help="Citizens per day.")]
InFlightOption = Annotated[int | None, typer.Option("--in-flight", min=1, metavar="N", help="Calls under way.")]
MethodsOption = Annotated[
    list[str] | None, typer.Option("--methods", metavar="RULES", help="Scopes, such as citizen.lookup or citizen.*.")
]
FieldsOption = Annotated[
    list[str] | None, typer.Option("--fields", metavar="RULES", help="Fields, such as full_name; !field forbids one.")
]
ProceduresOption = Annotated[
    list[str] | None, typer.Option("--procedures", metavar="RULES", help="Procedures, such as 1.004222 or 1.*.")
]
NetworksOption = Annotated[
    list[str] | None, typer.Option("--networks", metavar="CIDR", help="Networks it may call from; default: any.")
]
MissesOption = Annotated[
    int | None,
    typer.Option(
        "--misses-per-hour", min=1, metavar="N", help="Citizens not found or not matching; default: the gateway's."
    ),
]
MissesUnlimitedOption = Annotated[bool, typer.Option("--misses-unlimited", help="Without a budget of misses.")]
OfficerRateOption = Annotated[
    int | None, typer.Option("--officer-rate", min=1, metavar="N", help="Citizens per second, of each officer.")
]
OfficerBurstOption = Annotated[
    int | None, typer.Option("--officer-burst", min=1, metavar="N", help="Citizens at once, of each officer.")
]
OfficerDailyOption = Annotated[
    int | None, typer.Option("--officer-daily", min=1, metavar="N", help="Citizens per day, of each officer.")
]
OfficerInFlightOption = Annotated[
    int | None, typer.Option("--officer-in-flight", min=1, metavar="N", help="Calls under way, of each officer.")
]
OfficerMissesOption = Annotated[
    int | None, typer.Option("--officer-misses-per-hour", min=1, metavar="N", help="Misses, of each officer.")
]
ShadowOption = Annotated[
    bool | None,
    typer.Option("--shadow/--no-shadow", help="Limits only count what they would refuse.", show_default=False),
]
OfficerRequiredOption = Annotated[
    bool | None,
    typer.Option(
        "--officer-required/--no-officer-required",
        help="Every question must name a registered officer.",
        show_default=False,
    ),
]
IdentityCheckOption = Annotated[
    bool | None,
    typer.Option(
        "--identity-check/--no-identity-check", help="Lookups must claim name and birth date.", show_default=False
    ),
]


def limits_of(*, misses_unlimited: bool = False, **limits: int | None) -> Limits:
    """The limits that were stated."""
    from dancu.account.v1.account_pb2 import Limits

    stated = {name: value for name, value in limits.items() if value is not None}
    return Limits(**stated, misses_unlimited=misses_unlimited)


def change_limits(limits: Limits, stated: Mapping[str, int | None], cleared: Sequence[str]) -> None:
    """Take away the limits named, then set those that were stated."""
    for name in cleared:
        limits.ClearField(name)  # type: ignore[arg-type]  # checked: one of LIMIT_NAMES
    if "misses_per_hour" in cleared or stated["misses_per_hour"] is not None:
        limits.ClearField("misses_unlimited")
    for name, value in stated.items():
        if value is not None:
            setattr(limits, name, value)


def cleared_of(clear: list[str] | None, known: Sequence[str]) -> list[str]:
    """What `--clear` names, as the contract writes it. A name that is not known is a mistake in usage."""
    names = [name.replace("-", "_") for name in listed(clear)]
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{name} is none of: {', '.join(known)}", param_hint="--clear")
    return names
