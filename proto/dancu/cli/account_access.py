"""What the commands on accounts share: their calls, lists in options, and how an account is shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dancu.cli.output import complain

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from dancu.account.v1.account_pb2 import Account, Limits
    from dancu.client import Client

SERVICE = "dancu.account.v1.AccountService"

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Account, <organisation>/<name>; the name alone where only one has it.")
]


def ask(client: Client, rpc: str, service: str = SERVICE, **fields: Any) -> Any:
    """Call an RPC of the service by its name; a change gets an identifier, so that a retry does not do it twice."""
    from dancu.account.v1 import account_request_service_pb2, account_service_pb2

    stubs = account_service_pb2 if service == SERVICE else account_request_service_pb2
    request: Message = getattr(stubs, f"{rpc}Request")(**fields)
    if "request_id" in request.DESCRIPTOR.fields_by_name:
        request.request_id = f"cli-{uuid.uuid4()}"  # type: ignore[attr-defined]
    return client.call(f"{service}/{rpc}", request, getattr(stubs, f"{rpc}Response")).message


def pages(client: Client, rpc: str, field: str, service: str = SERVICE, **filters: Any) -> Iterator[Any]:
    """Every entry of a list."""
    token = ""
    while True:
        page = ask(client, rpc, service, page_token=token, page_size=500, **filters)
        yield from getattr(page, field)
        token = page.next_page_token
        if not token:
            return


def full_name(client: Client, name: str) -> str:
    """The full name of an account that was named in full or by its own part. Ends the command where that is unclear."""
    if "/" in name:
        return name
    found = [one.name for one in pages(client, "ListAccounts", "accounts") if one.name.partition("/")[2] == name]
    if len(found) != 1:
        complain("no account has this name" if not found else "several accounts have this name", details=found[:20])
        raise typer.Exit(1)
    return str(found[0])


def listed(values: Iterable[str] | None, default: Iterable[str] = ()) -> list[str]:
    """The values of a repeated option, each of which may hold several, separated by commas."""
    if values is None:
        return list(default)
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def limits_text(limits: Limits) -> str:
    """The limits on one line."""
    told = [field.name if value is True else f"{field.name} {value}" for field, value in limits.ListFields()]
    return ", ".join(told) or "none"


def rows_of(account: Account) -> list[tuple[str, str]]:
    """An account for a card."""
    from dancu.client import message_to_json

    told: dict[str, Any] = dict(message_to_json(account))
    policy = told.pop("policy", {})
    told["limits"] = limits_text(account.limits)
    shown = {**told, **policy}
    return [(name.replace("_", " "), _shown(value)) for name, value in shown.items()]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
