"""Create, get, list, update, suspend and resume organisations, accounts and officers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from dancu.account.v1 import account_service_pb2 as pb
from gateway.accounts.changes import CHANGERS, READERS, Desk, Result, check_page, found, page_of
from gateway.accounts.checks import check_account, check_officer, check_organisation
from gateway.accounts.entries import AccountEntry, BindingEntry, OfficerEntry, OrganisationEntry, TreeEntry
from gateway.accounts.guards import forbid_lock_out, require_rank
from gateway.accounts.keys import KeyMaker
from gateway.accounts.model import Account, AccountStatus
from gateway.accounts.ports import AccountReader, AccountTransaction
from gateway.accounts.wire import (
    account_from_wire,
    account_to_wire,
    key_to_wire,
    officer_from_wire,
    officer_to_wire,
    organisation_from_wire,
    organisation_to_wire,
)
from gateway.calls.inquiry import Method
from gateway.errors import ConflictError, Reason, Violation
from gateway.ports import Clock

SERVICE = "dancu.account.v1.AccountService"


ManagedEntry: TypeAlias = OrganisationEntry | AccountEntry | OfficerEntry


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entry: how it is called, named, checked and translated."""

    entry: Any
    word: str
    plural: str
    key: tuple[str, ...]
    """The fields of a request that name one."""
    filters: tuple[str, ...]
    check: Callable[[Any], Sequence[Violation]]
    from_wire: Callable[[Any], Any]
    to_wire: Callable[[Any], Any]

    def key_of(self, message: Any) -> tuple[str, ...]:
        """The key that a request or a message of this kind states."""
        return tuple(getattr(message, name) for name in self.key)


def _kinds(scopes: Collection[str]) -> Iterator[Kind]:
    yield Kind(
        *(OrganisationEntry, "organisation", "organisations", ("code",), ()),
        *(check_organisation, organisation_from_wire, organisation_to_wire),
    )
    yield Kind(
        *(AccountEntry, "account", "accounts", ("name",), ("organisation",)),
        *(partial(check_account, scopes=scopes), account_from_wire, account_to_wire),
    )
    yield Kind(
        *(OfficerEntry, "officer", "officers", ("account", "officer_id"), ("account",)),
        *(check_officer, officer_from_wire, officer_to_wire),
    )


class Management:
    """The entries of the tree, one at a time."""

    def __init__(self, *, desk: Desk, keys: KeyMaker, clock: Clock, scopes: Collection[str]) -> None:
        """`scopes`: all there are on the public port, of which an account's rules may speak."""
        self._desk = desk
        self._scopes = scopes
        self._keys = keys
        self._clock = clock

    def methods(self) -> Iterator[Method]:
        """Six for each kind."""
        for kind in _kinds(self._scopes):
            yield from self._methods_of(kind)

    def _methods_of(self, kind: Kind) -> Iterator[Method]:
        title, titles = kind.word.title(), kind.plural.title()

        def check_entry(message: Any) -> Sequence[Violation]:
            return kind.check(getattr(message, kind.word))

        def check_key(message: Any) -> list[Violation]:
            empty = [name for name in kind.key if not getattr(message, name)]
            return [Violation(name, "is required", "là bắt buộc") for name in empty]

        async def create(change: AccountTransaction, message: Any, asker: Account) -> Result:
            return await self._create(kind, change, message, asker)

        async def update(change: AccountTransaction, message: Any, asker: Account) -> Result:
            return await self._update(kind, change, message, asker)

        async def suspend(change: AccountTransaction, message: Any, asker: Account) -> Result:
            return await self._set_status(kind, change, message, asker, AccountStatus.SUSPENDED)

        async def resume(change: AccountTransaction, message: Any, asker: Account) -> Result:
            return await self._set_status(kind, change, message, asker, AccountStatus.ACTIVE)

        async def get(reader: AccountReader, message: Any, _asker: Account) -> Result:
            entry = found(await reader.get(kind.entry, *kind.key_of(message)), kind.word)
            return _told(kind, "Get", entry)

        async def listed(reader: AccountReader, message: Any, _asker: Account) -> Result:
            filters = {name: getattr(message, name) for name in kind.filters}
            entries, token = await page_of(reader, kind.entry, message, **filters)
            response = getattr(pb, f"List{titles}Response")(next_page_token=token)
            getattr(response, kind.plural).extend(kind.to_wire(entry) for entry in entries)
            return Result(response, kind.plural)

        for verb, handler, check in (
            ("Create", create, check_entry),
            ("Update", update, check_entry),
            ("Suspend", suspend, check_key),
            ("Resume", resume, check_key),
        ):
            request, response = (getattr(pb, f"{verb}{title}{part}") for part in ("Request", "Response"))
            yield self._desk.changing(
                *(f"{SERVICE}/{verb}{title}", "account.manage", request, response, handler),
                check=check,
                roles=CHANGERS,
            )
        yield self._desk.reading(
            *(f"{SERVICE}/Get{title}", "account.read", getattr(pb, f"Get{title}Request"), get),
            check=check_key,
            roles=READERS,
        )
        yield self._desk.reading(
            *(f"{SERVICE}/List{titles}", "account.read", getattr(pb, f"List{titles}Request"), listed),
            check=check_page,
            roles=READERS,
        )

    async def _create(self, kind: Kind, change: AccountTransaction, message: Any, asker: Account) -> Result:
        entry = kind.from_wire(getattr(message, kind.word))
        if await change.get(kind.entry, *entry.key) is not None:
            raise ConflictError(Reason.RESOURCE_EXISTS, metadata={"kind": kind.word})
        await _guard(change, asker, entry)
        await change.put(entry)
        result = _told(kind, "Create", entry)
        if getattr(message, "issue_key", False):
            key, whole = self._keys.make(entry.name, now=self._clock.now())
            await change.put(key)
            response: Any = result.response
            response.key.CopyFrom(key_to_wire(key))
            response.secret_key = whole
        await change.moved()
        return result

    async def _update(self, kind: Kind, change: AccountTransaction, message: Any, asker: Account) -> Result:
        wanted = kind.from_wire(getattr(message, kind.word))
        before = found(await change.get(kind.entry, *wanted.key), kind.word)
        after = succeeding(before, replace(wanted, status=before.status))
        await _guard(change, asker, after, before)
        if after != before:
            await change.put(after)
            await change.moved()
        return _told(kind, "Update", after)

    async def _set_status(
        self, kind: Kind, change: AccountTransaction, message: Any, asker: Account, status: AccountStatus
    ) -> Result:
        before = found(await change.get(kind.entry, *kind.key_of(message)), kind.word)
        after = replace(before, status=status)
        await _guard(change, asker, after, before)
        if after != before:
            await change.put(after)
            await change.moved()
        return _told(kind, "Suspend" if status is AccountStatus.SUSPENDED else "Resume", after)


def succeeding(before: TreeEntry, after: Any) -> Any:
    """`after` with what only the past knows: the policy version that follows, or since when a binding is used."""
    if isinstance(before, BindingEntry):
        return replace(after, created_at=before.created_at, last_used_at=before.last_used_at)
    if not isinstance(before, AccountEntry):
        return after
    version = before.policy.version
    same = replace(after.policy, version=version) == before.policy
    return replace(after, policy=replace(after.policy, version=version if same else version + 1))


async def _guard(
    change: AccountTransaction, asker: Account, after: ManagedEntry, before: ManagedEntry | None = None
) -> None:
    """Raise where the asker may not make this change, or what it hangs on is not there."""
    if isinstance(after, OfficerEntry):
        require_rank(asker, found(await change.get(AccountEntry, after.account), "account"))
        return
    if isinstance(after, AccountEntry):
        found(await change.get(OrganisationEntry, after.organisation), "organisation")
        require_rank(asker, after, before if isinstance(before, AccountEntry) else None)
    elif after.status is not AccountStatus.ACTIVE:
        require_rank(asker, *await change.page(AccountEntry, organisation=after.code))
    forbid_lock_out(asker, after)


def _told(kind: Kind, verb: str, entry: Any) -> Result:
    response = getattr(pb, f"{verb}{kind.word.title()}Response")()
    getattr(response, kind.word).CopyFrom(kind.to_wire(entry))
    return Result(response, str(entry))
