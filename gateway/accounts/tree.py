"""The whole tree as one statement: what would have to change for the entries to be as stated. Pure.

Nothing is ever deleted, since records refer to it; what is no longer stated may be suspended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from gateway.accounts.entries import AccountEntry, BindingEntry, OfficerEntry, OrganisationEntry, TreeEntry
from gateway.accounts.management import succeeding
from gateway.accounts.model import AccountStatus
from gateway.errors import Violation


@dataclass(frozen=True, slots=True)
class Tree:
    """All organisations, accounts, officers and bindings."""

    organisations: Sequence[OrganisationEntry]
    accounts: Sequence[AccountEntry]
    officers: Sequence[OfficerEntry]
    bindings: Sequence[BindingEntry] = ()

    def entries(self) -> list[TreeEntry]:
        """Each after what it hangs on."""
        return [*self.organisations, *self.accounts, *self.officers, *self.bindings]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that has to change; `before` is None for a new one."""

    before: TreeEntry | None
    after: TreeEntry

    @property
    def action(self) -> str:
        """`create`, `update`, `suspend` or `resume`; the latter where nothing else changes."""
        if self.before is None:
            return "create"
        if replace(self.before, status=self.after.status) == self.after:
            return "suspend" if self.after.status is AccountStatus.SUSPENDED else "resume"
        return "update"

    def details(self) -> list[str]:
        """For an update, one line for each field that changes."""
        return [] if self.before is None else _differences("", self.before, self.after)


def changes_between(present: Tree, wanted: Tree, *, suspend_missing: bool) -> list[Change]:
    """What leads from `present` to `wanted`, in an order in which it can be done."""
    held: dict[str, TreeEntry] = {str(entry): entry for entry in present.entries()}
    found = []
    for entry in wanted.entries():
        before = held.pop(str(entry), None)
        after: TreeEntry = entry if before is None else succeeding(before, entry)
        if after != before:
            found.append(Change(before, after))
    if suspend_missing:
        missing = [entry for entry in held.values() if entry.status is AccountStatus.ACTIVE]
        found += [Change(entry, replace(entry, status=AccountStatus.SUSPENDED)) for entry in missing]
    return found


def check_tree(tree: Tree, present: Tree) -> list[Violation]:
    """What does not hang together: entries stated twice, and those that hang on nothing stated or present."""
    wrong = []
    seen: set[str] = set()
    organisations = {entry.code for entry in (*tree.organisations, *present.organisations)}
    accounts = {entry.name for entry in (*tree.accounts, *present.accounts)}
    for kind in ("organisations", "accounts", "officers", "bindings"):
        for position, entry in enumerate(getattr(tree, kind)):
            at = f"tree.{kind}[{position}]"
            if str(entry) in seen:
                wrong.append(Violation(at, "is stated twice", "bị khai hai lần"))
            seen.add(str(entry))
            if isinstance(entry, AccountEntry) and entry.organisation not in organisations:
                wrong.append(Violation(at, "its organisation is not known", "cơ quan chưa có"))
            if isinstance(entry, OfficerEntry | BindingEntry) and entry.account not in accounts:
                wrong.append(Violation(at, "its account is not known", "tài khoản chưa có"))
    return wrong


def _differences(path: str, before: Any, after: Any) -> list[str]:
    if before == after:
        return []
    if is_dataclass(before) and type(before) is type(after):
        found = []
        for field in fields(before):
            if field.name != "version":
                inside = f"{path}.{field.name}" if path else field.name
                found += _differences(inside, getattr(before, field.name), getattr(after, field.name))
        return found
    return [f"{path}: {_shown(before)} -> {_shown(after)}"]


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case AccountStatus():
            return value.value
        case frozenset() | tuple():
            return "[" + ", ".join(sorted(str(one) for one in value)) + "]"
        case _:
            return str(getattr(value, "value", value))
