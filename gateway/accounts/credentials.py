"""Issue, rotate, revoke and list keys. A key's secret leaves once, in the answer that made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from google.protobuf.duration_pb2 import Duration

from dancu.account.v1 import account_service_pb2 as pb
from gateway.accounts.changes import CHANGERS, READERS, Desk, Result, check_page, found, page_of
from gateway.accounts.entries import AccountEntry, KeyEntry
from gateway.accounts.guards import require_rank
from gateway.accounts.keys import KeyMaker
from gateway.accounts.management import SERVICE
from gateway.accounts.model import Account
from gateway.accounts.ports import AccountReader, AccountTransaction
from gateway.accounts.wire import key_to_wire
from gateway.calls.inquiry import Method
from gateway.errors import PreconditionError, Reason, Violation
from gateway.ports import Clock

LIVE_KEYS = 2
"""Live keys of an account: the one in use and the one that follows it."""

DEFAULT_GRACE_SECONDS = 86_400
_LONGEST_GRACE_SECONDS = 90 * 86_400
_LONGEST_LIFE_SECONDS = 10 * 366 * 86_400


class Credentials:
    """The keys of accounts."""

    def __init__(self, *, desk: Desk, keys: KeyMaker, clock: Clock) -> None:
        self._desk = desk
        self._keys = keys
        self._clock = clock

    def methods(self) -> Iterator[Method]:
        """Four."""
        for name, handler, check in (
            ("IssueKey", self._issue, _check_issue),
            ("RotateKey", self._rotate, _check_rotate),
            ("RevokeKey", self._revoke, _check_account),
        ):
            request, response = (getattr(pb, f"{name}{part}") for part in ("Request", "Response"))
            yield self._desk.changing(
                *(f"{SERVICE}/{name}", "account.manage", request, response, handler), check=check, roles=CHANGERS
            )
        yield self._desk.reading(
            *(f"{SERVICE}/ListKeys", "account.read", pb.ListKeysRequest, _list), check=check_page, roles=READERS
        )

    async def _issue(self, change: AccountTransaction, message: Any, asker: Account) -> Result:
        account, live = await self._live(change, message.account, asker)
        if len(live) >= LIVE_KEYS:
            raise PreconditionError(Reason.STATE_CONFLICT, metadata={"obstacle": f"{LIVE_KEYS} live keys"})
        now = self._clock.now()
        not_after = int(now) + message.lifetime.seconds if message.HasField("lifetime") else None
        key, whole = self._keys.make(account.name, now=now, not_after=not_after)
        await change.put(key)
        await change.moved()
        return Result(pb.IssueKeyResponse(key=key_to_wire(key), secret_key=whole), f"key {key.key_id} {account.name}")

    async def _rotate(self, change: AccountTransaction, message: Any, asker: Account) -> Result:
        account, live = await self._live(change, message.account, asker)
        now = self._clock.now()
        grace = message.grace.seconds if message.HasField("grace") else DEFAULT_GRACE_SECONDS
        ends = int(now) + grace
        # Of the old keys only the newest has a grace: never more than two live ones.
        live.sort(key=lambda key: (key.created_at, key.key_id))
        ending = []
        for key in live:
            at = ends if key is live[-1] else int(now)
            ending.append(replace(key, not_after=at if key.not_after is None else min(at, key.not_after)))
            await change.put(ending[-1])
        key, whole = self._keys.make(account.name, now=now)
        await change.put(key)
        await change.moved()
        response = pb.RotateKeyResponse(
            key=key_to_wire(key), secret_key=whole, ending=[key_to_wire(one) for one in ending]
        )
        return Result(response, f"key {key.key_id} {account.name}")

    async def _revoke(self, change: AccountTransaction, message: Any, asker: Account) -> Result:
        account, live = await self._live(change, message.account, asker)
        if message.key_id:
            named = found(await change.get(KeyEntry, message.key_id), "key")
            if named.account != account.name:
                found(None, "key")
            live = [key for key in live if key.key_id == message.key_id]
        now = int(self._clock.now())
        revoked = [replace(key, revoked_at=now, not_after=now) for key in live]
        for key in revoked:
            await change.put(key)
        if revoked:
            await change.moved()
        names = " ".join(key.key_id for key in revoked)
        return Result(pb.RevokeKeyResponse(keys=map(key_to_wire, revoked)), f"key {names} {account.name}")

    async def _live(self, change: AccountTransaction, name: str, asker: Account) -> tuple[AccountEntry, list[KeyEntry]]:
        account: AccountEntry = found(await change.get(AccountEntry, name), "account")
        require_rank(asker, account)
        now = self._clock.now()
        return account, [key for key in await change.page(KeyEntry, account=name) if key.is_live(now)]


async def _list(reader: AccountReader, message: Any, _asker: Account) -> Result:
    entries, token = await page_of(reader, KeyEntry, message, account=message.account)
    return Result(pb.ListKeysResponse(keys=map(key_to_wire, entries), next_page_token=token), "keys")


def _check_account(message: Any) -> list[Violation]:
    return [] if message.account else [Violation("account", "is required", "là bắt buộc")]


def _check_issue(message: Any) -> list[Violation]:
    wrong = _check_account(message)
    if message.HasField("lifetime") and not _is_within(message.lifetime, 1, _LONGEST_LIFE_SECONDS):
        wrong.append(
            Violation("lifetime", "must be whole seconds, 1 to 10 years", "phải là số giây tròn, từ 1 giây đến 10 năm")
        )
    return wrong


def _check_rotate(message: Any) -> list[Violation]:
    wrong = _check_account(message)
    if not _is_within(message.grace, 0, _LONGEST_GRACE_SECONDS):
        wrong.append(
            Violation("grace", "must be whole seconds, 0 to 90 days", "phải là số giây tròn, từ 0 đến 90 ngày")
        )
    return wrong


def _is_within(span: Duration, least: int, most: int) -> bool:
    return least <= span.seconds <= most and span.nanos == 0
