"""`dancu account requests`: an organisation asks for an account, an operator decides, the asker is shown the key."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dancu.cli.account_access import ask as ask_rpc
from dancu.cli.account_access import listed, pages
from dancu.cli.account_options import (
    BurstOption,
    DailyOption,
    FieldsOption,
    InFlightOption,
    MethodsOption,
    MissesOption,
    NetworksOption,
    ProceduresOption,
    RateOption,
    limits_of,
)
from dancu.cli.administration import TIMEOUT_SECONDS, AdminKeyOption, AdminTargetOption, administration
from dancu.cli.gateway import DataDirOption, KeyOption, TargetOption, gateway
from dancu.cli.output import JsonOption, LangOption, Language, print_card, print_json, print_table

PUBLIC_SERVICE = "dancu.account.v1.AccountRequestService"
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Identifier of the request.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the asker reads it.")]


def list_requests(
    *,
    state: Annotated[str, typer.Option("--state", metavar="STATE", help="pending, approved or rejected.")] = "",
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """List requests for accounts, the oldest first."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        requests = [_json(one) for one in pages(client, "ListRequests", "requests", state=_state(state))]
    if as_json:
        for one in requests:
            print_json(one)
        return
    columns = ("id", "name", "state", "asker", "created_at", "justification")
    print_table(columns, [[str(one.get(column, "")) for column in columns] for one in requests])


def approve(
    request: IdArgument,
    *,
    reason: ReasonOption = "",
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Create the account asked for; its key waits for the asker."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        told = ask_rpc(client, "ApproveRequest", id=request, decision=reason)
    _show(_json(told.request), as_json=as_json)


def reject(
    request: IdArgument,
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the asker reads it.")],
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Reject a request with a reason."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        told = ask_rpc(client, "RejectRequest", id=request, decision=reason)
    _show(_json(told.request), as_json=as_json)


def ask(
    *,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name within your organisation.")],
    justification: Annotated[str, typer.Option("--why", metavar="TEXT", help="Purpose, content and scope.")],
    rate: RateOption = None,
    burst: BurstOption = None,
    daily: DailyOption = None,
    in_flight: InFlightOption = None,
    misses_per_hour: MissesOption = None,
    methods: MethodsOption = None,
    fields: FieldsOption = None,
    procedures: ProceduresOption = None,
    networks: NetworksOption = None,
    target: TargetOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Ask for a further account of your own organisation, on the public port."""
    with gateway(
        target=target, key=key, data_dir=data_dir, timeout_seconds=TIMEOUT_SECONDS, language=language, as_json=as_json
    ) as client:
        from dancu.account.v1.account_pb2 import Policy

        policy = Policy(
            methods=listed(methods, ("citizen.lookup",)),
            fields=listed(fields),
            procedures=listed(procedures),
            networks=listed(networks),
        )
        limits = limits_of(rate=rate, burst=burst, daily=daily, in_flight=in_flight, misses_per_hour=misses_per_hour)
        wanted: dict[str, Any] = {"name": name, "policy": policy, "limits": limits, "justification": justification}
        told = ask_rpc(client, "RequestAccount", PUBLIC_SERVICE, **wanted)
    _show(_json(told.request), as_json=as_json)


def show(
    request: IdArgument,
    *,
    target: TargetOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Show a request of your own organisation; once approved, the first look by the asker shows the key, once."""
    with gateway(
        target=target, key=key, data_dir=data_dir, timeout_seconds=TIMEOUT_SECONDS, language=language, as_json=as_json
    ) as client:
        told = ask_rpc(client, "GetAccountRequest", PUBLIC_SERVICE, id=request)
    _show(_json(told.request), secret_key=told.secret_key, as_json=as_json)


def _state(name: str) -> int:
    from dancu.account.v1.account_pb2 import AccountRequestState

    if not name:
        return 0
    try:
        return AccountRequestState.Value(f"ACCOUNT_REQUEST_STATE_{name.upper()}")
    except ValueError:
        raise typer.BadParameter("pending, approved or rejected", param_hint="--state") from None


def _show(request: dict[str, Any], *, secret_key: str = "", as_json: bool) -> None:
    shown = ("id", "name", "state", "decision", "justification")
    if as_json:
        print_json({"request": request} | ({"key": secret_key} if secret_key else {}))
        return
    print_card([(one, str(request[one])) for one in shown if one in request])
    if secret_key:
        print_card([("key", secret_key), ("", "shown once; keep it now")])


def _json(message: Any) -> dict[str, Any]:
    from dancu.client import message_to_json

    return dict(message_to_json(message))
