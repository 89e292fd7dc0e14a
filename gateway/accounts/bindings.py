"""Bind certificates and access tokens to accounts, list and remove them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dancu.account.v1 import account_service_pb2 as pb
from gateway.accounts.changes import CHANGERS, READERS, Desk, Result, check_page, found, page_of
from gateway.accounts.checks import check_binding, check_binding_name
from gateway.accounts.entries import AccountEntry, BindingEntry
from gateway.accounts.guards import require_rank
from gateway.accounts.management import SERVICE
from gateway.accounts.model import Account, AccountStatus
from gateway.accounts.ports import AccountReader, AccountTransaction
from gateway.accounts.wire import binding_from_wire, binding_kind, binding_to_wire
from gateway.calls.inquiry import Method
from gateway.errors import ConflictError, Reason
from gateway.ports import Clock


class Bindings:
    """The bindings of accounts."""

    def __init__(self, *, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    def methods(self) -> Iterator[Method]:
        """Three."""
        yield self._desk.changing(
            *(f"{SERVICE}/AddBinding", "account.manage", pb.AddBindingRequest, pb.AddBindingResponse, self._add),
            check=lambda message: check_binding(message.binding),
            roles=CHANGERS,
        )
        yield self._desk.changing(
            *(f"{SERVICE}/RemoveBinding", "account.manage", pb.RemoveBindingRequest, pb.RemoveBindingResponse, _remove),
            check=lambda message: check_binding_name(message.kind, message.value, at=""),
            roles=CHANGERS,
        )
        yield self._desk.reading(
            *(f"{SERVICE}/ListBindings", "account.read", pb.ListBindingsRequest, _list),
            check=check_page,
            roles=READERS,
        )

    async def _add(self, change: AccountTransaction, message: Any, asker: Account) -> Result:
        entry = replace(
            binding_from_wire(message.binding), status=AccountStatus.ACTIVE, created_at=int(self._clock.now())
        )
        require_rank(asker, found(await change.get(AccountEntry, entry.account), "account"))
        before = await change.get(BindingEntry, *entry.key)
        if before is not None and before.status is AccountStatus.ACTIVE:
            raise ConflictError(Reason.RESOURCE_EXISTS, metadata={"kind": "binding"})
        await change.put(entry)
        await change.moved()
        return Result(pb.AddBindingResponse(binding=binding_to_wire(entry)), f"{entry} {entry.account}")


async def _remove(change: AccountTransaction, message: Any, asker: Account) -> Result:
    before = await change.get(BindingEntry, binding_kind(message.kind).value, message.value)
    entry: BindingEntry = found(before, "binding")
    require_rank(asker, await change.get(AccountEntry, entry.account))
    removed = replace(entry, status=AccountStatus.SUSPENDED)
    if removed != entry:
        await change.put(removed)
        await change.moved()
    return Result(pb.RemoveBindingResponse(binding=binding_to_wire(removed)), f"{removed} {removed.account}")


async def _list(reader: AccountReader, message: Any, _asker: Account) -> Result:
    in_force = {"status": AccountStatus.ACTIVE.value}
    entries, token = await page_of(reader, BindingEntry, message, account=message.account, **in_force)
    return Result(pb.ListBindingsResponse(bindings=map(binding_to_wire, entries), next_page_token=token), "bindings")
