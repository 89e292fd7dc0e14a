"""From entries as managed to accounts as calls see them. Pure; workers, `explain` and tests share it."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.accounts.entries import AccountEntry, OfficerEntry, OrganisationEntry
from gateway.accounts.model import Account, AccountStatus, LimitNode, Officer
from gateway.accounts.rules import compiled


def account_of(organisation: OrganisationEntry, entry: AccountEntry, officers: Iterable[OfficerEntry]) -> Account:
    """The account with its policy compiled; suspended where it or its organisation is."""
    active = entry.status is organisation.status is AccountStatus.ACTIVE
    return Account(
        name=entry.name,
        organisation=organisation.code,
        status=AccountStatus.ACTIVE if active else AccountStatus.SUSPENDED,
        policy=compiled(entry.policy),
        nodes=(
            LimitNode(f"organisation:{organisation.code}", organisation.code, organisation.limits),
            LimitNode(f"account:{entry.name}", organisation.code, entry.limits),
        ),
        test=entry.test,
        admin_role=entry.admin_role,
        not_after=entry.not_after,
        officers={one.officer_id: Officer(one.officer_id, one.status, one.limits, one.not_after) for one in officers},
    )
