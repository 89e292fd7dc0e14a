"""From entries as managed to accounts as calls see them. Pure; workers, `explain` and tests share it."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.accounts.entries import AccountEntry, OfficerEntry, OrganisationEntry
from gateway.accounts.limit_nodes import with_default_budget
from gateway.accounts.model import Account, AccountStatus, LimitNode, Officer
from gateway.accounts.rules import compiled


def account_of(
    organisation: OrganisationEntry,
    entry: AccountEntry,
    officers: Iterable[OfficerEntry],
    *,
    default_misses_per_hour: int | None = None,
) -> Account:
    """The account with its policy compiled; suspended where it or its organisation is.

    `default_misses_per_hour`: the budget of an account that says nothing of misses.
    """
    active = entry.status is organisation.status is AccountStatus.ACTIVE
    return Account(
        name=entry.name,
        organisation=organisation.code,
        status=AccountStatus.ACTIVE if active else AccountStatus.SUSPENDED,
        policy=compiled(entry.policy),
        nodes=(
            LimitNode(f"organisation:{organisation.code}", organisation.code, organisation.limits),
            LimitNode(
                f"account:{entry.name}",
                organisation.code,
                with_default_budget(entry.limits, default_misses_per_hour),
            ),
        ),
        test=entry.test,
        admin_role=entry.admin_role,
        not_after=entry.not_after,
        officers={one.officer_id: Officer(one.officer_id, one.status, one.limits, one.not_after) for one in officers},
    )
