"""`dancu account`: create, list, show, suspend, resume, keys, and which rule decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dancu.cli.account_access import (
    NameArgument,
    ask,
    full_name,
    limits_text,
    listed,
    pages,
    rows_of,
)
from dancu.cli.account_options import (
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
    limits_of,
)
from dancu.cli.administration import AdminKeyOption, AdminTargetOption, administration
from dancu.cli.gateway import DataDirOption
from dancu.cli.output import JsonOption, LangOption, Language, print_card, print_json, print_table

if TYPE_CHECKING:
    from dancu.account.v1.account_pb2 import Account, Key

# Everything but asking for further accounts: that is for an organisation's own administrator.
DEFAULT_METHODS = ("*", "!account.request")


def create(
    *,
    organisation: Annotated[str, typer.Option("--organisation", metavar="CODE", help="Code of the organisation.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name within the organisation.")],
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
    methods: MethodsOption = None,
    fields: FieldsOption = None,
    procedures: ProceduresOption = None,
    networks: NetworksOption = None,
    officer_required: OfficerRequiredOption = None,
    identity_check: IdentityCheckOption = None,
    shadow: ShadowOption = None,
    test: Annotated[bool, typer.Option("--test", help="It serves trials only.")] = False,
    admin_role: Annotated[
        str, typer.Option("--admin-role", metavar="ROLE", help="viewer, operator or administrator.")
    ] = "",
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Create an account and show its key, once.

    Rules are separated by commas or given repeatedly; what is not stated is granted in full. An account with an
    administrative role is granted nothing of the public port unless stated.
    """
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        from dancu.account.v1.account_pb2 import Account, Policy

        everything: tuple[str, ...] = () if admin_role else ("*",)
        policy = Policy(
            methods=listed(methods, () if admin_role else DEFAULT_METHODS),
            fields=listed(fields, everything),
            procedures=listed(procedures, everything),
            networks=listed(networks),
            officer_required=bool(officer_required),
            identity_check=bool(identity_check),
            shadow=bool(shadow),
            officer_limits=limits_of(
                rate=officer_rate,
                burst=officer_burst,
                daily=officer_daily,
                in_flight=officer_in_flight,
                misses_per_hour=officer_misses_per_hour,
            ),
        )
        account = Account(
            name=f"{organisation}/{name}",
            policy=policy,
            limits=limits_of(
                rate=rate,
                burst=burst,
                daily=daily,
                in_flight=in_flight,
                misses_per_hour=misses_per_hour,
                misses_unlimited=misses_unlimited,
            ),
            test=test,
            admin_role=admin_role,
        )
        made = ask(client, "CreateAccount", account=account, issue_key=True)
    _show_with_key(made.account, made.key, made.secret_key, as_json=as_json)


def list_accounts(
    *,
    organisation: Annotated[str, typer.Option("--organisation", metavar="CODE", help="Only those of this one.")] = "",
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """List accounts."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        from dancu.account.v1.account_pb2 import STATUS_SUSPENDED

        accounts = list(pages(client, "ListAccounts", "accounts", organisation=organisation))
    if as_json:
        for account in accounts:
            print_json(_json(account))
        return
    rows = [
        (
            account.name,
            "suspended" if account.status == STATUS_SUSPENDED else "active",
            account.admin_role or " ".join(account.policy.methods),
            limits_text(account.limits),
        )
        for account in accounts
    ]
    print_table(("account", "status", "may call", "limits"), rows)


def show(
    name: NameArgument,
    *,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Show one account with its officers, keys and bindings; a key's secret is never shown again."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        name = full_name(client, name)
        account = ask(client, "GetAccount", name=name).account
        keys = [_json(one) for one in pages(client, "ListKeys", "keys", account=name)]
        officers = [_json(one) for one in pages(client, "ListOfficers", "officers", account=name)]
        bindings = [_json(one) for one in pages(client, "ListBindings", "bindings", account=name)]
    if as_json:
        print_json({"account": _json(account), "keys": keys, "officers": officers, "bindings": bindings})
        return
    print_card(rows_of(account))
    for title, entries, names in (
        ("key", keys, ("key_id", "created_at", "not_after", "revoked_at", "last_used_at")),
        ("officer", officers, ("officer_id", "status", "label", "not_after")),
        ("binding", bindings, ("value", "kind", "label", "not_after", "last_used_at")),
    ):
        if entries:
            print_card([("", "")])
            columns = (title, *(one.replace("_", " ") for one in names[1:]))
            print_table(columns, [[str(entry.get(one, "")) for one in names] for entry in entries])


def suspend(
    name: NameArgument,
    *,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Refuse all calls of an account until it is resumed."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        account = ask(client, "SuspendAccount", name=full_name(client, name)).account
    _show_status(account, as_json=as_json)


def resume(
    name: NameArgument,
    *,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """End the suspension of an account."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        account = ask(client, "ResumeAccount", name=full_name(client, name)).account
    _show_status(account, as_json=as_json)


def rotate(
    name: NameArgument,
    *,
    grace: Annotated[
        int, typer.Option("--grace", metavar="SECONDS", min=0, max=90 * 86_400, help="How long the old key goes on.")
    ] = 86_400,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Issue the next key and show it, once; the old one ends after a grace."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        from google.protobuf.duration_pb2 import Duration

        name = full_name(client, name)
        made = ask(client, "RotateKey", account=name, grace=Duration(seconds=grace))
    ending = [_json(one) for one in made.ending]
    if as_json:
        print_json({"account": {"name": name}, "key": made.secret_key, "key_id": made.key.key_id, "ending": ending})
        return
    rows = [("account", name), ("key", made.secret_key)]
    print_card([*rows, *((f"ends {one.get('not_after', '')}", str(one["key_id"])) for one in ending)])


def revoke(
    name: NameArgument,
    *,
    key_id: Annotated[str, typer.Option("--key-id", metavar="ID", help="Only this key; default: all of them.")] = "",
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """End the keys of an account at once."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        name = full_name(client, name)
        revoked = [one.key_id for one in ask(client, "RevokeKey", account=name, key_id=key_id).keys]
    if as_json:
        print_json({"account": {"name": name}, "revoked": revoked})
    else:
        print_card([("account", name), ("revoked", " ".join(revoked) or "nothing: it has no live key")])


def explain(
    name: NameArgument,
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="Scope such as citizen.lookup, or method such as LookupCitizen.")
    ],
    *,
    field: Annotated[list[str] | None, typer.Option("--field", metavar="PATH", help="A field asked for.")] = None,
    procedure: Annotated[str, typer.Option("--procedure", metavar="CODE", help="The procedure named.")] = "",
    officer: Annotated[str, typer.Option("--officer", metavar="ID", help="The officer named.")] = "",
    peer: Annotated[str, typer.Option("--peer", metavar="ADDRESS", help="Where the call comes from.")] = "",
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Say which rule decides about a call: exit code 0 where it would be allowed, 1 where not."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        asked: dict[str, Any] = {
            "method": method,
            "fields": listed(field),
            "procedure": procedure,
            "officer_id": officer,
            "peer": peer,
        }
        told = ask(client, "ExplainAccess", account=full_name(client, name), **asked)
    if as_json:
        print_json(
            {
                "allowed": told.allowed,
                "verdicts": [
                    {"subject": one.subject, "allowed": one.allowed, "rule": one.rule, "reason": one.reason}
                    for one in told.verdicts
                ],
            }
        )
    else:
        rows = [
            (one.subject, "allowed" if one.allowed else one.reason, one.rule or "(no rule)") for one in told.verdicts
        ]
        print_table(("about", "decision", "rule that decides"), rows)
    if not told.allowed:
        raise typer.Exit(1)


def _show_with_key(account: Account, key: Key, secret_key: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"account": _json(account), "key": secret_key, "key_id": key.key_id})
        return
    print_card([*rows_of(account), ("", ""), ("key", secret_key), ("", "shown once; keep it now")])


def _show_status(account: Account, *, as_json: bool) -> None:
    told = _json(account)
    if as_json:
        print_json({"account": told})
    else:
        print_card([("account", account.name), ("status", str(told["status"]))])


def _json(message: Any) -> dict[str, Any]:
    from dancu.client import message_to_json

    return dict(message_to_json(message))
