"""Entries as rows of the tables, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table

from adapters.sql import tables
from adapters.sql.policies import limits_from_json, limits_to_json, policy_from_json, policy_to_json
from gateway.accounts.entries import (
    AccountEntry,
    BindingEntry,
    EntryKind,
    KeyEntry,
    OfficerEntry,
    OrganisationEntry,
    OrganisationKind,
    RequestEntry,
    RequestState,
)
from gateway.accounts.model import AccountStatus, BindingKind


@dataclass(frozen=True, slots=True)
class Mapping:
    """One kind of entry and its table."""

    table: Table
    to_row: Callable[[Any], dict[str, Any]]
    from_row: Callable[[Any], Any]

    @property
    def key(self) -> tuple[Column[Any], ...]:
        """The columns of the primary key, in the order of the entry's `key`."""
        return tuple(self.table.primary_key.columns)


def _organisation_row(entry: OrganisationEntry) -> dict[str, Any]:
    return {
        "code": entry.code,
        "name": entry.name,
        "kind": entry.kind.value,
        "status": entry.status.value,
        "limits": limits_to_json(entry.limits),
    }


def organisation_from_row(row: Any) -> OrganisationEntry:
    """The organisation in a row."""
    return OrganisationEntry(
        row.code,
        row.name,
        OrganisationKind(row.kind),
        AccountStatus(row.status),
        limits_from_json(row.limits),
    )


def _account_row(entry: AccountEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "organisation": entry.organisation,
        "status": entry.status.value,
        "limits": limits_to_json(entry.limits),
        "policy": policy_to_json(entry.policy),
        "policy_version": entry.policy.version,
        "test": entry.test,
        "admin_role": entry.admin_role,
        "not_after": entry.not_after,
    }


def account_from_row(row: Any) -> AccountEntry:
    """The account in a row."""
    return AccountEntry(
        row.name,
        AccountStatus(row.status),
        policy_from_json(row.policy, version=row.policy_version),
        limits_from_json(row.limits),
        row.test,
        row.admin_role,
        row.not_after,
    )


def _officer_row(entry: OfficerEntry) -> dict[str, Any]:
    return {
        "account": entry.account,
        "officer_id": entry.officer_id,
        "label": entry.label,
        "status": entry.status.value,
        "limits": limits_to_json(entry.limits),
        "not_after": entry.not_after,
    }


def officer_from_row(row: Any) -> OfficerEntry:
    """The officer in a row."""
    return OfficerEntry(
        row.account,
        row.officer_id,
        row.label,
        AccountStatus(row.status),
        limits_from_json(row.limits),
        row.not_after,
    )


def _binding_row(entry: BindingEntry) -> dict[str, Any]:
    return {
        "kind": entry.kind.value,
        "value": entry.value,
        "account": entry.account,
        "label": entry.label,
        "status": entry.status.value,
        "created_at": entry.created_at,
        "not_after": entry.not_after,
        "last_used_at": entry.last_used_at,
    }


def _binding_from_row(row: Any) -> BindingEntry:
    return BindingEntry(
        BindingKind(row.kind),
        row.value,
        row.account,
        row.label,
        AccountStatus(row.status),
        row.created_at,
        row.not_after,
        row.last_used_at,
    )


def _key_row(entry: KeyEntry) -> dict[str, Any]:
    return {
        "key_id": entry.key_id,
        "account": entry.account,
        "secret_hash": entry.secret_hash,
        "created_at": entry.created_at,
        "not_after": entry.not_after,
        "revoked_at": entry.revoked_at,
        "last_used_at": entry.last_used_at,
    }


def key_from_row(row: Any) -> KeyEntry:
    """The key in a row."""
    return KeyEntry(
        row.key_id,
        row.account,
        bytes(row.secret_hash),
        row.created_at,
        row.not_after,
        row.revoked_at,
        row.last_used_at,
    )


def _request_row(entry: RequestEntry) -> dict[str, Any]:
    return {
        "request_key": entry.request_key,
        "organisation": entry.organisation,
        "asker": entry.asker,
        "name": entry.name,
        "policy": policy_to_json(entry.policy),
        "limits": limits_to_json(entry.limits),
        "justification": entry.justification,
        "state": entry.state.value,
        "created_at": entry.created_at,
        "decision": entry.decision,
        "decided_at": entry.decided_at,
        "key_shown_at": entry.key_shown_at,
    }


def _request_from_row(row: Any) -> RequestEntry:
    return RequestEntry(
        request_key=row.request_key,
        organisation=row.organisation,
        asker=row.asker,
        name=row.name,
        policy=policy_from_json(row.policy, version=1),
        limits=limits_from_json(row.limits),
        justification=row.justification,
        state=RequestState(row.state),
        created_at=row.created_at,
        decision=row.decision,
        decided_at=row.decided_at,
        key_shown_at=row.key_shown_at,
    )


MAPPINGS: dict[EntryKind, Mapping] = {
    OrganisationEntry: Mapping(tables.organisations, _organisation_row, organisation_from_row),
    AccountEntry: Mapping(tables.accounts, _account_row, account_from_row),
    OfficerEntry: Mapping(tables.officers, _officer_row, officer_from_row),
    BindingEntry: Mapping(tables.account_bindings, _binding_row, _binding_from_row),
    KeyEntry: Mapping(tables.api_keys, _key_row, key_from_row),
    RequestEntry: Mapping(tables.account_requests, _request_row, _request_from_row),
}
