"""Requests for further accounts: an organisation asks, an operator decides, the asker is shown the key once.

The localities' wish in the review of Project 06 ("grant more accounts"); purpose, content and scope are stated in
writing as Decree 70/2024 art. 10 asks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dancu.account.v1 import account_request_service_pb2 as public_pb
from dancu.account.v1 import account_service_pb2 as pb
from gateway.accounts.changes import CHANGERS, READERS, Desk, Result, check_page, found, page_of
from gateway.accounts.checks import check_limits, check_local_name, check_policy, check_reason
from gateway.accounts.entries import AccountEntry, OrganisationEntry, RequestEntry, RequestState
from gateway.accounts.keys import KeyMaker
from gateway.accounts.management import SERVICE
from gateway.accounts.model import Account, AccountStatus
from gateway.accounts.ports import AccountReader, AccountTransaction
from gateway.accounts.wire import account_to_wire, limits_from_wire, policy_from_wire, request_to_wire, state_filter
from gateway.calls.inquiry import Method
from gateway.errors import ConflictError, PreconditionError, Reason, Violation
from gateway.ports import Clock

PUBLIC_SERVICE = "dancu.account.v1.AccountRequestService"
ASK = "account.request"
"""The scope that makes an account its organisation's administrator account."""

MAX_UNDECIDED = 100


class Asking:
    """The side of the organisation, on the public port."""

    def __init__(
        self, *, desk: Desk, keys: KeyMaker, clock: Clock, scopes: Collection[str], new_id: Callable[[], str]
    ) -> None:
        """`scopes`: all there are on the public port. `new_id` makes the random part of identifiers."""
        self._scopes = scopes
        self._desk = desk
        self._keys = keys
        self._clock = clock
        self._new_id = new_id

    def methods(self) -> Iterator[Method]:
        """Three."""
        nobody: frozenset[str] = frozenset()
        yield self._desk.changing(
            *(f"{PUBLIC_SERVICE}/RequestAccount", ASK, public_pb.RequestAccountRequest),
            *(public_pb.RequestAccountResponse, self._ask),
            check=partial(_check_ask, scopes=self._scopes),
            roles=nobody,
        )
        # Not a mere reading: it may issue the key, which takes a transaction.
        yield self._desk.changing(
            *(f"{PUBLIC_SERVICE}/GetAccountRequest", ASK, public_pb.GetAccountRequestRequest),
            *(public_pb.GetAccountRequestResponse, self._get),
            check=_check_id,
            roles=nobody,
        )
        yield self._desk.reading(
            *(f"{PUBLIC_SERVICE}/ListAccountRequests", ASK, public_pb.ListAccountRequestsRequest, _list_own),
            check=check_page,
            roles=nobody,
        )

    async def _ask(self, change: AccountTransaction, message: Any, asker: Account) -> Result:
        name = f"{asker.organisation}/{message.name}"
        undecided = await change.page(RequestEntry, organisation=asker.organisation, state=RequestState.PENDING.value)
        if await change.get(AccountEntry, name) is not None or any(one.name == name for one in undecided):
            raise ConflictError(Reason.RESOURCE_EXISTS, metadata={"kind": "account"})
        if len(undecided) >= MAX_UNDECIDED:
            raise PreconditionError(Reason.STATE_CONFLICT, metadata={"obstacle": f"{MAX_UNDECIDED} undecided requests"})
        now = int(self._clock.now())
        entry = RequestEntry(
            request_key=f"{now:011x}-{self._new_id()}",
            organisation=asker.organisation,
            asker=asker.name,
            name=name,
            policy=policy_from_wire(message.policy, version=1),
            limits=limits_from_wire(message.limits),
            justification=message.justification,
            state=RequestState.PENDING,
            created_at=now,
        )
        await change.put(entry)
        return Result(public_pb.RequestAccountResponse(request=request_to_wire(entry)), str(entry))

    async def _get(self, change: AccountTransaction, message: Any, asker: Account) -> Result:
        entry = await change.get(RequestEntry, message.id)
        if entry is None or entry.organisation != asker.organisation:
            entry = found(None, "request")
        response = public_pb.GetAccountRequestResponse()
        waiting = entry.state is RequestState.APPROVED and entry.key_shown_at is None
        if waiting and entry.asker == asker.name:
            now = self._clock.now()
            key, response.secret_key = self._keys.make(entry.name, now=now)
            await change.put(key)
            entry = replace(entry, key_shown_at=int(now))
            await change.put(entry)
            await change.moved()
        response.request.CopyFrom(request_to_wire(entry))
        return Result(response, str(entry))


class Deciding:
    """The side of the operators, on the admin port."""

    def __init__(self, *, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    def methods(self) -> Iterator[Method]:
        """Three."""
        for name, handler, check in (
            ("ApproveRequest", self._approve, _check_approve),
            ("RejectRequest", self._reject, _check_reject),
        ):
            request, response = (getattr(pb, f"{name}{part}") for part in ("Request", "Response"))
            yield self._desk.changing(
                *(f"{SERVICE}/{name}", "account.manage", request, response, handler), check=check, roles=CHANGERS
            )
        yield self._desk.reading(
            *(f"{SERVICE}/ListRequests", "account.read", pb.ListRequestsRequest, _list_all),
            check=check_page,
            roles=READERS,
        )

    async def _approve(self, change: AccountTransaction, message: Any, _asker: Account) -> Result:
        entry = await self._decided(change, message, RequestState.APPROVED)
        if await change.get(AccountEntry, entry.name) is not None:
            raise ConflictError(Reason.RESOURCE_EXISTS, metadata={"kind": "account"})
        found(await change.get(OrganisationEntry, entry.organisation), "organisation")
        account = AccountEntry(entry.name, AccountStatus.ACTIVE, entry.policy, entry.limits)
        await change.put(account)
        await change.moved()
        return Result(
            pb.ApproveRequestResponse(request=request_to_wire(entry), account=account_to_wire(account)), str(entry)
        )

    async def _reject(self, change: AccountTransaction, message: Any, _asker: Account) -> Result:
        entry = await self._decided(change, message, RequestState.REJECTED)
        return Result(pb.RejectRequestResponse(request=request_to_wire(entry)), str(entry))

    async def _decided(self, change: AccountTransaction, message: Any, state: RequestState) -> RequestEntry:
        entry: RequestEntry = found(await change.get(RequestEntry, message.id), "request")
        if entry.state is not RequestState.PENDING:
            raise PreconditionError(Reason.STATE_CONFLICT, metadata={"obstacle": f"already {entry.state.value}"})
        decided = replace(entry, state=state, decision=message.decision, decided_at=int(self._clock.now()))
        await change.put(decided)
        return decided


async def _list_own(reader: AccountReader, message: Any, asker: Account) -> Result:
    filters = {"organisation": asker.organisation} | state_filter(message.state)
    entries, token = await page_of(reader, RequestEntry, message, **filters)
    requests = map(request_to_wire, entries)
    return Result(public_pb.ListAccountRequestsResponse(requests=requests, next_page_token=token), "requests")


async def _list_all(reader: AccountReader, message: Any, _asker: Account) -> Result:
    filters = {"organisation": message.organisation} | state_filter(message.state)
    entries, token = await page_of(reader, RequestEntry, message, **filters)
    return Result(pb.ListRequestsResponse(requests=map(request_to_wire, entries), next_page_token=token), "requests")


def _check_ask(message: Any, *, scopes: Collection[str]) -> Sequence[Violation]:
    return [
        *check_local_name(message.name, at="name"),
        *check_policy(message.policy, scopes=scopes, at="policy"),
        *check_limits(message.limits, at=""),
        *check_reason(message.justification, field="justification", longest=2000),
    ]


def _check_id(message: Any) -> list[Violation]:
    return [] if message.id else [Violation("id", "is required", "là bắt buộc")]


def _check_approve(message: Any) -> list[Violation]:
    return _check_id(message) + check_reason(message.decision, field="decision", longest=1000, required=False)


def _check_reject(message: Any) -> list[Violation]:
    return _check_id(message) + check_reason(message.decision, field="decision", longest=1000)
