"""Export, apply and explain: the tree as a whole, and what it means for a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import Any

from dancu.account.v1 import account_pb2
from dancu.account.v1 import account_service_pb2 as pb
from gateway.accounts.changes import CHANGERS, READERS, Desk, Result, found
from gateway.accounts.checks import check_account, check_binding, check_officer, check_organisation
from gateway.accounts.entries import AccountEntry, BindingEntry, KeyEntry, OfficerEntry, OrganisationEntry
from gateway.accounts.explain import explain, of_credentials
from gateway.accounts.guards import forbid_lock_out, require_rank
from gateway.accounts.management import SERVICE
from gateway.accounts.model import EVERYTHING, Account, AccountStatus
from gateway.accounts.ports import AccountReader, AccountTransaction
from gateway.accounts.snapshot import account_of
from gateway.accounts.tree import Change, Tree, changes_between, check_tree
from gateway.accounts.wire import (
    account_from_wire,
    account_to_wire,
    binding_from_wire,
    binding_to_wire,
    officer_from_wire,
    officer_to_wire,
    organisation_from_wire,
    organisation_to_wire,
)
from gateway.calls.inquiry import Method
from gateway.errors import InvalidRequestError, PreconditionError, Reason, Violation
from gateway.ports import Clock
from gateway.registries.rights import is_field


class WholeTree:
    """The tree as one statement."""

    def __init__(
        self, *, desk: Desk, clock: Clock, scopes: Mapping[str, str], default_misses_per_hour: int | None
    ) -> None:
        """`scopes`: of all public methods, by full name.

        `default_misses_per_hour`: the budget of an account that says nothing of misses, as calls know it.
        """
        self._desk = desk
        self._clock = clock
        self._scopes = scopes
        # A method may be asked about by its scope, its own name or its full one; names of public methods are unique.
        self._scope_of = (
            {scope: scope for scope in scopes.values()}
            | {name.rpartition("/")[2]: scope for name, scope in scopes.items()}
            | dict(scopes)
        )
        self._default_misses_per_hour = default_misses_per_hour

    def methods(self) -> Iterator[Method]:
        """Three."""
        yield self._desk.reading(
            *(f"{SERVICE}/ExplainAccess", "account.read", pb.ExplainAccessRequest, self._explain),
            check=self._check_explain,
            roles=READERS,
        )
        yield self._desk.reading(
            *(f"{SERVICE}/ExportTree", "account.read", pb.ExportTreeRequest, _export),
            check=lambda _: (),
            roles=READERS,
        )
        yield self._desk.changing(
            *(f"{SERVICE}/ApplyTree", "account.manage", pb.ApplyTreeRequest, pb.ApplyTreeResponse, self._apply),
            check=self._check_apply,
            roles=CHANGERS,
        )

    async def _explain(self, reader: AccountReader, message: Any, _asker: Account) -> Result:
        entry: AccountEntry = found(await reader.get(AccountEntry, message.account), "account")
        organisation = found(await reader.get(OrganisationEntry, entry.organisation), "organisation")
        account = account_of(
            organisation,
            entry,
            await reader.page(OfficerEntry, account=entry.name),
            default_misses_per_hour=self._default_misses_per_hour,
        )
        keys = await reader.page(KeyEntry, account=entry.name)
        bindings = await reader.page(BindingEntry, account=entry.name)
        now = self._clock.now()
        verdicts = [of_credentials(keys, bindings, now=now)]
        verdicts += explain(
            account,
            self._scope_of[message.method],
            fields=message.fields,
            procedure=message.procedure,
            officer_id=message.officer_id,
            peer=message.peer,
            now=now,
        )
        response = pb.ExplainAccessResponse(allowed=all(one.reason is None for one in verdicts))
        for one in verdicts:
            reason = "" if one.reason is None else one.reason.name
            response.verdicts.add(subject=one.subject, allowed=one.reason is None, rule=one.rule, reason=reason)
        return Result(response, str(entry))

    def _check_explain(self, message: Any) -> list[Violation]:
        wrong = [
            Violation(name, "is required", "là bắt buộc")
            for name in ("account", "method")
            if not getattr(message, name)
        ]
        if message.method and message.method not in self._scope_of:
            wrong.append(
                Violation(
                    "method", "is no scope or method of the public port", "không phải phạm vi hay phương thức công khai"
                )
            )
        wrong += [
            Violation(f"fields[{position}]", "is no field there is", "không phải trường dữ liệu nào")
            for position, path in enumerate(message.fields)
            if path != EVERYTHING and not is_field(path)
        ]
        if message.peer:
            try:
                ip_address(message.peer)
            except ValueError:
                wrong.append(Violation("peer", "is not a network address", "không phải địa chỉ mạng"))
        return wrong

    def _check_apply(self, message: Any) -> Sequence[Violation]:
        wrong: list[Violation] = []
        checks: Mapping[str, Callable[..., list[Violation]]] = {
            "organisations": check_organisation,
            "accounts": partial(check_account, scopes=frozenset(self._scopes.values())),
            "officers": check_officer,
            "bindings": check_binding,
        }
        for kind, check in checks.items():
            for position, one in enumerate(getattr(message.tree, kind)):
                wrong += check(one, at=f"tree.{kind}[{position}]")
        return wrong

    async def _apply(self, change: AccountTransaction, message: Any, asker: Account) -> Result:
        version = await change.version()
        if message.expected_version not in {0, version}:
            raise PreconditionError(Reason.STATE_CONFLICT, metadata={"obstacle": "the directory moved on"})
        present, wanted = await present_tree(change), tree_from_wire(message.tree)
        wrong = check_tree(wanted, present)
        if wrong:
            raise InvalidRequestError(wrong)
        changes = changes_between(present, wanted, suspend_missing=message.suspend_missing)
        _guard(changes, present, wanted, asker)
        if changes and not message.validate_only:
            for one in changes:
                after = one.after
                if isinstance(after, BindingEntry) and not after.created_at:
                    after = replace(after, created_at=int(self._clock.now()))
                await change.put(after)
            version = await change.moved()
        response = pb.ApplyTreeResponse(version=version)
        for one in changes:
            details = one.details() if one.action == "update" else ()
            response.changes.add(subject=str(one.after), action=one.action, details=details)
        if message.validate_only:
            return Result(response, f"tree {len(changes)} proposed")
        return Result(response, f"tree {len(changes)} changed", [str(one.after) for one in changes])


async def present_tree(reader: AccountReader) -> Tree:
    """All there is."""
    return Tree(
        await reader.page(OrganisationEntry),
        await reader.page(AccountEntry),
        await reader.page(OfficerEntry),
        await reader.page(BindingEntry),
    )


def tree_to_wire(tree: Tree) -> account_pb2.AccountTree:
    """The message of a tree."""
    message = account_pb2.AccountTree(
        organisations=map(organisation_to_wire, tree.organisations),
        accounts=map(account_to_wire, tree.accounts),
        officers=map(officer_to_wire, tree.officers),
        bindings=map(binding_to_wire, tree.bindings),
    )
    # Consequences of the tree, not parts of it.
    for account in message.accounts:
        account.ClearField("policy_version")
    for binding in message.bindings:
        binding.ClearField("created_at")
        binding.ClearField("last_used_at")
    return message


def tree_from_wire(message: account_pb2.AccountTree) -> Tree:
    """A tree whose entries are checked."""
    return Tree(
        [organisation_from_wire(one) for one in message.organisations],
        [account_from_wire(one) for one in message.accounts],
        [officer_from_wire(one) for one in message.officers],
        [binding_from_wire(one) for one in message.bindings],
    )


async def _export(reader: AccountReader, _message: Any, _asker: Account) -> Result:
    present = await present_tree(reader)
    # What was removed is history; what is stated of a binding is that it opens its account.
    in_force = [one for one in present.bindings if one.status is AccountStatus.ACTIVE]
    tree = tree_to_wire(replace(present, bindings=in_force))
    return Result(pb.ExportTreeResponse(tree=tree, version=await reader.version()), "tree")


def _guard(changes: Sequence[Change], present: Tree, wanted: Tree, asker: Account) -> None:
    """Raise where one of the changes is not the asker's to make."""
    of_organisation: dict[str, list[AccountEntry]] = {}
    for account in present.accounts:
        of_organisation.setdefault(account.organisation, []).append(account)
    by_name = {account.name: account for account in (*present.accounts, *wanted.accounts)}
    for one in changes:
        match one.after:
            case AccountEntry() as after:
                require_rank(asker, after, one.before if isinstance(one.before, AccountEntry) else None)
                forbid_lock_out(asker, after)
            case OrganisationEntry() as after:
                if one.action != "create":
                    require_rank(asker, *of_organisation.get(after.code, []))
                forbid_lock_out(asker, after)
            case OfficerEntry() as after:
                require_rank(asker, by_name[after.account])
            case BindingEntry() as after:
                before = by_name[one.before.account] if isinstance(one.before, BindingEntry) else None
                require_rank(asker, by_name[after.account], before)
